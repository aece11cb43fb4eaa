"""Edge scores that need no model: correlations, and the nulls that a model has to beat."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial, update_wrapper
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.scores.edges import EdgeScores, ScoreKey, edge_scores, mean_over_cells
from scfm_assets.core.scores.gene_levels import GENE_NULLS, gene_statistics
from scfm_assets.core.scores.left_out import LeftOut
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa
    from scipy.sparse import csr_matrix

MODEL = "baselines"
"""What stands in the column `model` beside these methods; their checkpoint is null."""
Genes = slice | np.ndarray
"""Panel genes at the first end of the pairs that are scored."""
EVERY = slice(None)


@dataclass(frozen=True)
class Cells:
    """The cells of one repeat, as far as the baselines look at them.

    Attributes
    ----------
    panel_counts
        Raw counts of the panel genes, dense float64 (n_cells, K).
    depth
        Counts of each whole cell, shape (n_cells,).
    n_detected
        Genes with a count in each whole cell, shape (n_cells,).
    """

    panel_counts: np.ndarray
    depth: np.ndarray
    n_detected: np.ndarray

    @cached_property
    def expression(self) -> np.ndarray:
        """log1p of counts per 10,000, shape (n_cells, K)."""
        return np.log1p(self.panel_counts * (1e4 / self.depth)[:, None])

    @cached_property
    def ranks(self) -> np.ndarray:
        """Midranks of `expression` among the cells, shape (n_cells, K)."""
        from scipy.stats import rankdata

        return rankdata(self.expression, axis=0)

    @cached_property
    def detected(self) -> np.ndarray:
        """1 where a cell holds a gene, else 0, shape (n_cells, K)."""
        return (self.panel_counts > 0).astype(np.float64)

    @cached_property
    def levels(self) -> np.ndarray:
        """What each gene alone is like, see `gene_statistics`, shape (n_statistics, K)."""
        return gene_statistics(self.panel_counts, self.depth, self.n_detected)

    def pairs(self, genes: Genes = EVERY) -> np.ndarray:
        """Cells that hold both genes, int32 (genes, K)."""
        return (self.detected[:, genes].T @ self.detected).astype(np.int32)

    def chosen(self, rows: np.ndarray) -> Cells:
        """Some of the cells, by a mask or by their numbers."""
        return Cells(self.panel_counts[rows], self.depth[rows], self.n_detected[rows])

    def without(self, left_out: np.ndarray) -> Cells:
        """Cells that are left without some, boolean (n_cells,)."""
        return self.chosen(~left_out)


def pearson(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
    """Absolute Pearson correlation of log1p CP10k over the cells; 0 for a gene that does not vary."""
    return _absolute_correlation(cells.expression, genes)


def spearman(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
    """Absolute Spearman correlation (midranks) of log1p CP10k over the cells; 0 for a gene that does not vary."""
    return _absolute_correlation(cells.ranks, genes)


def uniform_attention(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
    """Mean of 1/L over the cells that hold both genes, L = genes detected in the cell; 0 for an unseen pair.

    What an attention that looks at every gene of a cell evenly would score: it ranks pairs by the size of their cells.
    """
    weighted = cells.detected / np.sqrt(cells.n_detected)[:, None]
    return mean_over_cells(weighted[:, genes].T @ weighted, cells.pairs(genes))


def _absolute_correlation(values: np.ndarray, genes: Genes) -> np.ndarray:
    constant = values.min(axis=0) == values.max(axis=0)
    centred = values - values.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(constant, 1, length)
    scaled[:, constant] = 0
    return np.minimum(np.abs(scaled[:, genes].T @ scaled), 1)


@dataclass(frozen=True)
class BaselineMethod:
    """One way to score pairs from counts alone: cells, genes -> (genes, K); rows are the TF's end.

    Attributes
    ----------
    name, function
        Its name, and how it scores.
    null
        Whether it knows nothing of regulation.
    needs_tfs
        Whether `function` also takes ``tfs``, ``workers`` and ``progress``: `bound` gives them.
    expensive
        Whether it costs too much to be repeated without each group of cells.
    """

    name: str
    function: Callable[..., np.ndarray]
    null: bool
    needs_tfs: bool = False
    expensive: bool = False

    def bound(
        self, tfs: np.ndarray, *, workers: int = 1, progress: Callable[[int, int], None] | None = None
    ) -> BaselineMethod:
        """Return the method for some TFs (panel indices), itself if it needs none.

        `workers` processes share the work, and `progress` is called with parts done and in all; no score depends on
        either.
        """
        if not self.needs_tfs:
            return self
        function = partial(self.function, tfs=np.asarray(tfs), workers=workers, progress=progress)
        return replace(self, function=update_wrapper(function, self.function))

    @property
    def doc(self) -> str:
        """What the score is, in one sentence."""
        return (self.function.__doc__ or "").split("\n")[0]


def _of_levels(name: str) -> BaselineMethod:
    """Score pairs by a null of single genes."""
    null = GENE_NULLS[name]

    def function(cells: Cells, genes: Genes = EVERY) -> np.ndarray:
        return null.scores(cells.levels, np.arange(cells.levels.shape[1])[genes])

    function.__doc__ = null.doc
    return BaselineMethod(name, function, null=True)


BASELINES = (
    BaselineMethod("pearson", pearson, null=False),
    BaselineMethod("spearman", spearman, null=False),
    *(_of_levels(name) for name in ("mean_product", "detection_product", "variance_product")),
    BaselineMethod("uniform_attention", uniform_attention, null=True),
)


def score(
    counts: csr_matrix,
    gene_ids: Sequence[str],
    panel: pa.Table,
    *,
    cells_of_repeat: Mapping[int, np.ndarray],
    methods: Sequence[BaselineMethod] = BASELINES,
    group_of_repeat: Mapping[int, np.ndarray] | None = None,
    n_groups: int = 0,
    tfs: np.ndarray | None = None,
) -> EdgeScores:
    """Score every pair of panel genes by every baseline, for each repeat.

    Correlations count by their absolute value: a network's edge may repress.

    Parameters
    ----------
    counts
        Raw counts of the whole atlas, CSR (n_cells, n_genes).
    gene_ids
        Names of its columns.
    panel
        The gene panel, with columns ``gene_id`` and ``symbol``.
    cells_of_repeat
        Repeat to the rows of `counts` that its cell set holds.
    methods
        What is computed.
    group_of_repeat
        Repeat to the group of each of its cells, aligned with `cells_of_repeat`; None = no scores without groups.
    n_groups
        Number of groups: few cells may lie in fewer. If less than those that hold a cell, these are all.
    tfs
        Panel indices, ascending, of the genes that get scores without each group of cells, by methods that are not
        expensive.

    Raises
    ------
    ScfmError
        If the panel names a gene that the atlas does not hold.
    """
    columns = columns_of(gene_ids, panel)
    keys, matrices, pairs, levels = [], [], {}, {}
    sizes, held, left_out = {}, {}, {}
    repeated = [method for method in methods if not method.expensive]
    for repeat, rows in sorted(cells_of_repeat.items()):
        cells = cells_of(counts[np.asarray(rows)], columns)
        pairs[repeat], levels[repeat] = cells.pairs(), cells.levels[None]
        keys += [ScoreKey(repeat, method.name, symmetric=True) for method in methods]
        matrices += [method.function(cells, EVERY).astype(np.float32) for method in methods]
        if group_of_repeat is not None and tfs is not None and len(tfs):
            group = np.asarray(group_of_repeat[repeat])
            sizes[repeat] = np.bincount(group, minlength=n_groups)
            parts, held[repeat], without = _without_groups(cells, group, len(sizes[repeat]), tfs, repeated)
            levels[repeat] = np.concatenate([levels[repeat], without])
            repeated_keys = [ScoreKey(repeat, method.name, symmetric=True) for method in repeated]
            left_out |= dict(zip(repeated_keys, parts, strict=True))
    made = replace(edge_scores(panel, keys, matrices, pairs), levels=levels)
    return (
        replace(made, left_out=LeftOut.of_arrays(np.asarray(tfs, np.int64), sizes, left_out, held)) if sizes else made
    )


def _without_groups(
    cells: Cells, group: np.ndarray, n_groups: int, tfs: np.ndarray, methods: Sequence[BaselineMethod]
) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Score the TFs' pairs in the cells without each group; a group without cells leaves the scores as they are.

    Returns
    -------
    For each method float32 (n_groups, 1, T, K); int32 (n_groups, T, K): cells that hold both; and what each gene is
    like, (n_groups, n_statistics, K).
    """
    shape = len(tfs), cells.panel_counts.shape[1]
    parts = [np.zeros((n_groups, 1, *shape), np.float32) for _ in methods]
    held = np.zeros((n_groups, *shape), np.int32)
    levels = np.repeat(cells.levels[None], n_groups, axis=0)
    for left_out in range(n_groups):
        rest = cells.without(group == left_out)
        if not len(rest.depth):
            continue
        held[left_out], levels[left_out] = rest.pairs(tfs), rest.levels
        for part, method in zip(parts, methods, strict=True):
            part[left_out, 0] = method.function(rest, tfs)
    return parts, held, levels


def cells_of(counts: csr_matrix, columns: np.ndarray) -> Cells:
    """Take what the baselines need from the counts (n_cells, n_genes) of some cells; `columns` are the panel's."""
    return Cells(
        panel_counts=counts[:, columns].toarray().astype(np.float64),
        depth=np.asarray(counts.sum(axis=1), np.float64).ravel(),
        n_detected=np.asarray(counts.astype(bool).sum(axis=1), np.float64).ravel(),
    )


def columns_of(gene_ids: Sequence[str], panel: pa.Table) -> np.ndarray:
    """Find the panel's genes among the columns of the counts; refuse a panel of another atlas."""
    column = {gene: i for i, gene in enumerate(gene_ids)}
    genes = panel["gene_id"].to_pylist()
    missing = [gene for gene in genes if gene not in column]
    if missing:
        problem = f"{len(missing)} of {len(genes)} genes are not in the atlas (first: '{missing[0]}')"
        place, remedy = "atlas/gene_panel", "The panel belongs to another atlas: materialize it again."
        raise ScfmError(place, problem, remedy)
    return np.array([column[gene] for gene in genes], np.int64)
