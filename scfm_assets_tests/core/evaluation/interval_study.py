"""Do intervals hold the truth as often as they say? Simulated data sets, each drawn as one kind of interval claims.

A world draws data sets; `coverage` counts how often each kind of interval of each metric holds what the data sets give
on average (the expectation of the metric under that sampling), and how often that of the difference of two methods
does. `false_positives` counts verdicts where labels were permuted and there is nothing to find.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from scfm_assets.core.metrics import METRICS, CandidatePairs, largest_values, reach
from scfm_assets.core.statistics import Donors, Resampled, Shared, jackknife_error, tf_bootstrap, verdict_of_all
from scfm_assets_tests.core.statistics.resamples import (
    over_cells,
    over_network,
    over_pairs,
    over_tfs,
    percentile_interval,
    tf_weights,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Sample(NamedTuple):
    """One data set: two methods' scores (2, n) of pairs; over cells also those without each group."""

    pairs: CandidatePairs
    scores: np.ndarray
    left_out: np.ndarray | None = None
    sizes: np.ndarray | None = None
    donors: Donors | None = None


@dataclass(frozen=True)
class PairsWorld:
    """Pairs are drawn independently: edges score N(separation, 1), others N(0, 1); methods share half the variance."""

    n: int = 2000
    edges: int = 100
    separation: float = 1.0

    kind = "pairs"

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw pairs; the number of edges varies."""
        positive = rng.random(self.n) < self.edges / self.n
        noise = np.sqrt(0.5) * (rng.normal(size=self.n) + rng.normal(size=(2, self.n)))
        pairs = CandidatePairs.of_masks(np.ones((1, self.n), bool), positive[None])
        return Sample(pairs, noise + self.separation * positive)


@dataclass(frozen=True)
class TfsWorld:
    """TFs are drawn, each with a level of its own and edges of a strength of its own.

    A TF has as many edges as a Poisson number says, or, if `uneven`, 1 more than a geometric one: few have most.
    """

    n_tfs: int = 40
    n_genes: int = 100
    edges: float = 8.0
    strength: float = 0.7
    strengths_differ: float = 0.7
    levels_differ: float = 0.5
    uneven: bool = False

    kind = "tfs"

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw TFs with all their pairs."""
        shape = (self.n_tfs, self.n_genes)
        n_edges = 1 + rng.geometric(1 / self.edges, shape[0]) if self.uneven else rng.poisson(self.edges, shape[0])
        positive = np.arange(shape[1]) < n_edges[:, None]
        common = rng.normal(size=shape) + self.levels_differ * rng.normal(size=(shape[0], 1))
        strength = rng.normal(self.strength, self.strengths_differ, (2, shape[0], 1))
        scores = common + 0.5 * rng.normal(size=(2, *shape)) + positive * strength
        pairs = CandidatePairs.of_masks(np.ones(shape, bool), positive)
        return Sample(pairs, pairs.of(scores))


