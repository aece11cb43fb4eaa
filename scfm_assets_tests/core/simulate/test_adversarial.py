"""Cases that mislead: the truth stays known, and Pearson suffers, with every simulator that has the case."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from scfm_assets.core.metrics import metrics
from scfm_assets.core.simulate.adversarial import CASES
from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.core.simulate.hill_network import HillNetwork
from scfm_assets.core.simulate.measurement import as_counts
from scfm_assets.core.simulate.simulators import SIMULATORS
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.simulate.small_simulations import pearson, pearson_auroc, small_specs, truth_and_pairs

CASE = {case.name: case for case in CASES}
SPECS = small_specs()
SEEDS = {"linear": range(4), "hill": range(2), "copula": range(3)}
MISLEADING = ("shared_confounder", "composition", "batch")


@cache
def clean(name, seed):
    return SIMULATORS[name].simulate(SPECS[name], np.random.default_rng(seed))


@cache
def misled(name, case, seed):
    """The case, drawn from the generator that `clean` starts from: before it changes counts, they are the same."""
    return CASE[case].apply(SIMULATORS[name], SPECS[name], np.random.default_rng(seed))


def thinned_evenly(name, case, seed):
    """Every gene loses what it loses in the case, but in all cells alike: fewer counts without a cause in common."""
    before, after = clean(name, seed).counts, misled(name, case, seed).counts
    kept = np.minimum(1, np.asarray(after.sum(axis=0)).ravel() / np.maximum(np.asarray(before.sum(axis=0)).ravel(), 1))
    dense = before.toarray()
    counts = as_counts(np.random.default_rng(9).binomial(dense, kept), dense)
    return replace(clean(name, seed), counts=counts)


def false_correlation(simulated, genes):
    """Mean absolute correlation of the pairs among `genes`, one of them a TF, that are no edges."""
    truth, pairs = truth_and_pairs(simulated)
    among = np.outer(np.isin(simulated.tfs, genes), np.isin(np.arange(len(simulated.genes)), genes))
    return pearson(simulated)[among & pairs & ~truth].mean()


@pytest.mark.parametrize("case", MISLEADING)
@pytest.mark.parametrize("name", list(SPECS))
def test_pearson_takes_the_other_cause_for_edges(name, case):
    """False correlation grows by a third at least, and AUROC falls below that of as many counts lost evenly."""
    margin = {"shared_confounder": 0.005, "composition": 0.05, "batch": 0.02}[case]
    rows = []
    for seed in SEEDS[name]:
        before, after, even = clean(name, seed), misled(name, case, seed), thinned_evenly(name, case, seed)
        genes = after.provenance["misled_genes"]
        false = [false_correlation(made, genes) for made in (before, after, even)]
        rows.append([*false, *(pearson_auroc(made) for made in (before, after, even))])
    before, after, even, auroc_before, auroc_after, auroc_even = np.mean(rows, axis=0)
    assert after > 1.15 * before
    assert after > 4 / 3 * even
    assert auroc_after < auroc_even - margin
    assert auroc_after < auroc_before - margin


@pytest.mark.parametrize("case", MISLEADING)
def test_edges_stay_and_misled_genes_are_told(case):
    before, after = clean("linear", 0), misled("linear", case, 0)
    assert np.array_equal(before.edges, after.edges)
    assert after.provenance["case"] == case
    assert after.provenance["truth"].startswith(before.provenance["truth"])
    assert "no edge" in after.provenance["truth"]
    dense, kept = before.counts.toarray(), after.counts.toarray()
    others = np.setdiff1d(np.arange(len(before.genes)), after.provenance["misled_genes"])
    assert np.array_equal(dense[:, others], kept[:, others])
    assert (kept <= dense).mean() > 0.999  # an emptied cell gets one count back


def test_the_confounder_reaches_no_target_of_a_misled_tf():
    made = misled("linear", "shared_confounder", 1)
    genes = np.array(made.provenance["misled_genes"])
    tfs = np.intersect1d(genes, made.tfs)
    assert len(tfs) == len(made.tfs) // 2
    assert not np.isin(np.setdiff1d(genes, tfs), made.edges["target"][np.isin(made.edges["source"], tfs)]).any()


@pytest.mark.parametrize("case", ["composition", "batch"])
def test_markers_and_batch_genes_have_nothing_to_do_with_edges(case):
    """Pairs of misled genes are edges as often as others: over four seeds within 0.03 of the density of 0.1."""
    shares = []
    for seed in SEEDS["linear"]:
        made = misled("linear", case, seed)
        truth, pairs = truth_and_pairs(made)
        genes = made.provenance["misled_genes"]
        among = np.outer(np.isin(made.tfs, genes), np.isin(np.arange(len(made.genes)), genes))
        shares.append([truth[among & pairs].mean(), truth[~among & pairs].mean()])
    assert np.abs(np.diff(np.mean(shares, axis=0)))[0] < 0.03


def test_composition_differs_between_donors_and_batches_are_named():
    obs = misled("linear", "composition", 0).obs
    share = obs.groupby("donor")["cell_type"].value_counts(normalize=True).unstack()
    assert (share.max() / share.min()).min() > 2
    batch = misled("linear", "batch", 0)
    counts, first = batch.counts.toarray(), (batch.obs["batch"] == "sim_batch_1").to_numpy()
    genes = batch.provenance["misled_genes"]
    ratio = (counts[first].mean(axis=0) + 1e-3) / (counts[~first].mean(axis=0) + 1e-3)
    assert ((ratio[genes] < 0.5) | (ratio[genes] > 2)).mean() > 0.95


@pytest.mark.parametrize("name", ["linear", "hill"])
def test_feedback_lends_a_tf_the_targets_of_its_partner(name):
    """Own targets against targets of the partner only: AUROC falls below that against any other TF's, per seed."""
    for seed in SEEDS[name]:
        before, after = clean(name, seed), misled(name, "feedback", seed)
        truth = after.signed_network()[after.tfs] != 0
        among = truth[:, after.tfs]
        mutual = (among & among.T).astype(int)
        assert (mutual.sum(axis=1) >= 1).all()
        strangers = np.roll(np.eye(len(before.tfs), dtype=int), 1, axis=0)
        of_clean = own_against_others(before, strangers)
        assert own_against_others(after, mutual) < of_clean - 0.03


