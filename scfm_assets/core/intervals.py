"""How uncertainty of a metric is told: by drawing pairs, by drawing TFs, or by leaving out groups of cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from scfm_assets.core.digest import seed_from
from scfm_assets.core.jackknife import jackknife_interval
from scfm_assets.core.metrics import METRICS, Bins, values_of
from scfm_assets.core.readings import readings_of_rows
from scfm_assets.core.resampling import PairBootstrap, percentile_interval, tf_bootstrap, tf_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.left_out import LeftOut
    from scfm_assets.core.score_keys import Direction, ScoreKey
    from scfm_assets.core.universe import PanelEdges, Universe


@dataclass(frozen=True)
class Intervals:
    """How uncertainty is told.

    Attributes
    ----------
    kinds
        ``pairs``: candidate pairs are drawn with replacement, as the published numbers do. ``tfs``: TFs are drawn with
        replacement, each with all its pairs; pairs whose first gene is no TF of the network stand in every draw.
        ``cells``: each group of cells is left out in turn and the pairs are ranked anew (`jackknife_interval`); for
        universes of the TFs' pairs, and for methods whose scores without a group are known.
    resamples
        Draws of pairs and of TFs.
    level
        Share of the draws between the two limits; for ``cells`` the confidence.
    """

    kinds: tuple[Literal["pairs", "tfs", "cells"], ...] = ("pairs", "tfs", "cells")
    resamples: int = 200
    level: float = 0.95


@dataclass(frozen=True)
class Limits:
    """Limits of all `METRICS` of one ranking, NaN where there are none, and what they rest on; each (n_metrics,)."""

    low: np.ndarray
    high: np.ndarray
    resamples: np.ndarray


@dataclass
class Draws:
    """Draws of pairs and TFs, made when first needed and shared by all rankings of the same network and universe.

    What is drawn is decided by the network's content, the universe and the tissue alone: all methods, layers and
    repeats of a tissue see the same draws, so that their intervals can be compared.
    """

    resamples: int
    level: float
    _pairs: dict[tuple[object, ...], PairBootstrap] = field(default_factory=dict)
    _weights: dict[tuple[object, ...], np.ndarray] = field(default_factory=dict)

    def over_pairs(self, bins: Bins, *seed: str) -> np.ndarray:
        """Draw pairs of one ranking with bins (p,), and give the metrics of each draw, shape (n_metrics, resamples)."""
        name = (*seed, int(bins.n_pos), int(bins.n_neg))
        if name not in self._pairs:
            n_pos, n_neg = int(bins.n_pos), int(bins.n_neg)
            self._pairs[name] = PairBootstrap(n_pos, n_neg, resamples=self.resamples, seed=seed_from(*seed, "pairs"))
        return self._pairs[name].values(bins)

    def over_tfs(self, of_tfs: Bins, others: Bins | None, *seed: str) -> np.ndarray:
        """Draw TFs with bins (n_tfs, p), and give the metrics of each draw, shape (n_metrics, resamples).

        `others` stand in every draw. NaN if fewer than two TFs have edges: one says nothing about how TFs differ.
        """
        if np.count_nonzero(of_tfs.n_pos) < 2:
            return np.full((len(METRICS), self.resamples), np.nan)
        name = (*seed, len(of_tfs.n_pos))
        if name not in self._weights:
            rng = np.random.default_rng(seed_from(*seed, "tfs"))
            self._weights[name] = tf_weights(len(of_tfs.n_pos), resamples=self.resamples, rng=rng)
        return tf_bootstrap(of_tfs, self._weights[name], others)

    def limits(self, drawn: np.ndarray) -> Limits:
        """Give the limits of drawn values (n_metrics, resamples)."""
        return Limits(*percentile_interval(drawn, level=self.level))


class WithoutGroups:
    """Metrics of one matrix without each group of cells, for all networks, universes and directions.

    Parameters
    ----------
    left_out
        The scores without each group.
    key
        Which matrix.
    networks
        The networks it is read against.
    universes, directions
        How it is read; universes of all panel genes are left aside.
    """

    def __init__(
        self,
        left_out: LeftOut,
        key: ScoreKey,
        networks: Sequence[PanelEdges],
        universes: Sequence[Universe],
        directions: Sequence[Direction],
    ) -> None:
        self.sizes = left_out.n_cells[key.repeat]
        self._values: dict[tuple[str, int, str], np.ndarray] = {}
        scores, universes = left_out.scores(key), [universe for universe in universes if universe.rows == "tfs"]
        if scores is None:
            return
        for direction in directions:
            place = int(direction.transposed and not key.symmetric)
            for group in np.flatnonzero(self.sizes):
                seen = left_out.pairs[key.repeat][group] > 0
                readings = readings_of_rows(scores[group, place], left_out.tfs, seen, networks)
                for i, reading in enumerate(readings):
                    for universe in universes:
                        kept = self._values.setdefault(
                            (direction.name, i, universe.name), np.full((len(self.sizes), len(METRICS)), np.nan)
                        )
                        kept[group] = values_of(reading.total(universe))

    def values(self, direction: Direction, network: int, universe: Universe) -> np.ndarray | None:
        """Give the metrics of one ranking without each group, shape (n_groups, n_metrics).

        NaN without a group that has no cell; None where the scores without a group are not known. `network` is its
        place among the networks.
        """
        return self._values.get((direction.name, network, universe.name))

    def limits(
        self,
        direction: Direction,
        network: int,
        universe: Universe,
        values: np.ndarray,
        base_rate: float,
        *,
        level: float,
    ) -> Limits | None:
        """Give the limits of one ranking's metrics; None where the scores without a group are not known.

        Parameters
        ----------
        network
            Its place among the networks.
        values
            The metrics of all cells, shape (n_metrics,).
        base_rate
            Share of positives.
        level
            Confidence.
        """
        left_out = self.values(direction, network, universe)
        if left_out is None:
            return None
        low, high = jackknife_interval(values, left_out, self.sizes, level=level, largest=largest_values(base_rate))
        return self.of_groups(low, high)

    def of_groups(self, low: np.ndarray, high: np.ndarray) -> Limits:
        """Say that limits rest on these groups."""
        return Limits(low, high, np.full(len(METRICS), np.count_nonzero(self.sizes)))


def largest_values(base_rate: float) -> np.ndarray:
    """Give the largest possible value of each metric of a ranking with this share of positives."""
    return np.array([1 / base_rate if metric.over_base_rate else 1.0 for metric in METRICS])
