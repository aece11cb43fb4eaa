"""A network written into the attention of one layer, and the score that infinitely many cells would give it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from scfm_assets.core.simulate.simulator import check_rules
from scfm_assets.errors import ScfmError

PLACE = "planted control"

GRID = 2.0**20
"""Planted weights are multiples of 1/GRID: the last bits of a linear algebra library must not change a checkpoint."""


@dataclass(frozen=True)
class PlantedSpec:
    """Architecture and difficulty of a planted control.

    Parameters
    ----------
    hidden, heads, layers, intermediate, max_position
        Architecture of the BERT encoder.
    planted_layer
        The layer (1 = first block) whose queries and keys hold the network.
    gene_dims, position_dims
        Dimensions of the two orthogonal subspaces that hold genes and positions. Fewer dimensions than genes cannot
        hold a network exactly: `gene_dims` sets the ceiling.
    rank
        Largest rank of the factorised network; what a head has left of its dimensions carries the noise of positions.
    gain
        Mean logit of an edge above the mean logit of a pair without one (natural log units).
    position_noise
        Standard deviation of the part of the logits that depends on the ranks of the two genes only. It differs from
        cell to cell and averages out over cells: it sets how steeply the curve rises.
    context
        Size of what a block adds to its input, relative to it.
    other_sd
        Standard deviation of the query and key weights of the other layers.
    seed
        Seed of all that is drawn.
    """

    hidden: int = 192
    heads: int = 4
    layers: int = 4
    intermediate: int = 256
    max_position: int = 1024
    planted_layer: int = 3
    gene_dims: int = 140
    position_dims: int = 40
    rank: int = 40
    gain: float = 1.5
    position_noise: float = 2.3
    context: float = 0.1
    other_sd: float = 0.08
    seed: int = 0

    @property
    def head_dim(self) -> int:
        """Dimensions of one head."""
        return self.hidden // self.heads

    def __post_init__(self) -> None:
        """Refuse an architecture that cannot be built."""
        rules = {
            "heads": (self.heads >= 1 and self.hidden % self.heads == 0, f"a divisor of hidden ({self.hidden})"),
            "planted_layer": (1 <= self.planted_layer <= self.layers, f"between 1 and layers ({self.layers})"),
            "gene_dims": (0 < self.gene_dims < self.hidden - self.position_dims, "below hidden - position_dims"),
            "position_dims": (self.position_dims >= 1, "1 or more"),
            "rank": (1 <= self.rank < self.head_dim, f"between 1 and {self.head_dim - 1} (one less than a head has)"),
        }
        check_rules(PLACE, self, rules)


@dataclass(frozen=True, eq=False)
class Planting:
    """Weights that hold a network (float64).

    Attributes
    ----------
    word, position
        (n_genes, hidden) and (max_position, hidden), embeddings of length 1, mean 0, in orthogonal subspaces.
    query, key
        (hidden, hidden), weights of the planted layer as `torch.nn.Linear` keeps them (output x input).
    """

    word: np.ndarray
    position: np.ndarray
    query: np.ndarray
    key: np.ndarray


def plant(edges: np.ndarray, tfs: np.ndarray, members: np.ndarray, n_genes: int, spec: PlantedSpec) -> Planting:
    r"""Factorise a network against random embeddings.

    With :math:`U` the gene embeddings (rows of length 1 in `gene_dims` dimensions), :math:`U_T, U_N` those of the TFs
    and of the genes in the network and :math:`A` (TFs x genes, 0 or 1) the network, the bilinear form

    .. math:: M = U_T^{+} A \, (U_N^{+})^{\top}

    is the least-squares solution of :math:`U_T M U_N^{\top} \approx A`. Its singular value decomposition
    :math:`X S Y^{\top}`, cut at `rank`, gives the queries :math:`X S^{1/2}` and the keys :math:`Y S^{1/2}`, scaled
    so that edges lie `gain` above other pairs. With more genes than dimensions, :math:`U_T M U_N^{\top} = A P`, where
    :math:`P` projects on the columns of :math:`U_N`: every TF also attends a little to genes that resemble its
    targets, which no number of cells removes. The remaining dimensions of each head read random directions of the
    position embeddings, scaled to `position_noise`; the heads differ in these only.

    Parameters
    ----------
    edges
        bool (n_tfs, n_members), the network.
    tfs, members
        int, positions of its rows and columns among the `n_genes` genes.
    n_genes
        Genes of the vocabulary; those outside the network get random embeddings too.
    spec
        Architecture and difficulty.
    """
    rng = np.random.default_rng(spec.seed)
    basis = np.linalg.qr(np.c_[np.ones(spec.hidden), rng.normal(size=(spec.hidden, spec.hidden - 1))])[0].T
    of_genes, of_positions = np.split(basis[1 : 1 + spec.gene_dims + spec.position_dims], [spec.gene_dims])
    positions = _unit_rows(rng.normal(size=(spec.max_position, spec.position_dims)))
    readers = rng.normal(size=(spec.heads, 2, spec.head_dim, spec.position_dims))
    genes = _unit_rows(rng.normal(size=(n_genes, spec.gene_dims)))  # last: more genes do not change what stands above

    # LayerNorm gives embedding + position, together of squared length 2, the length sqrt(hidden).
    scale = spec.hidden / 2 / np.sqrt(spec.head_dim)
    bilinear = np.linalg.pinv(genes[tfs]) @ edges.astype(np.float64) @ np.linalg.pinv(genes[members]).T
    left, values, right = np.linalg.svd(bilinear, full_matrices=False)
    rank = min(spec.rank, len(tfs))
    sign = np.sign(left[np.abs(left).argmax(0), np.arange(left.shape[1])])
    q_gene = (left * sign * np.sqrt(values)).T[:rank]
    k_gene = (right.T * sign * np.sqrt(values)).T[:rank]
    logits = scale * (genes[tfs] @ q_gene.T) @ (k_gene @ genes[members].T)
    by_gain = np.sqrt(spec.gain / (logits[edges].mean() - logits[~edges].mean()))

    blocks = []
    some = positions[: min(spec.max_position, 256)]
    for q_position, k_position in readers[:, :, : spec.head_dim - rank]:
        noise = scale * (some @ q_position.T) @ (k_position @ some.T)
        by_noise = np.sqrt(spec.position_noise / noise.std())
        blocks.append(
            [
                np.r_[by_gain * of_gene @ of_genes, by_noise * of_position @ of_positions]
                for of_gene, of_position in ((q_gene, q_position), (k_gene, k_position))
            ]
        )
    query, key = (np.concatenate(rows) for rows in zip(*blocks, strict=True))
    grid = (np.round(w * GRID) / GRID for w in (genes @ of_genes, positions @ of_positions, query, key))
    return Planting(*grid)


def _unit_rows(matrix: np.ndarray) -> np.ndarray:
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def expected_attention(queries: np.ndarray, keys: np.ndarray, presence: np.ndarray) -> np.ndarray:
    r"""Mean-field attention of every gene to every gene over infinitely many cells.

    Parameters
    ----------
    queries, keys
        (n_heads, n_genes, head_dim), what a gene asks and offers without its position.
    presence
        (n_genes,), probability that a cell holds the gene.

    Returns
    -------
    np.ndarray
        (n_genes, n_genes), row query:

        .. math::
            \bar a_{ij} = \frac{1}{H} \sum_h \frac{e^{\ell^h_{ij}}}{\sum_g \pi_g e^{\ell^h_{ig}}}, \qquad
            \ell^h_{ij} = q^h_i \cdot k^h_j / \sqrt{d}.
    """
    logits = np.einsum("hid,hjd->hij", queries, keys) / np.sqrt(queries.shape[-1])
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return (weights / (weights @ presence)[..., None]).mean(0)


def grid_auroc(scores: np.ndarray, edges: np.ndarray, rows: np.ndarray) -> float:
    """AUROC of TFs x panel: the chance that an edge scores above a pair without one, ties counted half.

    Parameters
    ----------
    scores, edges
        (n_tfs, n_panel), score and truth; self-pairs are left out.
    rows
        int (n_tfs,), column of each TF.
    """
    keep = np.ones(edges.shape, bool)
    keep[np.arange(len(rows)), rows] = False
    truth, ranks = edges[keep], rankdata(scores[keep])
    n_pos, n_neg = int(truth.sum()), int((~truth).sum())
    if not n_pos or not n_neg:
        problem = f"{n_pos} edges and {n_neg} other pairs of the network lie in the panel"
        raise ScfmError(PLACE, problem, "An AUROC needs at least one of each: take another network or a larger panel.")
    return float((ranks[truth].sum() - n_pos * (n_pos + 1) / 2) / (n_pos * n_neg))
