"""How often the study's tests find what was planted, and what was not: simulated data sets, again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.statistics import ALPHA, Estimate, Sided
from scfm_assets.studies.reference_saturation.measured import (
    Tissue,
    measure_scores,
    simulate_tissue,
    with_noise,
)
from scfm_assets.studies.reference_saturation.settings import Settings
from scfm_assets.studies.reference_saturation.slopes import ASKED, estimates, slopes_over_tfs

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST_SEED = 1_000_000
"""Tissues of a study have lower seeds: none is met twice."""
EXPECTED = ("auroc", "auprc_ratio")
"""Metrics whose expectation under labels hidden at random is known exactly."""
NO_GAIN = "no gain"
BEYOND = "beyond prediction"


def operating_characteristics(
    spec: Settings,
    *,
    datasets: int = 500,
    progress: Callable[[int, int], None] | None = None,
) -> list[dict[str, object]]:
    """Count how often a fall of AUROC with n is detected with every edge labelled, and other than predicted changes.

    The conditions are the spec's growths of noise, and ``no gain``: scores of the most cells at every n, under noise
    that does not grow, whose true slope is 0. There a test of 5 % must be significant in 5 %; without growth more cells
    help, and it should hardly ever be.

    Tests: ``falls, one tissue`` (over its TFs), ``falls, all seeds`` (a study of the spec's n_seeds tissues, without
    any tissue in two studies) and the study's others, where labels are hidden at random and nothing is to be found:
    ``<metric> rises less with fewer labels`` (interaction, one-sided), ``<metric> beyond prediction`` (two-sided).

    Parameters
    ----------
    spec
        The first density and method are simulated.
    datasets
        Tissues.
    progress
        Called with tissues done and tissues in all.

    Returns
    -------
    Rows: the share of trials in which one test was significant under one condition, with its Monte Carlo error.
    """
    density, method = spec.densities[0], spec.methods[0]
    found: dict[tuple[str, str], list[bool]] = {}
    fall: dict[str, list[float]] = {}
    hidden: dict[str, list[dict[str, float]]] = {}
    for done in range(datasets):
        seed = FIRST_SEED + done
        tissue = simulate_tissue(spec.changed(methods=(method,)), density, seed)
        for condition, scores in _conditions(spec, tissue, density, seed).items():
            over_tfs = slopes_over_tfs(
                scores, tissue.edges, tissue.candidates, completeness=(1.0,), hidings=("random",), draws=1
            )[0]
            own = Estimate(over_tfs["value"], over_tfs["error"] or np.nan, over_tfs["units"])
            found.setdefault((condition, "falls, one tissue"), []).append(own.p("less") <= ALPHA)
            fall.setdefault(condition, []).append(own.value)
            hidden.setdefault(condition, []).append(_interactions(spec, tissue, scores, density, seed))
        if progress is not None:
            progress(done + 1, datasets)
    n_studies = max(1, datasets // spec.n_seeds)
    for condition, values in fall.items():
        found[condition, "falls, all seeds"] = _significant(np.array(values), n_studies, sided="less")
        for test in hidden[condition][0]:
            own = np.array([of_tissue[test] for of_tissue in hidden[condition]])
            sided = "two-sided" if test.endswith(BEYOND) else "greater"
            found[condition, test] = _significant(own, n_studies, sided=sided)
    return [_share(*key, trials) for key, trials in found.items()]


def _significant(of_tissues: np.ndarray, n_studies: int, *, sided: Sided) -> list[bool]:
    """Test in every study of a few tissues."""
    return [Estimate.of_sample(own).p(sided) <= ALPHA for own in np.array_split(of_tissues, n_studies)]


def _conditions(spec: Settings, tissue: Tissue, density: float, seed: int) -> dict[str, dict[int, np.ndarray]]:
    """Give the scores by n of each condition."""
    (scores,) = tissue.scores.values()
    same = dict.fromkeys(scores, scores[max(scores)])
    grown = {f"growth {growth:g}": with_noise(scores, spec, growth, density, seed) for growth in spec.noise_growths}
    return grown | {NO_GAIN: with_noise(same, spec, 0.0, density, seed)}


def _interactions(
    spec: Settings, tissue: Tissue, scores: dict[int, np.ndarray], density: float, seed: int
) -> dict[str, float]:
    """Give the interactions of one tissue by the tests that they go into."""
    rows = measure_scores(
        scores,
        tissue.edges,
        tissue.candidates,
        completeness=spec.shares(density),
        hidings=("random",),
        seed=seed,
        draws=spec.draws,
    )
    own = {row["metric"]: row for row in estimates(rows, ()) if row["term"] == "interaction"}
    less = {f"{metric} rises less with fewer labels": own[metric]["value"] for metric in ASKED}
    return less | {f"{metric} {BEYOND}": own[metric]["excess"] for metric in EXPECTED}


def _share(condition: str, test: str, trials: list[bool]) -> dict[str, object]:
    share = float(np.mean(trials))
    # Of the share that is hoped for, where all trials or none detect: no error would be 0.
    spread = np.clip(share, 0.5 / len(trials), 1 - 0.5 / len(trials))
    error = float(np.sqrt(spread * (1 - spread) / len(trials)))
    return {"condition": condition, "test": test, "detected": share, "error": error, "trials": len(trials)}