@dataclass(frozen=True)
class CellsWorld:
    """Cells are drawn; a pair's score is its mean over cells of a level, a signal at edges and noise of its own.

    The signal of a cell is N(strength, differ): what all edges share. The pairs, their levels (N(0, 0.5)) and the
    edges are the same in every data set.
    """

    n_cells: int = 124
    n_groups: int = 10
    n_tfs: int = 12
    n_genes: int = 60
    strength: float = 0.5
    differ: float = 2.0
    noise: float = 4.0

    kind = "cells"

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw cells, summed by group: sums of normal numbers are drawn at once."""
        shape = (self.n_tfs, self.n_genes)
        positive = np.zeros(shape, bool)
        positive[:, 20:24] = True
        level = np.random.default_rng(99).normal(0, 0.5, shape)
        sizes = np.bincount(np.arange(self.n_cells) % self.n_groups)
        root = np.sqrt(sizes)[:, None, None]
        signal = sizes[:, None, None] * self.strength + root * self.differ * rng.normal(size=(len(sizes), 1, 1))
        sums = sizes[:, None, None] * level + signal * positive
        sums = sums + root * self.noise * np.sqrt(0.5) * rng.normal(size=(len(sizes), *shape))
        sums = sums + root * self.noise * np.sqrt(0.5) * rng.normal(size=(2, len(sizes), *shape))
        pairs = CandidatePairs.of_masks(np.ones(shape, bool), positive)
        summed = pairs.of(sums)
        total, n = summed.sum(axis=1), self.n_cells
        return Sample(pairs, total / n, (total[:, None] - summed) / (n - sizes)[:, None], sizes)


@dataclass(frozen=True)
class NetworkWorld:
    """TFs and targets are drawn: targets are popular by lognormal weights, and scores have levels of TFs and targets.

    A TF has one edge more than a Poisson number with mean 7 says, or as many as Zipf's law with the exponent `zipf`
    gives out of 1 .. 60. Both methods have levels of their own, and share half the variance of the pairs.
    """

    n_tfs: int
    n_genes: int = 200
    popular: float = 0.0
    targets_differ: float = 0.0
    tfs_differ: float = 0.0
    separation: float = 0.66
    separations_differ: float = 0.0
    zipf: float | None = None

    kind = "network"

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw TFs, targets, edges and scores."""
        shape = (self.n_tfs, self.n_genes)
        wait = rng.exponential(size=shape) / np.exp(self.popular * rng.normal(size=self.n_genes))
        positive = np.argsort(np.argsort(wait, axis=1), axis=1) < self._edges(rng)[:, None]
        scores = np.sqrt(0.5) * (rng.normal(size=shape) + rng.normal(size=(2, *shape)))
        scores += self.targets_differ * rng.normal(size=(2, 1, self.n_genes))
        scores += self.tfs_differ * rng.normal(size=(2, self.n_tfs, 1))
        scores += positive * rng.normal(self.separation, self.separations_differ, (2, self.n_tfs, 1))
        pairs = CandidatePairs.of_masks(np.ones(shape, bool), positive)
        return Sample(pairs, pairs.of(scores))

    def _edges(self, rng: np.random.Generator) -> np.ndarray:
        if self.zipf is None:
            return 1 + rng.poisson(7, self.n_tfs)
        share = np.arange(1.0, 61.0) ** -self.zipf
        return rng.choice(np.arange(1, 61), self.n_tfs, p=share / share.sum())


