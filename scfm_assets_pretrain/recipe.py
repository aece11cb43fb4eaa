"""What decides a training beside its data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from scfm_assets.errors import ScfmError

PLACE = "recipe of the training"

HELD_OUT = 0.1
"""Share of the cells that are not trained on."""


@dataclass(frozen=True)
class Recipe:
    """Architecture and training of a small checkpoint.

    Parameters
    ----------
    layers, heads, hidden, intermediate
        Blocks, heads per block, hidden size, width of the feed-forward layer.
    max_tokens
        Longest cell; the genes expressed least are cut. The model has no positions beyond it, so that nobody asks for
        any.
    steps
        Updates of the weights.
    batch_tokens
        Most tokens of a batch, padding included.
    masked
        Share of a cell's genes that is masked, one gene at least.
    learning_rate, warmup, weight_decay
        AdamW; the rate rises linearly over the share `warmup` of the steps and falls linearly to zero.
    dropout
        Of hidden states; attention has none.
    seed
        Of weights, held-out cells, order, masks and dropout.
    held_out_cells
        Most held-out cells that an evaluation looks at; the others are not trained on either.
    """

    layers: int = 4
    heads: int = 4
    hidden: int = 128
    intermediate: int = 512
    max_tokens: int = 1024
    steps: int = 1800
    batch_tokens: int = 4096
    masked: float = 0.15
    learning_rate: float = 1e-3
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.0
    seed: int = 0
    held_out_cells: int = 256

    def __post_init__(self) -> None:
        """Refuse what cannot be trained."""
        if self.hidden % self.heads:
            problem = f"hidden size {self.hidden} is not a multiple of {self.heads} heads"
            raise ScfmError(PLACE, problem, "Choose --hidden and --heads accordingly.")
        if self.batch_tokens < self.max_tokens:
            problem = f"a batch of {self.batch_tokens} tokens does not hold a cell of {self.max_tokens}"
            raise ScfmError(PLACE, problem, "Raise --batch-tokens or lower --max-tokens.")
        if not 0 < self.masked < 1:
            raise ScfmError(PLACE, f"{self.masked} of the genes masked", "A share between 0 and 1 is wanted.")

    def as_dict(self) -> dict[str, Any]:
        """Field -> value."""
        return asdict(self)


def evenly(count: int, steps: int) -> tuple[int, ...]:
    """Spread a number of revisions over the steps, the last one at the end: 4 of 100 are 25, 50, 75, 100."""
    return tuple(sorted({max(1, round(steps * (i + 1) / count)) for i in range(count)}))
