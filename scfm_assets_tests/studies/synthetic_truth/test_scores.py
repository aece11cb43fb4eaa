"""What is simulated and scored, against scikit-learn and against methods whose right answer is known."""

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
from anndata import AnnData
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from scfm_assets.core.scores import baselines
from scfm_assets.core.scores.baselines import BaselineMethod
from scfm_assets.core.simulate.simulators import SIMULATORS
from scfm_assets.errors import ScfmError
from scfm_assets.studies.synthetic_truth.data_sets import data_sets, methods_in, spec_of
from scfm_assets.studies.synthetic_truth.scores import NULLS, measure, readings
from scfm_assets.studies.synthetic_truth.settings import Settings
from scfm_assets.studies.synthetic_truth.tables import SCORES
from scfm_assets_tests.core.simulate.small_simulations import world_donor

TINY = Settings(seeds=2, n_cells=150, n_genes=40, n_tfs=8, density=0.1, methods=("pearson", "spearman"), hill_dt=0.1)
DONOR = world_donor(300)


def measured(settings):
    """Measure with an atlas that is the donor."""
    obs = pd.DataFrame({"cell_type": DONOR.cell_type}, index=[f"cell{i}" for i in range(len(DONOR.cell_type))])
    atlas = AnnData(DONOR.counts, obs=obs, var=pd.DataFrame(index=DONOR.genes))
    return measure(settings, {DONOR.name: atlas})


@pytest.fixture(scope="module")
def scores():
    return measured(TINY)


def masks(made):
    truth = made.signed_network()[made.tfs] != 0
    other = np.ones(truth.shape, bool)
    other[np.arange(len(made.tfs)), made.tfs] = False
    return truth, other


def test_every_simulator_case_seed_method_and_metric_has_one_row(scores):
    assert scores.schema == SCORES.schema
    keys = scores.select(["simulator", "case", "seed", "method", "metric"]).to_pylist()
    assert len({tuple(key.values()) for key in keys}) == len(keys) == (6 + 6 + 5) * 2 * (2 + 4) * 4
    assert {row["case"] for row in scores.to_pylist() if row["simulator"] == "copula"} == {
        "none", "hubs", "shared_confounder", "composition", "batch",
    }  # fmt: skip
    assert all(column.doc for column in SCORES.columns)


def test_values_are_those_of_scikit_learn(scores):
    made = SIMULATORS["linear"].at_seed(spec_of(TINY, "linear", None), 1)
    truth, other = masks(made)
    own = baselines.pearson(baselines.cells_of(made.counts, np.arange(40)), made.tfs)[other]
    rows = {
        row["metric"]: row
        for row in scores.to_pylist()
        if (row["simulator"], row["case"], row["seed"], row["method"]) == ("linear", "none", 1, "pearson")
    }
    assert rows["auroc"]["value"] == pytest.approx(roc_auc_score(truth[other], own), abs=1e-12)
    assert rows["auprc"]["value"] == pytest.approx(average_precision_score(truth[other], own), abs=1e-12)
    assert (rows["auroc"]["n_pos"], rows["auroc"]["n_neg"]) == (truth.sum(), (other & ~truth).sum())
    assert rows["auroc"]["lo"] < rows["auroc"]["value"] < rows["auroc"]["hi"]
    assert 2 <= rows["auroc"]["units"] <= np.count_nonzero(truth.any(axis=1))


def method(name, scored):
    return BaselineMethod(name, lambda _cells, _genes: scored, null=False)


