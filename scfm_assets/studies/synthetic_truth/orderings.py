"""Do simulators, cases and seeds put the methods into one order? Nulls are left out: they would agree for nothing."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow.compute as pc
from scipy.stats import rankdata

from scfm_assets.core.metrics import reach
from scfm_assets.core.statistics import block_bootstrap, jackknife_error
from scfm_assets.studies.synthetic_truth.data_sets import NONE
from scfm_assets.studies.synthetic_truth.tables import ORDERINGS, RANKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.studies.synthetic_truth.settings import Settings

COMPARED = ("auroc", "auprc_ratio")
"""Metrics by which methods are put into an order."""
RESAMPLES, LEVEL = 1000, 0.95


class SeedBlock(NamedTuple):
    """One metric of one simulator and case: methods, and values (n_seeds, n_methods)."""

    methods: tuple[str, ...]
    values: np.ndarray

    def of(self, methods: Sequence[str]) -> np.ndarray:
        """Take some methods' columns."""
        return self.values[:, [self.methods.index(name) for name in methods]]


def blocks(scores: pa.Table, metric: str, *, nulls: bool = False) -> dict[tuple[str, str], SeedBlock]:
    """Gather the values of the methods, or of the nulls, by simulator and case, in the order of the table."""
    selected = scores.filter((pc.field("metric") == metric) & (pc.field("is_null") == nulls))
    by_place: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for row in selected.select(["simulator", "case", "method", "seed", "value"]).to_pylist():
        place = by_place.setdefault((row["simulator"], row["case"]), {})
        place.setdefault(row["method"], {})[row["seed"]] = np.nan if row["value"] is None else row["value"]
    return {
        place: SeedBlock(
            tuple(by_method),
            np.array([[by_seed[seed] for seed in sorted(by_seed)] for by_seed in by_method.values()]).T,
        )
        for place, by_method in by_place.items()
    }


def orderings(_: Settings, scores: pa.Table, *, resamples: int = RESAMPLES, seed: int = 0) -> pa.Table:
    """Compare the orders of the methods: between simulators, between each case and none, and between seeds.

    Parameters
    ----------
    scores
        Rows of `SCORES`.
    resamples, seed
        Draws of seeds behind the intervals, and what decides them. Data sets of two simulators are drawn apart, those
        of two cases of one simulator together.

    Returns
    -------
    Rows of `ORDERINGS`; pairs with fewer than two methods in common are left out.
    """
    rows: list[dict[str, Any]] = []
    for metric in COMPARED:
        known = blocks(scores, metric)
        for compared, one, other in _comparisons(known):
            methods = [name for name in known[one].methods if name in known[other].methods]
            if len(methods) < 2:
                continue
            of_one, of_other = known[one].of(methods), known[other].of(methods)
            if compared == "seeds":
                numbers = _between_seeds(of_one)
            else:
                numbers = _between(of_one, of_other, resamples, seed, together=compared == "cases")
            head = {"compared": compared, "metric": metric, "simulator": one[0], "case": one[1]}
            head |= {"simulator_other": other[0], "case_other": other[1]}
            head |= {"ordered": _in_words(methods, of_one), "ordered_other": _in_words(methods, of_other)}
            rows.append(head | numbers | {"n_methods": len(methods), "n_seeds": len(of_one)})
    return ORDERINGS.rows(rows)


Place = tuple[str, str]


def _comparisons(known: Mapping[Place, SeedBlock]) -> Iterator[tuple[str, Place, Place]]:
    clean = [place for place in known if place[1] == NONE]
    yield from (("simulators", one, other) for one, other in combinations(clean, 2))
    yield from (("cases", one, other) for one in clean for other in known if other[0] == one[0] and other != one)
    yield from (("seeds", place, place) for place in known)


