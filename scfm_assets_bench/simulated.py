"""Cells as the benchmarks need them: as long, as sparse and as full of panel genes as real ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.tokens import Tokens
    from scfm_assets_bench.models import Shape

PANEL = 1000
"""Genes of the panel: the most detected ones, which is the most work there can be for a panel of that size."""

GENE_SPREAD = 2.6
"""Standard deviation of the log weights: cells of 500 to 1500 tokens then hold about 290 to 770 of the panel."""


@dataclass(frozen=True, eq=False)
class BenchCells:
    """Ranked tokens of some cells, and which of them are panel genes.

    Attributes
    ----------
    rows
        int64 token ids, one array per cell.
    panel_of_token
        int32 (vocabulary,): panel index, -1 = not in the panel.
    n_panel
        K.
    """

    rows: tuple[np.ndarray, ...]
    panel_of_token: np.ndarray
    n_panel: int

    @property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of each cell, special ones included."""
        return tuple(map(len, self.rows))

    @cached_property
    def tokens(self) -> Tokens:
        """The same as our side takes them."""
        from scfm_assets.core.tokens import Tokens

        return Tokens.of(self.rows)

    @property
    def in_panel(self) -> tuple[int, ...]:
        """Panel genes of each cell."""
        return tuple(int((self.panel_of_token[row] >= 0).sum()) for row in self.rows)

    def first(self, n: int) -> BenchCells:
        """The first n cells."""
        return self.take(range(min(n, len(self.rows))))

    def take(self, cells: Sequence[int]) -> BenchCells:
        """The chosen cells, in this order."""
        return BenchCells(tuple(self.rows[cell] for cell in cells), self.panel_of_token, self.n_panel)


def draw_cells(shape: Shape, lengths: Sequence[int], *, n_panel: int = PANEL, seed: int = 0) -> BenchCells:
    """Draw the genes of each cell without replacement, by log-normal weights."""
    rng = np.random.default_rng(seed)
    genes = np.arange(shape.special, shape.vocabulary)
    log_weight = GENE_SPREAD * rng.standard_normal(len(genes))
    panel_of_token = np.full(shape.vocabulary, -1, np.int32)
    panel_of_token[genes[np.argsort(-log_weight)[:n_panel]]] = rng.permutation(n_panel)
    rows = []
    for length in lengths:
        n_genes = length - 2 * shape.framed
        # The largest of log weight + Gumbel noise are a draw without replacement (Efraimidis & Spirakis 2006).
        noisy = log_weight + rng.gumbel(size=len(genes))
        ranked = genes[np.argsort(-noisy)[:n_genes]]
        rows.append(np.concatenate([[2], ranked, [3]]) if shape.framed else ranked)
    return BenchCells(tuple(rows), panel_of_token, n_panel)


def spread_lengths(low: int, high: int, n: int, *, seed: int = 0) -> tuple[int, ...]:
    """Lengths of n cells, evenly from low to high, shuffled: batches are then as ragged as those of an atlas."""
    lengths = np.linspace(low, high, n).round().astype(int)
    return tuple(int(length) for length in np.random.default_rng(seed).permutation(lengths))


def draw_counts(n_cells: int, n_genes: int, *, density: float = 0.082, seed: int = 0) -> sp.csr_matrix:
    """Draw sparse counts with log-normal genes and depths: float32 (n_cells, n_genes), as AnnData stores them."""
    rng = np.random.default_rng(seed)
    weight = np.exp(1.5 * rng.standard_normal(n_genes))
    depth = np.exp(0.5 * rng.standard_normal(n_cells))
    scale = _scale_for(density, weight, depth)
    parts = []
    for start in range(0, n_cells, 500):
        expected = scale * np.outer(depth[start : start + 500], weight).astype(np.float32)
        row, column = np.nonzero(rng.random(expected.shape, np.float32) < 1 - np.exp(-expected))
        value = (1 + rng.poisson(expected[row, column])).astype(np.float32)
        parts.append(sp.csr_matrix((value, (row, column)), shape=expected.shape))
    return sp.csr_matrix(sp.vstack(parts, format="csr"))


def _scale_for(density: float, weight: np.ndarray, depth: np.ndarray) -> float:
    """Find the factor of all expected counts that gives the share of non-zeros, by bisection on a few cells."""
    few = np.quantile(depth, np.linspace(0.005, 0.995, 100))
    low, high = 1e-9, 1e3
    for _ in range(60):
        middle = (low * high) ** 0.5
        share = float(np.mean(1 - np.exp(-middle * np.outer(few, weight))))
        low, high = (middle, high) if share < density else (low, middle)
    return (low * high) ** 0.5


def draw_scores(n: int, n_positive: int, *, ties: bool, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Draw scores of n pairs, the positives somewhat higher: float64 (n,), and which are positive, boolean (n,)."""
    rng = np.random.default_rng(seed)
    is_positive = np.zeros(n, bool)
    is_positive[rng.choice(n, n_positive, replace=False)] = True
    scores = rng.normal(0.3 * is_positive)
    return (np.round(scores, 2) if ties else scores), is_positive
