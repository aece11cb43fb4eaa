"""What nulls score in universes: rows against scikit-learn, and the check that fails where matching did not work."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.nulls_in_universes import nulls_know_nothing, universe_null_rows
from scfm_assets.core.networks.table import NetworkSpec, NetworkTable, tidy_network
from scfm_assets.core.sampling.levels import GeneLevels
from scfm_assets.core.scores import GENE_NULLS, STATISTICS
from scfm_assets.core.universes.of_tissue import TissueUniverses, tissue_universes
from scfm_assets.tables.schema import check_table

K = 120
NAMES = tuple(f"G{i}" for i in range(K))
RNG = np.random.default_rng(0)
MEAN = RNG.lognormal(-1, 1, K)
OTHERS = {name: MEAN * RNG.lognormal(0, 0.4, K) for name in ("variance", "dispersion")}
LEVELS = GeneLevels(MEAN, 1 - np.exp(-MEAN), {**OTHERS, "cell_size": RNG.lognormal(7, 0.1, K)})


def network(name: str, seed: int) -> NetworkTable:
    """A network whose targets are genes of high expression."""
    rng = np.random.default_rng(seed)
    tfs, targets = rng.choice(30, 150), rng.choice(K, 150, p=MEAN / MEAN.sum())
    table = pa.table({"tf": [NAMES[i] for i in tfs], "target": [NAMES[i] for i in targets]})
    return tidy_network(table, NetworkSpec(name))


def made(levels: GeneLevels = LEVELS) -> TissueUniverses:
    networks = [network("one", 1), network("two", 2)]
    return tissue_universes(networks, NAMES, NAMES, levels, tissue="lung", asked=["expression_matched"])


def test_rows_are_the_aurocs_of_the_nulls_as_they_are():
    universes = made()
    table = universe_null_rows(universes)
    placed = table.append_column("tissue", pa.array(["lung"] * len(table)))
    check_table("universe_nulls", placed.append_column("simulated", pa.array([True] * len(table))))
    rows = {(row["network"], row["universe"], row["reference"]): row for row in table.to_pylist()}
    assert len(rows) == 2 * 2 * (len(GENE_NULLS) + 2)
    stacked = np.stack([LEVELS.by_name[name] for name in STATISTICS])
    for universe in universes.networks[0].fixed()[1:]:
        for name, null in GENE_NULLS.items():
            scores = null.scores(stacked, np.arange(K))[universe.candidate]
            row = rows["one", universe.name, name]
            assert row["auroc"] == pytest.approx(roc_auc_score(universe.positive[universe.candidate], scores), abs=1e-5)
            assert row["lo_of_all"] < row["lo"] < row["auroc"] < row["hi"] < row["hi_of_all"]
    popular = np.broadcast_to(universes.networks[1].edges.mask.sum(axis=0), (K, K))
    grid = universes.networks[0].fixed()[1]
    area = roc_auc_score(grid.positive[grid.candidate], popular[grid.candidate])
    assert rows["one", "tf_grid", "target_popularity"]["auroc"] == pytest.approx(area)


def test_the_check_passes_where_all_is_matched_and_names_the_null_where_it_is_not():
    universes = made()
    passed, words = nulls_know_nothing(universes)
    assert passed, words
    assert "0 are off 0.5" in words
    own = universes.networks[0]
    unmatched = replace(own, matched=(replace(own.fixed()[1], name="expression_matched"),))
    passed, words = nulls_know_nothing(replace(universes, networks=(unmatched,)))
    assert not passed
    assert "target_mean" in words


def test_a_tissue_of_which_only_means_are_known_has_no_rows():
    universes = made(GeneLevels(LEVELS.mean, LEVELS.detection))
    assert universe_null_rows(universes).num_rows == 0
    assert nulls_know_nothing(universes) == (True, "no expression-matched universe")
