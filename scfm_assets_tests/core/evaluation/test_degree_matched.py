"""Methods on many random networks with the degrees of the real one, against plain rankings of each."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from scfm_assets.core.evaluation.contender import contenders
from scfm_assets.core.evaluation.degree_matched import RandomNetworks, degree_matched_table
from scfm_assets.core.scores.edges import TF_QUERIES
from scfm_assets.core.universes.grounds import Ground
from scfm_assets.core.universes.matched_universes import MaskedUniverse
from scfm_assets.tables.methods import DEGREE_MATCHED
from scfm_assets.tables.schema import check_table
from scfm_assets_tests.core.evaluation.small_methods import NULLS, TFS, K, ground, sources


def test_random_networks_keep_degrees_and_what_they_share_with_the_real_one_is_counted():
    arena = ground(1)
    networks, real, pairs = RandomNetworks(arena, tissue="lung", draws=40), arena.universe.positive[TFS], arena.pairs
    masks = []
    for (places,) in networks.labels:
        mask = np.zeros(real.size, bool)
        mask[pairs.place[places]] = True
        masks.append(mask.reshape(real.shape))
        assert np.array_equal(masks[-1].sum(axis=0), real.sum(axis=0))
        assert np.array_equal(masks[-1].sum(axis=1), real.sum(axis=1))
    assert len({mask.tobytes() for mask in masks}) == 40
    assert networks.shared == pytest.approx(np.mean([(mask & real).sum() / real.sum() for mask in masks]))
    candidate = arena.universe.candidate[TFS]
    perfect = [roc_auc_score(mask[candidate], real[candidate].astype(float)) for mask in masks]
    assert networks.perfect == pytest.approx(np.mean(perfect))


def test_rows_hold_each_method_against_the_same_networks():
    arena = ground(2)
    slices = [(n, contenders(sources(n, knows=3.0, own=arena), NULLS, TF_QUERIES)) for n in (50, 100)]
    table = degree_matched_table(slices, [arena], tissue="lung", draws=60)
    placed = table.append_column("tissue", pa.array(["lung"] * len(table)))
    check_table("degree_matched", placed.append_column("simulated", pa.array([True] * len(table))))
    assert table.schema == DEGREE_MATCHED.without("tissue", "simulated").schema
    rows = table.to_pylist()
    assert len(rows) == 2 * len(slices[0][1])
    (row,) = [r for r in rows if (r["model"], r["method"], r["n_cells"]) == ("mine", "attention", 100)]
    networks, method = RandomNetworks(arena, tissue="lung", draws=60), next(
        m for m in slices[1][1] if (m.source.model, m.method) == ("mine", "attention")
    )  # fmt: skip
    labels = np.zeros((60, arena.pairs.n), bool)
    for draw, (places,) in enumerate(networks.labels):
        labels[draw, places] = True
    scores = [method.scores_on(arena, repeat) for repeat in (0, 1)]
    random = np.array([np.mean([roc_auc_score(drawn, one) for one in scores]) for drawn in labels])
    value = np.mean([roc_auc_score(arena.pairs.positive, one) for one in scores])
    assert (row["value"], row["expected"]) == pytest.approx((value, random.mean()))
    assert row["spread"] == pytest.approx(random.std(ddof=1))
    assert row["difference"] == pytest.approx(value - random.mean())
    assert row["p"] == (1 + (random >= value - 1e-12).sum()) / 61 == 1 / 61
    assert (row["draws"], row["n_repeats"]) == (60, 2)


def test_what_knows_targets_alone_scores_on_random_networks_as_on_the_real_one():
    rng = np.random.default_rng(0)
    chance = np.where(np.arange(K) < 12, 0.6, 0.04)
    candidate = np.zeros((K, K), bool)
    candidate[TFS] = True
    np.fill_diagonal(candidate, val=False)
    positive = candidate & (rng.random((K, K)) < chance)
    networks = RandomNetworks(Ground("n", "1", MaskedUniverse("tf_grid", candidate, positive, TFS)), tissue="lung")
    pairs = networks.ground.pairs
    by_target = pairs.of(np.broadcast_to(positive.sum(axis=0).astype(float), (K, K))[TFS])
    (permuted,) = networks.of(by_target[None])
    assert permuted.value > 0.85
    assert permuted.value - permuted.expected == pytest.approx(0, abs=1e-9)
    assert permuted.p() == 1
    assert 0.1 < networks.shared < 1
    assert networks.perfect > 0.6


def test_no_ground_gives_no_rows():
    assert degree_matched_table([], [], tissue="lung").num_rows == 0
