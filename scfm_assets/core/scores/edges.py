"""Edge scores: what each method says about every ordered pair of panel genes, and the same as a table for SQL."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from scfm_assets.core.scores.left_out import LeftOut, without
from scfm_assets.core.scores.score_keys import DIRECTIONS, SYMMETRIC, TF_KEYS, TF_QUERIES, Direction, ScoreKey
from scfm_assets.tables.scores import EDGE_SCORES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scfm_assets.core.attention import AttentionSums, EvenSums


__all__ = [
    "DIRECTIONS",
    "SYMMETRIC",
    "TF_KEYS",
    "TF_QUERIES",
    "Direction",
    "EdgeScores",
    "ScoreKey",
    "edge_scores",
    "edge_table",
    "from_attention",
    "mean_over_cells",
]


@dataclass(frozen=True)
class EdgeScores:
    """Scores of all ordered pairs of K panel genes; a gene is never an edge of itself.

    Attributes
    ----------
    gene_ids, symbols
        The panel, K of each.
    keys
        What each matrix is.
    scores
        float32 (n_keys, K, K), ``[source row i = query, column j = key]``; unseen pairs and the diagonal are 0.
    pairs
        Repeat to int32 (K, K): cells of the slice that hold both genes.
    left_out
        The scores of TFs without each group of cells in turn, where they are known; stored if they are at hand.
    levels
        Repeat to what each gene alone is like (`scfm_assets.core.scores.gene_levels`), in all cells and then without
        each group, shape (1 + n_groups, n_statistics, K); one row where scores without groups are not known. What is
        made of counts has them.
    """

    gene_ids: tuple[str, ...]
    symbols: tuple[str, ...]
    keys: tuple[ScoreKey, ...]
    scores: np.ndarray
    pairs: Mapping[int, np.ndarray]
    left_out: LeftOut | None = None
    levels: Mapping[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together: that is a bug of the caller."""
        K = len(self.gene_ids)
        shapes = {"symbols": (len(self.symbols),), "scores": self.scores.shape}
        shapes |= {f"pairs[{repeat}]": pairs.shape for repeat, pairs in self.pairs.items()}
        expected = {"symbols": (K,), "scores": (len(self.keys), K, K)}
        wrong = {name: shape for name, shape in shapes.items() if shape != expected.get(name, (K, K))}
        missing = {key.repeat for key in self.keys} - set(self.pairs)
        if wrong or missing:
            message = (
                f"panel of {K} genes, {len(self.keys)} keys: wrong shapes {wrong}, repeats without pairs {missing}"
            )
            raise ValueError(message)

    @property
    def n_genes(self) -> int:
        """K."""
        return len(self.gene_ids)

    @property
    def visible(self) -> np.ndarray:
        """Say which genes some cell of every repeat shows, (K,): not what a model has no token for, or always cuts."""
        return np.all([pairs.diagonal() > 0 for pairs in self.pairs.values()], axis=0)

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and text metadata of a safetensors container."""
        tensors = {"scores": self.scores} | {f"pairs.{repeat}": pairs for repeat, pairs in self.pairs.items()}
        tensors |= {f"levels.{repeat}": levels for repeat, levels in self.levels.items()}
        if self.left_out is not None:
            tensors |= self.left_out.to_tensors(self.keys)
        metadata = {
            "gene_ids": json.dumps(self.gene_ids),
            "symbols": json.dumps(self.symbols),
            "keys": json.dumps([asdict(key) for key in self.keys]),
        }
        return tensors, metadata

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> EdgeScores:
        """Undo `to_tensors`."""
        keys = tuple(ScoreKey(**key) for key in json.loads(metadata["keys"]))
        return cls(
            gene_ids=tuple(json.loads(metadata["gene_ids"])),
            symbols=tuple(json.loads(metadata["symbols"])),
            keys=keys,
            scores=tensors["scores"],
            pairs=_of_repeats("pairs.", tensors),
            left_out=LeftOut.from_tensors(tensors, keys),
            levels=_of_repeats("levels.", tensors),
        )


def _of_repeats(start: str, tensors: Mapping[str, np.ndarray]) -> dict[int, np.ndarray]:
    return {int(name.removeprefix(start)): array for name, array in tensors.items() if name.startswith(start)}


def from_attention(
    sums_of_repeat: Mapping[int, AttentionSums],
    panel: pa.Table,
    token_vectors: np.ndarray | None = None,
    even: Mapping[int, EvenSums] | None = None,
) -> EdgeScores:
    """Turn summed attention into mean attention per pair, plain and lifted, for every layer and chosen head.

    ``attention`` is the mean, over the cells that hold both genes, of the attention weight from query to key (the
    published score); ``attention_lift`` is the mean of that weight times the cell's number of keys, 1 where a cell
    attends evenly; ``attention_max`` and ``attention_max_lift`` are the same of the largest weight over heads. Where
    ranks were summed, their mean is ``attention_rank_normalised``. Where
    hidden states were summed, ``hidden_state`` is the cosine of the two genes' mean hidden states at a layer. A pair
    that no cell holds scores 0. ``token_embedding`` is the cosine of the genes' static embeddings, 0 for a gene without
    one. ``uniform_attention``, a null, is the mean of 1 / (number of keys) over the cells that hold both genes: what
    ``attention`` would be if the model looked at every key of a cell evenly.

    Parameters
    ----------
    sums_of_repeat
        The sums of each repeat; all with the same layers.
    panel
        The gene panel in the order of the sums' rows, with columns ``gene_id`` and ``symbol``.
    token_vectors
        Static embedding of each panel gene, shape (K, hidden), zeros where a gene has none; None: no such method.
    even
        Sums of even attention of each repeat; None: no such null.
    """
    keys, matrices, pairs = [], [], {}

    def add(key: ScoreKey, matrix: np.ndarray) -> None:
        keys.append(key)
        matrices.append(matrix)

    for repeat, sums in sorted(sums_of_repeat.items()):
        pairs[repeat] = sums.pairs
        for method, summed in attention_methods(sums).items():
            for (layer, head), matrix in zip(sums.parts, summed, strict=True):
                name = method if head is None else method.replace("_max", "")
                add(ScoreKey(repeat, name, layer, head), mean_over_cells(matrix, sums.pairs))
        if sums.hidden is not None:
            for layer, hidden in zip(sums.layers, sums.hidden, strict=True):
                seen_together = np.where(sums.pairs > 0, cosines(hidden), 0)
                add(ScoreKey(repeat, "hidden_state", layer, symmetric=True), seen_together)
        if token_vectors is not None:
            add(ScoreKey(repeat, "token_embedding", symmetric=True), cosines(token_vectors))
        if even is not None:
            add(_even_key(repeat), mean_over_cells(even[repeat].summed, sums.pairs))
    made = edge_scores(panel, keys, matrices, pairs)
    return made if even is None else replace(made, left_out=_even_left_out(sums_of_repeat, even))


def _even_key(repeat: int) -> ScoreKey:
    return ScoreKey(repeat, "uniform_attention", symmetric=True)


def _even_left_out(sums_of_repeat: Mapping[int, AttentionSums], even: Mapping[int, EvenSums]) -> LeftOut | None:
    """Even attention of the TFs' pairs without each group of cells; None where attention was not kept by groups."""
    groups_of = {repeat: sums.groups for repeat, sums in sums_of_repeat.items() if sums.groups is not None}
    if not groups_of:
        return None
    tfs = next(iter(groups_of.values())).tfs
    pairs = {repeat: sums_of_repeat[repeat].pairs[tfs] - groups.pairs for repeat, groups in groups_of.items()}
    scores = {
        _even_key(repeat): without(even[repeat].summed[None, tfs], even[repeat].of_groups[:, None], left)
        for repeat, left in pairs.items()
    }
    return LeftOut.of_arrays(tfs, {repeat: groups.n_cells for repeat, groups in groups_of.items()}, scores, pairs)


