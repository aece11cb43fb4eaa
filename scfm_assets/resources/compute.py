"""Where models run: injected, never chosen inside an asset."""

from __future__ import annotations

from typing import Literal

import dagster as dg
from pydantic import Field


class Compute(dg.ConfigurableResource):
    """Device and threads for forward passes."""

    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto", description="Where forward passes run; auto takes the first of cuda, mps and cpu that is there."
    )
    threads: int | None = Field(default=None, ge=1, description="Threads for torch on the CPU; all cores by default.")

    def torch_device(self) -> str:
        """Name the device that `auto` stands for on this machine, and set the number of threads."""
        import torch

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        if self.device != "auto":
            return self.device
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
