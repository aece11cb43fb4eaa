"""Errors over TFs and targets by refits: every cluster and every pair weighs a little more in turn, one by one."""

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.metrics import bins_of, values_of

STEP = 1e-4
Metric = Callable[[np.ndarray, np.ndarray, np.ndarray], float]


def area(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    return float(roc_auc_score(positive, scores, sample_weight=weight))


def precision(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    return float(average_precision_score(positive, scores, sample_weight=weight))


def ratio(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    return precision(positive, scores, weight) / float(weight[positive].sum() / weight.sum())


def precision_at_this_base_rate(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    return ratio(positive, scores, weight) * float(positive.mean())


def early(positive: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> float:
    return float(values_of(bins_of(scores, positive, weight))[3])


METRICS: dict[str, tuple[Metric, Metric]] = {
    "auroc": (area, area),
    "auprc": (precision, precision_at_this_base_rate),
    "auprc_ratio": (ratio, ratio),
    "epr": (early, early),
}
"""What moves with a TF, and what with a target or a pair."""


def influence_of(metric: Metric, scores: np.ndarray, positive: np.ndarray, chosen: np.ndarray) -> float:
    """Slope of a metric by the weight of some pairs; scores, positive and chosen are (n,)."""
    more, less = (metric(positive, scores, np.where(chosen, 1 + step, 1.0)) for step in (STEP, -STEP))
    return (more - less) / (2 * STEP)


def error_of(
    name: str, scores: Sequence[np.ndarray], positive: np.ndarray, candidate: np.ndarray, kind: str = "network"
) -> float:
    """Error of a metric of one score (T, K), or of the difference of two."""
    rows, columns = np.nonzero(candidate)
    labels, n_pos = positive[candidate], positive[candidate].sum()
    of_tf, of_target = METRICS[name]

    def moved(metric: Metric, chosen: np.ndarray) -> float:
        found = [influence_of(metric, score[candidate], labels, chosen) for score in scores]
        return found[0] - found[1] if len(found) == 2 else found[0]

    of_pairs = sum(moved(of_target, np.arange(len(labels)) == i) ** 2 for i in range(len(labels)))

    def of_clusters(cluster: np.ndarray, metric: Metric) -> float:
        n_clusters = cluster.max() + 1
        share = np.array([(labels & (cluster == one)).sum() for one in range(n_clusters)]) / n_pos
        edges = np.array([moved(metric, labels & (cluster == one)) for one in range(n_clusters)])
        others = np.array([moved(metric, ~labels & (cluster == one)) for one in range(n_clusters)])
        others /= np.sqrt(1 - 1 / n_clusters)
        least = ((edges / np.sqrt(1 - share) + others) ** 2).sum()
        in_common = min(max(1 - of_pairs / least, 0), 1)
        return float(((edges / (1 - share) ** (0.5 + in_common / 2) + others) ** 2).sum())

    of_targets = of_clusters(columns, of_target)
    if kind == "targets":
        return float(np.sqrt(of_targets))
    of_both = of_clusters(rows, of_tf) + of_targets
    return float(np.sqrt(max(of_both - of_pairs, 0.1 * of_pairs)))
