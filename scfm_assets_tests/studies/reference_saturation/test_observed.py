"""Labels hidden from stored scores: slopes against scikit-learn, repeats merged by hand, known answers."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.studies.reference_saturation.observed import hide_from, merged
from scfm_assets.studies.reference_saturation.tables import OBSERVED
from scfm_assets.studies.reference_saturation.verdicts import counted
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, sources

LADDER = (50, 100, 200)


def observe(slices, grounds):
    return OBSERVED.rows(hide_from(slices, grounds))


def curve(knows: tuple[float, ...], *, repeats: int = 2):
    """A ground, and slices of a model that knows so much at each number of cells."""
    arena = ground(1, share=0.3)
    given = {n: sources(n, knows=know, own=arena, repeats=repeats) for n, know in zip(LADDER, knows, strict=True)}
    slices = [(n, contenders(own, NULLS, TF_QUERIES)) for n, own in given.items()]
    return arena, slices


def rows_of(table, **wanted):
    return [row for row in table.to_pylist() if all(row[name] == value for name, value in wanted.items())]


def test_slopes_are_those_of_scikit_learn_and_repeats_are_merged():
    """With every edge labelled: slope of AUROC on log2 n, jackknife over TFs by hand, mean over repeats (1e-9)."""
    arena, slices = curve((0.3, 0.8, 1.5))
    table = observe(reversed(slices), [arena])
    assert table.schema == pa.schema([field for field in OBSERVED.schema if field.name != "tissue"])
    positive, mask = arena.universe.positive[TFS], ~np.eye(K, dtype=bool)[TFS]
    x = np.log2(LADDER) - np.mean(np.log2(LADDER))
    kept = [np.arange(len(TFS)), *(np.delete(np.arange(len(TFS)), t) for t in range(len(TFS)))]

    def slope(repeat: int, rows: np.ndarray) -> float:
        values = []
        for n in LADDER:
            (own,) = [c for c in dict(slices)[n] if (c.source.model, c.method, c.layer) == ("mine", "attention", 2)]
            scores = own.matrix(repeat)[TFS][rows]
            values.append(roc_auc_score(positive[rows][mask[rows]], scores[mask[rows]]))
        return float(x @ values / (x @ x))

    of_repeats = [np.array([slope(repeat, rows) for rows in kept]) for repeat in (0, 1)]
    n_tfs = len(TFS)
    errors = [np.sqrt((n_tfs - 1) / n_tfs * ((own[1:] - own[1:].mean()) ** 2).sum()) for own in of_repeats]
    wanted = {"model": "mine", "method": "attention", "metric": "auroc", "term": "slope", "completeness": 1.0}
    for row in rows_of(table, **wanted):
        assert row["value"] == pytest.approx(np.mean([own[0] for own in of_repeats]), abs=1e-9)
        assert row["error"] == pytest.approx(np.mean(errors), rel=1e-6)
        half = stats.t.ppf(0.975, n_tfs - 1) * np.mean(errors)
        assert (row["lo"], row["hi"]) == pytest.approx((row["value"] - half, row["value"] + half), rel=1e-6)
        assert (row["n_cells_least"], row["n_cells_most"], row["n_repeats"], row["units"]) == (50, 200, 2, n_tfs)
    assert len(rows_of(table, **wanted)) == 2  # hidings: with every edge labelled they are one


def test_what_rises_is_no_failure_and_what_never_knew_is_not_explained_by_labels():
    """A model that learns with cells rises; one that knows nothing at any number of cells gives no answer `yes`."""
    arena, slices = curve((0.1, 0.9, 2.5))
    table = observe(slices, [arena])
    assert {row["answer"] for row in rows_of(table, model="mine")} == {"no failure"}
    assert "yes" not in {row["answer"] for row in rows_of(table, model="random")}
    told = table.append_column("tissue", [["blood"] * table.num_rows])
    one = {tuple(row[of] for of in ("model", "method", "hiding")) for row in table.to_pylist()}
    assert counted(told).startswith(f"Of {len(one)} curves of this catalog")
    assert "2 rise with the labels that there are" in counted(told)


def test_nulls_variants_and_a_single_number_of_cells_are_left_aside():
    arena, slices = curve((0.1, 0.9, 2.5))
    assert set(observe(slices, [arena])["method"].to_pylist()) == {"attention", "pearson"}
    assert observe(slices[:1], [arena]).num_rows == 0
    assert observe(slices, []).num_rows == 0
    assert not counted(observe(slices, []).append_column("tissue", [[]]))


def test_merging_takes_means_of_values_and_of_errors_and_the_fewest_units():
    row = {"hiding": "random", "metric": "auroc", "term": "slope", "completeness": 1.0}
    one, other = ({**row, "value": value, "error": error, "units": units} for value, error, units in (
        (0.02, 0.01, 9),
        (0.04, 0.03, 7),
    ))  # fmt: skip
    (both,) = merged([[one], [other]])
    assert (both["value"], both["error"], both["units"]) == (pytest.approx(0.03), pytest.approx(0.02), 7)
    assert both["p"] == pytest.approx(2 * stats.t.sf(1.5, 6))
    (unknown,) = merged([[one], [{**other, "error": None}]])
    assert unknown["error"] is unknown["lo"] is unknown["p"] is None
