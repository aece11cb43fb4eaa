"""What the assets of a model hold, asked of a finished platform."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest

from scfm_assets.core.sampling.cells import groups, members
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets.warehouse.query import query
from scfm_assets_tests.platforms import TINY, Home
from scfm_assets_tests.published import publish

PLACE = Place("sim_one", 40)


@pytest.fixture
def stored(finished: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))

    def read(asset: str, place: Place = PLACE) -> object:
        return finished.store.read(finished.store.manifest(asset, place), finished.platform.nodes[asset].format)

    return read


def test_groups_of_cells_add_up_to_the_rows_and_columns_of_the_tfs(stored) -> None:
    regulators = stored("atlas/regulators", Place("sim_one"))
    sets = stored("atlas/cell_sets")
    for repeat, sums in stored("models/planted/attention").items():
        tfs = regulators["panel_index"].to_numpy()
        assert len(tfs) > 3
        assert (sums.groups.tfs == tfs).all()
        assert (sums.groups.n_cells == np.bincount(groups(sets, 40)[repeat], minlength=10)).all()
        assert (sums.groups.pairs.sum(0) == sums.pairs[tfs]).all()
        # Sums of up to 40 float32 terms in another order.
        for name in ("plain", "lifted"):
            total, of_groups = getattr(sums, name), getattr(sums.groups, name).sum(0)
            np.testing.assert_allclose(of_groups[:, 0], total[:, tfs], rtol=2e-5, atol=1e-6)
            np.testing.assert_allclose(of_groups[:, 1], total[:, :, tfs].transpose(0, 2, 1), rtol=2e-5, atol=1e-6)


def test_regulators_are_the_panel_genes_that_are_tfs_of_the_network(stored) -> None:
    tfs = set(stored("networks/truth", Place())["tf"].to_pylist())
    panel = stored("atlas/gene_panel", Place("sim_one"))
    wanted = [symbol for symbol in panel["symbol"].to_pylist() if symbol in tfs]
    regulators = stored("atlas/regulators", Place("sim_one"))
    assert regulators["symbol"].to_pylist() == wanted
    assert set(regulators["networks"].to_pylist()) == {"truth"}


def test_cell_embeddings_are_the_mean_hidden_states_of_each_cell(finished: Home, stored) -> None:
    import torch
    from transformers import BertModel

    found = stored("models/planted/cell_embeddings")
    held = np.unique(np.concatenate(list(members(stored("atlas/cell_sets"), 40).values())))
    assert (found.cells == held).all()
    atlas = stored("atlas/processed", Place("sim_one"))
    assert found.barcodes == tuple(atlas.obs_names[held])
    folder = checkpoints.checkpoint_folder(finished.catalog, "planted")
    eager = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager").eval()
    tokens = checkpoints.open_model(finished.catalog, "planted").tokenize(atlas.X[held], atlas.var_names.tolist())
    for row in (0, 17, len(held) - 1):
        with torch.no_grad():
            states = eager(torch.from_numpy(tokens.row(row)[None].astype(np.int64)), output_hidden_states=True)
        for layer in (1, eager.config.num_hidden_layers):
            mean = states.hidden_states[layer][0].mean(0).numpy()
            np.testing.assert_allclose(found.obsm[f"X_mean_layer{layer}"][row], mean, rtol=1e-4, atol=1e-5)


def test_a_model_without_hidden_states_has_no_cell_embeddings(finished: Home) -> None:
    assert "models/planted/cell_embeddings" in finished.platform.nodes
    assert "models/random/cell_embeddings" not in finished.platform.nodes


def test_sql_holds_hidden_states_and_token_embeddings_beside_attention(finished: Home, stored) -> None:
    del stored
    publish(finished.folder)
    asked = """
        select method, count(distinct layer) as layers, count(distinct direction) as directions,
               count(distinct "interval") filter (lo is not null) as kinds
        from metrics where model = 'planted' and universe = 'tf_grid' and metric = 'auroc'
        group by method order by method
    """
    rows = [line.split(",") for line in query(finished.folder, asked, "csv").strip().splitlines()[1:]]
    assert rows == [
        ["attention", "4", "1", "5"],
        ["attention_lift", "4", "1", "5"],
        ["hidden_state", "4", "1", "4"],
        ["token_embedding", "0", "1", "4"],
        ["uniform_attention", "0", "1", "5"],
    ]


@pytest.mark.long
def test_single_heads_and_their_maximum_are_scored_where_they_are_asked_for(home: Home) -> None:
    catalog = deepcopy(TINY)
    catalog["atlases"].pop("sim_two")
    catalog["models"] = {
        "mean": {"control": "planted", "layer": 3, "layers": [3], "heads": [[3, 1], [3, 2], [3, 3], [3, 4]]},
        "largest": {"control": "planted", "layer": 3, "layers": [3], "aggregation": "max"},
    }
    catalog["experiment"] |= {"n_cells": [10], "cell_groups": 0}
    home.write(catalog)
    assert home.run(select='+key:"evaluation/metrics"').success
    nodes, store = home.platform.nodes, home.store
    place = Place("sim_one", 10)
    scores = {
        model: store.read(store.manifest(asset, place), nodes[asset].format)
        for model, asset in ((m, f"models/{m}/edge_scores") for m in ("mean", "largest"))
    }
    of_mean = {(k.repeat, k.method, k.head): s for k, s in zip(scores["mean"].keys, scores["mean"].scores, strict=True)}
    assert {key[1] for key in of_mean} == {"attention", "attention_lift", "uniform_attention"}
    heads = np.stack([of_mean[0, "attention", head] for head in (1, 2, 3, 4)])
    np.testing.assert_allclose(heads.mean(0), of_mean[0, "attention", None], rtol=2e-5, atol=1e-9)
    largest = {(k.repeat, k.method): s for k, s in zip(scores["largest"].keys, scores["largest"].scores, strict=True)}
    assert {key[1] for key in largest} == {"attention_max", "attention_max_lift", "uniform_attention"}
    # The mean over cells of the largest head is at least the largest of the heads' means.
    assert (largest[0, "attention_max"] >= heads.max(0) * (1 - 2e-5)).all()
    assert (largest[0, "attention_max"] > heads.max(0) * 1.001).any()


@pytest.mark.long
def test_another_precision_is_another_output(rerun: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    asset = "models/planted/attention_increment"
    exact = rerun.store.manifest(asset, PLACE)
    assert exact.facts["precision"] == "fp32"
    monkeypatch.setenv("SCFM_PRECISION", "bf16")
    outcome = rerun.run(select=f'key:"{asset}"')
    assert {done.asset for done in outcome.computed} == {asset}
    rough = rerun.store.manifest(asset, PLACE)
    assert rough.facts["precision"] == "bf16"
    assert rough.version != exact.version
    assert rough.config != exact.config
    monkeypatch.delenv("SCFM_PRECISION")
    assert len(rerun.run(select=f'key:"{asset}"').computed) == len(outcome.computed)
    assert rerun.store.manifest(asset, PLACE).version == exact.version