def own_against_others(made, partners):
    """AUROC of own targets against targets of partners (n_tfs, n_tfs) only; genes that are no TFs."""
    truth, _ = truth_and_pairs(made)
    lent = (partners @ truth.astype(int) > 0) & ~truth
    among = (truth | lent) & ~np.isin(np.arange(len(made.genes)), made.tfs)
    return metrics.auroc(metrics.bins_of(pearson(made)[among], truth[among]))


def test_feedback_keeps_the_linear_network_stable():
    for seed in SEEDS["linear"]:
        assert misled("linear", "feedback", seed).provenance["largest_real_part"] <= -SPECS["linear"].margin


@pytest.mark.parametrize("name", list(SPECS))
def test_hubs_hide_their_edges(name):
    """AUROC falls in the mean over seeds, and a hub target's edges correlate less than those of other targets."""
    auroc, hub, rest = [], [], []
    for seed in SEEDS[name]:
        made = misled(name, "hubs", seed)
        truth, _ = truth_and_pairs(made)
        in_degree = truth.sum(axis=0)
        hubs = np.isin(np.arange(len(in_degree)), np.argsort(in_degree)[-len(in_degree) // 20 :])
        scores = pearson(made)
        hub.append(scores[truth & hubs].mean())
        rest.append(scores[truth & ~hubs].mean())
        auroc.append([pearson_auroc(made), pearson_auroc(clean(name, seed))])
    assert np.subtract(*np.mean(auroc, axis=0)) < -0.015
    if name != "linear":  # there, hubs are driven by TFs that regulate each other
        assert np.mean(hub) < np.mean(rest)


def test_a_seed_decides_a_case():
    spec = small_specs(60)["linear"]
    for case in CASES:
        one, other = (case.at_seed(SIMULATORS["linear"], spec, 3) for _ in range(2))
        assert (one.counts != other.counts).nnz == 0
        assert one.provenance == other.provenance
        assert one.provenance["seed"] == 3
        assert (one.counts != case.at_seed(SIMULATORS["linear"], spec, 4).counts).nnz > 0


def test_cases_that_cannot_be_made_are_refused():
    with pytest.raises(ScfmError, match="no loops"):
        CASE["feedback"].apply(SIMULATORS["copula"], SPECS["copula"], np.random.default_rng(0))
    network = HillNetwork.of_edges(("a", "b"), np.array([[0, 1]]), np.array([[2.0, 2.0]]), np.array([[1.0], [0.0]]))
    with pytest.raises(ScfmError, match="network is given"):
        CASE["hubs"].apply(SIMULATORS["hill"], HillSpec(network=network), np.random.default_rng(0))