def kendall(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Kendall's tau-a of values (..., n_methods): pairs in one order minus pairs in the other, over all pairs."""
    upper = np.triu_indices(one.shape[-1], 1)
    turned = [np.sign(values[..., upper[0]] - values[..., upper[1]]) for values in (one, other)]
    return (turned[0] * turned[1]).mean(axis=-1)


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Spearman's correlation of values (n_methods,); 0 where one side ties all."""
    ranks = [rankdata(values) - (len(values) + 1) / 2 for values in (one, other)]
    length = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
    return float(ranks[0] @ ranks[1] / length) if length > 0 else 0.0


def _between(one: np.ndarray, other: np.ndarray, resamples: int, seed: int, *, together: bool) -> dict[str, Any]:
    def tau(drawn: np.ndarray, drawn_other: np.ndarray) -> np.ndarray:
        return kendall(one[drawn].mean(axis=1), other[drawn_other].mean(axis=1))

    means = one.mean(axis=0), other.mean(axis=0)
    how: dict[str, Any] = {"resamples": resamples, "seed": seed, "level": LEVEL}
    if len(one) < 2:
        lo, hi = None, None
    elif together:
        lo, hi = block_bootstrap(lambda drawn: tau(drawn, drawn), len(one), **how)
    else:
        lo, hi = block_bootstrap(tau, len(one), len(other), **how)
    return {"tau": float(kendall(*means)), "lo": lo, "hi": hi, "interval": "bootstrap", "spearman": spearman(*means)}


def _between_seeds(values: np.ndarray) -> dict[str, Any]:
    """Mean over pairs of seeds. Draws would hold a seed twice, in perfect agreement with itself: jackknife instead."""
    n = len(values)
    if n < 2:
        return {"tau": 1.0, "lo": None, "hi": None, "interval": "jackknife", "spearman": 1.0}
    tau = np.array([[kendall(a, b) for b in values] for a in values])
    rho = np.array([[spearman(a, b) for b in values] for a in values])
    upper = np.triu_indices(n, 1)
    value = tau[upper].mean()
    lo = hi = None
    if n > 2:
        kept = [np.delete(np.delete(tau, s, 0), s, 1) for s in range(n)]
        without = np.array([matrix[np.triu_indices(n - 1, 1)].mean() for matrix in kept])
        half = float(jackknife_error(value, without, np.ones(n)) * reach(n, level=LEVEL))
        lo, hi = max(value - half, -1.0), min(value + half, 1.0)
    return {"tau": value, "lo": lo, "hi": hi, "interval": "jackknife", "spearman": rho[upper].mean()}


def _in_words(methods: Sequence[str], values: np.ndarray) -> str:
    best_first: list[int] = np.argsort(-values.mean(axis=0), kind="stable").tolist()
    return " > ".join([methods[i] for i in best_first])


def _ranks_of_draws(values: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    return rankdata(-values[drawn].mean(axis=1), axis=1)


def ranks(_: Settings, scores: pa.Table, *, resamples: int = RESAMPLES, seed: int = 0) -> pa.Table:
    """Rank the methods of each simulator and case by their mean over seeds, with how far the rank moves over seeds.

    Parameters are those of `orderings`.

    Returns
    -------
    Rows of `RANKS`.
    """
    rows = []
    for metric in COMPARED:
        for (simulator, case), block in blocks(scores, metric).items():
            n = len(block.values)
            lo, hi = block_bootstrap(
                partial(_ranks_of_draws, block.values), n, resamples=resamples, seed=seed, level=LEVEL
            )
            mean = block.values.mean(axis=0)
            sd = block.values.std(axis=0, ddof=1) if n > 1 else [None] * len(mean)
            head = {"simulator": simulator, "case": case, "metric": metric, "n_seeds": n}
            rows += [
                head | dict(zip(("method", "mean", "sd", "rank", "rank_lo", "rank_hi"), entry, strict=True))
                for entry in zip(block.methods, mean, sd, rankdata(-mean), lo, hi, strict=True)
            ]
    return RANKS.rows(rows)
