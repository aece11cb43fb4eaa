"""How uncertainty of a metric is estimated: by TFs and targets that vary, by cells left out, or by drawing pairs.

What is drawn for pairs, and the metrics without each group of cells, are made here; `core.statistics.uncertainty`
makes limits of them.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.evaluation.readings import readings_of_rows
from scfm_assets.core.metrics import METRICS, values_of_several
from scfm_assets.core.statistics import Donors, PairBootstrap, Resampled, Shared, over_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.metrics import Bins, Ranking
    from scfm_assets.core.scores import Direction, LeftOut, ScoreKey
    from scfm_assets.core.statistics import Kind
    from scfm_assets.core.universes import AnyUniverse, Reference


@dataclass(frozen=True)
class Intervals:
    """How uncertainty is estimated.

    Limits are value +- t times its error, on the scale of the metric (`scfm_assets.core.metrics.scales`).

    Attributes
    ----------
    kinds
        ``network``: TFs and targets vary, each with all its pairs: what claims rest on. ``tfs``, ``targets``: one of
        the two varies; each TF is left out in turn, and pairs whose first gene is no TF of the network stay.
        ``cells``: each group of cells is left out in turn and the pairs are ranked anew; for universes of the TFs'
        pairs, and for methods whose scores without a group are known. ``donors``: the same with whole donors, in place
        of ``cells``, where an atlas names enough of them (`Donors`). ``pairs``: candidate pairs are drawn with
        replacement, as published numbers do, as if they had nothing in common.
    resamples
        Draws of pairs.
    level
        Share of intervals that should hold the truth.
    """

    kinds: tuple[Kind, ...] = ("network", "tfs", "targets", "cells", "donors")
    resamples: int = 200
    level: float = 0.95

    def kinds_of(self, donors: Donors) -> tuple[Kind, ...]:
        """Kinds that are made where cells are of these donors: ``cells`` or ``donors``, whichever of them is asked."""
        return tuple(dict.fromkeys(donors.kind if kind in ("cells", "donors") else kind for kind in self.kinds))


@dataclass
class Draws:
    """Draws of pairs, made when first needed and shared by all rankings of the same network and universe.

    What is drawn is decided by the network's content, the universe and the tissue alone: all methods, layers and
    repeats of a tissue see the same draws, so that their intervals can be compared.
    """

    resamples: int
    _pairs: dict[tuple[object, ...], PairBootstrap] = field(default_factory=dict)

    def over_pairs(self, ranking: Ranking, *seed: str) -> Shared:
        """Draw the pairs of one ranking with replacement."""
        n_pos, n_neg = (int(n) for n in (ranking.bins.n_pos, ranking.bins.n_neg))
        name = (*seed, n_pos, n_neg)
        if name not in self._pairs:
            self._pairs[name] = PairBootstrap(n_pos, n_neg, resamples=self.resamples, seed=seed_from(*seed, "pairs"))
        drawn = self._pairs[name].values(ranking.bins)[None]
        return Resampled("pairs", ranking.values[None], n_pos, n_neg, n_pos, np.inf, drawn)


class WithoutGroups:
    """Metrics of one matrix without each group of cells, for all networks, universes and directions.

    Parameters
    ----------
    left_out
        The scores without each group.
    key
        Which matrix.
    references
        What it is read against; universes of all panel genes are left aside.
    directions
        How it is read.
    donors
        Whose cells they are; nothing is known of them if None.
    """

    def __init__(
        self,
        left_out: LeftOut,
        key: ScoreKey,
        references: Sequence[Reference],
        directions: Sequence[Direction],
        donors: Donors | None = None,
    ) -> None:
        self.donors = donors or Donors()
        self.sizes = left_out.n_cells[key.repeat]
        self._values: dict[tuple[str, int, str], np.ndarray] = {}
        held = np.flatnonzero(self.sizes)
        bins: defaultdict[tuple[str, int, str], list[Bins]] = defaultdict(list)
        scores, panels = left_out.scores(key), [reference.edges for reference in references]
        if scores is None:
            return
        for direction in directions:
            place = int(direction.transposed and not key.symmetric)
            for group in held:
                seen = left_out.pairs[key.repeat][group] > 0
                readings = readings_of_rows(scores[group, place], left_out.tfs, seen, panels)
                for i, (reading, reference) in enumerate(zip(readings, references, strict=True)):
                    for universe in reference.universes_of_tfs:
                        bins[direction.name, i, universe.name].append(reading.total(universe))
        for name, of_groups in bins.items():
            self._values[name] = np.full((len(self.sizes), len(METRICS)), np.nan)
            self._values[name][held] = values_of_several(of_groups)

    @property
    def are_known(self) -> bool:
        """Whether there are scores without groups."""
        return bool(self._values)

    def values(self, direction: Direction, reference: int, universe: AnyUniverse) -> np.ndarray | None:
        """Metrics of one ranking without each group, shape (n_groups, n_metrics).

        NaN without a group that has no cell; None where the scores without a group are not known. `reference` is its
        place among the references.
        """
        return self._values.get((direction.name, reference, universe.name))

    def shared(self, ranking: Ranking, direction: Direction, reference: int, universe: AnyUniverse) -> Shared | None:
        """Leave each group out of one ranking; None where the scores without a group are not known."""
        without = self.values(direction, reference, universe)
        return None if without is None else over_cells([ranking], [without], self.sizes, self.donors)
