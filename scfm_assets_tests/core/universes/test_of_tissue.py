"""The universes of a tissue: they survive the store, and the tables say of them what masks say."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.core.networks.table import NetworkSpec, NetworkTable, tidy_network
from scfm_assets.core.sampling.levels import GeneLevels
from scfm_assets.core.universes.matched_universes import LIMIT
from scfm_assets.core.universes.of_tissue import (
    COMPLETENESS,
    TissueUniverses,
    are_balanced,
    balance_of,
    ceiling_rows,
    tissue_universes,
    universe_rows,
)
from scfm_assets.core.universes.universe import edges_in_panel
from scfm_assets.tables.schema import check_table

K = 90
NAMES = tuple(f"G{i}" for i in range(K))
LEVELS = GeneLevels(*np.random.default_rng(0).lognormal(size=(2, K)))


def network(name: str, *, seed: int, n_tfs: int = 12, n_edges: int = 60, prefix: str = "G") -> NetworkTable:
    """A network that prefers genes of high expression."""
    rng = np.random.default_rng(seed)
    chance = LEVELS.mean / LEVELS.mean.sum()
    tfs, targets = rng.choice(n_tfs, n_edges), rng.choice(K, n_edges, p=chance)
    names = [f"{prefix}{i}" for i in range(K)]
    return tidy_network(
        pa.table({"tf": [names[i] for i in tfs], "target": [names[i] for i in targets]}), NetworkSpec(name)
    )


NETWORKS = [network("one", seed=1), network("strangers", seed=2, prefix="X"), network("two", seed=3, n_tfs=20)]


def made(**asked) -> TissueUniverses:
    return tissue_universes(NETWORKS, NAMES, NAMES, LEVELS, tissue="lung", **asked)


def test_networks_without_an_edge_in_the_panel_have_no_universe():
    assert [own.network for own in made().networks] == ["one", "two"]
    assert list(made().matched) == ["one", "two"]


def test_only_what_is_asked_for_is_made():
    assert made(asked=["tf_grid", "degree_matched"]).matched["one"] == ()
    only = made(asked=["expression_matched"])
    assert [u.name for u in only.networks[0].fixed()] == ["all_pairs", "tf_grid", "expression_matched"]
    assert np.array_equal(only.matched["one"][0].candidate, made().matched["one"][0].candidate)


def test_the_store_gives_back_what_it_was_given():
    universes = made()
    tensors, words = universes.to_tensors()
    again = TissueUniverses.from_tensors(tensors, words)
    assert np.array_equal(again.levels.side_by_side, universes.levels.side_by_side)
    for own, other in zip(universes.networks, again.networks, strict=True):
        assert (own.network, own.version) == (other.network, other.version)
        assert np.array_equal(own.edges.mask, other.edges.mask)
        for one, two in zip(own.matched, other.matched, strict=True):
            assert (one.name, one.left_out) == (two.name, two.left_out)
            for array in ("candidate", "positive", "tfs"):
                assert np.array_equal(getattr(one, array), getattr(two, array))


def test_a_tissue_without_a_network_has_no_universe():
    nothing = tissue_universes([], NAMES, NAMES, LEVELS, tissue="lung")
    again = TissueUniverses.from_tensors(*nothing.to_tensors())
    assert again.matched == {}
    assert universe_rows(again).num_rows == ceiling_rows(again).num_rows == 0
    assert are_balanced(again) == (True, "no expression-matched universe")


def test_rows_count_pairs_and_edges_and_say_how_their_expression_differs():
    universes = made()
    table = universe_rows(universes)
    placed = table.append_column("tissue", pa.array(["lung"] * len(table)))
    check_table("universes", placed.append_column("simulated", pa.array([True] * len(table))))
    rows = table.to_pylist()
    assert len(rows) == 2 * 3
    edges = edges_in_panel(NETWORKS[0], NAMES, NAMES, tissue="lung")
    for row, universe in zip(rows[:3], universes.networks[0].fixed(), strict=True):
        n_pos, n = universe.positive.sum(), universe.candidate.sum()
        assert (row["network"], row["n_pos"], row["n_neg"], row["n_tfs"]) == ("one", n_pos, n - n_pos, len(edges.tfs))
        assert row["base_rate"] == n_pos / n
        assert row["left_out"] == (len(edges.source) - n_pos)
        assert row["share_of_grid"] == min(1, n / (len(edges.tfs) * (K - 1)))
        assert row["tf_variance_difference"] is None
        source, target = np.nonzero(universe.candidate)
        is_edge = universe.positive[source, target]
        for end, at in (("tf", source), ("target", target)):
            for level in ("mean", "detection"):
                values = getattr(LEVELS, level)[at]
                one, other = values[is_edge], values[~is_edge]
                pooled = np.sqrt((one.var(ddof=1) + other.var(ddof=1)) / 2)
                expected = (one.mean() - other.mean()) / pooled
                assert row[f"{end}_{level}_difference"] == pytest.approx(expected, abs=1e-12)
    assert [row["universe"] for row in rows[:3]] == ["all_pairs", "tf_grid", "expression_matched"]
    assert (rows[0]["n_pos"], rows[0]["n_pos"] + rows[0]["n_neg"]) == (len(edges.source), K * (K - 1))
    assert rows[1]["n_pos"] + rows[1]["n_neg"] == len(edges.tfs) * (K - 1)


def test_ceilings_are_what_a_perfect_method_shows_when_edges_are_hidden():
    universes = made()
    table = ceiling_rows(universes)
    placed = table.append_column("tissue", pa.array(["lung"] * len(table)))
    check_table("ceilings", placed.append_column("simulated", pa.array([True] * len(table))))
    rows = {(row["network"], row["universe"], row["completeness"]): row for row in table.to_pylist()}
    assert {universe for _, universe, _ in rows} == {"all_pairs", "tf_grid"}
    grid = next(row for row in universe_rows(universes).to_pylist() if row["universe"] == "tf_grid")
    row, n, n_pos = rows["one", "tf_grid", 0.5], grid["n_pos"] + grid["n_neg"], grid["n_pos"]
    # 1,000 data sets: 2 n_pos edges on top, in random order, half of them labelled.
    rng, areas = np.random.default_rng(4), []
    for _ in range(1000):
        ranks = n - rng.choice(2 * n_pos, n_pos, replace=False)  # n is the best
        areas.append((ranks.sum() - n_pos * (n_pos + 1) / 2) / (n_pos * (n - n_pos)))
    assert row["hidden_share"] == n_pos / (n - n_pos)
    assert row["best_auroc"] == pytest.approx(np.mean(areas), abs=4 * np.std(areas) / np.sqrt(1000))
    whole = rows["one", "all_pairs", 1.0]
    assert (whole["hidden_share"], whole["best_auroc"], whole["best_auprc"]) == (0, 1, 1)


def test_a_completeness_with_more_edges_than_pairs_has_no_row():
    dense = network("dense", seed=5, n_tfs=3, n_edges=120)
    table = ceiling_rows(tissue_universes([dense], NAMES, NAMES, LEVELS, tissue="lung")).to_pylist()
    shares = [row["completeness"] for row in table if row["universe"] == "tf_grid"]
    base_rate = edges_in_panel(dense, NAMES, NAMES, tissue="lung").mask.sum() / (3 * (K - 1))
    assert shares == [share for share in COMPLETENESS if share > base_rate]
    assert 0 < len(shares) < len(COMPLETENESS)


def test_the_check_names_the_worst_difference_and_fails_where_it_is_too_large():
    universes = made(asked=["expression_matched"])
    passed, words = are_balanced(universes)
    found = balance_of(universes)
    assert passed == all(abs(row.after) < LIMIT for rows in found.values() for row in rows)
    assert "one: " in words
    own = universes.networks[0]
    grid = own.fixed()[1]
    unmatched = replace(own, matched=(replace(grid, name="expression_matched"),))
    passed, words = are_balanced(replace(universes, networks=(unmatched,)))
    assert not passed
    worst = max(abs(row.before) for row in found["one"])
    assert f"{worst:.3f}" in words
