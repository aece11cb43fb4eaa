"""How fast a metric rises with cells, and whether it does so less where labels are missing.

A slope is the least-squares slope of a metric on log2 n: its change with every doubling of cells. The interaction is
the least-squares slope of those slopes on completeness: the coefficient of log2 n x completeness, as every n is met at
every completeness. Metrics are AUROC, average precision over the base rate (average precision itself falls with the
labels, by definition) and its natural logarithm. Labels hidden at random leave slopes of AUROC as they are, up to the
hidden edges among the negatives; they change those of the others where few labels are left, as `predicted` says. That
is an expectation, which a logarithm does not keep: the excess over it is to be read off the other two.

Intervals are means +- t standard errors over independent units: over simulated tissues, or, where there is one data
set, over its TFs by the jackknife.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.metrics import METRICS, CandidatePairs, auroc
from scfm_assets.core.statistics import (
    Estimate,
    Labels,
    apparent_auroc,
    apparent_average_precision,
    jackknife_error,
    over_tfs,
)
from scfm_assets.studies.reference_saturation.hidden_labels import drawn_labels
from scfm_assets.studies.reference_saturation.measured import COMPLETENESS
from scfm_assets.studies.reference_saturation.tables import SLOPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.studies.reference_saturation.settings import Settings

GROUPS = ("density", "noise_growth", "method")
"""Columns that tell the curves of `measure` apart."""
ASKED = ("auroc", "log_auprc_ratio")
"""Metrics whose slopes must not depend on labels."""
ROUNDING = 1e-12
"""Excess that is none: with every edge labelled, observed and predicted are computed along two ways."""
METRIC_NAMES = ("auroc", "auprc_ratio", "log_auprc_ratio")


def slope_weights(x: Sequence[float] | np.ndarray) -> np.ndarray:
    """Weights whose sum of products with y is the least-squares slope of y on x."""
    centred = np.asarray(x, float) - np.mean(x)
    return centred / (centred**2).sum()


def slopes(_: Settings, scores: pa.Table) -> pa.Table:
    """Rows of `SLOPES`: slopes and interactions over seeds of rows of `SCORES`."""
    return SLOPES.rows(estimates(scores.to_pylist()))


def estimates(scores: Iterable[Mapping[str, Any]], by: Sequence[str] = GROUPS) -> list[dict[str, Any]]:
    """Estimate slopes and interactions over seeds.

    Parameters
    ----------
    scores
        Rows as `measure_scores` gives them, with the columns of `by`. Every seed has every n at every completeness.
    by
        Columns that tell curves apart.

    Returns
    -------
    Columns of `by`, then those of `SLOPES` that are not among `GROUPS`; None for what is not known.
    """
    curves: dict[tuple[Any, ...], dict[tuple[int, float, int], Mapping[str, Any]]] = defaultdict(dict)
    for row in scores:
        curve = curves[*(row[name] for name in by), row["hiding"]]
        curve[row["seed"], row["completeness"], row["n_cells"]] = row
    rows = []
    for (*key, hiding), of_curve in curves.items():
        head = dict(zip(by, key, strict=True)) | {"hiding": hiding, "unit": "seeds"}
        rows += [head | row for row in _over_seeds(of_curve)]
    return rows


def _over_seeds(curve: Mapping[tuple[int, float, int], Mapping[str, Any]]) -> list[dict[str, Any]]:
    seeds, shares, ladder = (sorted(set(axis)) for axis in zip(*curve, strict=True))
    shape, weights = (len(seeds), len(shares), len(ladder), -1), slope_weights(np.log2(ladder))
    cells = list(product(seeds, shares, ladder))
    observed, predicted = (
        np.einsum("scnm,n->msc", np.array([_metrics(curve[cell], prefix) for cell in cells]).reshape(shape), weights)
        for prefix in ("", "predicted_")
    )
    rows = []
    for metric, observed_slopes, predicted_slopes in zip(METRIC_NAMES, observed, predicted, strict=True):
        for term, share, values, expected in _terms(shares, observed_slopes, predicted_slopes):
            beyond = np.where(np.isclose(values, expected, rtol=0, atol=ROUNDING), 0.0, values - expected)
            estimates = Estimate.of_sample(values), Estimate.of_sample(beyond)
            rows.append(_row(metric, term, share, *estimates, predicted=float(expected.mean())))
    return rows


def _metrics(row: Mapping[str, Any], prefix: str = "") -> tuple[float, float, float]:
    """Read `METRIC_NAMES` of a row of scores."""
    ratio = row[f"{prefix}auprc"] * (row["n_pos"] + row["n_neg"]) / row["n_pos"]
    return row[f"{prefix}auroc"], ratio, float(np.log(ratio))


def _terms(shares: Sequence[float], *slopes: np.ndarray) -> list[tuple[Any, ...]]:
    """Take the slope at each completeness, and the interaction, of arrays (..., completenesses)."""
    terms: list[tuple[Any, ...]] = [
        ("slope", share, *(slope[..., i] for slope in slopes)) for i, share in enumerate(shares)
    ]
    if len(shares) > 1:
        terms.append(("interaction", None, *(slope @ slope_weights(shares) for slope in slopes)))
    return terms


def _row(
    metric: str, term: str, share: float | None, estimate: Estimate, excess: Estimate, *, predicted: float
) -> dict[str, Any]:
    beyond = columns_of(excess)
    return (
        {"metric": metric, "term": term, "completeness": share, "units": estimate.units}
        | columns_of(estimate)
        | {"predicted": predicted if np.isfinite(predicted) else None, "excess": beyond["value"]}
        | {f"excess_{name}": beyond[name] for name in ("lo", "hi", "p")}
    )


def columns_of(estimate: Estimate) -> dict[str, float | None]:
    """An estimate as columns of a table; None for what is not known."""
    lo, hi = estimate.interval()
    numbers = {"value": estimate.value, "lo": lo, "hi": hi, "error": estimate.error, "p": estimate.p()}
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}


def slopes_over_tfs(
    scores_of_n: Mapping[int, np.ndarray],
    edges: np.ndarray,
    candidates: np.ndarray,
    *,
    completeness: Sequence[float] = COMPLETENESS,
    hidings: Sequence[str] = ("random", "degree"),
    seed: int = 0,
    draws: int = 10,
    strength: np.ndarray | None = None,
) -> list[dict[str, Any]]:
    """Estimate slopes and interactions of one data set, with intervals over its TFs.

    Every TF is left out, with all its pairs, at all n and at every completeness alike. Slopes are means over
    draws of labels: which labels happened to be hidden is no part of the interval.

    Parameters
    ----------
    scores_of_n, edges, candidates, completeness, hidings, seed, draws, strength
        As for `measure_scores`; every row is a TF.

    Returns
    -------
    Rows as those of `estimates`; without an interval of the excess, whose prediction is not made anew without each TF.
    """
    edges, rows = np.asarray(edges, bool) & candidates, []
    ladder = sorted(scores_of_n)
    weights = slope_weights(np.log2(ladder))
    of_n = np.stack([np.asarray(scores_of_n[n]) for n in ladder])
    for hiding in hidings:
        drawn = drawn_labels(edges, completeness, hiding, seed, draws=draws, strength=strength)
        parts = [_of_labels(of_n, edges, candidates, labelled) for labelled in drawn]
        values, without, predicted = (np.mean(of_draws, axis=0) for of_draws in zip(*parts, strict=True))
        units = int(np.count_nonzero(edges.any(axis=1)))
        for m, metric in enumerate(METRIC_NAMES):
            taken = (np.tensordot(metrics, weights, (0, 0))[m] for metrics in (values, without, predicted))
            all_tfs, left_out, expected = (np.moveaxis(slope, 0, -1) for slope in taken)
            for term, share, value, left, theirs in _terms(completeness, all_tfs, left_out, expected):
                error = float(jackknife_error(value, left, np.ones(len(left))))
                estimate = Estimate(float(value), error, units)
                excess = Estimate(float(value - theirs), np.nan, units)
                rows.append(
                    {"hiding": hiding, "unit": "tfs"}
                    | _row(metric, term, share, estimate, excess, predicted=float(theirs))
                )
    return rows


def _of_labels(
    of_n: np.ndarray, edges: np.ndarray, candidates: np.ndarray, labelled: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measure the scores (N, R, K) with each of C label masks.

    Returns
    -------
    Metrics (N, 3, C), the same without each TF (N, 3, C, R), and those predicted (N, 3, C).
    """
    values, without, predicted = [], [], []
    complete_pairs = CandidatePairs.of_masks(candidates, edges)
    ranked = complete_pairs.of(of_n)
    complete = [complete_pairs.rank(scores).bins for scores in ranked]
    for mask in labelled:
        pairs = CandidatePairs.of_masks(candidates, mask)
        shared = over_tfs([pairs.rank(scores) for scores in ranked])
        values.append(_pick(shared.values))
        without.append(_pick(shared.resampled))
        labels = Labels(pairs.n, complete_pairs.n_pos, pairs.n_pos)
        ratio = [float(apparent_average_precision(bins, labels)) * pairs.n / pairs.n_pos for bins in complete]
        areas = [float(apparent_auroc(float(auroc(bins)), labels)) for bins in complete]
        predicted.append(np.column_stack([areas, ratio, np.log(ratio)]))
    return np.stack(values, axis=2), np.stack(without, axis=2), np.stack(predicted, axis=2)


def _pick(metrics: np.ndarray) -> np.ndarray:
    """Take `METRIC_NAMES` of all metrics (N, n_metrics, ...)."""
    names = [metric.name for metric in METRICS]
    area, ratio = metrics[:, names.index("auroc")], metrics[:, names.index("auprc_ratio")]
    return np.stack([area, ratio, np.log(np.where(ratio > 0, ratio, np.nan))], axis=1)
