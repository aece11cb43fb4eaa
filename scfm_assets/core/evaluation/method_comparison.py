"""Methods against what they have to beat, over the same pairs: the rows of the table `method_comparison`.

What has to be beaten are the gene-level nulls, and the same method on random weights. All methods of a slice are ranked
over the same pairs, and TFs, targets and groups of cells vary for all of them at once, so that what two methods have in
common is no part of the uncertainty of their difference. Repeats are merged: values, limits of values and
correlations are means, and so is the standard error of a difference, which no dependence between repeats makes too
small (the standard deviation of a mean is at most the mean of the standard deviations).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.evaluation.claims import (
    OfDegrees,
    beside_degrees,
    columns_of,
    errors_between_nulls,
    power_of_method,
)
from scfm_assets.core.evaluation.nulls_of_genes import TARGET_POPULARITY, nulls_of_genes
from scfm_assets.core.statistics import (
    Difference,
    Differences,
    Donors,
    Resampled,
    TwoWay,
    correlation,
    over_cells,
    over_network,
    side_by_side,
)
from scfm_assets.core.universes import with_common
from scfm_assets.tables.methods import METHOD_COMPARISON

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.statistics import ClaimPower
    from scfm_assets.core.universes import Ground


STATIC = frozenset({"token_embedding", TARGET_POPULARITY})
"""Methods that no cell changes: they are the same without any group of cells."""


def compare_methods(
    found: Sequence[Contender], grounds: Sequence[Ground], *, level: float = 0.95, donors: Donors | None = None
) -> pa.Table:
    """Say by how much every method ranks edges better than each gene-level null and than random weights.

    Parameters
    ----------
    found
        Methods, all of the same repeats, cells and panel; see `contenders`.
    grounds
        Pairs to rank. Where some method does not see all genes, those of the TF grid that all can score are ranked too.
    level
        Confidence.
    donors
        Whose cells the groups hold; nothing is known of them if None.

    Returns
    -------
    Rows of `method_comparison`, over the network, and over cells or donors where the scores of both methods without
    each group are known.
    """
    donors = donors or Donors()
    grounds = with_common(grounds, np.all([method.source.scores.visible for method in found], axis=0)) if found else []
    found = [*found, *nulls_of_genes(found, grounds)]
    repeats = sorted({repeat for method in found for repeat in method.keys}) if grounds else []
    of_repeats = [_measured(found, grounds, repeat, donors) for repeat in repeats]
    correlations = [[_correlations(found, ground, repeat) for ground in grounds] for repeat in repeats]
    rows = []
    for place, ground in enumerate(grounds):
        alike = {
            pair: float(np.mean([of_repeat[place][pair] for of_repeat in correlations])) for pair in _compared(found)
        }
        kinds = ("network", donors.kind)
        of_kinds = {kind: [of_repeat[place][i] for of_repeat in of_repeats] for i, kind in enumerate(kinds)}
        degrees = beside_degrees(found, ground)
        powers = _powers(found, of_kinds, degrees, level=level)
        for kind, shared in of_kinds.items():
            limits = np.mean([of_repeat.intervals(level=level) for of_repeat in shared], axis=0)
            compared = [pair for pair in _compared(found) if _known(shared, *pair)]
            ones, others = [one for one, _ in compared], [other for _, other in compared]
            merged = over_repeats([of_repeat.differences(ones, others) for of_repeat in shared])
            for (one, other), differences in zip(compared, merged.listed(level=level), strict=True):
                names = {**found[one].names, **ground.names, **_names_of_reference(found[other])}
                names |= {"pair_share": ground.share, "interval": kind, "donors": donors.n}
                names |= {"correlation": alike[one, other], "n_repeats": len(repeats)}
                rows += [
                    {
                        **names,
                        **_numbers(difference, low, high),
                        **columns_of(difference.metric, degrees[one], powers[one]),
                    }
                    for difference, low, high in zip(differences, *limits[:, one], strict=True)
                ]
    return METHOD_COMPARISON.rows(rows)


def over_repeats(of_repeats: Sequence[Differences]) -> Differences:
    """Merge the differences of several repeats: means of values and of errors, and the units of the one with fewest."""
    value, before, error = (
        np.mean([getattr(of_repeat, name) for of_repeat in of_repeats], axis=0)
        for name in ("value", "value_before", "error")
    )
    units = min(of_repeat.units for of_repeat in of_repeats)
    return replace(of_repeats[0], value=value, value_before=before, error=error, units=units)


# One repeat -----------------------------------------------------------------------------------------------------------


def _measured(
    methods: Sequence[Contender], grounds: Sequence[Ground], repeat: int, donors: Donors
) -> list[tuple[TwoWay, Resampled]]:
    """Rank every ground by every method, over the network and without each group of cells.

    Scores without each group are made for one method at a time: those of all methods are many times the memory.
    """
    over_networks: list[list[TwoWay]] = [[] for _ in grounds]
    over_groups: list[list[Resampled]] = [[] for _ in grounds]
    sizes = next(
        (left.n_cells[repeat] for method in methods if (left := method.source.scores.left_out)), np.zeros(0, int)
    )
    for method in methods:
        without = method.without_groups(repeat)
        for ground, of_network, of_groups in zip(grounds, over_networks, over_groups, strict=True):
            ranking = ground.pairs.rank(method.scores_on(ground, repeat))
            of_network.append(over_network([ranking]))
            left_out = without(ground)
            if left_out is None:
                # The same whichever group is left out, or not known.
                values = ranking.values if method.method in STATIC else np.full_like(ranking.values, np.nan)
                left_out = np.tile(values, (len(sizes), 1))
            of_groups.append(over_cells([ranking], [left_out], sizes, donors))
    return [
        (side_by_side(of_network), resampled_side_by_side(of_groups))
        for of_network, of_groups in zip(over_networks, over_groups, strict=True)
    ]


def resampled_side_by_side(parts: Sequence[Resampled]) -> Resampled:
    """Put methods that were ranked one by one beside each other."""
    values, resampled = (np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "resampled"))
    return replace(parts[0], values=values, resampled=resampled)


def _correlations(methods: Sequence[Contender], ground: Ground, repeat: int) -> dict[tuple[int, int], float]:
    """Spearman's correlation of the scores of each two methods that are compared; NaN where one is constant."""
    ranks = [rankdata(method.scores_on(ground, repeat)) for method in methods]
    return {(one, other): correlation(ranks[one], ranks[other]) for one, other in _compared(methods)}


