"""Edge scores: what each method says about every ordered pair of panel genes, and the same as a table for SQL."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from scfm_assets.core.attention import AttentionSums


@dataclass(frozen=True)
class Direction:
    """Which end of an attended pair is the TF."""

    name: str
    doc: str
    transposed: bool = False

    def orient(self, scores: np.ndarray) -> np.ndarray:
        """Turn scores (K, K) [query, key] so that rows are the TF's end; a view."""
        return scores.T if self.transposed else scores


TF_QUERIES = Direction("tf_queries", "the TF is the query and attends its target: score[tf, target], the published one")
TF_KEYS = Direction("tf_keys", "the TF is the key and is attended by its target: score[target, tf]", transposed=True)
SYMMETRIC = Direction("symmetric", "the score has no direction")
DIRECTIONS = (TF_QUERIES, TF_KEYS)


@dataclass(frozen=True)
class ScoreKey:
    """Names one matrix of edge scores; layer and head are None where they do not apply."""

    repeat: int
    method: str
    layer: int | None = None
    head: int | None = None
    symmetric: bool = False

    def directions(self, wanted: Sequence[Direction] = DIRECTIONS) -> tuple[Direction, ...]:
        """Give the directions in which this matrix is read."""
        return (SYMMETRIC,) if self.symmetric else tuple(wanted)


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
    """

    gene_ids: tuple[str, ...]
    symbols: tuple[str, ...]
    keys: tuple[ScoreKey, ...]
    scores: np.ndarray
    pairs: Mapping[int, np.ndarray]

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

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Give the arrays and the text metadata of a safetensors container."""
        tensors = {"scores": self.scores} | {f"pairs.{repeat}": pairs for repeat, pairs in self.pairs.items()}
        metadata = {
            "gene_ids": json.dumps(self.gene_ids),
            "symbols": json.dumps(self.symbols),
            "keys": json.dumps([asdict(key) for key in self.keys]),
        }
        return tensors, metadata

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> EdgeScores:
        """Undo `to_tensors`."""
        return cls(
            gene_ids=tuple(json.loads(metadata["gene_ids"])),
            symbols=tuple(json.loads(metadata["symbols"])),
            keys=tuple(ScoreKey(**key) for key in json.loads(metadata["keys"])),
            scores=tensors["scores"],
            pairs={int(name.split(".")[1]): pairs for name, pairs in tensors.items() if name.startswith("pairs.")},
        )


def from_attention(sums_of_repeat: Mapping[int, AttentionSums], panel: pa.Table) -> EdgeScores:
    """Turn summed attention into mean attention per pair, plain and lifted, for every layer.

    ``attention`` is the mean, over the cells that hold both genes, of the attention weight from query to key (the
    published score); ``attention_lift`` is the mean of that weight times the cell's number of keys, 1 where a cell
    attends evenly. A pair that no cell holds scores 0.

    Parameters
    ----------
    sums_of_repeat
        The sums of each repeat; all with the same layers.
    panel
        The gene panel in the order of the sums' rows, with columns ``gene_id`` and ``symbol``.
    """
    keys, matrices, pairs = [], [], {}
    for repeat, sums in sorted(sums_of_repeat.items()):
        pairs[repeat] = sums.pairs
        for method, summed in (("attention", sums.plain), ("attention_lift", sums.lifted)):
            for layer, matrix in zip(sums.layers, summed, strict=True):
                keys.append(ScoreKey(repeat, method, layer))
                matrices.append(mean_over_cells(matrix, sums.pairs))
    return edge_scores(panel, keys, matrices, pairs)


def mean_over_cells(summed: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Divide sums (K, K) by the number of cells that hold both genes; 0 where none does."""
    return np.divide(summed, pairs, out=np.zeros(summed.shape, summed.dtype), where=pairs > 0)


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
    Table with columns tissue, n_cells, repeat, model, checkpoint, method, layer, head, direction, tf, target (symbols),
    score, n_cells_seen (cells of the repeat that hold both) and simulated. Text columns are dictionary-encoded.
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
    return pa.table(columns)


_TEXT = pa.dictionary(pa.int32(), pa.string())


def _text(indices: np.ndarray, names: Sequence[str]) -> pa.Array:
    # Two genes may share a symbol; the values of a dictionary must not repeat.
    distinct, code_of_name = np.unique(np.asarray(names, dtype=object), return_inverse=True)
    codes = code_of_name.astype(np.int32)[indices]
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(distinct, pa.string()))
