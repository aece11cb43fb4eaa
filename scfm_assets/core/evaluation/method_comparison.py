"""Methods against what they have to beat, over the same pairs: the rows of the table `method_comparison`.

What has to be beaten are the gene-level nulls, and the same method on random weights. All methods of a slice are ranked
over the same pairs, and each TF and each group of cells is left out of all of them at once, so that what two methods
have in common is no part of the uncertainty of their difference. Repeats are merged: values, limits of values and
correlations are means, and so is the standard error of a difference, which no dependence between repeats makes too
small (the standard deviation of a mean is at most the mean of the standard deviations).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.metrics import largest_values, reach
from scfm_assets.core.statistics import Difference, Shared, correlation, over_cells, over_tfs, t_tests, verdict_of
from scfm_assets.tables.methods import METHOD_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.universes import Ground


KINDS = ("tfs", "cells")
"""What is left out. Draws of pairs would say nothing of a method: the pairs of one TF hang together."""
STATIC = frozenset({"token_embedding"})
"""Methods that no cell changes: they are the same without any group of cells."""


def compare_methods(found: Sequence[Contender], grounds: Sequence[Ground], *, level: float = 0.95) -> pa.Table:
    """Say by how much every method ranks edges better than each gene-level null and than random weights.

    Parameters
    ----------
    found
        Methods, all of the same repeats, cells and panel; see `contenders`.
    grounds
        Pairs to rank.
    level
        Confidence.

    Returns
    -------
    Rows of `method_comparison`; over cells, where the scores of both methods without each group are known.
    """
    repeats = sorted({repeat for own in found for repeat in own.keys}) if grounds else []
    of_repeats = [_measured(found, grounds, repeat) for repeat in repeats]
    correlations = [[_correlations(found, ground, repeat) for ground in grounds] for repeat in repeats]
    rows = []
    for place, ground in enumerate(grounds):
        alike = {
            pair: float(np.mean([of_repeat[place][pair] for of_repeat in correlations])) for pair in _compared(found)
        }
        most = largest_values(ground.pairs.n_pos / ground.pairs.n)
        for kind in KINDS:
            shared = [of_repeat[place][kind] for of_repeat in of_repeats]
            limits = np.mean([own.intervals(level=level) for own in shared], axis=0)
            if kind == "cells":  # nothing varies, so that nothing is known: what is left of an error is rounding
                limits[:, [own.method in STATIC for own in found]] = np.nan
            for one, other in _compared(found):
                if not _known(shared, one, other):
                    continue
                told = over_repeats([own.difference(one, other, level=level) for own in shared], most, level=level)
                names = {**found[one].names, **ground.names, **_names_of_reference(found[other])}
                names |= {"interval": kind, "correlation": alike[one, other], "n_repeats": len(repeats)}
                rows += [
                    {**names, **_numbers(own, low, high)} for own, low, high in zip(told, *limits[:, one], strict=True)
                ]
    return METHOD_COMPARISON.rows(rows)


def over_repeats(found: Sequence[Sequence[Difference]], most: np.ndarray, *, level: float = 0.95) -> list[Difference]:
    """Merge the differences of several repeats: means of values and of errors, and the units of the one with fewest.

    Parameters
    ----------
    found
        For each repeat, the differences by each of `METRICS`.
    most
        Largest possible difference, shape (n_metrics,).
    level
        Confidence.
    """
    numbers = [[(own.value, own.value_before, own.error) for own in told] for told in found]
    value, before, error = np.mean(numbers, axis=0).T
    difference, units = value - before, min(own.units for told in found for own in told)
    half = np.where((error > 0) | (difference == 0), error, np.nan) * reach(units, level=level)
    low, high = (np.clip(difference + side * half, -most, most) for side in (-1, 1))
    p, effect = t_tests(difference, error, units)
    names = ("value", "value_before", "difference", "low", "high", "error", "effect", "p")
    columns = np.column_stack([value, before, difference, low, high, error, effect, p]).tolist()
    merged = [own._replace(**dict(zip(names, row, strict=True))) for own, row in zip(found[0], columns, strict=True)]
    return [own._replace(units=units, verdict=verdict_of(own.low, own.high)) for own in merged]


# One repeat -----------------------------------------------------------------------------------------------------------


def _measured(found: Sequence[Contender], grounds: Sequence[Ground], repeat: int) -> list[dict[str, Shared]]:
    """Rank every ground by every method, all of them without each TF and without each group of cells.

    Scores without each group are made for one method at a time: those of all methods are many times the memory.
    """
    parts: list[dict[str, list[Shared]]] = [{kind: [] for kind in KINDS} for _ in grounds]
    sizes = next((left.n_cells[repeat] for own in found if (left := own.source.scores.left_out)), np.zeros(0, int))
    for own in found:
        matrix, without = own.matrix(repeat), _without_groups(own, repeat)
        for ground, part in zip(grounds, parts, strict=True):
            ranking = ground.pairs.rank(ground.pairs.of(matrix[ground.universe.tfs]))
            shared = over_tfs([ranking])
            part["tfs"].append(shared)
            if without is not None:
                left_out = np.stack([ground.pairs.rank(scores).values for scores in without(ground)])
                part["cells"].append(over_cells([ranking], [left_out], sizes))
            else:
                values = shared.values if own.method in STATIC else np.full_like(shared.values, np.nan)
                part["cells"].append(_whatever_cells(shared, values, sizes))
    return [{kind: side_by_side(own) for kind, own in part.items()} for part in parts]


def _whatever_cells(known: Shared, without: np.ndarray, sizes: np.ndarray) -> Shared:
    """Say that metrics are `without`, (1, n_metrics), whichever group of cells is left out."""
    resampled = np.repeat(without[..., None], len(sizes), axis=2)
    units = int(np.count_nonzero(sizes))
    return Shared("cells", known.values, resampled, units, known.n_pos, known.n_neg, sizes)


def _without_groups(own: Contender, repeat: int) -> Callable[[Ground], np.ndarray] | None:
    """Give what takes a ground's pairs of the scores without each group, (n_groups, n); None where not known."""
    left = own.source.scores.left_out
    scores = left.scores(own.keys[repeat]) if left is not None else None
    if left is None or scores is None:
        return None
    turned = scores[:, int(own.direction.transposed)]
    return lambda ground: ground.pairs.of(turned[:, np.searchsorted(left.tfs, ground.universe.tfs)])


