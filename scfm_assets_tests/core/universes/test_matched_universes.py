"""Matched universes: what is in them, that they are balanced, and that nothing but their inputs decides them."""

import numpy as np
import pytest
import scipy.sparse as sp

from scfm_assets.core.metrics.metrics import auroc, bins_of
from scfm_assets.core.networks.table import NetworkSpec, tidy_network
from scfm_assets.core.sampling.levels import GeneLevels, gene_levels
from scfm_assets.core.sampling.panel import gene_panel
from scfm_assets.core.scores import GENE_NULLS, STATISTICS, gene_statistics
from scfm_assets.core.simulate import WorldSpec, make_world, network_table, simulate_counts
from scfm_assets.core.universes.matched_universes import (
    FEWEST,
    LIMIT,
    MOST,
    TOLERANCES,
    balance,
    expression_matched,
    universe_seed,
)
from scfm_assets.core.universes.universe import PanelEdges, edges_in_panel


def biased(seed: int = 0, n_genes: int = 200, n_tfs: int = 40, per_tf: float = 3.0) -> tuple[PanelEdges, GeneLevels]:
    """A network that prefers genes of high expression at both ends, and skew levels."""
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(-1, 1, n_genes)
    detection = 1 - np.exp(-mean * rng.lognormal(0, 0.3, n_genes))
    tfs = np.sort(rng.choice(n_genes, n_tfs, replace=False))
    weight = np.outer(mean[tfs], np.sqrt(mean))
    weight[np.arange(n_tfs), tfs] = 0
    chosen = rng.choice(weight.size, int(per_tf * n_tfs), replace=False, p=weight.ravel() / weight.sum())
    source, target = np.divmod(np.sort(chosen), n_genes)
    return PanelEdges(n_genes, tfs, tfs[source], target), GeneLevels(mean, detection)


def area(scores: np.ndarray, candidate: np.ndarray, positive: np.ndarray) -> float:
    return float(auroc(bins_of(scores[candidate], positive[candidate])))


@pytest.mark.parametrize("seed", range(3))
def test_it_holds_each_edge_and_up_to_fifty_pairs_of_the_grid_that_are_no_edge(seed):
    edges, levels = biased(seed)
    universe = expression_matched(edges, levels, seed=1)
    negative = universe.candidate & ~universe.positive
    assert not (universe.positive & ~universe.candidate).any()
    assert not (universe.positive & ~edges.mask).any()
    assert universe.positive.sum() + universe.left_out == len(edges.source)
    assert not (negative & edges.mask).any()
    assert not np.delete(universe.candidate, edges.tfs, axis=0).any()
    assert not universe.candidate.diagonal().any()
    assert universe.positive.sum() <= negative.sum() <= MOST * universe.positive.sum()


@pytest.mark.parametrize("seed", range(3))
def test_positives_and_negatives_are_balanced_and_the_nulls_know_nothing(seed):
    edges, levels = biased(seed)
    universe = expression_matched(edges, levels, seed=1)
    grid = np.isin(np.arange(200), edges.tfs)[:, None] & ~np.eye(200, dtype=bool)
    assert universe.left_out <= 0.05 * len(edges.source)
    for null in (np.outer(levels.mean, levels.mean), np.outer(levels.detection, levels.detection)):
        assert area(null, grid, edges.mask) > 0.7
        assert abs(area(null, universe.candidate, universe.positive) - 0.5) < 0.035
    found = balance(universe, edges, levels)
    assert [(row.end, row.level) for row in found] == [
        ("TF", "mean"), ("TF", "detection"), ("target", "mean"), ("target", "detection"),
    ]  # fmt: skip
    for row in found:  # by hand
        values = getattr(levels, row.level)
        of_pairs = np.broadcast_to(values[:, None] if row.end == "TF" else values, (200, 200))
        for told, candidate, positive in (
            (row.before, grid, edges.mask),
            (row.after, universe.candidate, universe.positive),
        ):
            one, other = of_pairs[candidate & positive], of_pairs[candidate & ~positive]
            pooled = np.sqrt((np.var(one, ddof=1) + np.var(other, ddof=1)) / 2)
            assert told == pytest.approx((one.mean() - other.mean()) / pooled, abs=1e-12)
        assert abs(row.after) < LIMIT
    assert max(abs(row.before) for row in found) > 0.5


