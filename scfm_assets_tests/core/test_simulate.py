from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import sparse

from scfm_assets.core.simulate import CORE, WorldSpec, make_world, network_table, nonzero_medians, simulate_counts
from scfm_assets.core.simulate.planting import PlantedSpec, expected_attention, grid_auroc, plant
from scfm_assets.errors import ScfmError

TISSUES = ("sim_lung", "sim_liver", "sim_kidney")
SMALL = PlantedSpec(hidden=64, heads=2, gene_dims=40, position_dims=10, rank=6, max_position=60, seed=3)


@pytest.fixture(scope="module")
def world():
    return make_world(WorldSpec(seed=7))


@pytest.fixture(scope="module")
def atlases(world):
    return {tissue: simulate_counts(world, tissue, 1000) for tissue in TISSUES}


def grid(world, tissue, panel):
    """Edges of the TFs in the panel (rows) to the panel (columns), and the column of each TF."""
    rows = np.flatnonzero(np.isin(panel, world.tfs))
    return world.signed_network(tissue)[np.ix_(panel[rows], panel)] != 0, rows


def test_the_same_spec_gives_the_same_world_and_another_seed_another(world):
    again, other = make_world(WorldSpec(seed=7)), make_world(WorldSpec(seed=8))
    assert network_table(again).equals(network_table(world))
    assert np.array_equal(again.log_level, world.log_level)
    assert not network_table(other).equals(network_table(world))


def test_tissues_share_a_core_network_and_differ_in_the_rest(world):
    table = network_table(world).to_pylist()
    core = {(row["tf"], row["target"]) for row in table if row["tissue"] is None}
    own = {t: {(row["tf"], row["target"]) for row in table if row["tissue"] == t} for t in TISSUES}
    assert len(core) + sum(map(len, own.values())) == len(table)
    for a, b in itertools.combinations([core, *own.values()], 2):
        assert a
        assert not a & b
    for tissue in TISSUES:
        assert 0.65 < len(core) / len(core | own[tissue]) < 0.75
        signed = world.signed_network(tissue)
        names = np.array(world.genes)
        assert set(zip(*names[np.array(signed.nonzero())], strict=True)) == core | own[tissue]
    assert all(row["tf"] != row["target"] and row["sign"] in {1, -1} and row["confidence"] is None for row in table)
    assert {row["tf"] for row in table} == {world.genes[tf] for tf in world.tfs}
    assert (world.edge_tissue == CORE).sum() == len(core)


def test_counts_are_raw_sparse_and_leave_nothing_empty(atlases):
    for atlas in atlases.values():
        counts = atlas.counts
        assert counts.dtype == np.int32
        assert counts.has_sorted_indices
        assert counts.data.min() == 1
        assert min(counts.getnnz(0).min(), counts.getnnz(1).min()) > 0
        assert 0.60 < 1 - counts.nnz / np.prod(counts.shape) < 0.85
        detection = counts.getnnz(0) / counts.shape[0]
        assert detection.min() < 0.1
        assert detection.max() > 0.7


def test_a_draw_of_three_cells_has_no_empty_cell_and_no_empty_gene(world):
    counts = simulate_counts(world, "sim_lung", 3).counts
    assert min(counts.getnnz(0).min(), counts.getnnz(1).min()) > 0


def test_cell_types_have_unequal_shares_and_each_tissue_two_donors(world, atlases):
    for i, (tissue, atlas) in enumerate(atlases.items()):
        names, n = np.unique(atlas.cell_type, return_counts=True)
        assert 4 <= len(names) <= 6
        assert np.abs(n / n.sum() - world.type_share[i]).max() < 0.05
        assert world.type_share[i][0] > 2 * world.type_share[i][-1]
        assert sorted(set(atlas.donor)) == [f"{tissue}_donor_1", f"{tissue}_donor_2"]
        assert len(set(atlas.batch)) == 2
        assert len(set(atlas.barcodes)) == len(atlas.barcodes) == atlas.counts.shape[0]


def test_cells_depend_on_their_seed_alone(world, atlases):
    again, other = simulate_counts(world, "sim_lung", 1000), simulate_counts(world, "sim_lung", 1000, seed=1)
    assert (again.counts != atlases["sim_lung"].counts).nnz == 0
    assert np.array_equal(again.donor, atlases["sim_lung"].donor)
    assert (other.counts != atlases["sim_lung"].counts).nnz > 0


