"""What the scores of the TFs' pairs would be without one group of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.scores.score_keys import ScoreKey

PREFIX = "left_out."
IS_LIFTED = {
    "attention": False,
    "attention_lift": True,
    "attention_max": False,
    "attention_max_lift": True,
    "attention_rank_normalised": False,
}
"""Whether a method's scores are lifted sums, of those that are made of sums of attention."""


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Scores of the pairs of T genes with each of the n_groups groups of cells left out in turn.

    Attributes
    ----------
    tfs
        Panel indices of the genes, ascending, int64 (T,).
    n_cells
        Repeat to the number of cells of each group, int64 (n_groups,).
    scores
        Gives, for a matrix of scores, float32 (n_groups, 2, T, K): ``[g, d, t, j]`` is the score without group g in
        direction d of `core.scores.score_keys.DIRECTIONS`, (n_groups, 1, T, K) for a symmetric one; None where the
        method has none.
    pairs
        Repeat to int32 (n_groups, T, K): cells that hold both genes, those of group g left out.
    stored
        The scores themselves where they are at hand, by key; these can be stored.
    """

    tfs: np.ndarray
    n_cells: Mapping[int, np.ndarray]
    scores: Callable[[ScoreKey], np.ndarray | None]
    pairs: Mapping[int, np.ndarray]
    stored: Mapping[ScoreKey, np.ndarray] | None = None

    @classmethod
    def of_arrays(
        cls,
        tfs: np.ndarray,
        n_cells: Mapping[int, np.ndarray],
        scores: Mapping[ScoreKey, np.ndarray],
        pairs: Mapping[int, np.ndarray],
    ) -> LeftOut:
        """Hold scores that are at hand."""
        return cls(tfs, n_cells, scores.get, pairs, scores)

    def beside(self, other: LeftOut | None) -> LeftOut:
        """Take the scores that these lack from others of the same TFs and groups."""
        if other is None:
            return self

        def scores(key: ScoreKey) -> np.ndarray | None:
            known = self.scores(key)
            return other.scores(key) if known is None else known

        return LeftOut(self.tfs, self.n_cells, scores, self.pairs)

    def to_tensors(self, keys: Sequence[ScoreKey]) -> dict[str, np.ndarray]:
        """Arrays for a safetensors container; nothing if the scores are not at hand."""
        if self.stored is None:
            return {}
        tensors = {f"{PREFIX}tfs": self.tfs}
        for repeat, sizes in self.n_cells.items():
            tensors |= {f"{PREFIX}n_cells.{repeat}": sizes, f"{PREFIX}pairs.{repeat}": self.pairs[repeat]}
        of_key = {f"{PREFIX}scores.{i}": self.stored[key] for i, key in enumerate(keys) if key in self.stored}
        return tensors | of_key

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], keys: Sequence[ScoreKey]) -> LeftOut | None:
        """Undo `to_tensors`."""
        if f"{PREFIX}tfs" not in tensors:
            return None

        def numbered(name: str) -> dict[int, np.ndarray]:
            start = f"{PREFIX}{name}."
            arrays = {int(n.removeprefix(start)): array for n, array in tensors.items() if n.startswith(start)}
            return dict(sorted(arrays.items()))

        scores = {keys[i]: array for i, array in numbered("scores").items()}
        return cls.of_arrays(tensors[f"{PREFIX}tfs"], numbered("n_cells"), scores, numbered("pairs"))


def left_out_of_attention(sums_of_repeat: Mapping[int, AttentionSums]) -> LeftOut | None:
    """Take each group of cells out of the sums of attention again: (total - group) / (pairs - the group's pairs).

    Nothing is computed before it is asked for, one matrix at a time.

    Parameters
    ----------
    sums_of_repeat
        The sums of each repeat, as for `scfm_assets.core.scores.edges.from_attention`.

    Returns
    -------
    Scores of the methods in `IS_LIFTED`, 0 where no cell is left; None if the sums of a repeat are not kept by groups
    of cells.
    """
    groups_of_repeats = [sums.groups for sums in sums_of_repeat.values()]
    if not groups_of_repeats or any(groups is None for groups in groups_of_repeats):
        return None
    groups_of = {repeat: sums.groups for repeat, sums in sums_of_repeat.items() if sums.groups is not None}
    tfs = next(iter(groups_of.values())).tfs
    pairs = {r: sums_of_repeat[r].pairs[tfs] - groups.pairs for r, groups in groups_of.items()}

    def scores(key: ScoreKey) -> np.ndarray | None:
        sums, groups = sums_of_repeat[key.repeat], groups_of[key.repeat]
        if key.method not in IS_LIFTED or key.layer is None:
            return None
        lifted = IS_LIFTED[key.method]
        of_all, of_groups = (sums.lifted, groups.lifted) if lifted else (sums.plain, groups.plain)
        part = sums.parts.index((key.layer, key.head))
        total = np.stack([of_all[part][tfs], of_all[part][:, tfs].T])
        return without(total, of_groups[:, part], pairs[key.repeat])

    return LeftOut(tfs, {r: groups.n_cells for r, groups in groups_of.items()}, scores, pairs)


def without(total: np.ndarray, of_groups: np.ndarray, left: np.ndarray) -> np.ndarray:
    """Average over the cells that are left without each group.

    Parameters
    ----------
    total
        Sums over all cells, shape (D, T, K).
    of_groups
        Sums over the cells of each group, shape (n_groups, D, T, K).
    left
        Cells that hold both genes without each group, shape (n_groups, T, K).

    Returns
    -------
    float32 (n_groups, D, T, K), 0 where no cell is left.
    """
    summed = np.subtract(total, of_groups, dtype=np.float32)
    held = left[:, None].astype(np.float32)
    return np.divide(summed, held, out=np.zeros_like(summed), where=held > 0)