def test_an_oracle_beats_the_nulls_and_its_opposite_is_worse():
    spec = TINY.changed(n_genes=80, n_tfs=16)
    made = SIMULATORS["linear"].at_seed(spec_of(spec, "linear", None), 0)
    truth, _ = masks(made)
    jitter = np.random.default_rng(0).random(truth.shape)
    of_null = NULLS[0].function(baselines.cells_of(made.counts, np.arange(80)), made.tfs)
    methods = [method("oracle", truth + jitter), method("opposite", jitter - truth), method("twin", of_null)]
    rows = {(row["method"], row["metric"]): row for row in readings(made, methods)}
    assert rows["oracle", "auroc"]["verdict"] == rows["oracle", "epr"]["verdict"] == "beats the nulls"
    assert rows["oracle", "auroc"]["p"] < 1e-6
    assert rows["opposite", "auroc"]["verdict"] == "worse than a null"
    assert rows["opposite", "auroc"]["p"] == 1
    twin = rows["twin", "auroc"]
    assert twin["p"] == 1
    assert twin["above_null"] <= 0
    assert twin["verdict"] in {"does not beat the nulls", "underpowered", "worse than a null"}
    assert rows[NULLS[1].name, "auroc"]["verdict"] == "null"
    assert rows[NULLS[1].name, "auroc"]["p"] is None


def test_p_is_that_of_the_null_which_is_hardest_to_beat(scores):
    """The value above the hardest null is the method's less that null's, and no smaller difference is surer."""
    rows = scores.to_pylist()
    place = ("simulator", "case", "seed", "metric")
    of_nulls = {(*(row[name] for name in place), row["method"]): row["value"] for row in rows if row["is_null"]}
    for row in rows:
        if not row["is_null"]:
            null = of_nulls[*(row[name] for name in place), row["hardest_null"]]
            assert row["above_null"] == pytest.approx(row["value"] - null, abs=1e-12)
            assert row["verdict"] != "beats the nulls" or (row["p"] <= 0.05 and row["above_null"] > 0)


def test_misleading_cases_change_counts_of_the_same_cells():
    made = dict(data_sets(TINY, "linear", None, 0))
    clean = made["none"].counts.toarray()
    for case in ("shared_confounder", "composition", "batch"):
        others = np.setdiff1d(np.arange(40), made[case].provenance["misled_genes"])
        assert np.array_equal(made[case].counts.toarray()[:, others], clean[:, others])
        assert np.array_equal(made[case].edges, made["none"].edges)
    assert not np.array_equal(made["hubs"].edges, made["none"].edges)
    assert made["batch"].provenance["seed"] == 0


def test_a_spec_decides_the_study_and_progress_is_told(scores):
    told = []
    of_one = TINY.changed(simulators=("linear",))
    again = measure(of_one, {}, progress=lambda done, total: told.append((done, total)))
    assert again.equals(scores.filter(pc.field("simulator") == "linear"))
    assert told == [(i + 1, 12) for i in range(12)]


def test_boosting_is_there_where_it_is_asked_for_and_workers_change_nothing():
    spec = Settings(
        simulators=("linear",), cases=("batch",), seeds=1, n_cells=60, n_genes=8, n_tfs=3, density=0.3,
        methods=("pearson", "grnboost"),
    )  # fmt: skip
    one, two = (measure(spec, {}, workers) for workers in (1, 2))
    assert one.equals(two)
    boosted = {row["case"] for row in one.to_pylist() if row["method"] == "grnboost"}
    assert boosted == {"none"}
    assert "grnboost" in methods_in(spec.changed(boosted_cases=("none", "batch")), "batch")


@pytest.mark.parametrize(
    "change",
    [
        {"simulators": ("sergio",)}, {"simulators": ()}, {"cases": ("none",)}, {"methods": ("pearson", "pearson")},
        {"methods": ("attention",)}, {"seeds": 0}, {"boosted_cases": ("never",)},
    ],
)  # fmt: skip
def test_names_that_nothing_has_are_refused(change):
    with pytest.raises(ValidationError, match=next(iter(change))):
        TINY.changed(**change)


def test_a_copula_without_a_donor_is_refused():
    with pytest.raises(ScfmError, match="no donor"):
        measure(TINY.changed(simulators=("copula",)), {})
