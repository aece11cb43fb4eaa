"""Slopes and interactions against statsmodels and scipy, and the jackknife against leaving TFs out by hand."""

import numpy as np
import pytest
import statsmodels.formula.api as smf
from scipy import stats

from scfm_assets.core.metrics.metrics import auroc, bins_of
from scfm_assets.studies.reference_saturation.measured import measure_scores
from scfm_assets.studies.reference_saturation.slopes import estimates, slopes, slopes_over_tfs
from scfm_assets.studies.reference_saturation.tables import SLOPES
from scfm_assets_tests.studies.reference_saturation.small_saturation import SMALL, hide_labels, small_scores


def test_slope_and_interaction_are_the_coefficients_of_a_linear_model():
    scores, found = small_scores().to_pandas(), slopes(SMALL, small_scores()).to_pandas()
    one = {"density": 2e-3, "noise_growth": 0.0, "method": "spearman", "hiding": "random"}
    own = scores[np.logical_and.reduce([scores[name] == value for name, value in one.items()])]
    own = own.assign(x=np.log2(own.n_cells), ratio=np.log(own.auprc * (own.n_pos + own.n_neg) / own.n_pos))
    rows = found[np.logical_and.reduce([found[name] == value for name, value in one.items()])]
    for metric, column in (("auroc", "auroc"), ("log_auprc_ratio", "ratio")):
        of_metric = rows[rows.metric == metric].set_index("term")
        fits = [smf.ols(f"{column} ~ x * completeness", group).fit() for _, group in own.groupby("seed")]
        sample = np.array([fit.params["x:completeness"] for fit in fits])
        row = of_metric.loc["interaction"]
        assert row.value == pytest.approx(sample.mean())
        test = stats.ttest_1samp(sample, 0)
        assert (row.lo, row.hi) == pytest.approx(tuple(test.confidence_interval(0.95)))
        assert row.p == pytest.approx(test.pvalue)
        assert row.units == 4
        for _, slope in of_metric.loc[["slope"]].iterrows():
            at = own[own.completeness == slope.completeness]
            each = [np.polyfit(group.x, group[column], 1)[0] for _, group in at.groupby("seed")]
            assert slope.value == pytest.approx(np.mean(each))


def test_with_every_edge_labelled_there_is_no_excess_to_judge():
    rows = slopes(SMALL, small_scores())
    assert rows.schema == SLOPES.schema
    whole = [row for row in rows.to_pylist() if row["completeness"] == 1]
    assert whole
    assert {row["excess"] for row in whole} == {0.0}
    assert {row["excess_p"] for row in whole} == {None}


def test_curves_may_be_told_apart_by_any_columns():
    scores = [row | {"tissue": "lung"} for row in small_scores().to_pylist()]
    by = ("tissue", "density", "noise_growth", "method")
    found = estimates(scores, by)
    assert list(found[0])[:4] == list(by)
    assert {row.pop("tissue") for row in found} == {"lung"}
    assert SLOPES.rows(found).equals(slopes(SMALL, small_scores()))


def stored(strength: float = 1.0):
    rng = np.random.default_rng(3)
    edges = rng.random((12, 50)) < 0.15
    common = rng.normal(size=edges.shape)
    return {n: common + strength * np.log2(n) * edges + rng.normal(size=edges.shape) for n in (4, 8, 16)}, edges


def test_of_one_data_set_slopes_have_the_jackknife_of_its_tfs():
    scores, edges = stored(0.2)
    rows = slopes_over_tfs(scores, edges, np.ones_like(edges), completeness=(0.5, 1.0), hidings=("degree",), draws=2)
    found = {(row["term"], row["completeness"]): row for row in rows if row["metric"] == "auroc"}

    def slope(share, rows):
        masks = [hide_labels(edges, share, "degree", 0, draw=draw)[rows].ravel() for draw in range(2)]
        areas = [[auroc(bins_of(of_n[rows].ravel(), mask)) for of_n in scores.values()] for mask in masks]
        return np.mean([np.polyfit(np.log2([4, 8, 16]), own, 1)[0] for own in areas])

    def interaction(rows):
        return 2 * (slope(1.0, rows) - slope(0.5, rows))

    every = np.arange(12)
    for key, statistic in (
        (("slope", 0.5), lambda rows: slope(0.5, rows)),
        (("slope", 1.0), lambda rows: slope(1.0, rows)),
        (("interaction", None), interaction),
    ):
        without = np.array([statistic(np.delete(every, tf)) for tf in every])
        error = np.sqrt(11 / 12 * ((without - without.mean()) ** 2).sum())
        row = found[key]
        assert row["value"] == pytest.approx(statistic(every))
        assert row["error"] == pytest.approx(error)
        assert row["hi"] - row["value"] == pytest.approx(stats.t(11).ppf(0.975) * error)
        assert (row["unit"], row["units"]) == ("tfs", 12)
    assert found["slope", 1.0]["excess"] == pytest.approx(0, abs=1e-12)


def test_stored_scores_are_measured_the_same_over_seeds_and_over_tfs():
    scores, edges = stored(0.2)
    measured = measure_scores(scores, edges, np.ones_like(edges), draws=4)
    over_seeds, over_tfs = estimates(measured, ()), slopes_over_tfs(scores, edges, np.ones_like(edges), draws=4)
    for one, other in zip(over_seeds, over_tfs, strict=True):
        assert (one["hiding"], one["metric"], one["term"], one["completeness"]) == (
            other["hiding"], other["metric"], other["term"], other["completeness"],
        )  # fmt: skip
        if (
            one["metric"] != "log_auprc_ratio"
        ):  # whose mean over draws is taken before the logarithm in one, after in the other
            assert (one["value"], one["predicted"]) == pytest.approx((other["value"], other["predicted"]))
    assert {row["lo"] for row in over_seeds} == {None}  # one seed has no interval