def attention_methods(sums: AttentionSums) -> dict[str, np.ndarray]:
    """Name the methods that score edges by these sums, heads aggregated; one head has no `_max`."""
    if sums.ranked:
        return {"attention_rank_normalised": sums.plain}
    of_heads = "_max" if sums.aggregation == "max" else ""
    return {f"attention{of_heads}": sums.plain, f"attention{of_heads}_lift": sums.lifted}


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Cosine of every pair of vectors (K, d), shape (K, K); 0 with a vector of zeros."""
    exact = vectors.astype(np.float64)
    length = np.sqrt((exact**2).sum(axis=1, keepdims=True))
    unit = np.divide(exact, length, out=np.zeros_like(exact), where=length > 0)
    return unit @ unit.T


def mean_over_cells(summed: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Divide sums (K, K) by the number of cells that hold both genes; 0 where none does."""
    return summed / np.maximum(pairs, 1).astype(summed.dtype)  # nothing is summed where no cell holds both


def edge_scores(
    panel: pa.Table, keys: Sequence[ScoreKey], matrices: Sequence[np.ndarray], pairs: Mapping[int, np.ndarray]
) -> EdgeScores:
    """Stack matrices (K, K) into edge scores, with the diagonal set to 0."""
    K = panel.num_rows
    scores = np.empty((len(keys), K, K), np.float32)
    for i, matrix in enumerate(matrices):
        scores[i] = matrix
        np.fill_diagonal(scores[i], 0)
    return EdgeScores(
        gene_ids=tuple(panel["gene_id"].to_pylist()),
        symbols=tuple(panel["symbol"].to_pylist()),
        keys=tuple(keys),
        scores=scores,
        pairs={repeat: np.ascontiguousarray(counts, np.int32) for repeat, counts in pairs.items()},
    )


