"""A random property of genes is no knowledge of edges: intervals over real networks miss 0.5 as seldom as they say."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import read_h5ad

from scfm_assets.core.metrics import TF_GRID, CandidatePairs
from scfm_assets.core.networks.table import NetworkSpec, read_network
from scfm_assets.core.sampling.panel import gene_panel
from scfm_assets.core.statistics import over_network, over_tfs
from scfm_assets.core.universes.universe import candidates, edges_in_panel
from scfm_assets_tests.real.test_real_universes import ATLASES, NETWORKS

DATA = os.environ.get("SCFM_DATA")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(DATA is None, reason="set SCFM_DATA to the folder that holds atlases/ and references/"),
]
DRAWS = 200


@pytest.mark.parametrize("atlas", [*ATLASES, "pancreas_baron_human"])
def test_a_random_gene_property_is_at_chance(atlas):
    """A number per gene at the target's end, at both ends, and two numbers per gene, each with noise of the pairs."""
    cells = read_h5ad(Path(str(DATA)) / "atlases" / f"{atlas}.h5ad")
    names = [str(name) for name in cells.var["symbol"]]
    panel = gene_panel(sp.csr_matrix(cells.X), [f"{name} {i}" for i, name in enumerate(names)], names, size=600)
    rng, shares = np.random.default_rng(0), []
    for file, spec in NETWORKS.items():
        network = read_network(NetworkSpec(file, Path(str(DATA)) / "references" / file, **spec))
        edges = edges_in_panel(network, panel["gene_id"].to_pylist(), panel["symbol"].to_pylist(), tissue=atlas)
        mask = candidates(TF_GRID, edges, np.zeros((600, 600), np.int32))[edges.tfs]
        pairs = CandidatePairs.of_masks(mask, mask & edges.mask[edges.tfs], genes=edges.tfs)
        missed: dict[str, list[bool]] = {}
        for _ in range(DRAWS):
            one, other = rng.normal(size=(2, 600))
            noise = 0.3 * rng.normal(size=mask.shape)
            for name, of_tf in (("target", 0 * one), ("both ends", one), ("two properties", other)):
                ranking = pairs.rank(pairs.of(one + of_tf[edges.tfs, None] + noise))
                for kind, shared in (("network", over_network([ranking])), ("tfs", over_tfs([ranking]))):
                    (lows,), (highs,) = shared.intervals()
                    missed.setdefault(f"{name}, {kind}", []).append(not lows[0] <= 0.5 <= highs[0])
        for name, found in missed.items():
            print(f"{atlas}, {file}, {pairs.n_pos} edges: {name} misses 0.5 in {np.mean(found):.3f}")
        shares += [np.mean(found) for name, found in missed.items() if name.endswith("network")]
    error = np.sqrt(0.05 * 0.95 / DRAWS)
    assert max(shares) < 0.07 + 3 * error
    assert np.mean(shares) < 0.07
