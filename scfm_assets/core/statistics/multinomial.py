"""Many multinomial draws over the same bins: exact, and several times faster than one binomial per bin.

Independent Poisson counts, given their sum, are multinomial. So every bin gets a Poisson count with a mean slightly
below what it is due, and the few draws that are then missing are drawn one by one: given the number M of the Poisson
counts and any number N >= M of draws, the sum is multinomial with N draws. The rare rows with M > N are drawn
afresh by numpy, which leaves the distribution as it is, because each kind of row is multinomial by itself.

The Poisson counts are found by inversion in tables of the cumulative distribution, one table for each count a bin may
have, with the 8 leading bits of the random number as the place where to begin; bins with larger counts by numpy.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SLACK = 2.0
"""By how many standard deviations of M its mean lies below N: about 2 % of the rows are drawn afresh."""
TABLED = 512
"""Largest count of a bin that has a table."""
SLOTS = 256
REACH = 9.0
"""Standard deviations at which a table ends: what lies beyond has probability below 1e-17 of all."""


@dataclass(frozen=True)
class PoissonTables:
    """Cumulative Poisson distributions of means 0, 1, ..., `most` times `theta`, one after the other.

    Attributes
    ----------
    cumulative
        Ascending within each table, ends in 1.
    begin
        For each table and slot, the first place in `cumulative` above the slot's lower end, flat (tables x SLOTS,).
    offset
        Place of a table's value 0 in `cumulative`, shape (tables,).
    last
        Place of a table's last value in `cumulative`, shape (tables,).
    """

    cumulative: np.ndarray
    begin: np.ndarray
    offset: np.ndarray
    last: np.ndarray


@lru_cache(maxsize=32)
def poisson_tables(theta: float, most: int = TABLED) -> PoissonTables:
    """Tabulate; see `PoissonTables`."""
    from scipy.special import gammaln

    means = theta * np.arange(most + 1)
    reach = REACH * np.sqrt(means) + 30
    first = np.maximum(0, np.floor(means - reach)).astype(np.int64)
    length = np.ceil(means + reach).astype(np.int64) - first + 1
    start = np.cumsum(length) - length
    values = np.arange(length.sum()) - np.repeat(start - first, length)
    spread = np.repeat(means, length)
    logs = values * np.log(np.maximum(spread, np.finfo(float).tiny)) - spread - gammaln(values + 1)
    chances = np.exp(np.where(spread > 0, logs, np.where(values == 0, 0, -np.inf)))
    cumulative, begin = np.empty(len(chances)), np.empty((most + 1, SLOTS), np.int32)
    for count, (low, size) in enumerate(zip(start, length, strict=True)):
        summed = np.cumsum(chances[low : low + size])
        summed /= summed[-1]
        summed[-1] = 1  # above every random number
        cumulative[low : low + size] = summed
        begin[count] = low + np.searchsorted(summed, np.arange(SLOTS) / SLOTS, side="right")
    return PoissonTables(cumulative, begin.reshape(-1), (start - first).astype(np.int32), start + length - 1)


class Multinomial:
    """Draws from bins with whole counts, each draw with replacement from all that lie in the bins.

    Parameters
    ----------
    counts
        How many lie in each bin, positive whole numbers, shape (m,).
    seed
        Decides the draws; rows come in order, however many are asked for at once.
    """

    def __init__(self, counts: np.ndarray, seed: np.random.SeedSequence) -> None:
        self.counts = np.asarray(counts, np.int64)
        self.n = int(self.counts.sum())
        self.bin_of = np.repeat(np.arange(len(self.counts), dtype=np.int32), self.counts)
        self.theta = max(0.0, 1 - SLACK / np.sqrt(self.n))
        self.small, self.large = np.flatnonzero(self.counts <= TABLED), np.flatnonzero(self.counts > TABLED)
        largest = int(self.counts[self.small].max(initial=1))
        self.tables = poisson_tables(self.theta, min(TABLED, max(32, 1 << (largest - 1).bit_length())))
        # One stream for each purpose: no draw depends on how many rows are drawn at once.
        self.streams = [np.random.default_rng(child) for child in seed.spawn(4)]

    def draw(self, totals: np.ndarray) -> np.ndarray:
        """Draw a row of counts for each total (n_rows,); int64 (n_rows, m).

        Totals far from the number of all that lie in the bins are drawn rightly, but slowly.
        """
        by_table, by_numpy, one_by_one, afresh = self.streams
        rows, m = len(totals), len(self.counts)
        if len(self.large):
            drawn = np.empty((rows, m), np.int64)
            drawn[:, self.large] = by_numpy.poisson(self.theta * self.counts[self.large], (rows, len(self.large)))
            drawn[:, self.small] = self._tabled(rows, by_table)
        else:
            drawn = self._tabled(rows, by_table)
        missing = totals - drawn.sum(axis=1)
        again = np.flatnonzero(missing < 0)
        missing[again] = 0
        bins = self.bin_of.take(one_by_one.integers(self.n, size=int(missing.sum()), dtype=np.uint32))
        bins += np.repeat(np.arange(rows, dtype=np.int32) * m, missing)
        drawn += np.bincount(bins, minlength=rows * m).reshape(rows, m)
        for row in again:
            drawn[row] = afresh.multinomial(totals[row], self.counts / self.n)
        return drawn

    def _tabled(self, rows: int, rng: np.random.Generator) -> np.ndarray:
        tables, counts = self.tables, self.counts[self.small]
        chance = rng.random((rows, len(counts)))
        place = np.empty(chance.shape, np.int32)
        np.multiply(chance, SLOTS, out=place, casting="unsafe")
        place += (counts * SLOTS).astype(np.int32)
        place = tables.begin.take(place)
        flat, chances = place.reshape(-1), chance.reshape(-1)
        behind = np.flatnonzero(tables.cumulative.take(flat) <= chances)
        for _ in range(2):
            flat[behind] += 1
            behind = behind[tables.cumulative.take(flat[behind]) <= chances[behind]]
        flat[behind] = _bisected(tables, flat[behind] + 1, counts[behind % len(counts)], chances[behind])
        return place - tables.offset[counts].astype(np.int64)


def _bisected(tables: PoissonTables, low: np.ndarray, counts: np.ndarray, chances: np.ndarray) -> np.ndarray:
    """Find the first places at or after `low` whose cumulative chance is above `chances`."""
    high = tables.last[counts]
    while (low < high).any():
        middle = (low + high) >> 1
        above = tables.cumulative.take(middle) > chances
        low, high = np.where(above, low, middle + 1), np.where(above, middle, high)
    return low
