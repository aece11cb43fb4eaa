"""Where models run: injected, never chosen inside an asset."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Literal

import dagster as dg
from pydantic import Field

from scfm_assets.core.errors import ScfmError

if TYPE_CHECKING:
    from scfm_assets.core.machine import Machine

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["fp32", "tf32", "bf16"]

SETTINGS = {
    "device": "SCFM_DEVICE",
    "precision": "SCFM_PRECISION",
    "memory": "SCFM_MEMORY",
    "threads": "SCFM_THREADS",
}
"""Field of the resource -> environment variable that sets it."""

_UNITS = {"": 1, **{f"{prefix}B": 1000**i for i, prefix in enumerate(("", "k", "M", "G", "T"))}}
_UNITS |= {f"{prefix}iB": 1024**i for i, prefix in enumerate(("K", "M", "G", "T"), 1)}


class Compute(dg.ConfigurableResource):
    """Device, precision, memory and threads for forward passes."""

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
    def from_environment(cls) -> Compute:
        """Take what SCFM_DEVICE, SCFM_PRECISION, SCFM_MEMORY and SCFM_THREADS say.

        Raises
        ------
        ScfmError
            If one of them is not allowed.
        """
        given = {field: os.environ[name] for field, name in SETTINGS.items() if os.environ.get(name)}
        allowed = {"device": Device.__args__, "precision": Precision.__args__}
        for field, words in allowed.items():
            if given.get(field, words[0]) not in words:
                problem = f"{given[field]!r} is not known"
                raise ScfmError(SETTINGS[field], problem, f"Allowed: {', '.join(words)}.")
        bytes_of(given.get("memory"))
        threads = given.get("threads", "1")
        if not threads.isdecimal() or int(threads) < 1:
            raise ScfmError(SETTINGS["threads"], f"{threads!r} is no number of threads", "Use 1 or more.")
        return cls(**given)  # pyright: ignore[reportArgumentType] - checked above, and by pydantic

    def machine(self) -> Machine:
        """Say what `auto` stands for here, set the number of threads, and give the rest as `core/` takes it."""
        import torch

        from scfm_assets.core.machine import Machine

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        return Machine(self._found(), self.precision, bytes_of(self.memory))

    def _found(self) -> str:
        import torch

        there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
        if self.device == "auto":
            return next(device for device, is_there in there.items() if is_there)
        if not there[self.device]:
            known = ", ".join(device for device, is_there in there.items() if is_there)
            raise ScfmError(SETTINGS["device"], f"{self.device} is not there", f"This machine has: {known}.")
        return self.device


def bytes_of(text: str | None) -> int | None:
    """Read a size such as 8GiB, 500MB or 2000000000; None for None.

    Raises
    ------
    ScfmError
        If it is none.
    """
    if text is None:
        return None
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKMGT]?i?B|)\s*", text)
    if found is None or found[2] not in _UNITS or not float(found[1]):
        raise ScfmError(SETTINGS["memory"], f"{text!r} is no size", "Write it as 8GiB, 500MB or a number of bytes.")
    return int(float(found[1]) * _UNITS[found[2]])
