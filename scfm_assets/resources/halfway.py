"""What long work leaves behind from time to time, so that a killed run loses a minute and not a night."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from scfm_assets.core.base import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np

EVERY = 30.0
"""Seconds between two saves. Saving may take a twentieth of the time; what takes longer is saved less often."""

SHARE = 0.05


@dataclass
class HalfwayFile:
    """One file of arrays that is replaced as the work goes on, and removed when it is done.

    Parameters
    ----------
    path
        Where. It names what the work is made of: other inputs, code or settings never go on from it.
    """

    path: Path
    _next: float = field(default_factory=lambda: time.monotonic() + EVERY)

    def load(self) -> Mapping[str, np.ndarray] | None:
        """What was left; None if nothing was."""
        from safetensors.numpy import load_file

        return load_file(self.path) if self.path.is_file() else None

    def save(self, arrays: Callable[[], Mapping[str, np.ndarray]]) -> None:
        """Replace what was left, if it is time."""
        if time.monotonic() < self._next:
            return
        import numpy as np
        from safetensors.numpy import save_file

        begun = time.monotonic()
        with replacing(self.path) as hidden:
            save_file({name: np.ascontiguousarray(array) for name, array in arrays().items()}, hidden)
        ended = time.monotonic()
        self._next = ended + max(EVERY, (ended - begun) / SHARE)

    @property
    def parts(self) -> Path:
        """A folder for work that is done part by part: named, and removed, as the file is."""
        return self.path.with_suffix(".parts")

    def remove(self) -> None:
        """Forget what was left: by this work, and by any other on the same output."""
        for folder in self.path.parent.glob("*.parts"):
            shutil.rmtree(folder)
        for left in self.path.parent.glob("*.safetensors"):
            left.unlink(missing_ok=True)
