"""Small specs of every simulator, and Pearson's score of what they make."""

import numpy as np

from scfm_assets.core.metrics import metrics
from scfm_assets.core.scores import baselines
from scfm_assets.core.simulate import WorldSpec, make_world, simulate_counts
from scfm_assets.core.simulate.copula import CopulaSpec, Donor
from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.core.simulate.linear import LinearSpec
from scfm_assets.core.simulate.measurement import PLAIN
from scfm_assets.core.simulate.wiring import Wiring

WIRING = Wiring(n_tfs=20, density=0.1)


def world_donor(n_cells=1000):
    """An atlas of the demo's world: 400 genes, five cell types, correlations of its own network."""
    atlas = simulate_counts(make_world(WorldSpec(seed=7)), "sim_lung", n_cells)
    return Donor("sim_lung", atlas.counts, atlas.gene_ids, atlas.cell_type)


def small_specs(n_cells=1000):
    hill = {"n_genes": 150, "n_bins": 3, "dt": 0.05, "measurement": PLAIN}
    return {
        "linear": LinearSpec(n_cells=n_cells, n_genes=200, wiring=WIRING),
        "hill": HillSpec(n_cells=n_cells, wiring=WIRING, **hill),
        "copula": CopulaSpec(world_donor(), n_cells=n_cells, n_genes=200, wiring=WIRING),
    }


def pearson(simulated):
    """Absolute correlations, (n_tfs, n_genes)."""
    return baselines.pearson(baselines.cells_of(simulated.counts, np.arange(len(simulated.genes))), simulated.tfs)


def truth_and_pairs(simulated):
    """Which pairs of a TF and a gene are edges, and which are pairs at all (not a TF with itself)."""
    pairs = np.ones((len(simulated.tfs), len(simulated.genes)), bool)
    pairs[np.arange(len(simulated.tfs)), simulated.tfs] = False
    return simulated.signed_network()[simulated.tfs] != 0, pairs


def pearson_auroc(simulated):
    truth, pairs = truth_and_pairs(simulated)
    return float(metrics.auroc(metrics.bins_of(pearson(simulated)[pairs], truth[pairs])))
