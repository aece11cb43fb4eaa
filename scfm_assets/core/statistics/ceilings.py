"""What the best method could reach where labels are incomplete, and what incomplete labels make of any method.

Of P true edges among N pairs, L are labelled; the P - L others count as negatives. If the L are a random sample of the
P (every set of L equally likely, whatever the scores), then over that sampling, exactly:

*AUROC.* A share f = (P - L) / (N - L) of the negatives are hidden edges. Against a true negative a labelled edge wins
as often as any edge does, A; against a hidden edge it wins half the time, as both are edges drawn at random. So

    E[AUROC] = (1 - f) A + f / 2                                                                              (1)

and A = (AUROC - f / 2) / (1 - f) is unbiased. A perfect method (A = 1) expects 1 - f / 2.

*Average precision.* An edge is labelled with chance L / P, and if it is, the other edges that stand at least as high
are labelled with chance q = (L - 1) / (P - 1). With edge i among called_i pairs at least as high, hits_i of them edges,

    E[AP] = 1/P sum_i (1 + q (hits_i - 1)) / called_i = q AP + (1 - q) 1/P sum_i 1 / called_i                  (2)

with AP that of complete labels. A perfect method puts the P edges first. If it ties them, (2) gives L / P; if it puts
them in some order, hits_i = called_i = i and (2) gives (q (P - H_P) + H_P) / P with H_P = 1 + 1/2 + ... + 1/P.

Labels that favour some edges (well studied TFs, strong edges) break the assumption, and no number here holds then.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import digamma

from scfm_assets.core.metrics import TINY, Bins, average_precision


@dataclass(frozen=True)
class Labels:
    """How complete labels are, hidden at random.

    Attributes
    ----------
    pairs
        N, the candidate pairs.
    edges
        P, the true edges among them; need not be whole where it is an estimate.
    labelled
        L, those that are known.
    """

    pairs: float
    edges: float
    labelled: float

    def __post_init__(self) -> None:
        if not 0 < self.labelled <= self.edges < self.pairs:
            message = f"labelled edges, edges and pairs must be 0 < {self.labelled} <= {self.edges} < {self.pairs}"
            raise ValueError(message)

    @classmethod
    def of(cls, pairs: float, labelled: float, *, completeness: float) -> Labels:
        """Take the edges to be so many that this share of them is labelled."""
        return cls(pairs, labelled / completeness, labelled)

    @property
    def completeness(self) -> float:
        """Share of the edges that is labelled."""
        return self.labelled / self.edges

    @property
    def density(self) -> float:
        """Share of the pairs that are edges."""
        return self.edges / self.pairs

    @property
    def hidden_share(self) -> float:
        """f: share of the apparent negatives that are edges."""
        return (self.edges - self.labelled) / (self.pairs - self.labelled)

    @property
    def company(self) -> float:
        """q: chance that another edge is labelled, given that one is."""
        return (self.labelled - 1) / (self.edges - 1) if self.edges > 1 else 0.0


def apparent_auroc(auroc: float | np.ndarray, labels: Labels) -> float | np.ndarray:
    """AUROC that these labels are expected to show for a method of some true AUROC: (1)."""
    return (1 - labels.hidden_share) * auroc + labels.hidden_share / 2


def apparent_average_precision(bins: Bins, labels: Labels) -> np.ndarray:
    """Average precision that these labels are expected to show for a ranking, exactly: (2).

    Parameters
    ----------
    bins
        The ranking with complete labels, shapes (..., p); ties count as in `metrics.average_precision`.
    labels
        Their `edges` and `pairs` must be those of the bins.
    """
    if not (np.allclose(bins.n_pos, labels.edges) and np.allclose(bins.n_pos + bins.n_neg, labels.pairs)):
        message = f"bins of {bins.n_pos} edges among {bins.n_pos + bins.n_neg} pairs, not {labels}"
        raise ValueError(message)
    alone = (bins.weight / np.maximum(bins.called, TINY)).sum(axis=-1) / labels.edges
    return labels.company * average_precision(bins) + (1 - labels.company) * alone


def best_auroc(labels: Labels) -> float:
    """AUROC that a perfect method is expected to show: 1 - f / 2, tied or not."""
    return 1 - labels.hidden_share / 2


def best_average_precision(labels: Labels, *, tied: bool = False) -> float:
    """Average precision that a perfect method is expected to show.

    Parameters
    ----------
    labels
        How complete the labels are.
    tied
        Whether it gives all edges one score (L / P, exactly), or puts them in an order that knows nothing of labels.
    """
    if tied:
        return labels.completeness
    harmonic = _harmonic(labels.edges)
    return float((labels.company * (labels.edges - harmonic) + harmonic) / labels.edges)


def uninformed_average_precision(n_pos: float, n: float) -> float:
    """Average precision that a random order is expected to show: more than the base rate where positives are few.

    The same sum as (2) with all n pairs in the place of the edges.
    """
    harmonic = _harmonic(n)
    company = (n_pos - 1) / (n - 1) if n > 1 else 0.0
    return float((company * (n - harmonic) + harmonic) / n)


def _harmonic(n: float) -> float:
    """1 + 1/2 + ... + 1/n, between whole numbers too."""
    return float(digamma(n + 1) + np.euler_gamma)