def side_by_side(parts: Sequence[Shared]) -> Shared:
    """Put methods that were ranked one by one beside each other."""
    values, resampled = (np.concatenate([getattr(own, name) for own in parts]) for name in ("values", "resampled"))
    first = parts[0]
    return Shared(first.kind, values, resampled, first.units, first.n_pos, first.n_neg, first.sizes)


def _correlations(found: Sequence[Contender], ground: Ground, repeat: int) -> dict[tuple[int, int], float]:
    """Give Spearman's correlation of the scores of each two methods that are compared; NaN where one is constant."""
    ranks = [rankdata(ground.pairs.of(own.matrix(repeat)[ground.universe.tfs])) for own in found]
    return {(one, other): correlation(ranks[one], ranks[other]) for one, other in _compared(found)}


# Rows -----------------------------------------------------------------------------------------------------------------


def _compared(found: Sequence[Contender]) -> list[tuple[int, int]]:
    return [(one, other) for one, own in enumerate(found) for other in own.references(found)]


def _known(shared: Sequence[Shared], one: int, other: int) -> bool:
    """Whether both methods are known without the units that are left out."""
    return all(own.resampled.shape[2] and not np.isnan(own.resampled[[one, other], 0]).all(1).any() for own in shared)


def _names_of_reference(other: Contender) -> dict[str, object]:
    return {"reference_model": other.source.model, "reference": other.method, "reference_role": other.role}


def _numbers(difference: Difference, low: float, high: float) -> dict[str, object]:
    return {
        "metric": difference.metric,
        "value": difference.value,
        "value_lo": low,
        "value_hi": high,
        "value_reference": difference.value_before,
        "difference": difference.difference,
        "lo": difference.low,
        "hi": difference.high,
        "error": difference.error,
        "p": difference.p,
        "effect": difference.effect,
        "units": difference.units,
        "verdict": difference.verdict,
    }
