"""What every simulator keeps: one interface, its own random numbers, and words on where its cells come from."""

import json
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from scfm_assets.core.simulate.measurement import PLAIN, Measurement, measure
from scfm_assets.core.simulate.simulators import SIMULATORS
from scfm_assets.core.simulate.wiring import Wiring, draw_edges
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.simulate.small_simulations import pearson_auroc, small_specs

NAMES = ("linear", "hill", "copula")


@pytest.fixture(scope="module")
def made():
    return {name: SIMULATORS[name].at_seed(spec, 3) for name, spec in small_specs().items()}


def same(one, other):
    return (
        (one.counts != other.counts).nnz == 0 and one.obs.equals(other.obs) and np.array_equal(one.edges, other.edges)
    )


@pytest.mark.parametrize("name", NAMES)
def test_cells_genes_and_edges_fit_each_other(made, name):
    simulated = made[name]
    counts, edges = simulated.counts, simulated.edges
    assert counts.shape == (len(simulated.obs), len(simulated.genes)) == (1000, 150 if name == "hill" else 200)
    assert counts.dtype == np.int32
    assert counts.has_sorted_indices
    assert counts.data.min() >= 1
    assert counts.getnnz(axis=1).min() >= 1
    assert list(simulated.obs.columns) == ["cell_type", "donor", "batch"]
    assert simulated.obs.index.is_unique
    assert len(set(simulated.genes)) == len(simulated.genes)
    assert (edges["source"] != edges["target"]).all()
    assert set(edges["source"]) <= set(simulated.tfs)
    assert set(edges["sign"]) == {1, -1}
    assert np.array_equal(np.unique(edges[["source", "target"]]), edges[["source", "target"]])
    table = simulated.network_table()
    names = np.array(simulated.genes)
    assert table["tf"].to_pylist() == names[edges["source"]].tolist()
    assert table["target"].to_pylist() == names[edges["target"]].tolist()
    assert np.count_nonzero(simulated.signed_network()) == len(edges)


@pytest.mark.parametrize("name", NAMES)
def test_provenance_says_that_it_is_simulated_and_can_be_written(made, name):
    provenance = json.loads(json.dumps(made[name].provenance))
    assert provenance["simulated"] is True
    assert (provenance["simulator"], provenance["version"], provenance["seed"]) == (name, "1", 3)
    assert provenance["spec"]["wiring"]["n_tfs"] == 20
    assert "Edges are" in provenance["truth"]


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_decides_everything_and_numpys_global_state_nothing(name):
    spec = small_specs(n_cells=60)[name]
    np.random.seed(1)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    one = SIMULATORS[name].at_seed(spec, 5)
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.random.seed(2)  # noqa: NPY002
    assert same(one, SIMULATORS[name].at_seed(spec, 5))
    assert not same(one, SIMULATORS[name].at_seed(spec, 6))
    rngs = (np.random.default_rng(4), np.random.default_rng(4))
    assert same(*(SIMULATORS[name].simulate(spec, rng) for rng in rngs))


@pytest.mark.parametrize("name", NAMES)
def test_the_number_of_threads_changes_nothing(name):
    spec = small_specs(n_cells=60)[name]
    made = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            made.append(SIMULATORS[name].at_seed(spec, 5))
    assert same(*made)


@pytest.mark.parametrize("name", NAMES)
def test_pearson_finds_edges_where_nothing_misleads(made, name):
    assert pearson_auroc(made[name]) > {"linear": 0.58, "hill": 0.58, "copula": 0.9}[name]


def test_a_simulator_refuses_another_ones_spec():
    with pytest.raises(ScfmError, match="It takes a LinearSpec"):
        SIMULATORS["linear"].simulate(small_specs(60)["copula"], np.random.default_rng(0))


@pytest.mark.parametrize(
    "change", [{"n_tfs": 0}, {"density": 0.0}, {"density": 1.0}, {"repressed": 1.1}, {"out_tail": -1.0}, {"loops": 41}]
)
def test_wiring_refuses_what_cannot_be_drawn(change):
    with pytest.raises(ScfmError, match=next(iter(change))):
        Wiring(**change)


