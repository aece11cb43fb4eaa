"""A method that is a null in disguise is found out, a clean one is not, whatever the sign."""

import numpy as np
import pytest
from scipy.stats import rankdata

from scfm_assets.core.evaluation.confounding import confounding
from scfm_assets.core.metrics.candidate_pairs import CandidatePairs
from scfm_assets.core.statistics import correlation
from scfm_assets_tests.core.statistics.resamples import over_pairs

K = 120
RNG = np.random.default_rng(0)
LEVEL = RNG.lognormal(0, 1, K)
NULLS = {
    "mean_product": np.outer(LEVEL, LEVEL),
    "detection_product": np.outer(*(1 - np.exp(-LEVEL * RNG.lognormal(0, 0.4, K)),) * 2),
    "variance_product": np.outer(*(LEVEL * RNG.lognormal(0, 1.5, K),) * 2),
    "constant": np.ones((K, K)),
}
TFS = np.arange(0, K, 4)
CANDIDATE = np.isin(np.arange(K), TFS)[:, None] & ~np.eye(K, dtype=bool)
CHANCE = NULLS["detection_product"] * CANDIDATE
POSITIVE = np.zeros((K, K), bool)
POSITIVE.flat[RNG.choice(K * K, 250, replace=False, p=CHANCE.ravel() / CHANCE.sum())] = True
PAIRS = CandidatePairs.of_masks(CANDIDATE, POSITIVE, TFS)


def rows_of(scores: dict[str, np.ndarray], nulls: dict[str, np.ndarray] = NULLS) -> list[list[dict[str, object]]]:
    """Rows of `method_comparison` of random weights against the nulls, with intervals over pairs."""
    shared = over_pairs(np.stack([PAIRS.of(own) for own in scores.values()]), PAIRS)
    low, high = shared.intervals()
    ranks = {name: rankdata(PAIRS.of(matrix)) for name, matrix in nulls.items()}
    return [
        [
            {"metric": "auroc", "model": name, "method": "attention", "layer": 1, "role": "random"}
            | {"value": shared.values[i, 0], "value_lo": low[i, 0], "value_hi": high[i, 0]}
            | {"reference": null, "reference_role": "null", "reference_model": "baselines"}
            | {"correlation": float(np.nan_to_num(correlation(rankdata(PAIRS.of(matrix)), ranks[null])))}
            for null in nulls
        ]
        for i, (name, matrix) in enumerate(scores.items())
    ]


def test_the_null_behind_a_confounded_method_is_named_and_noise_is_left_alone():
    noise = RNG.normal(size=(4, K, K))
    scores = {
        "detection and noise": np.log(NULLS["detection_product"]) + 0.5 * noise[0],
        "the same upside down": -np.log(NULLS["detection_product"]) + 0.5 * noise[1],
        "noise": noise[2],
        "truth alone": POSITIVE + noise[3],
    }
    found = [confounding(rows, []) for rows in rows_of(scores)]
    assert [one["control"] for one in found] == list(scores)
    # intervals of 250 edges are too wide to call noise clean
    assert [one["confounding"] for one in found] == ["confounded", "confounded", "unknown", "confounded"]
    assert [one["explained_by"] for one in found] == ["detection_product", "detection_product", None, None]


def test_of_several_controls_of_a_method_the_one_farthest_from_chance_is_told():
    nearest, farthest = rows_of({"near": RNG.normal(size=(K, K)), "far": NULLS["detection_product"]})
    reference = {"reference_role": "random", "reference": "attention"}
    trained = [
        nearest[0] | {"model": "trained", "role": "model", "value": 0.9, "reference_model": name} | reference
        for name in ("near", "far")
    ]
    other_layer = [row | {"layer": 2, "value": 0.99} for row in farthest]
    found = confounding(trained, [trained, nearest, farthest, other_layer])
    assert (found["control"], found["value_random"]) == ("far", farthest[0]["value"])
    assert (found["confounding"], found["explained_by"]) == ("confounded", "detection_product")
    assert confounding(trained[:1], [trained, nearest, farthest])["control"] == "near"
    assert confounding([trained[0] | {"reference_role": "null"}], [nearest]) == {}
    assert confounding([row | {"metric": "auprc"} for row in farthest], []) == {}


def test_of_noise_five_in_a_hundred_are_called_confounded():
    rng = np.random.default_rng(1)
    scores = {str(i): rng.normal(size=(K, K)) for i in range(100)}
    found = [confounding(rows, []) for rows in rows_of(scores, {"constant": NULLS["constant"]})]
    assert sum(one["confounding"] == "confounded" for one in found) <= 11  # 5 and three standard errors
    assert all(one["explained_by"] is None for one in found)


@pytest.mark.parametrize("limits", [{"value_lo": None}, {"value_lo": None, "value_hi": None}])
def test_without_limits_nothing_is_said(limits):
    ((first, *rest),) = rows_of({"a": NULLS["mean_product"]})
    found = confounding([first | limits, *rest], [])
    assert (found["confounding"], found["random_lo"], found["explained_by"]) == ("unknown", None, "mean_product")
