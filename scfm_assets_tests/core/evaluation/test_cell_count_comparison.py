"""Differences between numbers of cells against scikit-learn without each TF."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.cell_count_comparison import compare_cell_counts
from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.statistics import over_network
from scfm_assets.tables.methods import CELL_COUNT_COMPARISON
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, sources


def test_every_count_is_compared_with_the_largest_over_the_same_tfs():
    arena = ground(1)
    of_count = {n: sources(n, knows=know, own=arena) for n, know in ((50, 0.2), (100, 1.5), (400, 3.0))}
    slices = [(n, contenders(given, NULLS, TF_QUERIES)) for n, given in of_count.items()]
    table = compare_cell_counts(slices[::-1], [arena])
    assert table.schema == CELL_COUNT_COMPARISON.without("tissue", "simulated").schema
    rows = table.to_pylist()
    assert {(row["n_cells"], row["n_cells_largest"]) for row in rows} == {(50, 400), (100, 400)}
    assert len(rows) == 2 * 7 * 4  # counts x methods x metrics
    positive, mask = arena.universe.positive[TFS], ~np.eye(K, dtype=bool)[TFS]

    pairs = arena.pairs

    def scores_of(n: int, repeat: int) -> np.ndarray:
        scores = of_count[n][1].scores
        place = next(i for i, k in enumerate(scores.keys)
                     if (k.repeat, k.method, k.layer, k.head) == (repeat, "attention", 2, None))  # fmt: skip
        return scores.scores[place][TFS]

    both = [[scores_of(n, r) for n in (50, 400)] for r in (0, 1)]
    told = [np.subtract(*(roc_auc_score(positive[mask], own[mask]) for own in of_counts)) for of_counts in both]
    shared = [over_network([pairs.rank(pairs.of(own)) for own in of_counts]) for of_counts in both]
    errors, n = [own.difference(0, 1)[0].error for own in shared], shared[0].units
    (row,) = [
        r for r in rows if (r["n_cells"], r["model"], r["method"], r["metric"]) == (50, "mine", "attention", "auroc")
    ]
    assert row["difference"] == pytest.approx(np.mean(told), abs=1e-9)
    assert row["error"] == pytest.approx(np.mean(errors), rel=1e-6)
    assert row["p"] == pytest.approx(2 * stats.t.sf(abs(row["difference"]) / np.mean(errors), n - 1), rel=1e-6)
    assert (row["verdict"], row["units"], row["n_repeats"]) == ("worse", n, 2)


def test_the_largest_comes_first():
    arena = ground(2)
    few, many = (contenders(sources(s), NULLS, TF_QUERIES) for s in (3, 4))
    with pytest.raises(ValueError, match="the largest comes first"):
        compare_cell_counts([(10, few), (20, many)], [arena])


def test_what_the_largest_lacks_and_no_grounds_give_no_rows():
    arena = ground(2)
    few, many = (contenders(sources(s), NULLS, TF_QUERIES) for s in (3, 4))
    lacking = [own for own in many if own.method != "hidden_state"]
    table = compare_cell_counts([(20, lacking), (10, few)], [arena])
    assert "hidden_state" not in table["method"].to_pylist()
    assert "attention" in table["method"].to_pylist()
    assert compare_cell_counts([(20, many), (10, few)], []).num_rows == 0
    assert compare_cell_counts([(10, few)], [arena]).num_rows == 0
