"""SERGIO's published networks and real donors: what the simulators keep of them."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from anndata import read_h5ad
from scipy import sparse

from scfm_assets.core.metrics import metrics
from scfm_assets.core.scores import baselines
from scfm_assets.core.simulate.copula import COPULA, CopulaSpec, Donor
from scfm_assets.core.simulate.hill import HILL, HillSpec, draw_expression, master_moments
from scfm_assets.core.simulate.measurement import PLAIN
from scfm_assets.core.simulate.wiring import Wiring
from scfm_assets_tests.core.simulate.sergio_files import read_sergio

ROOT = Path(os.environ.get("SCFM_DATA", "absent"))
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not (ROOT / "simulated").is_dir(), reason="set SCFM_DATA to the folder that holds simulated/"),
]
SIZES = {"ds1": (100, 258, 7), "ds2": (400, 1155, 20)}


def published(name):
    stem = ROOT / "simulated" / f"sergio_{name}"
    return read_sergio(Path(f"{stem}_interactions.txt"), Path(f"{stem}_master_regulators.txt"))


@pytest.mark.parametrize("name", list(SIZES))
def test_the_network_is_the_published_truth(name):
    network = published(name)
    n_genes, n_edges, n_masters = SIZES[name]
    assert network.genes == tuple(f"gene_{i}" for i in range(n_genes))
    assert network.basal.shape == (n_genes, 9)
    assert np.count_nonzero(network.basal.min(axis=1)) == n_masters
    truth = np.loadtxt(ROOT / "simulated" / f"sergio_{name}_truth.csv", delimiter=",", dtype=int)
    assert len(network.edges) == len(truth) == n_edges
    assert set(zip(network.edges["source"], network.edges["target"], strict=True)) == set(map(tuple, truth))
    assert ((network.strength >= 1) & (network.strength <= 5)).all()
    made = HILL.at_seed(HillSpec(network=network, n_cells=90, dt=0.05, settle=1.0), 0)
    assert np.array_equal(made.edges, network.edges)


@pytest.mark.parametrize("name", list(SIZES))
def test_master_regulators_have_their_analytic_moments(name):
    """Per bin: 400 cells; means within 5 errors, below by at most 0.583 q sqrt(b dt) (steps stop at zero)."""
    network, dt, per_bin = published(name), 0.01, 400
    spec = HillSpec(network=network, n_cells=9 * per_bin, dt=dt)
    # Masters alone: what they regulate does not act on them.
    alone = np.flatnonzero(network.basal.min(axis=1))
    only = type(network)(
        tuple(network.genes[g] for g in alone), network.edges[:0], np.empty(0), np.empty(0), network.basal[alone]
    )
    bins = np.repeat(np.arange(9), per_bin)
    cells, _ = draw_expression(only, spec, bins, np.random.default_rng(1))
    rates = network.basal[alone].T
    mean, variance = master_moments(rates, spec.decay, spec.noise)
    found = np.array([cells[bins == k].mean(axis=0) for k in range(9)])
    spread = np.array([cells[bins == k].var(axis=0) for k in range(9)])
    error = np.sqrt(variance / per_bin)
    assert (found - mean < 5 * error).all()
    assert (found - mean > -0.583 * np.sqrt(rates * dt) - 5 * error).all()
    assert abs(np.mean(spread / variance) - 1) < 0.05


def aurocs(made, methods=("pearson", "spearman", "mean_product")):
    pairs = np.ones((len(made.tfs), len(made.genes)), bool)
    pairs[np.arange(len(made.tfs)), made.tfs] = False
    truth = made.signed_network()[made.tfs] != 0
    cells = baselines.cells_of(made.counts, np.arange(len(made.genes)))
    scores = {m.name: m.function(cells, made.tfs) for m in baselines.BASELINES if m.name in methods}
    return {name: float(metrics.auroc(metrics.bins_of(s[pairs], truth[pairs]))) for name, s in scores.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", list(SIZES))
def test_the_ordering_of_methods_is_the_same_for_every_seed(name):
    """Deep counts of DS2: correlation before level. DS1, and both under technical noise: level before correlation.

    In DS1, masters and the many targets of a few TFs differ so much in expression that level alone tells edges.
    """
    deep = replace(PLAIN, library_log_mean=9.0)
    spec = HillSpec(network=published(name), n_cells=450, dt=0.04)
    for seed in range(3):
        plain = aurocs(HILL.at_seed(replace(spec, measurement=deep), seed))
        noisy = aurocs(HILL.at_seed(spec, seed))
        assert min(plain["pearson"], plain["spearman"]) > 0.65
        assert abs(plain["pearson"] - plain["spearman"]) < 0.08
        assert (plain["mean_product"] < plain["pearson"]) == (name == "ds2")
        assert noisy["mean_product"] > max(noisy["pearson"], noisy["spearman"])
        if name == "ds2":
            assert noisy["pearson"] < plain["pearson"] - 0.15


@pytest.mark.parametrize(
    ("file", "slope"), [("blood_pbmc_facs_human", 0.1), ("gut_ileum_colon_human", 0.12), ("skin_ctcl_human", 0.1)]
)
def test_a_real_atlas_keeps_its_marginals_and_correlations(file, slope):
    atlas = read_h5ad(ROOT / "atlases" / f"{file}.h5ad")
    donor = Donor(file, sparse.csr_matrix(atlas.X), tuple(atlas.var_names), atlas.obs["cell_type"].to_numpy(str))
    spec = CopulaSpec(donor, n_cells=2000, n_genes=500, wiring=Wiring(n_tfs=10, density=1e-9))
    made = COPULA.at_seed(spec, 1)
    position = {gene: i for i, gene in enumerate(donor.genes)}
    kept = donor.counts[:, [position[gene] for gene in made.genes]].toarray()
    drawn = made.counts.toarray()
    spread = kept.std(axis=0)
    assert np.abs((drawn.mean(axis=0) - kept.mean(axis=0)) / spread).max() < 0.25
    assert np.abs((drawn > 0).mean(axis=0) - (kept > 0).mean(axis=0)).max() < 0.08
    upper = np.triu_indices(500, 1)
    before, after = (np.corrcoef(np.log1p(counts).T)[upper] for counts in (kept, drawn))
    assert abs(np.polyfit(before, after, 1)[0] - 1) < slope
    assert np.corrcoef(before, after)[0, 1] > 0.92
