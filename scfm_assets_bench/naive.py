"""The other side: attention, ranks and bootstraps as people write them, and a float64 reference.

Every choice that makes these slower is one that notebooks and packages make; where there was a choice between a slower
and a faster form of the same habit, the faster one stands here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scfm_assets.core.intake import shape_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import BertForMaskedLM, BertModel

    from scfm_assets_bench.simulated import BenchCells


@dataclass(frozen=True, eq=False)
class NaiveSums:
    """Head-mean attention between panel genes, summed over cells.

    Attributes
    ----------
    plain
        (n_layers, K, K), [query, key].
    pairs
        int32 (K, K): cells that hold both genes.
    lifted
        As `plain`, every cell's attention times its number of tokens; only the float64 reference has it.
    """

    plain: np.ndarray
    pairs: np.ndarray
    lifted: np.ndarray | None = None


def typical(model: BertForMaskedLM, cells: BenchCells, *, batch: int) -> NaiveSums:
    """Sum attention as notebooks do.

    The checkpoints are published as masked language models and loaded as such, so the head runs along: its logits cost
    hidden x vocabulary per token. BenchCells are batched and padded to the longest of the batch, as every data collator
    does. `output_attentions` keeps layers x heads x tokens x tokens until the batch is done, and needs eager attention.
    Heads are averaged in torch (stacking all heads in NumPy, which is also seen, is slower). `np.add.at` is the
    documented way to add at index pairs. Inference mode is the faster of the two ways to do without gradients.
    """
    import torch

    K, layers = cells.n_panel, model.config.num_hidden_layers
    plain, pairs = np.zeros((layers, K, K), np.float32), np.zeros((K, K), np.int32)
    for start in range(0, len(cells.rows), batch):
        rows = cells.rows[start : start + batch]
        ids, mask = _padded(rows)
        with torch.inference_mode():
            maps = model(input_ids=ids, attention_mask=mask, output_attentions=True).attentions
        panel_genes = [_panel_genes(row, cells.panel_of_token) for row in rows]
        for layer, attention in enumerate(maps):
            mean = attention.mean(1).numpy()
            for index, (at, genes) in enumerate(panel_genes):
                np.add.at(plain[layer], np.ix_(genes, genes), mean[index][np.ix_(at, at)])
        for _, genes in panel_genes:
            np.add.at(pairs, np.ix_(genes, genes), 1)
    return NaiveSums(plain, pairs)


def careful(encoder: BertModel, cells: BenchCells) -> NaiveSums:
    """Sum attention as someone does who has thought about it: no head, no padding, one cell at a time, `A[ix] +=`.

    Genes of a cell are distinct, so the plain in-place sum loses nothing. What is left is what transformers offers:
    eager attention that returns the maps of all layers and heads.
    """
    import torch

    K, layers = cells.n_panel, encoder.config.num_hidden_layers
    plain, pairs = np.zeros((layers, K, K), np.float32), np.zeros((K, K), np.int32)
    for row in cells.rows:
        at, genes = _panel_genes(row, cells.panel_of_token)
        within, of = np.ix_(at, at), np.ix_(genes, genes)
        with torch.inference_mode():
            maps = encoder(input_ids=torch.from_numpy(row)[None], output_attentions=True).attentions
        for layer, attention in enumerate(maps):
            plain[layer][of] += attention[0].mean(0).numpy()[within]
        pairs[of] += 1
    return NaiveSums(plain, pairs)


def reference(encoder: BertModel, cells: BenchCells) -> NaiveSums:
    """Do what `careful` does in float64, reading each layer's map as soon as it is there: long cells fit."""
    import torch

    K, layers = cells.n_panel, encoder.config.num_hidden_layers
    plain, lifted, pairs = np.zeros((layers, K, K)), np.zeros((layers, K, K)), np.zeros((K, K), np.int32)
    exact = copy.deepcopy(encoder).double()
    means: list[np.ndarray] = []

    def keep(_: torch.nn.Module, __: object, output: tuple[torch.Tensor, torch.Tensor]) -> None:
        means.append(output[1][0].mean(0).numpy())

    for layer in range(layers):
        exact.get_submodule(f"encoder.layer.{layer}.attention.self").register_forward_hook(keep)
    for row in cells.rows:
        at, genes = _panel_genes(row, cells.panel_of_token)
        means.clear()
        with torch.inference_mode():
            exact(input_ids=torch.from_numpy(row)[None])
        for layer, mean in enumerate(means):
            plain[layer][np.ix_(genes, genes)] += mean[np.ix_(at, at)]
            lifted[layer][np.ix_(genes, genes)] += mean[np.ix_(at, at)] * len(row)
        pairs[np.ix_(genes, genes)] += 1
    return NaiveSums(plain, pairs, lifted)