@dataclass(frozen=True)
class DonorsWorld:
    """Donors are drawn, each with a signal of its own at edges and a level of its own for every pair.

    A pair's score is its mean over the cells of all donors; what donors add varies as much as the signal is large.
    """

    n_donors: int
    cells_of_donor: int = 50
    n_tfs: int = 12
    n_genes: int = 60
    strength: float = 0.5
    donors_differ: float = 0.5
    noise: float = 3.0
    groups: int = 0
    """Groups that the cells of each donor are divided into; 0 where donors are left out whole."""

    kind = "donors"

    def draw(self, rng: np.random.Generator) -> Sample:
        """Draw donors and their cells; the pairs, their levels and the edges are the same in every data set."""
        shape, parts = (self.n_tfs, self.n_genes), max(self.groups, 1)
        positive = np.zeros(shape, bool)
        positive[:, 20:24] = True
        level = np.random.default_rng(99).normal(0, 0.5, shape)
        # With few donors, limits are those of these donors: the same ones in every data set.
        of_donors = np.random.default_rng(98) if self.groups else rng
        signal = of_donors.normal(self.strength, self.donors_differ, (self.n_donors, 1, 1))
        own = of_donors.normal(0, self.donors_differ, (self.n_donors, *shape))
        means = np.repeat(level + own + signal * positive, parts, axis=0)
        sizes = np.full(len(means), self.cells_of_donor // parts)
        noise = np.sqrt(0.5) * (rng.normal(size=means.shape) + rng.normal(size=(2, *means.shape)))
        sums = sizes[:, None, None] * means + np.sqrt(sizes)[:, None, None] * self.noise * noise
        pairs = CandidatePairs.of_masks(np.ones(shape, bool), positive)
        summed = pairs.of(sums)
        total, n = summed.sum(axis=1), sizes.sum()
        donor = np.repeat(np.arange(self.n_donors), parts)
        left_out = (total[:, None] - summed) / (n - sizes)[:, None]
        return Sample(pairs, total / n, left_out, sizes, Donors(self.n_donors, donor))


World = PairsWorld | TfsWorld | CellsWorld | NetworkWorld | DonorsWorld

WORLDS: Mapping[str, World] = {
    "100 edges": PairsWorld(),
    "20 edges": PairsWorld(edges=20),
    "10 edges": PairsWorld(edges=10),
    "50 edges, AUROC 0.98": PairsWorld(edges=50, separation=3.0),
    "40 TFs": TfsWorld(),
    "10 TFs": TfsWorld(n_tfs=10),
    "5 TFs": TfsWorld(n_tfs=5),
    "40 TFs, few have most edges": TfsWorld(uneven=True),
    "20 TFs, AUROC 0.98": TfsWorld(n_tfs=20, edges=5, strength=3, levels_differ=0),
    "cells share a signal": CellsWorld(),
    "cells share a signal, 5 groups": CellsWorld(n_groups=5),
    "cells share little": CellsWorld(differ=0.5, noise=6),
    "cells share nothing": CellsWorld(differ=0, noise=6),
    "cells share nothing, more noise": CellsWorld(differ=0, noise=20),
    "cells share a signal, AUROC 0.96": CellsWorld(strength=1.2, noise=3),
}

SHARED: Mapping[str, NetworkWorld] = {
    "20 TFs, popular targets": NetworkWorld(20, popular=1.0, targets_differ=0.7),
    "20 TFs, more popular targets, TFs differ": NetworkWorld(20, 300, popular=1.5, targets_differ=0.7, tfs_differ=0.7),
    "50 TFs, popular targets": NetworkWorld(50, popular=1.0, targets_differ=0.7),
    "50 TFs, more popular targets, TFs differ": NetworkWorld(50, 300, popular=1.5, targets_differ=0.7, tfs_differ=0.7),
    "50 TFs, a method of genes": NetworkWorld(50, 300, popular=1.5, targets_differ=3.0, separation=0.7),
    "100 TFs, popular targets": NetworkWorld(100, popular=1.0, targets_differ=0.7),
    "100 TFs, more popular targets": NetworkWorld(100, 300, popular=1.5, targets_differ=0.7),
    "200 TFs, more popular targets": NetworkWorld(200, 300, popular=1.5, targets_differ=1.0),
    "40 TFs, nothing shared": NetworkWorld(40),
}
"""Targets that TFs share."""
UNEVEN: Mapping[str, NetworkWorld] = {
    f"{n} TFs by Zipf's law, AUROC {area}": NetworkWorld(n, zipf=1.6, separation=separation)
    for n in (5, 8, 20, 40)
    for area, separation in ((0.5, 0.0), (0.68, 0.66))
} | {
    "30 TFs by Zipf's law, TFs differ": NetworkWorld(30, 300, zipf=1.2, tfs_differ=0.8, separations_differ=0.5),
}
"""Few TFs have most edges."""
OF_DONORS: Mapping[str, DonorsWorld] = {
    "8 donors": DonorsWorld(8),
    "16 donors": DonorsWorld(16),
    "4 donors, these": DonorsWorld(4, groups=3, cells_of_donor=60),
}

Limits = tuple[np.ndarray, np.ndarray]


def intervals_of(
    sample: Sample, rng: np.random.Generator, *, kind: str, resamples: int = 200
) -> tuple[np.ndarray, dict[str, Limits]]:
    """Make every kind of interval of the first method's metrics and of the difference; limits (n_metrics,) each.

    Gives the metrics (2, n_metrics) first.

    `kind` is what the world draws. ``scaled`` is that of `Shared.intervals` and of the table `metrics`, ``difference``
    that of `Shared.difference`; ``percentile`` and ``jackknife`` are the plain ones, made on no scale, and ``over TFs
    alone`` those that take targets for fixed, which they are compared with.
    """
    pairs, scores = sample.pairs, sample.scores
    found: dict[str, Limits] = {}
    shared: Shared
    if kind == "network":
        shared = over_network(scores, pairs)
        found["over TFs alone"] = _first(over_tfs(scores[:1], pairs).intervals())
    elif sample.left_out is not None and sample.sizes is not None:
        shared = over_cells(scores, sample.left_out, sample.sizes, pairs, sample.donors)
        found["jackknife"] = _plain(shared, sample.sizes, largest_values(pairs.n_pos / pairs.n))
    elif kind == "tfs":
        shared = over_tfs(scores, pairs)
        drawn = tf_bootstrap(pairs.rank(scores[0]).of_tfs, tf_weights(pairs.n_tfs, resamples=resamples, rng=rng))
        found["percentile"] = percentile_interval(drawn, level=0.95)[:2]
    else:
        shared = drawn = over_pairs(scores, pairs, resamples=resamples, seed=int(rng.integers(2**62)))
        found["percentile"] = percentile_interval(drawn.resampled[0], level=0.95)[:2]
    return shared.values, found | {"scaled": _first(shared.intervals()), "difference": _of_difference(shared)}


def _plain(shared: Resampled, sizes: np.ndarray, largest: np.ndarray) -> Limits:
    """Make the limits value +- t times its error of the first method, on no scale."""
    value = shared.values[0]
    half = reach(np.count_nonzero(sizes), level=0.95) * jackknife_error(value, shared.resampled[0].T, sizes)
    return np.clip(value - half, 0, largest), np.clip(value + half, 0, largest)


def _first(limits: Limits) -> Limits:
    return limits[0][0], limits[1][0]


def _of_difference(shared: Shared) -> Limits:
    found = shared.difference(0, 1)
    return np.array([own.low for own in found]), np.array([own.high for own in found])


def coverage(world: World, *, datasets: int = 500, seed: int = 0) -> list[dict[str, object]]:
    """Count how often intervals of 95 % hold the expectation of the metric, taken from the same data sets' mean.

    Data sets without limits do not count, neither for the coverage nor for the expectation.

    Returns
    -------
    One row per kind of interval and metric: ``interval``, ``metric``, ``coverage``, ``given`` (share of the data sets
    with limits), ``width`` (mean), ``spread`` (the standard deviation of the value over data sets), ``expected``.
    """
    rng = np.random.default_rng(seed)
    values, limits = [], []
    for _ in range(datasets):
        value, own = intervals_of(world.draw(rng), rng, kind=world.kind)
        values.append(value)
        limits.append(own)
    of_one, of_other = np.swapaxes(np.array(values), 0, 1)
    rows: list[dict[str, object]] = []
    for name in limits[0]:
        lows, highs = (np.array([own[name][end] for own in limits]) for end in (0, 1))
        every = of_one - of_other if name == "difference" else of_one
        for place, metric in enumerate(METRICS):
            given = np.isfinite(lows[:, place])
            value, low, high = every[given, place], lows[given, place], highs[given, place]
            row = {"interval": name, "metric": metric.name, "given": float(given.mean())}
            if given.sum() > 1:
                expected = value.mean()
                row |= {
                    "coverage": float(((low <= expected) & (expected <= high)).mean()),
                    "width": float((high - low).mean()),
                    "spread": float(value.std(ddof=1)),
                    "expected": float(expected),
                }
            rows.append(row)
    return rows


def structured_scores(rng: np.random.Generator, n_tfs: int = 40, n_genes: int = 100) -> np.ndarray:
    """Draw scores (2, n_tfs, n_genes) of two methods that know TFs, targets and each other, as real scores do."""
    levels = rng.normal(size=(n_tfs, 1)) + rng.normal(size=n_genes)
    return levels + rng.normal(size=(2, n_tfs, n_genes))


def permuted_labels(n_pairs: tuple[int, int], n_pos: int, permutations: int, seed: int) -> Iterator[CandidatePairs]:
    """Give a grid of (TFs, genes) with n_pos edges anywhere in it, again and again."""
    rng = np.random.default_rng(seed)
    size = n_pairs[0] * n_pairs[1]
    for _ in range(permutations):
        positive = np.zeros(size, bool)
        positive[rng.choice(size, n_pos, replace=False)] = True
        yield CandidatePairs.of_masks(np.ones(n_pairs, bool), positive.reshape(n_pairs))


def false_positives(
    scores: np.ndarray, n_pos: int, *, permutations: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[tuple[str, str, str], float]:
    """Count the verdicts that are not ``indistinguishable`` where edges were placed at random.

    Parameters
    ----------
    scores
        Scores of two methods for every pair of TFs and genes, shape (2, n_tfs, n_genes).
    n_pos
        Edges.
    permutations, seed
        Number of placements, and what decides them.
    level
        Of the intervals.

    Returns
    -------
    Share of the placements with such a verdict, for (``pairs``, ``tfs`` or ``both``; ``chance`` for the first method,
    ``difference`` for the two; metric). ``both`` is `verdict_of_all`.
    """
    shape, flat = (scores.shape[1], scores.shape[2]), scores.reshape(2, -1)
    counted: dict[tuple[str, str, str], int] = {}
    for i, pairs in enumerate(permuted_labels(shape, n_pos, permutations, seed)):
        shared = over_pairs(flat, pairs, seed=i), over_tfs(flat, pairs)
        differences = [own.difference(0, 1, level=level) for own in shared]
        for own, found in zip(shared, differences, strict=True):
            for metric, verdict, difference in zip(METRICS, own.verdicts(level=level)[0], found, strict=True):
                for against, said in (("chance", verdict), ("difference", difference.verdict)):
                    name = (own.kind, against, metric.name)
                    counted[name] = counted.get(name, 0) + (said != "indistinguishable")
        for metric, *both in zip(METRICS, *differences, strict=True):
            name = ("both", "difference", metric.name)
            counted[name] = counted.get(name, 0) + (verdict_of_all(both) != "indistinguishable")
    return {name: times / permutations for name, times in counted.items()}