def test_each_negative_lies_within_the_widest_tolerance_of_some_positive():
    edges, levels = biased(3)
    universe = expression_matched(edges, levels, seed=1)
    logs = np.log(levels.side_by_side)
    of_tf, of_target = logs / logs[edges.tfs].std(axis=0), logs / logs.std(axis=0)
    source, target = np.nonzero(universe.positive)
    for tf, gene in np.argwhere(universe.candidate & ~universe.positive):
        apart = np.abs(np.column_stack([of_tf[source] - of_tf[tf], of_target[target] - of_target[gene]])).max(axis=1)
        assert apart.min() <= TOLERANCES[-1] + 1e-9


def test_near_negatives_are_taken_before_the_tolerance_widens():
    """One edge: of 60 genes like its target and 60 within a wider tolerance, the former are taken."""
    n_genes, tf, target = 200, 0, 1
    mean = np.exp(np.r_[0.0, 0.0, np.full(60, 0.001), np.full(60, 0.3), np.random.default_rng(0).normal(0, 3, 78)])
    levels = GeneLevels(mean, np.full(n_genes, 0.5))
    edges = PanelEdges(n_genes, np.array([tf]), np.array([tf]), np.array([target]))
    taken = np.flatnonzero(expression_matched(edges, levels, seed=0).candidate[tf])
    assert len(taken) == 1 + MOST
    assert taken.max() < 62
    more = expression_matched(edges, levels, seed=0, most=110).candidate[tf]
    assert more[2:62].all()
    assert more[62:122].sum() >= 45  # the others are drawn from the genes that happen to lie as near


def test_an_edge_without_a_match_is_left_out_and_counted():
    edges, levels = biased(0)
    far = levels.mean.copy()
    lonely = int(np.setdiff1d(np.arange(200), np.r_[edges.tfs, edges.target])[0])
    far[lonely] = far.max() * 1e12
    with_lonely = PanelEdges(200, edges.tfs, np.r_[edges.source, edges.tfs[0]], np.r_[edges.target, lonely])
    # every TF has it as a target, so that no pair like these is a negative
    every = PanelEdges(200, edges.tfs, np.r_[edges.source, edges.tfs], np.r_[edges.target, np.full(40, lonely)])
    assert expression_matched(with_lonely, GeneLevels(far, levels.detection), seed=1).positive[:, lonely].sum() == 1
    universe = expression_matched(every, GeneLevels(far, levels.detection), seed=1)
    assert universe.left_out >= 40
    assert not universe.candidate[:, lonely].any()
    assert universe.positive.sum() + universe.left_out == len(every.source)


def test_nothing_but_network_panel_tissue_and_levels_decides_it():
    edges, levels = biased(1)
    same = PanelEdges(200, edges.tfs.copy(), edges.source.copy(), edges.target.copy())
    seeds = {
        universe_seed("expression_matched", digest, genes, tissue)
        for digest in ("aa", "bb") for genes in (["g1", "g2"], ["g2", "g1"]) for tissue in ("lung", "gut")
    }  # fmt: skip
    assert len(seeds) == 8
    assert universe_seed("expression_matched", "aa", ["g1", "g2"], "gut") in seeds
    one, again, other = (expression_matched(e, levels, seed=s) for e, s in ((edges, 1), (same, 1), (edges, 2)))
    assert np.array_equal(one.candidate, again.candidate)
    assert not np.array_equal(one.candidate, other.candidate)
    assert np.array_equal(one.positive, other.positive)


def test_a_network_without_edges_gives_an_empty_set_of_positives():
    _, levels = biased()
    none = np.zeros(0, np.int64)
    universe = expression_matched(PanelEdges(200, np.array([3]), none, none), levels, seed=1)
    assert not universe.positive.any()
    assert all(np.isnan(row.after) for row in balance(universe, PanelEdges(200, np.array([3]), none, none), levels))


