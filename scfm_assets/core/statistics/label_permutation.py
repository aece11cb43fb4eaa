"""A test of the ranking itself: labels that are shuffled must score as chance does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scfm_assets.core.metrics import auroc, bins_of


@dataclass(frozen=True)
class PermutedLabels:
    """AUROC of shuffled labels: 0.5 within chance, or something is wrong with the ranking."""

    mean: float
    standard_error: float
    permutations: int

    def is_null(self, *, z: float = 4.0) -> bool:
        """Whether the mean is within `z` standard errors of 0.5."""
        return abs(self.mean - 0.5) <= z * self.standard_error + 1e-9


def permuted_labels_auroc(
    scores: np.ndarray, candidate: np.ndarray, positive: np.ndarray, *, permutations: int = 50, seed: int = 0
) -> PermutedLabels:
    """Average the AUROC over random permutations of the labels within a universe.

    Parameters
    ----------
    scores
        Scores (K, K), turned so that rows are the TF's end (`Direction.orient`).
    candidate, positive
        Masks (K, K) of `universe.candidates` and `universe.positives`.
    permutations
        Number of permutations, at least 2.
    seed
        Decides them.

    Returns
    -------
    Mean over permutations and its standard error; NaN-free, 0.5 and 0 where every score is the same.

    Raises
    ------
    ValueError
        Without positives or negatives.
    """
    ranked, labels = scores[candidate], positive[candidate]
    if not labels.any() or labels.all():
        message = "labels cannot be permuted: no positives or no negatives in the universe"
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    values = [float(auroc(bins_of(ranked, rng.permutation(labels)))) for _ in range(permutations)]
    return PermutedLabels(float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(permutations)), permutations)