# Rows -----------------------------------------------------------------------------------------------------------------


def _compared(methods: Sequence[Contender]) -> list[tuple[int, int]]:
    return [(one, other) for one, method in enumerate(methods) for other in method.references(methods)]


def _powers(
    methods: Sequence[Contender],
    of_kinds: Mapping[str, Sequence[TwoWay | Resampled]],
    degrees: Sequence[Mapping[str, OfDegrees]],
    *,
    level: float,
) -> list[dict[str, ClaimPower]]:
    """Power of the claim of each method to beat the nulls; nothing for a null."""
    nulls = [place for place, method in enumerate(methods) if method.role == "null"]
    between = errors_between_nulls(of_kinds, nulls)
    return [
        power_of_method(
            of_kinds, one, _nulls_of(methods, of_kinds, one), between, degrees[one], nulls=nulls, level=level
        )
        if method.role != "null"
        else {}
        for one, method in enumerate(methods)
    ]


def _nulls_of(
    methods: Sequence[Contender], of_kinds: Mapping[str, Sequence[TwoWay | Resampled]], one: int
) -> dict[str, list[int]]:
    """Places of the nulls that a method is compared with, by each kind of interval."""
    nulls = [other for other in methods[one].references(methods) if methods[other].role == "null"]
    return {kind: [other for other in nulls if _known(shared, one, other)] for kind, shared in of_kinds.items()}


def _known(shared: Sequence[TwoWay | Resampled], one: int, other: int) -> bool:
    """Whether both methods are known without the groups that are left out."""
    return all(
        not isinstance(of_repeat, Resampled)
        or (of_repeat.resampled.shape[2] and not np.isnan(of_repeat.resampled[[one, other], 0]).all(1).any())
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
