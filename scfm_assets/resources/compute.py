"""Where models run: injected, never chosen inside an asset."""

from __future__ import annotations

import os
import re
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import dagster as dg
from pydantic import Field

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pyarrow as pa

    from scfm_assets.core.attention import AttentionIncrement, FamilyModel, Halfway, Machine, TokenizedCells, Wanted

Engine = Literal["local", "ray"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["fp32", "tf32", "bf16"]

SETTINGS = {
    "engine": "SCFM_ENGINE",
    "device": "SCFM_DEVICE",
    "precision": "SCFM_PRECISION",
    "memory": "SCFM_MEMORY",
    "threads": "SCFM_THREADS",
}
"""Field of the resource -> environment variable that sets it."""

_UNITS = {"": 1, **{f"{prefix}B": 1000**i for i, prefix in enumerate(("", "k", "M", "G", "T"))}}
_UNITS |= {f"{prefix}iB": 1024**i for i, prefix in enumerate(("K", "M", "G", "T"), 1)}


class Compute(dg.ConfigurableResource):
    """Engine, device, precision, memory and threads for forward passes."""

    engine: Engine = Field(
        default="local",
        description="local: in the process of the asset. ray: in parts, on the workers of a Ray cluster, each of them "
        "with the settings below.",
    )
    device: Device = Field(
        default="auto", description="Where forward passes run; auto takes the first of cuda, mps and cpu that is there."
    )
    precision: Precision = Field(
        default="fp32",
        description="fp32 is exact. bf16 (cpu, cuda) and tf32 (cuda) are faster; outputs made with them are recorded "
        "as such and never taken for exact ones.",
    )
    memory: str | None = Field(
        default=None,
        description="Memory beside the loaded model, as 8GiB; batches follow from it. By default 80 % of what is free "
        "on a GPU; on the CPU one cell passes at a time and needs little.",
    )
    threads: int | None = Field(default=None, ge=1, description="Threads for torch on the CPU; all cores by default.")

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Compute:
        """Take what SCFM_ENGINE, SCFM_DEVICE, SCFM_PRECISION, SCFM_MEMORY and SCFM_THREADS say.

        Raises
        ------
        ScfmError
            If one of them is not allowed.
        """
        given = {field: variables[name] for field, name in SETTINGS.items() if variables.get(name)}
        allowed = {"engine": Engine.__args__, "device": Device.__args__, "precision": Precision.__args__}
        for field, words in allowed.items():
            if given.get(field, words[0]) not in words:
                problem = f"{given[field]!r} is not known"
                raise ScfmError(SETTINGS[field], problem, f"Allowed: {', '.join(words)}.")
        bytes_of(given.get("memory"))
        threads = given.get("threads", "1")
        if not threads.isdecimal() or int(threads) < 1:
            raise ScfmError(SETTINGS["threads"], f"{threads!r} is no number of threads", "Use 1 or more.")
        return cls(**given)  # pyright: ignore[reportArgumentType] - checked above, and by pydantic

    def attend(
        self,
        model: FamilyModel,
        cells: TokenizedCells,
        panel: pa.Table,
        wanted: Wanted,
        *,
        halfway: Halfway | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> tuple[AttentionIncrement, Machine]:
        """Forward every cell of an increment once, on the engine; with what it ran on.

        The parameters are those of `scfm_assets.core.attention.increments.attend`.
        """
        how = {"halfway": halfway, "progress": progress}
        if self.engine == "ray":
            from scfm_assets.resources import ray_cluster

            here = self.model_dump(include={"device", "precision", "memory", "threads"})
            asks = {"device": self.device, "threads": self.threads}
            return ray_cluster.attend(partial(_machine_of, here), model, cells, panel, wanted, **asks, **how)
        from scfm_assets.core.attention import attend

        machine = self.machine()
        return attend(model, cells, panel, wanted, machine=machine, **how), machine

    @property
    def workers(self) -> int:
        """Processes that one asset may start: as many as threads, which `scfm run` shares out among its own."""
        return self.threads or int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)

    def machine(self) -> Machine:
        """Say what `auto` stands for here, set the number of threads, and return the rest as `core/` takes it."""
        import torch

        from scfm_assets.core.attention import Machine

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return Machine(self._chosen_device(), self.precision, bytes_of(self.memory))

    def _chosen_device(self) -> str:
        import torch

        available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if self.device == "auto":
            return next(device for device, is_there in available.items() if is_there)
        if not available[self.device]:
            known = ", ".join(device for device, is_there in available.items() if is_there)
            raise ScfmError(SETTINGS["device"], f"{self.device} is not there", f"This machine has: {known}.")
        return self.device


def _machine_of(settings: Mapping[str, Any]) -> Machine:
    """The machine of a worker: the resource itself, as Dagster injects it, cannot travel."""
    return Compute(**settings).machine()


def bytes_of(text: str | None) -> int | None:
    """Read a size such as 8GiB, 500MB or 2000000000; None for None.

    Raises
    ------
    ScfmError
        If it is none.
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B|)\s*", text)
    if match is None or match[2] not in _UNITS or not float(match[1]):
        raise ScfmError(SETTINGS["memory"], f"{text!r} is no size", "Write it as 8GiB, 500MB or a number of bytes.")
    return int(float(match[1]) * _UNITS[match[2]])