def test_levels_that_no_gene_differs_in_are_no_obstacle():
    edges, _ = biased(2)
    flat = GeneLevels(np.zeros(200), np.zeros(200))
    universe = expression_matched(edges, flat, seed=1)
    assert universe.left_out == 0
    assert [row.after for row in balance(universe, edges, flat)] == [0, 0, 0, 0]


def test_its_pairs_are_ranked_as_any_others():
    edges, levels = biased(0)
    universe = expression_matched(edges, levels, seed=1)
    scores = np.random.default_rng(0).normal(size=(200, 200)) + edges.mask
    pairs = universe.pairs
    of_tfs, others = pairs.rank(pairs.of(scores)).by_tf
    assert others is None
    assert auroc(of_tfs.total()) == pytest.approx(area(scores, universe.candidate, universe.positive), abs=1e-12)
    assert pairs.n_tfs == len(edges.tfs)


def test_the_demos_world_is_balanced():
    world = make_world(WorldSpec())
    network = tidy_network(network_table(world), NetworkSpec("truth"))
    for tissue in world.spec.tissues:
        atlas = simulate_counts(world, tissue, 1300)
        panel = gene_panel(atlas.counts, atlas.gene_ids, atlas.gene_ids, size=300)
        ids = panel["gene_id"].to_pylist()
        levels = gene_levels(atlas.counts, np.array([atlas.gene_ids.index(gene) for gene in ids]))
        edges = edges_in_panel(network, ids, ids, tissue=tissue)
        universe = expression_matched(edges, levels, seed=universe_seed("expression_matched", "x", ids, tissue))
        assert universe.left_out <= 2
        assert max(abs(row.after) for row in balance(universe, edges, levels)) < LIMIT


def test_gene_levels_are_means_over_all_cells():
    dense = np.random.default_rng(0).poisson(0.7, (50, 9))
    dense[:, 4] = 0
    dense[3] = 0  # a cell without counts
    columns = np.array([4, 1, 7])
    found = gene_levels(sp.csr_matrix(dense), columns)
    scaled = np.log1p(1e4 * dense / np.maximum(dense.sum(axis=1, keepdims=True), 1))
    np.testing.assert_allclose(found.mean, scaled.mean(axis=0)[columns], rtol=1e-12)
    np.testing.assert_allclose(found.detection, (dense > 0).mean(axis=0)[columns], rtol=1e-12)
    # as the nulls of a slice, in which every cell has counts
    counts = np.random.default_rng(1).poisson(0.9, (40, 9)) + (np.arange(9) == 2)
    known = gene_levels(sp.csr_matrix(counts), columns)
    of_cells = gene_statistics(counts[:, columns].astype(float), counts.sum(axis=1), (counts > 0).sum(axis=1))
    assert list(known.by_name) == list(STATISTICS)
    np.testing.assert_allclose(known.side_by_side.T, of_cells, rtol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_no_null_knows_anything_where_all_that_nulls_use_is_matched(seed):
    edges, levels = biased(seed, per_tf=5.0)
    rng = np.random.default_rng(seed)
    others = {name: rng.lognormal(size=200) * levels.mean ** rng.normal() for name in ("variance", "dispersion")}
    levels = GeneLevels(levels.mean, levels.detection, {**others, "cell_size": rng.lognormal(7, 0.2, 200)})
    universe = expression_matched(edges, levels, seed=1)
    table = np.stack(list(levels.by_name.values()))
    areas = {}
    for name, null in GENE_NULLS.items():
        scores = null.scores(table, np.arange(200))
        areas[name] = area(scores, universe.candidate, universe.positive)
    assert all(abs(value - 0.5) < 0.05 for value in areas.values()), areas
    assert max(abs(row.after) for row in balance(universe, edges, levels)) < LIMIT
    assert (universe.candidate & ~universe.positive).sum() >= FEWEST * universe.positive.sum()
