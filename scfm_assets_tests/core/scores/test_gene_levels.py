"""Statistics of single genes against plain loops, and the nulls that are made of them."""

import numpy as np
import pytest

from scfm_assets.core.scores.baselines import Cells
from scfm_assets.core.scores.gene_levels import GENE_NULLS, STATISTICS, gene_statistics

K, N = 7, 30


def cells() -> Cells:
    rng = np.random.default_rng(4)
    counts = rng.poisson(rng.gamma(0.7, 2, K), (N, K)).astype(float)
    counts[:, 3] = 0
    others = rng.integers(5, 50, N)
    return Cells(counts, counts.sum(axis=1) + others, (counts > 0).sum(axis=1) + others // 2.0)


def by_hand(statistic: str, known: Cells, gene: int) -> float:
    counts = known.panel_counts[:, gene]
    scaled = [1e4 * count / depth for count, depth in zip(counts, known.depth, strict=True)]
    logged = [np.log(1 + value) for value in scaled]
    held = [size for size, count in zip(known.n_detected, counts, strict=True) if count]
    if statistic == "dispersion":
        return float(np.var(scaled) / np.mean(scaled)) if held else 0.0
    if statistic == "cell_size":
        return float(np.mean(held)) if held else 0.0
    return {"mean": np.mean(logged), "detection": len(held) / N, "variance": np.var(logged)}[statistic]


@pytest.mark.parametrize("place", range(len(STATISTICS)), ids=list(STATISTICS))
def test_every_statistic_is_its_definition(place):
    known = cells()
    found = gene_statistics(known.panel_counts, known.depth, known.n_detected)[place]
    np.testing.assert_allclose(found, [by_hand(list(STATISTICS)[place], known, gene) for gene in range(K)])


def test_every_null_is_its_name_and_says_what_it_is():
    known, tfs = cells(), np.array([1, 4])
    assert len(GENE_NULLS) == 4 * len(STATISTICS)
    for statistic in STATISTICS:
        one = np.array([by_hand(statistic, known, gene) for gene in range(K)])
        for name, expected in {
            f"tf_{statistic}": [[one[t] for _ in range(K)] for t in tfs],
            f"target_{statistic}": [[one[j] for j in range(K)] for _ in tfs],
            f"{statistic}_product": [[one[t] * one[j] for j in range(K)] for t in tfs],
            f"{statistic}_sum": [[one[t] + one[j] for j in range(K)] for t in tfs],
        }.items():
            np.testing.assert_allclose(GENE_NULLS[name].scores(known.levels, tfs), expected, err_msg=name)
            assert GENE_NULLS[name].doc.endswith(".")
    assert GENE_NULLS["target_mean"].doc == "Mean of log1p CP10k of the target, whatever the TF."


def test_levels_without_each_group_are_those_of_the_other_cells():
    known, tfs = cells(), np.array([1, 4])
    both = np.stack([known.levels, known.chosen(np.arange(20)).levels])
    for name, null in GENE_NULLS.items():
        np.testing.assert_array_equal(null.scores(both, tfs)[1], null.scores(both[1], tfs), err_msg=name)
