"""Which methods score a slice's edges from counts: those that are asked for, and every null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.scores.methods import METHODS, NULLS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy as np

    from scfm_assets.core.scores.baselines import BaselineMethod


def chosen_methods(
    names: Collection[str],
    tfs: np.ndarray,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    times: int = 1,
) -> tuple[BaselineMethod, ...]:
    """Return methods by name, and the nulls, which nobody has to ask for.

    Parameters
    ----------
    names
        Names of methods that are no nulls, see `method_names`.
    tfs
        Panel indices of the TFs, for methods that need them; without any these are left out.
    workers, progress
        Of methods that need TFs, see `BaselineMethod.bound`.
    times
        How often such a method will be asked for scores: progress counts all calls.
    """
    chosen = [method for method in METHODS.values() if method.name in names and not method.null]
    counted = _counted(progress, times)
    bound = [
        method.bound(tfs, workers=workers, progress=counted) for method in chosen if len(tfs) or not method.needs_tfs
    ]
    return (*bound, *NULLS)


def _counted(progress: Callable[[int, int], None] | None, times: int) -> Callable[[int, int], None] | None:
    """Count on where the last round of calls ended."""
    if progress is None:
        return None
    done = 0

    def tell(_: int, total: int) -> None:
        nonlocal done
        done += 1
        progress(done, times * total)

    return tell
