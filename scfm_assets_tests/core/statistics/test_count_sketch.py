from __future__ import annotations

import numpy as np
import pytest

from scfm_assets.core.statistics.count_sketch import SLOTS, network_parts, signed_sums


def test_few_contributions_stand_as_they_are():
    assert signed_sums(np.array([1.0, 2.0, 3.0]), 5).tolist() == [1, 2, 3, 0, 0]


def test_products_of_many_contributions_are_kept_on_average():
    rng = np.random.default_rng(0)
    errors = []
    for n in range(5000, 5100):  # other numbers have other slots and signs
        two = rng.normal(size=(2, n))
        two[1] += two[0]
        kept = signed_sums(two)
        errors.append(kept @ kept.T / (two @ two.T) - 1)
    assert kept.shape == (2, SLOTS)
    errors = np.array(errors)
    assert np.abs(errors.mean(0)).max() < 4 * np.sqrt(2 / SLOTS / 100)
    assert errors[:, 0, 0].std() == pytest.approx(np.sqrt(2 / SLOTS), rel=0.25)


def test_the_variance_over_networks_is_that_of_its_thirds():
    from scfm_assets.core.curves.network import NetworkParts

    rng = np.random.default_rng(1)
    grid = rng.normal(size=(30, 1)) + rng.normal(size=(1, 100)) + rng.normal(size=(30, 100))
    grid /= grid.size
    tfs, targets = grid.sum(1), grid.sum(0)
    rows = network_parts(tfs, targets, grid.reshape(-1))[None]
    error = NetworkParts.of_thirds(rows).error(np.ones(1))
    exact = tfs @ tfs + targets @ targets - (grid**2).sum()
    assert error.error**2 == pytest.approx(exact, rel=0.02)  # the pairs, the only part that is summed, are a small one
    assert error.clusters == pytest.approx(
        min((part @ part) ** 2 / (part**4).sum() for part in (tfs, targets)), rel=1e-9
    )
