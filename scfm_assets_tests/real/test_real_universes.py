"""Matched universes of real cells and published networks are balanced, and gene-level nulls know little in them."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import read_h5ad

from scfm_assets.core.metrics.metrics import auroc, bins_of
from scfm_assets.core.networks.table import NetworkSpec, read_network
from scfm_assets.core.sampling.levels import gene_levels
from scfm_assets.core.sampling.panel import gene_panel
from scfm_assets.core.scores import GENE_NULLS
from scfm_assets.core.universes.control_networks import tf_grid_of
from scfm_assets.core.universes.matched_universes import LIMIT, balance, expression_matched, universe_seed
from scfm_assets.core.universes.universe import edges_in_panel

DATA = os.environ.get("SCFM_DATA")
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(DATA is None, reason="set SCFM_DATA to the folder that holds atlases/ and references/"),
]
ATLASES = ("blood_pbmc_facs_human", "gut_ileum_colon_human", "skin_ctcl_human")
NETWORKS = {
    "trrust_v2_human.tsv": {"format": "trrust"},
    "dorothea_human.parquet": {"format": "dorothea", "confidence": ("A", "B", "C")},
    "collectri_human.parquet": {"format": "collectri"},
}


@pytest.mark.parametrize("atlas", ATLASES)
def test_positives_and_negatives_are_balanced(atlas):
    cells = read_h5ad(Path(str(DATA)) / "atlases" / f"{atlas}.h5ad")
    counts, names = sp.csr_matrix(cells.X), [str(name) for name in cells.var["symbol"]]
    ids = [f"{name} {i}" for i, name in enumerate(names)]  # the columns are told apart, whatever they are called
    panel = gene_panel(counts, ids, names, size=1000)
    column = {gene: i for i, gene in enumerate(ids)}
    genes = panel["gene_id"].to_pylist()
    levels = gene_levels(counts, np.array([column[gene] for gene in genes]))
    for file, spec in NETWORKS.items():
        network = read_network(NetworkSpec(file, Path(str(DATA)) / "references" / file, **spec))
        edges = edges_in_panel(network, genes, panel["symbol"].to_pylist(), tissue=atlas)
        seed = universe_seed("expression_matched", network.digest, genes, atlas)
        universe = expression_matched(edges, levels, seed=seed)
        found, grid = balance(universe, edges, levels), tf_grid_of(edges)
        for row in found:
            print(f"{atlas}, {file}: {row.end} {row.level} {row.before:.3f} -> {row.after:.3f}")
        assert max(abs(row.after) for row in found) < LIMIT
        assert universe.left_out <= 0.02 * len(edges.source)
        n_pos, n = universe.positive.sum(), universe.candidate.sum()
        assert n - n_pos >= 3 * n_pos
        table = np.stack(list(levels.by_name.values()))
        for name, gene_null in GENE_NULLS.items():
            null = gene_null.scores(table, np.arange(len(genes)))
            before = float(auroc(bins_of(null[grid], edges.mask[grid])))
            after = float(auroc(bins_of(null[universe.candidate], universe.positive[universe.candidate])))
            print(f"{atlas}, {file}: {name} {before:.3f} -> {after:.3f}, {n_pos} edges, {n - n_pos} negatives")
            assert abs(after - 0.5) < 0.035