def test_targets_follow_the_activity_of_their_tfs_with_the_edges_sign(world, atlases):
    atlas = atlases["sim_liver"]
    counts = atlas.counts.toarray()
    expression = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)
    n_tfs = len(world.tfs)
    correlation = np.corrcoef(atlas.activity.T, expression.T)[:n_tfs, n_tfs:]
    signed = world.signed_network("sim_liver")[world.tfs]
    signed[np.arange(n_tfs), world.tfs] = 2
    assert correlation[signed == 1].mean() > 0.15
    assert correlation[signed == -1].mean() < -0.15
    assert abs(correlation[signed == 0].mean()) < 0.02


def test_level_detection_and_variance_of_genes_say_nothing_about_edges_but_correlation_does(world, atlases):
    for tissue, atlas in atlases.items():
        counts = atlas.counts.toarray()
        panel = np.sort(np.argsort(-(counts > 0).mean(0), kind="stable")[:300])
        edges, rows = grid(world, tissue, panel)
        expression = np.log1p(counts / counts.sum(1, keepdims=True) * 1e4)[:, panel]
        for value in (counts[:, panel].mean(0), (counts[:, panel] > 0).mean(0), expression.var(0)):
            assert 0.42 < grid_auroc(np.outer(value[rows], value), edges, rows) < 0.58
        assert 0.58 < grid_auroc(np.abs(np.corrcoef(expression.T))[rows], edges, rows) < 0.85


def test_medians_are_those_of_scaled_counts_above_zero():
    counts = np.array([[1, 0, 3], [2, 0, 2], [0, 0, 5]])
    found = nonzero_medians(sparse.csr_matrix(counts), ["a", "b", "c"], target_sum=100)
    assert found == {"a": np.median([25.0, 50.0]), "c": np.median([75.0, 50.0, 100.0])}


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_tfs": 500},
        {"tissues": ()},
        {"tissues": ("a", "a")},
        {"shared": 1.5},
        {"n_genes": 60},
        {"n_targets": 0.5},
        {"n_cell_types": ()},
        {"repressed": -0.1},
    ],
)
def test_a_world_that_cannot_exist_is_refused_with_what_is_allowed(wrong):
    with pytest.raises(ScfmError, match="must be"):
        WorldSpec(**{"n_tfs": 40, "n_genes": 400} | wrong)


def test_a_tissue_that_the_world_does_not_have_is_refused(world):
    with pytest.raises(ScfmError, match=r"'sim_brain'[\s\S]*sim_lung, sim_liver, sim_kidney"):
        simulate_counts(world, "sim_brain", 10)
    with pytest.raises(ScfmError, match="is 0"):
        simulate_counts(world, "sim_lung", 0)


def small_network(n_genes):
    rng = np.random.default_rng(5)
    members = np.arange(n_genes)
    tfs = np.sort(rng.choice(members, 6, replace=False))
    edges = rng.random((6, n_genes)) < 0.2
    edges[np.arange(6), tfs] = False
    return edges, tfs, members


def heads_of(rows, weights, spec):
    return (rows @ weights.T).reshape(len(rows), spec.heads, -1).transpose(1, 0, 2)


def test_planting_recovers_the_network_exactly_where_the_embeddings_have_room_for_it():
    edges, tfs, members = small_network(30)
    planting = plant(edges, tfs, members, 30, SMALL)
    states = planting.word * np.sqrt(SMALL.hidden / 2)
    logits = heads_of(states[tfs], planting.query, SMALL) @ heads_of(states, planting.key, SMALL).transpose(0, 2, 1)
    logits /= np.sqrt(SMALL.head_dim)
    for head in logits:
        np.testing.assert_allclose(head, SMALL.gain * edges, atol=1e-3)


def test_planting_with_fewer_dimensions_than_genes_or_too_low_a_rank_recovers_it_in_part():
    edges, tfs, members = small_network(200)
    aurocs = []
    for spec in (SMALL, PlantedSpec(**{**vars(SMALL), "rank": 3})):
        planting = plant(edges, tfs, members, 200, spec)
        logits = (planting.word[tfs] @ planting.query.T) @ (planting.key @ planting.word.T)
        aurocs.append(grid_auroc(logits, edges, tfs))
    assert 0.5 < aurocs[1] < aurocs[0] < 0.99


