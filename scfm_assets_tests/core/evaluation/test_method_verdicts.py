"""Verdicts on methods: what each says, and how often it says it where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.evaluation import claims, method_verdicts
from scfm_assets.core.evaluation.contender import Scored, contenders
from scfm_assets.core.evaluation.method_comparison import compare_methods
from scfm_assets.core.evaluation.method_verdicts import counted, hypotheses, verdicts
from scfm_assets.core.scores.edges import TF_QUERIES, ScoreKey
from scfm_assets.core.statistics import Donors, hypothesis_tests
from scfm_assets.core.statistics.power import power_of_difference, smallest_difference
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse
from scfm_assets.core.words import Margin
from scfm_assets.tables.methods import METHOD_VERDICTS
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, scores_of, sources


@pytest.fixture(autouse=True)
def few_permutations(monkeypatch):
    monkeypatch.setattr(claims, "PERMUTATIONS", 99)


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
    assert {r["p_degrees"] for r in rows} == {row["p_degrees"]} == {0.01}
    assert row["p"] == max(0.01, *(r["p"] for r in rows)) < 0.05
    assert row["decided_by"] == "degrees"
    of_network = [r for r in rows if r["interval"] == "network"]
    assert (row["effect"], row["units"]) == (min(r["effect"] for r in of_network), of_network[0]["units"])
    best = max(rows, key=lambda r: r["value_reference"])
    assert (row["highest_null"], row["highest_null_value"]) == (best["reference"], best["value_reference"])
    limits = {r["interval"]: (r["value_lo"], r["value_hi"]) for r in rows}
    assert limits == {
        "network": (row["network_lo"], row["network_hi"]),
        "cells": (row["cells_lo"], row["cells_hi"]),
    }
    assert row["rests_on"] == "network, cells"
    least = min(power_of_difference(0.05, r["error"], units=r["units"]) for r in rows)
    assert 0 < row["power"] <= least + 0.03  # of all at once
    assert row["mde"] > max(smallest_difference(r["error"], units=r["units"]) for r in rows) - 0.01
    assert {(r["power"], r["mde"]) for r in rows} == {(row["power"], row["mde"])}


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
            return {"verdict": "indistinguishable", "p": 0.4, "power": 0.9}
        return {"power": 0.9}

    row = of_mine(verdicts(changed(compared(0, knows=3.0), tie)))
    assert (row["verdict"], row["p"], row["decided_by"]) == ("does not beat the nulls", 0.4, "mean_product, cells")


def test_what_the_degrees_of_the_network_explain_beats_no_null():
    comparison = compared(0, knows=3.0)
    for p, verdict in ((0.05, "beats the nulls"), (0.051, "does not beat the nulls"), (None, "underpowered")):
        row = of_mine(verdicts(changed(comparison, lambda _, p=p: {"p_degrees": p, "power": 0.9})))
        assert (row["verdict"], row["p"], row["decided_by"]) == (verdict, p, "degrees")


def test_a_ratio_without_power_is_underpowered_too():
    row = one_row(verdicts(compared(1, knows=0.0)), model="mine", method="attention", metric="auprc_ratio")
    assert row["power"] < 0.5
    assert row["verdict"] == "underpowered"
    assert row["mde"] > 0.22 * row["highest_null_value"]


def test_a_method_below_a_null_has_p_1_and_is_worse_only_if_both_kinds_say_so():
    def below(kinds):
        def change(row):
            if row["reference"] == "mean_product" and row["interval"] in kinds:
                return {"verdict": "worse", "difference": -0.2, "p": 0.001, "power": 0.9}
            return {"power": 0.9}

        return of_mine(verdicts(changed(compared(0, knows=3.0), change)))

    assert (below(("network", "cells"))["verdict"], below(("network", "cells"))["p"]) == ("worse than a null", 1.0)
    assert (below(("network",))["verdict"], below(("network",))["p"]) == ("does not beat the nulls", 1.0)


def test_little_power_and_no_test_at_all_are_underpowered():
    weak = of_mine(verdicts(compared(1, knows=0.0)))
    assert weak["power"] < 0.5
    assert weak["verdict"] == "underpowered"
    untold = of_mine(verdicts(changed(
        compared(1), lambda _: {"error": None, "p": None, "effect": None, "verdict": "indistinguishable"}
    )))  # fmt: skip
    assert (untold["verdict"], untold["p"]) == ("underpowered", None)


def test_nulls_are_rows_that_are_not_judged_and_other_metrics_are_left_aside():
    table = verdicts(compared(2))
    assert set(table["metric"].to_pylist()) == {"auroc", "auprc_ratio"}
    for null in NULLS:
        row = one_row(table, method=null, metric="auroc")
        assert (row["verdict"], row["p"], row["highest_null"], row["role"]) == ("null", None, None, "null")
        assert row["network_lo"] < row["value"] < row["network_hi"]
    ratio = one_row(table, model="mine", method="attention", metric="auprc_ratio")
    assert ratio["confounding"] is None
    assert 0 <= ratio["power"] <= 1


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
    clean = verdicts(changed(compared(3), lambda row: {"value": 0.51, "value_lo": 0.46, "value_hi": 0.54}
                             if row["model"] == "random" and row["interval"] == "network" else
                             {"value": 0.51, "value_lo": 0.505, "value_hi": 0.515, "correlation": 0.05}))  # fmt: skip
    row = of_mine(clean)
    assert (row["confounding"], row["explained_by"]) == ("clean", None)
    assert (row["random_lo"], row["random_hi"]) == (0.46, 0.54)
    wide = verdicts(changed(compared(3), lambda _: {"value": 0.51, "value_lo": 0.42, "value_hi": 0.6}))
    assert of_mine(wide)["confounding"] == "unknown"  # it holds 0.5, and 0.6
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
    methods = [test for test in told if test.family.startswith("beats_nulls")]
    degrees = [test for test in told if test.family.startswith("beyond_degrees")]
    assert (len(methods), len(degrees), len(told)) == (2 * 5, 2 * 7, 2 * 12)  # nulls are held against degrees, too
    assert {test.family for test in methods} == {"beats_nulls_lung", "beats_nulls_liver"}
    assert {test.family for test in degrees} == {"beyond_degrees_lung", "beyond_degrees_liver"}
    assert {test.effect_of for test in methods} == {"smallest Cohen's d of the differences to the nulls, over network"}
    assert {test.effect_of for test in degrees} == {"standard deviations of the permuted values"}
    assert all(0 < test.power <= 1 for test in degrees)
    own = next(t for t in told if t.family == "beats_nulls_lung" and t.hypothesis.startswith("attention of mine"))
    row = next(
        r for r in parts if (r["n_cells"], r["model"], r["method"], r["metric"]) == (600, "mine", "attention", "auroc")
    )
    assert own.hypothesis == "attention of mine, layer 2 ranks the edges of truth better than every gene-level null"
    assert (own.p, own.power, own.mde, own.n) == (row["p"], row["power"], row["mde"], row["units"])
    assert own.value == pytest.approx(row["value"] - row["highest_null_value"])
    adjusted = hypothesis_tests.tests_table(told)
    assert adjusted.num_rows == len(told)


def test_the_verdicts_are_counted_for_each_network():
    told = counted(verdicts(compared(0, knows=3.0)))
    assert list(told) == ["truth"]
    assert told["truth"].startswith("of ")
    assert "the nulls are beaten by" in told["truth"]
    assert "attention of mine, layer 2" in told["truth"]


def popular(seed: int) -> tuple[Ground, list[Scored]]:
    """A world whose targets differ in how many TFs they have, and a method that knows this of them, and no edge."""
    rng = np.random.default_rng([seed, 5])
    popularity = rng.lognormal(0, 1.2, K)
    candidate = ground(seed).universe.candidate
    chance = np.clip(0.12 * popularity / popularity.mean(), 0, 0.9)
    positive = candidate & (rng.random((K, K)) < chance)
    own = Ground("truth", "1", MaskedUniverse("tf_grid", candidate, positive, TFS))
    known = np.broadcast_to(np.log(popularity), (K, K))
    counts = {ScoreKey(0, name, symmetric=True): 0.0 for name in (*sorted(NULLS), "pearson")}
    return own, [
        Scored("baselines", scores_of(counts, positive, seed), "baseline"),
        Scored("mine", scores_of({ScoreKey(0, "attention", 2): 3.0}, known, seed + 1000), "model", "c1", 2),
    ]


def test_a_method_that_knows_the_degrees_of_targets_is_above_the_nulls_and_does_not_beat_them():
    own, given = popular(3)
    row = of_mine(verdicts(compare_methods(contenders(given, NULLS, TF_QUERIES), [own])))
    assert row["value"] > row["highest_null_value"] + 0.1
    assert row["p_degrees"] > 0.05
    assert row["verdict"] in {"does not beat the nulls", "underpowered"}


@pytest.mark.long
def test_a_method_that_knows_degrees_alone_seldom_beats_the_nulls():
    """200 worlds; without the test of degrees nearly all of them would be beaten."""
    beaten, above, worlds = 0, 0, 200
    for seed in range(worlds):
        own, given = popular(seed)
        comparison = compare_methods(contenders(given, NULLS, TF_QUERIES), [own])
        beaten += of_mine(verdicts(comparison))["verdict"] == method_verdicts.BEATS
        free = of_mine(verdicts(changed(comparison, lambda _: {"p_degrees": 0.001})))
        above += free["verdict"] == method_verdicts.BEATS
    assert beaten / worlds <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / worlds), beaten
    assert above / worlds > 0.8, above


@pytest.mark.long
def test_the_power_of_the_claim_is_how_often_it_is_made(monkeypatch):
    """100 worlds with an advantage that is known from 40 others; power is stated for it, from the errors of each."""
    knows, worlds = 1.0, 100
    against = {"reference": "mean_product", "reference_role": "null", "interval": "network", "metric": "auroc"}
    against |= {"model": "mine", "method": "attention"}
    others = [one_row(compared(5000 + seed, knows=knows), **against) for seed in range(40)]
    advantage = float(np.mean([row["difference"] for row in others]))
    monkeypatch.setattr(claims, "MARGINS", {**claims.MARGINS, "auroc": Margin(advantage)})
    rows = [of_mine(verdicts(compared(3000 + seed, knows=knows))) for seed in range(worlds)]
    beaten = np.mean([row["verdict"] == method_verdicts.BEATS for row in rows])
    assert np.mean([row["power"] for row in rows]) == pytest.approx(beaten, abs=0.2)


@pytest.mark.long
def test_no_verdict_comes_from_permuted_labels_in_more_than_five_percent():
    """Labels are dealt anew over all pairs, 400 times; scores and cells stay."""
    given, own, rng = (
        contenders(sources(8, repeats=1, knows=0.0), NULLS, TF_QUERIES),
        ground(8),
        np.random.default_rng(8),
    )
    times: dict[str, int] = dict.fromkeys((method_verdicts.BEATS, method_verdicts.WORSE, "confounded"), 0)
    draws, judged = 400, 0
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
