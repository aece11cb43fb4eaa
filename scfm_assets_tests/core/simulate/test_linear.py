"""The linear simulator against the Lyapunov equation, solved another way and by stepping through time."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import linalg

from scfm_assets.core.simulate.linear import LINEAR, LinearSpec, draw_states, draw_system
from scfm_assets.core.simulate.wiring import Wiring
from scfm_assets.errors import ScfmError

SMALL = LinearSpec(n_genes=60, wiring=Wiring(n_tfs=12, density=0.15))


@pytest.fixture(scope="module")
def system():
    return draw_system(SMALL, np.random.default_rng(1))


def test_the_covariance_solves_the_lyapunov_equation(system):
    covariance, jacobian = system.covariance, system.jacobian
    noise = np.eye(60) * SMALL.noise_sd**2
    residual = jacobian @ covariance + covariance @ jacobian.T + noise
    assert np.abs(residual).max() < 1e-10
    assert np.allclose(covariance, linalg.solve_continuous_lyapunov(jacobian, -noise), atol=1e-10)
    assert np.array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_the_mean_is_at_rest(system):
    assert np.abs(system.jacobian @ system.mean.T + system.drive.T).max() < 1e-10
    assert 0.01 < (system.drive != 0).mean() < 0.1


def test_one_gene_alone_has_the_textbook_variance():
    spec = LinearSpec(n_genes=2, n_cell_types=1, wiring=Wiring(n_tfs=1, density=0.9), noise_sd=0.7, margin=0.0)
    system = draw_system(spec, np.random.default_rng(0))
    tf = system.tfs[0]
    assert system.covariance[tf, tf] == pytest.approx(-(0.7**2) / (2 * system.jacobian[tf, tf]), rel=1e-12)


def test_stepping_through_time_ends_in_the_same_distribution():
    """Euler-Maruyama of 3,000 copies in steps of 0.02; the slowest mode decays by exp(-6), the steps add 1 to 2 %."""
    system = draw_system(replace(SMALL, decay=(1.0, 2.0), margin=0.6), np.random.default_rng(1))
    rng = np.random.default_rng(3)
    dt, n = 0.02, 3000
    x = np.zeros((n, 60))
    for _ in range(500):
        x += dt * (x @ system.jacobian.T + system.drive[1]) + np.sqrt(dt) * rng.standard_normal(x.shape)
    scale = np.sqrt(np.diagonal(system.covariance))
    assert np.abs((x.mean(axis=0) - system.mean[1]) / scale).max() < 5 / np.sqrt(n)
    off = (np.cov(x.T) - system.covariance) / np.outer(scale, scale)
    assert np.abs(off).max() < 0.05 + 4 * np.sqrt(2 / n)
    assert np.sqrt(np.mean(off**2)) < 0.03


def test_drawn_states_have_the_mean_and_covariance(system):
    n = 20_000
    states = draw_states(system, np.full(n, 2), np.random.default_rng(5))
    scale = np.sqrt(np.diagonal(system.covariance))
    # Of 1,830 covariances with standard errors of at most sqrt(2 / n) = 0.01 of the scale, all lie within 5.
    assert np.abs((states.mean(axis=0) - system.mean[2]) / scale).max() < 5 / np.sqrt(n)
    off = (np.cov(states.T) - system.covariance) / np.outer(scale, scale)
    assert np.abs(off).max() < 5 * np.sqrt(2 / n)


def test_only_tfs_regulate_and_edges_are_the_weights(system):
    weights = system.jacobian - np.diag(np.diagonal(system.jacobian))
    target, source = weights.nonzero()
    assert set(source) <= set(system.tfs)
    found = set(zip(source, target, np.sign(weights[target, source]).astype(int), strict=True))
    assert found == set(map(tuple, system.edges.tolist()))


def test_an_unstable_network_is_shrunk_to_the_first_stable_step():
    spec = LinearSpec(n_genes=100, wiring=Wiring(n_tfs=40, density=0.2))
    system = draw_system(spec, np.random.default_rng(0))
    decay = np.diag(np.diagonal(system.jacobian))
    eigenvalues = np.linalg.eigvals(system.jacobian).real
    assert eigenvalues.max() <= -spec.margin
    assert system.abscissa() == pytest.approx(eigenvalues.max(), abs=1e-8)
    assert system.shrunk < 1
    before = (system.jacobian - decay) / 0.9 + decay
    assert np.linalg.eigvals(before).real.max() > -spec.margin


def test_unstable_networks_are_redrawn_or_refused_on_demand():
    wild = LinearSpec(n_genes=100, wiring=Wiring(n_tfs=40, density=0.2), unstable="refuse")
    with pytest.raises(ScfmError, match="unstable"):
        draw_system(wild, np.random.default_rng(0))
    rare = replace(wild, unstable="redraw", wiring=Wiring(n_tfs=4, density=0.2), margin=0.3)
    for seed in range(5):
        system = draw_system(rare, np.random.default_rng(seed))
        assert system.shrunk == 1
        assert system.abscissa() <= -0.3
    with pytest.raises(ScfmError, match="unstable"):
        draw_system(replace(wild, unstable="redraw"), np.random.default_rng(0))


@pytest.mark.parametrize(
    "change", [{"margin": 0.6}, {"weight": (2.0, 1.0)}, {"noise_sd": 0.0}, {"n_cells": 2}, {"unstable": "hope"}]
)
def test_a_spec_refuses_what_cannot_be_simulated(change):
    with pytest.raises(ScfmError, match=next(iter(change))):
        LinearSpec(**change)


def test_provenance_tells_stability():
    provenance = LINEAR.at_seed(replace(SMALL, n_cells=20), 0).provenance
    assert provenance["largest_real_part"] <= -SMALL.margin
    assert 0 < provenance["weights_shrunk_by"] <= 1