def test_wiring_keeps_density_order_and_loops():
    wiring = Wiring(n_tfs=60, density=0.05, repressed=0.3, loops=10)
    for among, loops in (("any", None), ("ordered", 10)):
        tfs, edges = draw_edges(wiring, 500, np.random.default_rng(2), among_tfs=among)
        # 30,000 pairs at 5 %: 1,500 edges, standard deviation 38 (among ordered TFs half of the pairs are none).
        assert abs(len(edges) - 1500) < 4 * 38 + (90 if among == "ordered" else 0)
        assert abs((edges["sign"] < 0).mean() - 0.3) < 0.05
        assert set(edges["source"]) <= set(tfs)
        forward = set(zip(edges["source"], edges["target"], strict=True))
        both = sum((b, a) in forward for a, b in forward) // 2
        assert both >= 10 if loops is None else both == loops
    tfs, edges = draw_edges(replace(wiring, loops=0), 500, np.random.default_rng(2), among_tfs="none")
    assert not np.isin(edges["target"], tfs).any()


def test_ordered_wiring_has_no_loop():
    _, edges = draw_edges(Wiring(n_tfs=60, density=0.1), 100, np.random.default_rng(2), among_tfs="ordered")
    reach = np.zeros((100, 100), bool)
    reach[edges["source"], edges["target"]] = True
    for _ in range(7):
        reach |= (reach.astype(int) @ reach.astype(int)) > 0
    assert not np.diagonal(reach).any()


def test_hubs_have_heavy_tails_at_the_same_number_of_edges():
    even, hubs = (Wiring(n_tfs=80, out_tail=tail, in_tail=tail) for tail in (0.0, 1.0))
    drawn = {w: draw_edges(w, 1000, np.random.default_rng(1), among_tfs="any")[1] for w in (even, hubs)}
    assert 0.7 < len(drawn[hubs]) / len(drawn[even]) < 1.1  # the largest hubs are cut at 90 % of all pairs
    for end, n in (("source", 80), ("target", 1000)):
        degrees = {w: np.bincount(drawn[w][end], minlength=1000) for w in drawn}
        top = {w: np.sort(d)[::-1][: n // 20].sum() / d.sum() for w, d in degrees.items()}
        assert top[hubs] > 2.5 * top[even]


def test_measurement_has_the_mean_and_variance_that_it_says():
    rng = np.random.default_rng(0)
    expression = np.tile(np.array([1.0, 2.0, 5.0, 12.0]), (40_000, 1))
    fixed = replace(PLAIN, library_log_mean=np.log(20.0), library_log_sd=0.0)
    poisson = measure(expression, fixed, rng).toarray()
    negative = measure(expression, replace(fixed, dispersion=0.5), rng).toarray()
    mean = expression[0]
    # Of 40,000 draws: standard errors of means below 0.05, of variances below 1 % (Poisson) and 3 %.
    assert np.allclose(poisson.mean(axis=0), mean, atol=0.08)
    assert np.allclose(poisson.var(axis=0), mean, rtol=0.05)
    assert np.allclose(negative.mean(axis=0), mean, atol=0.2)
    assert np.allclose(negative.var(axis=0), mean + 0.5 * mean**2, rtol=0.1)


def test_library_size_outliers_and_dropout_are_what_they_say():
    rng = np.random.default_rng(0)
    expression = rng.gamma(2.0, 1.0, (2000, 300))
    library = measure(expression, replace(PLAIN, library_log_mean=8.0, library_log_sd=0.4), rng).sum(axis=1)
    assert np.allclose([np.log(library).mean(), np.log(library).std()], [8.0, 0.4], atol=0.03)
    strong = Measurement(outlier_share=0.1, outlier_log_mean=3.0, outlier_log_sd=0.1, dropout_percentile=None)
    means = measure(expression, replace(strong, library_log_mean=9.0), rng).toarray().mean(axis=0)
    assert 15 <= (means > 5 * np.median(means)).sum() <= 45
    # At an infinitely steep shape, dropout keeps what lies above the percentile and nothing else.
    steep = Measurement(outlier_share=0, dropout_percentile=60.0, dropout_shape=1e6, library_log_mean=np.log(1e6))
    counts = measure(expression, replace(steep, library_log_sd=0.0), rng)
    assert abs(counts.nnz / expression.size - 0.4) < 0.005
    silent = measure(np.zeros((3, 4)), PLAIN, rng)
    assert np.asarray(silent.sum(axis=1)).ravel().tolist() == [1, 1, 1]


@pytest.mark.parametrize("change", [{"outlier_share": 2.0}, {"dropout_percentile": 101.0}, {"dispersion": -1.0}])
def test_measurement_refuses_nonsense(change):
    with pytest.raises(ScfmError, match=next(iter(change))):
        Measurement(**change)
