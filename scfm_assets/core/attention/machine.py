"""What forward passes run on, and how many cells and rows go at once so that a memory budget holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Precision = Literal["fp32", "tf32", "bf16"]
"""fp32 is exact; tf32 (CUDA only) and bf16 are faster, and every output says that they were used."""

ROWS_ON_CPU = 128
"""Query rows whose scores exist at once, per head: small enough for the processor's cache."""

ROWS_ON_GPU = 1024
FEWEST_ROWS = 16
TOKENS_ON_GPU = 32_768
"""Tokens of one packed forward pass, if memory allows: enough to fill the largest GPUs."""

GPU_SHARE = 0.8
"""Share of a GPU's free memory that is used where no budget is given."""


@dataclass(frozen=True)
class Machine:
    """Where and how forward passes run.

    Parameters
    ----------
    device
        "cpu", "cuda", "cuda:1", "mps": as torch names it.
    precision
        Of the encoder's arithmetic. Sums and the softmax of what is summed are always float32.
    memory
        Bytes above the loaded model, those of the sums included. None: no limit on the CPU, where one cell passes at a
        time and little is needed; `GPU_SHARE` of what is free on CUDA.
    tokens
        Most tokens of one packed forward pass; a longer cell passes alone, 0 passes each cell alone. None: each alone
        on the CPU; on CUDA as many as memory allows, but at most `TOKENS_ON_GPU`.
    """

    device: str = "cpu"
    precision: Precision = "fp32"
    memory: int | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no device does."""
        on_gpu, kind = self.device.startswith("cuda"), self.device.split(":")[0]
        if (self.precision == "tf32" and not on_gpu) or (self.precision == "bf16" and kind == "mps"):
            problem = f"{self.precision} is not done on {kind}"
            raise ScfmError("compute", problem, "Use fp32, or bf16 on cpu and cuda, or tf32 on cuda.")


@dataclass(frozen=True)
class MemoryPlan:
    """What goes at once.

    Attributes
    ----------
    tokens
        Tokens of one forward pass; cells are packed up to it, without padding. 0: one cell per pass.
    rows
        Query rows whose scores exist at once, per head.
    """

    tokens: int
    rows: int


@dataclass(frozen=True)
class Need:
    """What a pass takes, in bytes.

    Attributes
    ----------
    fixed
        Sums.
    pairs
        Counting the pairs of a cell's panel genes, and ranking them.
    per_token
        Activations of a forward pass, and where pairs of panel genes lie in the sums, per token.
    per_row
        Scores of one query row, over all heads and keys of the longest cell.
    longest
        Tokens of the longest cell.
    """

    fixed: int
    pairs: int
    per_token: int
    per_row: int
    longest: int

    @classmethod
    def of(
        cls,
        config: PretrainedConfig,
        *,
        longest: int,
        fixed: int,
        n_panel: int,
        precision: Precision,
        states: bool,
        per_pair: int = 0,
    ) -> Need:
        """Estimate it from an encoder's shape and the genes of the panel; `per_pair` bytes for each gene and token.

        Queries, keys, values, attention output, residual and two layer norms are alive together, or the intermediate
        activations and the residual; with `states` the output of every layer, too.
        """
        size = 2 if precision == "bf16" else 4
        hidden, heads = config.hidden_size, config.num_attention_heads
        per_token = size * (8 * hidden + 2 * config.intermediate_size)
        if states:
            per_token += size * hidden * (config.num_hidden_layers + 1)
        # Scores and their aggregate in float32, and where pairs of TFs lie in the sums of a group (int64).
        per_row = 4 * longest * (2 * heads + 3) + 8 * longest
        # int64, kept as long as the cell passes, and int32, for a moment
        genes = min(longest, n_panel)
        return cls(fixed, 4 * genes**2 + per_pair * genes * longest, per_token + 8 * genes, per_row, longest)

    def bytes(self, tokens: int, rows: int) -> int:
        """Bytes that `tokens` and `rows` at once take."""
        return self.fixed + self.pairs + tokens * self.per_token + rows * self.per_row

    @property
    def least(self) -> int:
        """Bytes without which the longest cell does not pass."""
        return self.bytes(self.longest, FEWEST_ROWS)


def plan(machine: Machine, need: Need, *, place: str) -> MemoryPlan:
    """Fit batch and chunk into the memory.

    Raises
    ------
    ScfmError
        If the longest cell does not fit: says which budget it needs.
    """
    on_gpu = machine.device.startswith("cuda")
    rows = ROWS_ON_GPU if on_gpu else ROWS_ON_CPU
    tokens = machine.tokens if machine.tokens is not None else TOKENS_ON_GPU * on_gpu
    budget = machine.memory if machine.memory is not None else _free(machine.device)
    if budget is None:
        return MemoryPlan(tokens, rows)
    if need.least > budget:
        problem = (
            f"a cell of {need.longest} tokens needs {_mebibytes(need.least)} MiB beside the model "
            f"({_mebibytes(need.fixed)} MiB of them for the sums), the budget is {_mebibytes(budget)} MiB"
        )
        remedy = f"Give at least {_mebibytes(need.least)} MiB (--memory {_mebibytes(need.least)}MiB), or fewer layers."
        raise ScfmError(place, problem, remedy)
    while need.bytes(need.longest, rows) > budget:
        rows = max(FEWEST_ROWS, rows // 2)
    return MemoryPlan(min(tokens, (budget - need.bytes(0, rows)) // need.per_token), rows)


def _free(device: str) -> int | None:
    """Bytes that may be used of a GPU, None for a device that does not tell."""
    if not device.startswith("cuda"):
        return None
    import torch

    return int(GPU_SHARE * torch.cuda.mem_get_info(torch.device(device))[0])


def _mebibytes(size: int) -> int:
    return -(-size // 2**20)
