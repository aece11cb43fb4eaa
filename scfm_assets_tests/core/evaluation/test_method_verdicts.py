"""Verdicts on methods: what each says, and how often it says it where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.evaluation import method_verdicts
from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import counted, hypotheses, verdicts
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.statistics import Donors, hypothesis_tests
from scfm_assets.core.statistics.power import power_of_difference, smallest_difference
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse
from scfm_assets.tables.methods import METHOD_VERDICTS
from scfm_assets_tests.core.evaluation.small_methods import NULLS, ground, sources


def compared(seed: int, **options) -> pa.Table:
    return compare_methods(contenders(sources(seed, **options), NULLS, TF_QUERIES), [ground(seed)])


def one_row(table: pa.Table, **equal) -> dict:
    (row,) = [row for row in table.to_pylist() if all(row[name] == value for name, value in equal.items())]
    return row


def changed(table: pa.Table, change) -> pa.Table:
    """Change rows of a comparison."""
    return pa.Table.from_pylist([row | (change(row) or {}) for row in table.to_pylist()], schema=table.schema)


def of_mine(table: pa.Table) -> dict:
    return one_row(table, model="mine", method="attention", metric="auroc")


def test_a_method_that_knows_beats_every_null_and_p_is_that_of_the_worst_comparison():
    comparison = compared(0, knows=3.0)
    table = verdicts(comparison)
    assert table.schema == METHOD_VERDICTS.without("tissue", "n_cells", "simulated").schema
    row = of_mine(table)
    rows = [r for r in comparison.to_pylist() if (r["model"], r["method"], r["metric"], r["reference_role"])
            == ("mine", "attention", "auroc", "null")]  # fmt: skip
    assert len(rows) == 4  # two nulls, two kinds
    assert row["verdict"] == "beats the nulls"
    assert row["p"] == max(r["p"] for r in rows) < 0.05
    best = max(rows, key=lambda r: r["value_reference"])
    assert (row["best_null"], row["best_null_value"]) == (best["reference"], best["value_reference"])
    limits = {r["interval"]: (r["value_lo"], r["value_hi"]) for r in rows}
    assert limits == {
        "network": (row["network_lo"], row["network_hi"]),
        "cells": (row["cells_lo"], row["cells_hi"]),
    }
    assert row["rests_on"] == "network, cells"
    power = min(power_of_difference(0.05, r["error"], units=r["units"]) for r in rows)
    detectable = max(smallest_difference(r["error"], units=r["units"]) for r in rows)
    assert (row["power"], row["mde"]) == pytest.approx((power, detectable), rel=1e-9)


@pytest.mark.parametrize(
    ("donors", "rests_on"),
    [(None, "network, cells"), (4, "network, cells of these donors"), (5, "network, donors")],
)
def test_a_verdict_says_whether_it_speaks_of_other_donors(donors, rests_on):
    known = None if donors is None else Donors(donors, np.arange(10) % donors)
    given, arena = contenders(sources(0, knows=3.0), NULLS, TF_QUERIES), ground(0)
    comparison = compare_methods(given, [arena], donors=known)
    row = of_mine(verdicts(comparison))
    assert (row["rests_on"], row["verdict"]) == (rests_on, "beats the nulls")
    kind = "donors" if donors == 5 else "cells"
    (of_cells, _) = [r for r in comparison.to_pylist() if (r["model"], r["method"], r["metric"], r["interval"],
                     r["reference_role"]) == ("mine", "attention", "auroc", kind, "null")]  # fmt: skip
    assert (row["cells_lo"], row["cells_hi"]) == (of_cells["value_lo"], of_cells["value_hi"])
    assert of_cells["donors"] == donors


def test_one_null_that_is_not_beaten_by_one_kind_is_enough():
    def tie(row):
        if (row["reference"], row["interval"]) == ("mean_product", "cells"):
            return {"verdict": "indistinguishable", "p": 0.4, "error": 0.001}
        return {"error": 0.001}

    row = of_mine(verdicts(changed(compared(0, knows=3.0), tie)))
    assert (row["verdict"], row["p"]) == ("does not beat the nulls", 0.4)
    assert row["power"] > 0.99


def test_a_method_below_a_null_has_p_1_and_is_worse_only_if_both_kinds_say_so():
    def below(kinds):
        def change(row):
            if row["reference"] == "mean_product" and row["interval"] in kinds:
                return {"verdict": "worse", "difference": -0.2, "p": 0.001, "error": 0.001}
            return {"error": 0.001}

        return of_mine(verdicts(changed(compared(0, knows=3.0), change)))

    assert (below(("network", "cells"))["verdict"], below(("network", "cells"))["p"]) == ("worse than a null", 1.0)
    assert (below(("network",))["verdict"], below(("network",))["p"]) == ("does not beat the nulls", 1.0)


def test_little_power_and_no_test_at_all_are_underpowered():
    weak = of_mine(verdicts(changed(compared(1, knows=0.0), lambda _: {"error": 0.2})))
    assert weak["power"] < 0.1
    assert weak["verdict"] == "underpowered"
    untold = of_mine(verdicts(changed(
        compared(1), lambda _: {"error": None, "p": None, "effect": None, "verdict": "indistinguishable"}
    )))  # fmt: skip
    assert (untold["verdict"], untold["p"], untold["power"]) == ("underpowered", None, None)


def test_nulls_are_rows_that_are_not_judged_and_other_metrics_are_left_aside():
    table = verdicts(compared(2))
    assert set(table["metric"].to_pylist()) == {"auroc", "auprc_ratio"}
    for null in NULLS:
        row = one_row(table, method=null, metric="auroc")
        assert (row["verdict"], row["p"], row["best_null"], row["role"]) == ("null", None, None, "null")
        assert row["network_lo"] < row["value"] < row["network_hi"]
    ratio = one_row(table, model="mine", method="attention", metric="auprc_ratio")
    assert (ratio["power"], ratio["mde"], ratio["confounding"]) == (None, None, None)


def test_random_weights_say_whether_a_method_is_confounded_and_by_which_null():
    def confounded(row):
        own = {"value": 0.8, "value_lo": 0.7, "value_hi": 0.9, "correlation": 0.6}
        return own if row["model"] == "random" and row["reference"] == "mean_product" else (
            own | {"correlation": -0.2} if row["model"] == "random" else None
        )  # fmt: skip

    table = verdicts(changed(compared(3), confounded))
    for model in ("mine", "random"):
        row = one_row(table, model=model, method="attention", metric="auroc")
        assert (row["control"], row["confounding"], row["explained_by"]) == ("random", "confounded", "mean_product")
        assert (row["value_random"], row["random_lo"], row["random_hi"]) == (0.8, 0.7, 0.9)
    clean = verdicts(changed(compared(3), lambda row: {"value": 0.51, "value_lo": 0.45, "value_hi": 0.57}
                             if row["model"] == "random" and row["interval"] == "network" else
                             {"value": 0.51, "value_lo": 0.505, "value_hi": 0.515, "correlation": 0.05}))  # fmt: skip
    row = of_mine(clean)
    assert (row["confounding"], row["explained_by"]) == ("clean", None)
    assert (row["random_lo"], row["random_hi"]) == (0.45, 0.57)
    pearson = one_row(clean, method="pearson", metric="auroc")
    assert (pearson["control"], pearson["confounding"]) == (None, None)


def test_hypotheses_stand_at_the_largest_n_cells_in_a_family_of_their_tissue():
    parts = []
    for n_cells, tissue in ((100, "lung"), (600, "lung"), (100, "liver")):
        parts += [row | {"tissue": tissue, "n_cells": n_cells} for row in compared(n_cells, knows=3.0).to_pylist()]
    judged = verdicts(pa.Table.from_pylist(parts))
    assert judged.num_rows == 3 * verdicts(compared(100)).num_rows
    told = hypotheses(judged)
    parts = judged.to_pylist()
    assert len(told) == 2 * 5
    assert {test.family for test in told} == {"beats_nulls_lung", "beats_nulls_liver"}
    own = next(t for t in told if t.family == "beats_nulls_lung" and t.hypothesis.startswith("attention of mine"))
    row = next(
        r for r in parts if (r["n_cells"], r["model"], r["method"], r["metric"]) == (600, "mine", "attention", "auroc")
    )
    assert own.hypothesis == "attention of mine, layer 2 ranks the edges of truth better than every gene-level null"
    assert (own.p, own.power, own.mde, own.n) == (row["p"], row["power"], row["mde"], row["units"])
    assert own.value == pytest.approx(row["value"] - row["best_null_value"])
    adjusted = hypothesis_tests.tests_table(told)
    assert adjusted.num_rows == len(told)


def test_the_verdicts_are_counted_for_each_network():
    told = counted(verdicts(compared(0, knows=3.0)))
    assert list(told) == ["truth"]
    assert told["truth"].startswith("of ")
    assert "the nulls are beaten by" in told["truth"]
    assert "attention of mine, layer 2" in told["truth"]


@pytest.mark.long
def test_no_verdict_comes_from_permuted_labels_in_more_than_five_percent():
    """Labels are dealt anew over all pairs, 1000 times; scores and cells stay."""
    given, own, rng = (
        contenders(sources(8, repeats=1, knows=0.0), NULLS, TF_QUERIES),
        ground(8),
        np.random.default_rng(8),
    )
    times: dict[str, int] = dict.fromkeys((method_verdicts.BEATS, method_verdicts.WORSE, "confounded"), 0)
    draws, judged = 1000, 0
    for _ in range(draws):
        positive = np.zeros_like(own.universe.positive)
        positive.flat[rng.permutation(own.pairs_of(np.arange(len(positive))).place)[: own.pairs.n_pos]] = True
        universe = MaskedUniverse("tf_grid", own.universe.candidate, positive, own.universe.tfs)
        row = of_mine(verdicts(compare_methods(given, [Ground("truth", "1", universe)])))
        for word in (row["verdict"], row["confounding"]):
            if word in times:
                times[word] += 1
        judged += 1
    most = 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)
    assert all(count / judged <= most for count in times.values()), times
