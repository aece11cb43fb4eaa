"""The copula simulator: the donor's marginals and correlations stay, and what is planted is what was said."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse
from scipy.stats import ks_2samp, norm, poisson, spearmanr

from scfm_assets.core.simulate import copula
from scfm_assets.core.simulate.copula import COPULA, CopulaSpec, Donor, latent_correlation, normal_scores, plant
from scfm_assets.core.simulate.simulator import EDGE
from scfm_assets.core.simulate.wiring import Wiring
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.simulate.small_simulations import world_donor

N_GENES = 80
NOTHING = Wiring(n_tfs=1, density=1e-9)


def modular_donor(n_cells, levels=(0.3, 8.0), types=2, seed=0):
    """Counts of known latent correlation: four modules of 0.5, 0.15 between them; Poisson margins by cell type."""
    rng = np.random.default_rng(seed)
    module = np.arange(N_GENES) % 4
    correlation = np.where(module[:, None] == module, 0.5, 0.15)
    np.fill_diagonal(correlation, 1.0)
    latent = rng.standard_normal((n_cells, N_GENES)) @ np.linalg.cholesky(correlation).T
    level = np.exp(rng.uniform(*np.log(levels), (types, N_GENES)))
    cell_type = np.sort(np.arange(n_cells) % types)
    counts = poisson.ppf(norm.cdf(latent), level[cell_type]).astype(np.int32)
    names = tuple(f"G{i}" for i in range(N_GENES))
    return Donor("modules", sparse.csr_matrix(counts), names, np.char.add("type_", cell_type.astype(str))), correlation


@pytest.fixture(scope="module")
def donor():
    return modular_donor(3000)[0]


def edges_of(*triples):
    return np.array(list(triples), EDGE)


def test_normal_scores_are_means_of_the_normal_between_ranks():
    counts = np.array([[0], [0], [0], [1], [1], [5], [9], [9]])
    made = normal_scores(counts)[:, 0]
    grid = norm.ppf((np.arange(800_000) + 0.5) / 800_000).reshape(8, -1).mean(axis=1)
    expected = np.r_[[grid[:3].mean()] * 3, [grid[3:5].mean()] * 2, grid[5], [grid[6:].mean()] * 2]
    assert np.allclose(made, expected, atol=1e-4)
    assert abs(made.sum()) < 1e-12
    assert np.array_equal(normal_scores(np.zeros((5, 1))), np.zeros((5, 1)))


def test_the_latent_correlation_is_recovered_through_the_counts():
    """Of 3,160 pairs the estimates scatter by 0.03 to 0.05 (rare genes) and lean to zero by their unreliability."""
    donor, truth = modular_donor(3000)
    dense = donor.counts.toarray()
    made, notes = latent_correlation([dense[donor.cell_type == t] for t in ("type_0", "type_1")])
    upper = np.triu_indices(N_GENES, 1)
    assert np.sqrt(np.mean((made - truth)[upper] ** 2)) < 0.05
    slope, offset = np.polyfit(truth[upper], made[upper], 1)
    assert abs(slope - 1) < 0.06
    assert abs(offset) < 0.02
    assert notes["true_sd"] == pytest.approx(np.sqrt(np.mean(truth[upper] ** 2)), rel=0.1)
    assert np.linalg.eigvalsh(made).min() > 0


def test_independent_genes_are_not_given_correlations():
    rng = np.random.default_rng(1)
    made, notes = latent_correlation([rng.poisson(1.0, (500, 100))])
    assert notes["true_sd"] < 0.03
    assert np.abs(made - np.eye(100)).max() < 0.1


def test_marginals_stay_in_every_cell_type(donor):
    made = COPULA.at_seed(CopulaSpec(donor, n_cells=3000, wiring=Wiring(n_tfs=8, density=0.1)), 1)
    assert made.genes == donor.genes
    drawn, kept = made.counts.toarray(), donor.counts.toarray()
    for name in ("type_0", "type_1"):
        one, other = drawn[made.obs["cell_type"] == name], kept[donor.cell_type == name]
        assert len(one) == 1500
        assert set(np.unique(one)) <= set(np.unique(other))
        distances = [ks_2samp(one[:, g], other[:, g]).statistic for g in range(N_GENES)]
        # The donor is the law itself. Of 1,500 continuous draws the mean distance is 0.87 / sqrt(1500), of counts less.
        assert np.mean(distances) < 0.87 / np.sqrt(1500)
        assert max(distances) < 2.2 / np.sqrt(1500)


def test_correlations_of_counts_stay(donor):
    """Within a cell type, Spearman: slope within 8 % of 1, root mean square difference below two errors of 0.026."""
    made = COPULA.at_seed(CopulaSpec(donor, n_cells=3000, wiring=NOTHING), 1)
    assert len(made.edges) == 0
    upper = np.triu_indices(N_GENES, 1)
    for name in ("type_0", "type_1"):
        one = spearmanr(made.counts.toarray()[made.obs["cell_type"] == name]).statistic[upper]
        other = spearmanr(donor.counts.toarray()[donor.cell_type == name]).statistic[upper]
        slope = np.polyfit(other, one, 1)[0]
        assert abs(slope - 1) < 0.08
        assert np.sqrt(np.mean((one - other) ** 2)) < 0.052
        assert np.corrcoef(one, other)[0, 1] > 0.95


def test_planting_into_independent_genes_adds_the_closed_form():
    """One TF: b / sqrt(1 + b^2); two, one of them repressing: +-b / sqrt(1 + 2 b^2); everything else stays 0."""
    mixing = plant(np.eye(5), edges_of((0, 2, 1), (0, 3, 1), (1, 3, -1)), 0.5)
    expected = np.eye(5)
    expected[0, 2] = 0.5 / np.sqrt(1.25)
    expected[0, 3], expected[1, 3] = 0.5 / np.sqrt(1.5), -0.5 / np.sqrt(1.5)
    expected[2, 3] = expected[0, 2] * expected[0, 3]
    expected = expected + expected.T - np.eye(5)
    assert np.allclose(mixing @ mixing.T, expected, atol=1e-12)


def test_the_planted_partial_dependence_is_what_was_said():
    """Regress the new normal of a target on its donor part and its TFs: k on the part, k b s on each TF, no rest."""
    _, correlation = modular_donor(10)
    edges = edges_of((0, 5, 1), (0, 6, -1), (1, 5, -1))
    mixing = plant(correlation, edges, 0.4)
    planted = mixing @ correlation @ mixing.T
    assert np.allclose(np.diagonal(planted), 1)
    assert np.linalg.eigvalsh(planted).min() > 0
    untouched = np.setdiff1d(np.arange(N_GENES), [5, 6])
    assert np.allclose(planted[np.ix_(untouched, untouched)], correlation[np.ix_(untouched, untouched)])
    z = np.random.default_rng(0).standard_normal((500, N_GENES)) @ np.linalg.cholesky(correlation).T
    for target, regulators in ((5, {0: 1, 1: -1}), (6, {0: -1})):
        size = 1 + 0.16 * len(regulators) + 2 * 0.4 * sum(s * correlation[t, target] for t, s in regulators.items())
        size += 2 * 0.16 * np.prod([*regulators.values()]) * correlation[0, 1] * (len(regulators) == 2)
        scale = 1 / np.sqrt(size)
        design = np.c_[z[:, target], z[:, list(regulators)]]
        found, rest = np.linalg.lstsq(design, (z @ mixing.T)[:, target])[:2]
        assert np.allclose(found, scale * np.r_[1, 0.4 * np.array(list(regulators.values()))])
        assert rest.sum() < 1e-20


def test_provenance_tells_the_donors_correlations_from_the_planted(donor):
    made = COPULA.at_seed(CopulaSpec(donor, n_cells=200, wiring=Wiring(n_tfs=8, density=0.1)), 1)
    p, edges = made.provenance, made.edges
    assert p["spec"]["donor"]["name"] == "modules"
    assert len(p["spec"]["donor"]["digest"]) == 20
    before, after = (np.array(p[f"edge_correlation_{when}"]) for when in ("of_donor", "planted"))
    assert len(before) == len(after) == len(edges)
    assert ((after - before) * edges["sign"]).mean() > 0.15
    pairs = set(zip(p["donor_pairs"]["source"], p["donor_pairs"]["target"], strict=True))
    assert not pairs & set(zip(edges["source"].tolist(), edges["target"].tolist(), strict=True))
    assert {s for s, _ in pairs} <= set(made.tfs.tolist())
    # Modules of 0.5 are listed, the 0.15 between them is not: about a quarter of 8 x 79 pairs.
    assert 0.15 < len(pairs) / (8 * 79) < 0.4
    assert np.abs(p["donor_pairs"]["correlation"]).min() >= copula.NOTED


def test_the_most_detected_genes_are_kept_and_small_types_left_out():
    donor = world_donor(300)
    types = donor.cell_type.copy()
    types[:4] = "tiny"
    spec = CopulaSpec(replace(donor, cell_type=types), n_cells=100, n_genes=50, wiring=Wiring(n_tfs=5, density=0.2))
    made = COPULA.at_seed(spec, 0)
    held = donor.counts.getnnz(axis=0)
    kept = [donor.genes.index(gene) for gene in made.genes]
    assert kept == sorted(kept)
    assert held[kept].min() >= np.delete(held, kept).max()
    assert made.provenance["left_out_types"] == ["tiny"]
    assert "tiny" not in set(made.obs["cell_type"])
    assert not np.isin(made.edges["target"], made.tfs).any()


def test_what_cannot_be_positive_definite_is_refused(monkeypatch):
    rng = np.random.default_rng(0)
    # Few cells of strong module structure and many rare genes: the estimate is far from positive definite.
    shared = rng.standard_normal((12, 1))
    counts = rng.poisson(np.exp(2 * shared + 0.1 * rng.standard_normal((12, 200)) - 1.0))
    monkeypatch.setattr(copula, "REPAIR_LIMIT", 0.01)
    with pytest.raises(ScfmError, match="not positive definite"):
        latent_correlation([counts])


def test_donors_and_specs_that_do_not_fit_are_refused(donor):
    with pytest.raises(ScfmError, match="one cell type per row"):
        replace(donor, cell_type=donor.cell_type[:-1])
    with pytest.raises(ScfmError, match="no loops"):
        CopulaSpec(donor, wiring=Wiring(loops=2))
    with pytest.raises(ScfmError, match="strength"):
        CopulaSpec(donor, strength=0.0)
    lonely = replace(donor, cell_type=np.array([f"type_{i}" for i in range(3000)]))
    with pytest.raises(ScfmError, match="no cell type has 10 cells"):
        COPULA.at_seed(CopulaSpec(lonely), 0)