def test_positions_add_noise_of_the_wanted_size_that_no_gene_shares():
    edges, tfs, members = small_network(30)
    planting = plant(edges, tfs, members, 30, SMALL)
    assert np.abs(planting.word @ planting.position.T).max() < 1e-4
    for rows in (planting.word, planting.position):
        np.testing.assert_allclose((rows**2).sum(1), 1, atol=1e-4)
        assert np.abs(rows.sum(1)).max() < 1e-4
    states = planting.position * np.sqrt(SMALL.hidden / 2)
    noise = heads_of(states, planting.query, SMALL) @ heads_of(states, planting.key, SMALL).transpose(0, 2, 1)
    np.testing.assert_allclose(noise.std((1, 2)) / np.sqrt(SMALL.head_dim), SMALL.position_noise, rtol=1e-3)
    assert not np.allclose(noise[0], noise[1])
    mixed = heads_of(planting.word, planting.query, SMALL) @ heads_of(states, planting.key, SMALL).transpose(0, 2, 1)
    assert np.abs(mixed).max() < 1e-3


def test_expected_attention_is_the_formula_written_out():
    rng = np.random.default_rng(0)
    queries, keys, presence = rng.normal(size=(2, 5, 3)), rng.normal(size=(2, 5, 3)), rng.random(5)
    expected = np.zeros((5, 5))
    for head, i, j in itertools.product(range(2), range(5), range(5)):
        weights = [np.exp(sum(queries[head, i] * keys[head, g]) / np.sqrt(3)) for g in range(5)]
        expected[i, j] += weights[j] / sum(p * w for p, w in zip(presence, weights, strict=True)) / 2
    np.testing.assert_allclose(expected_attention(queries, keys, presence), expected, rtol=1e-12)


def test_the_ceiling_is_what_many_simulated_cells_approach():
    """Brute force: draw cells, order their genes at random, take the softmax over each, average over cells."""
    edges, tfs, members = small_network(60)
    spec = PlantedSpec(**{**vars(SMALL), "gene_dims": 30, "position_noise": 1.0})
    planting = plant(edges, tfs, members, 60, spec)
    rng = np.random.default_rng(1)
    presence = rng.uniform(0.4, 0.9, 60)
    scale = np.sqrt(spec.hidden / 2)
    summed, seen = np.zeros((60, 60)), np.zeros((60, 60))
    for _ in range(4000):
        genes = rng.permutation(np.flatnonzero(rng.random(60) < presence))
        states = (planting.word[genes] + planting.position[: len(genes)]) * scale
        logits = heads_of(states, planting.query, spec) @ heads_of(states, planting.key, spec).transpose(0, 2, 1)
        weights = np.exp(logits / np.sqrt(spec.head_dim))
        at = np.ix_(genes, genes)
        summed[at] += (weights / weights.sum(-1, keepdims=True)).mean(0)
        seen[at] += 1
    measured = grid_auroc((summed / seen)[tfs], edges, tfs)
    static = planting.word * scale
    attention = expected_attention(
        heads_of(static, planting.query, spec), heads_of(static, planting.key, spec), presence
    )
    assert 0.75 < measured < 0.99
    assert abs(measured - grid_auroc(attention[tfs], edges, tfs)) < 0.01


def test_the_auroc_counts_pairs_with_ties_half_and_leaves_out_self_pairs():
    rng = np.random.default_rng(2)
    scores, edges, rows = rng.integers(0, 5, (4, 9)).astype(float), rng.random((4, 9)) < 0.4, np.array([0, 3, 4, 8])
    pairs = [(i, j) for i, j in itertools.product(range(4), range(9)) if j != rows[i]]
    wins = [
        (scores[p] > scores[n]) + 0.5 * (scores[p] == scores[n])
        for p, n in itertools.product(pairs, pairs)
        if edges[p] and not edges[n]
    ]
    assert grid_auroc(scores, edges, rows) == pytest.approx(np.mean(wins), abs=1e-12)
    with pytest.raises(ScfmError, match="0 edges"):
        grid_auroc(scores, np.zeros((4, 9), bool), rows)


@pytest.mark.parametrize(
    "wrong", [{"heads": 5}, {"planted_layer": 5}, {"planted_layer": 0}, {"gene_dims": 160}, {"rank": 48}]
)
def test_an_architecture_that_cannot_be_built_is_refused(wrong):
    with pytest.raises(ScfmError, match=f"{next(iter(wrong))} must be"):
        PlantedSpec(**wrong)