def _panel_genes(row: np.ndarray, panel_of_token: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    genes = panel_of_token[row]
    at = np.flatnonzero(genes >= 0)
    return at, genes[at]


def _padded(rows: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    width = max(map(len, rows))
    ids, mask = torch.zeros(len(rows), width, dtype=torch.int64), torch.zeros(len(rows), width, dtype=torch.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.from_numpy(row)
        mask[index, : len(row)] = 1
    return ids, mask


def rank_cells(
    counts: sp.csr_matrix, tokens: np.ndarray, medians: np.ndarray, *, max_tokens: int, slices: bool = False
) -> list[np.ndarray]:
    """Rank the genes of each cell as Geneformer's tokenizer does.

    In chunks of 512 cells: divide by the cell's total, times 10,000, divide by the medians; then for each cell
    `argsort` of the negated values, and the cut. Its choice of columns beforehand and its way through a Hugging Face
    dataset afterwards are left out.

    Parameters
    ----------
    counts
        Raw counts, cells x genes.
    tokens, medians
        Of each column.
    max_tokens
        Longest cell.
    slices
        Cut rows out of the data arrays; Geneformer indexes the matrix twice for each cell, which takes as long as all
        the rest.
    """
    totals, (n_cells, _) = np.asarray(counts.sum(axis=1)), shape_of(counts)
    ranked = []
    for start in range(0, n_cells, 512):
        chunk = slice(start, start + 512)
        # sparse / dense is an element-wise product with 1 / dense in SciPy, and stays sparse.
        normed = sp.csr_matrix(counts[chunk] / totals[chunk] * 10_000 / medians)  # pyright: ignore[reportOperatorIssue]
        for cell in range(len(normed.indptr) - 1):
            part = slice(normed.indptr[cell], normed.indptr[cell + 1])
            values: np.ndarray = normed.data[part] if slices else normed[cell].data
            columns = normed.indices[part] if slices else normed[cell].indices
            ranked.append(tokens[columns][np.argsort(-values)][:max_tokens])
    return ranked


def bootstrap_pairs(
    is_positive: np.ndarray, scores: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """AUROC of pairs drawn with replacement: `roc_auc_score` for each draw, shape (resamples,)."""
    from sklearn.metrics import roc_auc_score

    n = len(scores)
    draws = (rng.integers(n, size=n) for _ in range(resamples))
    return np.array([roc_auc_score(is_positive[draw], scores[draw]) for draw in draws])


def bootstrap_tfs(
    is_positive: np.ndarray, scores: np.ndarray, *, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """AUROC of TFs drawn with replacement, each with its row of pairs (n_tfs, n_targets), shape (resamples,)."""
    from sklearn.metrics import roc_auc_score

    n = len(scores)
    draws = (rng.integers(n, size=n) for _ in range(resamples))
    return np.array([roc_auc_score(is_positive[draw].ravel(), scores[draw].ravel()) for draw in draws])


def relative_error(found: np.ndarray, exact: np.ndarray, seen: np.ndarray) -> float:
    """Largest relative error of sums (..., K, K) over the pairs that some cell holds."""
    expected = exact[..., seen]
    return float(np.max(np.abs(found[..., seen] - expected) / expected, initial=0.0))