def edge_table(
    scores: EdgeScores,
    tfs: Collection[str],
    *,
    tissue: str,
    n_cells: int,
    model: str,
    checkpoint: str | None,
    simulated: bool,
    directions: Sequence[Direction] = DIRECTIONS,
) -> pa.Table:
    """Write the scores of TF -> target pairs as a long table, one row per pair, direction and matrix.

    Parameters
    ----------
    scores
        Scores of the whole panel.
    tfs
        Symbols or gene ids; only panel genes named here get rows as TF.
    tissue, n_cells, model, checkpoint, simulated
        Stand in every row.
    directions
        How matrices that have a direction are read.

    Returns
    -------
    Rows of `edge_scores`.
    """
    K = scores.n_genes
    known = set(tfs)
    rows = [i for i, names in enumerate(zip(scores.symbols, scores.gene_ids, strict=True)) if known.intersection(names)]
    source, target = np.divmod(np.arange(len(rows) * K, dtype=np.int32), K)
    source = np.asarray(rows, np.int32)[source]
    source, target = source[source != target], target[source != target]
    blocks = [(i, key, direction) for i, key in enumerate(scores.keys) for direction in key.directions(directions)]
    n, size = len(blocks) * len(source), len(source)
    score, seen = np.empty((len(blocks), size), np.float32), np.empty((len(blocks), size), np.int32)
    flat = {False: source * K + target, True: target * K + source}
    for b, (i, key, direction) in enumerate(blocks):
        np.take(scores.scores[i].reshape(-1), flat[direction.transposed], out=score[b])
        np.take(scores.pairs[key.repeat].reshape(-1), flat[direction.transposed], out=seen[b])

    def constant(value: str | None) -> pa.Array:
        return pa.nulls(n, _TEXT) if value is None else _text(np.zeros(n, np.int32), [value])

    def per_block(values: Sequence[int | None]) -> pa.Array:
        filled = np.repeat(np.array([value or 0 for value in values], np.int32), size)
        return pa.array(filled, mask=np.repeat(np.array([value is None for value in values], bool), size))

    def text_per_block(values: Sequence[str]) -> pa.Array:
        names = sorted(set(values))
        return _text(np.repeat(np.array([names.index(value) for value in values], np.int32), size), names)

    keys = [key for _, key, _ in blocks]
    columns = {
        "tissue": constant(tissue),
        "n_cells": pa.array(np.full(n, n_cells, np.int32)),
        "repeat": per_block([key.repeat for key in keys]),
        "model": constant(model),
        "checkpoint": constant(checkpoint),
        "method": text_per_block([key.method for key in keys]),
        "layer": per_block([key.layer for key in keys]),
        "head": per_block([key.head for key in keys]),
        "direction": text_per_block([direction.name for _, _, direction in blocks]),
        "tf": _text(np.tile(source, len(blocks)), scores.symbols),
        "target": _text(np.tile(target, len(blocks)), scores.symbols),
        "score": pa.array(score.reshape(-1)),
        "n_cells_seen": pa.array(seen.reshape(-1)),
        "simulated": pa.array(np.full(n, simulated)),
    }
    return EDGE_SCORES.from_columns(columns)


_TEXT = EDGE_SCORES.schema.field("tf").type


def _text(indices: np.ndarray, names: Sequence[str]) -> pa.Array:
    # Two genes may share a symbol; the values of a dictionary must not repeat.
    distinct, code_of_name = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    codes = code_of_name.astype(np.int32)[indices]
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(distinct, pa.string()))
