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
    repeats = sorted({repeat for method in found for repeat in method.keys}) if grounds else []
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
            limits = np.mean([of_repeat.intervals(level=level) for of_repeat in shared], axis=0)
            for one, other in _compared(found):
                if not _known(shared, one, other):
                    continue
                differences = over_repeats(
                    [of_repeat.difference(one, other, level=level) for of_repeat in shared], most, level=level
                )
                names = {**found[one].names, **ground.names, **_names_of_reference(found[other])}
                names |= {"interval": kind, "correlation": alike[one, other], "n_repeats": len(repeats)}
                rows += [
                    {**names, **_numbers(difference, low, high)}
                    for difference, low, high in zip(differences, *limits[:, one], strict=True)
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
    numbers = [
        [(difference.value, difference.value_before, difference.error) for difference in of_repeat]
        for of_repeat in found
    ]
    value, before, error = np.mean(numbers, axis=0).T
    differences, units = value - before, min(difference.units for of_repeat in found for difference in of_repeat)
    half = np.where((error > 0) | (differences == 0), error, np.nan) * reach(units, level=level)
    low, high = (np.clip(differences + side * half, -most, most) for side in (-1, 1))
    p, effect = t_tests(differences, error, units)
    names = ("value", "value_before", "difference", "low", "high", "error", "effect", "p")
    columns = np.column_stack([value, before, differences, low, high, error, effect, p]).tolist()
    merged = [
        difference._replace(**dict(zip(names, row, strict=True)))
        for difference, row in zip(found[0], columns, strict=True)
    ]
    return [
        difference._replace(units=units, verdict=verdict_of(difference.low, difference.high)) for difference in merged
    ]


# One repeat -----------------------------------------------------------------------------------------------------------


def _measured(methods: Sequence[Contender], grounds: Sequence[Ground], repeat: int) -> list[dict[str, Shared]]:
    """Rank every ground by every method, all of them without each TF and without each group of cells.

    Scores without each group are made for one method at a time: those of all methods are many times the memory.
    """
    parts: list[dict[str, list[Shared]]] = [{kind: [] for kind in KINDS} for _ in grounds]
    sizes = next(
        (left.n_cells[repeat] for method in methods if (left := method.source.scores.left_out)), np.zeros(0, int)
    )
    for method in methods:
        matrix, without = method.matrix(repeat), _without_groups(method, repeat)
        for ground, part in zip(grounds, parts, strict=True):
            ranking = ground.pairs.rank(ground.pairs.of(matrix[ground.universe.tfs]))
            shared = over_tfs([ranking])
            part["tfs"].append(shared)
            if without is not None:
                left_out = np.stack([ground.pairs.rank(scores).values for scores in without(ground)])
                part["cells"].append(over_cells([ranking], [left_out], sizes))
            else:
                values = shared.values if method.method in STATIC else np.full_like(shared.values, np.nan)
                part["cells"].append(_whatever_cells(shared, values, sizes))
    return [{kind: side_by_side(of_methods) for kind, of_methods in part.items()} for part in parts]


def _whatever_cells(known: Shared, without: np.ndarray, sizes: np.ndarray) -> Shared:
    """Say that metrics are `without`, (1, n_metrics), whichever group of cells is left out."""
    resampled = np.repeat(without[..., None], len(sizes), axis=2)
    units = int(np.count_nonzero(sizes))
    return Shared("cells", known.values, resampled, units, known.n_pos, known.n_neg, sizes)


def _without_groups(method: Contender, repeat: int) -> Callable[[Ground], np.ndarray] | None:
    """Function from a ground to its pairs' scores without each group, (n_groups, n); None where not known."""
    left = method.source.scores.left_out
    scores = left.scores(method.keys[repeat]) if left is not None else None
    if left is None or scores is None:
        return None
    turned = scores[:, int(method.direction.transposed)]
    return lambda ground: ground.pairs.of(turned[:, np.searchsorted(left.tfs, ground.universe.tfs)])


def side_by_side(parts: Sequence[Shared]) -> Shared:
    """Put methods that were ranked one by one beside each other."""
    values, resampled = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "resampled"))
    first = parts[0]
    return Shared(first.kind, values, resampled, first.units, first.n_pos, first.n_neg, first.sizes)


def _correlations(methods: Sequence[Contender], ground: Ground, repeat: int) -> dict[tuple[int, int], float]:
    """Spearman's correlation of the scores of each two methods that are compared; NaN where one is constant."""
    ranks = [rankdata(ground.pairs.of(method.matrix(repeat)[ground.universe.tfs])) for method in methods]
    return {(one, other): correlation(ranks[one], ranks[other]) for one, other in _compared(methods)}


# Rows -----------------------------------------------------------------------------------------------------------------


def _compared(methods: Sequence[Contender]) -> list[tuple[int, int]]:
    return [(one, other) for one, method in enumerate(methods) for other in method.references(methods)]


def _known(shared: Sequence[Shared], one: int, other: int) -> bool:
    """Whether both methods are known without the units that are left out."""
    return all(
        of_repeat.resampled.shape[2] and not np.isnan(of_repeat.resampled[[one, other], 0]).all(1).any()
        for of_repeat in shared
    )


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
