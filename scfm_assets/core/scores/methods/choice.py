"""Which methods score a slice's edges from counts: those that are asked for, and every null."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.core.scores.baselines import METHODS, BaselineMethod
from scfm_assets.core.scores.methods import FURTHER_METHODS
from scfm_assets.core.scores.methods.boosting import grnboost

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import numpy as np

GRNBOOST = "grnboost"


def method_names() -> tuple[str, ...]:
    """Names of all methods that can be asked for: those that are no nulls."""
    return (*(method.name for method in (*METHODS, *FURTHER_METHODS) if not method.null), GRNBOOST)


def chosen_methods(
    names: Collection[str],
    tfs: np.ndarray,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] | None = None,
    times: int = 1,
) -> tuple[BaselineMethod, ...]:
    """Give methods by name, and the nulls, which nobody has to ask for.

    Parameters
    ----------
    names
        Names of methods that are no nulls.
    tfs
        Panel indices of the genes whose targets boosting looks for; without any there is no boosting.
    workers, progress
        Of boosting, see `scfm_assets.core.scores.methods.boosting.boosted`.
    times
        How often boosting will be asked for scores: progress counts the targets of all.
    """
    known = (*METHODS, *FURTHER_METHODS)
    of_edges = [method for method in known if not method.null and method.name in names]
    if GRNBOOST in names and len(tfs):
        of_edges.append(grnboost(tfs, workers=workers, progress=_counted(progress, times)))
    return (*of_edges, *(method for method in known if method.null))


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
