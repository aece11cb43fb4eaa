"""The hypotheses of the study, its families declared, and the answer to its question."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pyarrow.compute as pc
from scipy.stats import binom

from scfm_assets.core.evaluation import SMALLEST
from scfm_assets.core.statistics import ALPHA, ClaimPower, ErrorSource, Estimate, Test, power_of_claim
from scfm_assets.studies.study import StudyVerdict
from scfm_assets.studies.synthetic_truth.data_sets import NONE
from scfm_assets.studies.synthetic_truth.orderings import SeedBlock, blocks, kendall
from scfm_assets.studies.synthetic_truth.scores import NULLS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

STUDY = str(__package__).rpartition(".")[2]
BEATS_NULLS, MISLED, AGREE = "beats_nulls", "misled", "simulators_agree"
"""Families: a method against all nulls; a case against none; the orders of two simulators."""
CORRELATIONS = ("pearson", "spearman")
"""Methods that the adversarial cases are made to mislead."""
AGREEING = 0.9
"""Share of data sets in agreement that the power of the test is for."""


def hypotheses(tables: Mapping[str, pa.Table]) -> list[Test]:
    """Test what the study declares; all by AUROC, over independent data sets.

    Parameters
    ----------
    tables
        ``scores`` and ``orderings`` of the study.

    Returns
    -------
    Three families. ``beats_nulls``: a method is above each gene-level null (largest p of the four, so that none is
    chosen on the data). ``misled``: a case lowers the AUROC of a correlation. ``simulators_agree``: in a data set of
    one simulator and one of the other, methods stand in the same order more often than in opposite ones (sign test).
    """
    scores, orderings = tables["scores"], tables["orderings"]
    known, of_nulls = blocks(scores, "auroc"), blocks(scores, "auroc", nulls=True)
    tests: list[Test] = []
    for (simulator, case), block in known.items():
        if case == NONE:
            nulls = of_nulls[simulator, case].of([null.name for null in NULLS])
            tests += [_beats(simulator, name, block.of([name]) - nulls) for name in block.methods]
        else:
            clean = known[simulator, NONE]
            shared = [name for name in CORRELATIONS if name in block.methods and name in clean.methods]
            tests += [_misled(simulator, case, name, clean.of([name]) - block.of([name])) for name in shared]
    clean_blocks = {simulator: block for (simulator, case), block in known.items() if case == NONE}
    tests += [_agree(one, other, clean_blocks, orderings) for one, other in combinations(clean_blocks, 2)]
    return tests


def _beats(simulator: str, method: str, above: np.ndarray) -> Test:
    """Test a method against the nulls; `above` (n_seeds, n_nulls)."""
    rivals = [Estimate.of_sample(of_null) for of_null in above.T]
    p = [rival.p("greater") for rival in rivals]
    hardest = int(np.argmax(np.nan_to_num(p, nan=np.inf)))
    what = f"{method} ranks the edges of the {simulator} simulator better than every gene-level null"
    statistic = f"mean difference of AUROC to the hardest null ({NULLS[hardest].name})"
    tested = _test(BEATS_NULLS, what, statistic, rivals[hardest])
    return replace(tested, **_power_of_all(above)._asdict())


def _power_of_all(above: np.ndarray) -> ClaimPower:
    """Power to beat all nulls at once, for a method that is the smallest effect above the highest of them."""
    if len(above) < 2:
        return ClaimPower(np.nan, np.nan)
    covariance, means = np.cov(above, rowvar=False).reshape(above.shape[1], -1) / len(above), above.mean(axis=0)
    source = ErrorSource(covariance, len(above))
    return power_of_claim([source], SMALLEST["auroc"].size, means - means.min(), alpha=2 * ALPHA)


def _misled(simulator: str, case: str, method: str, lowered: np.ndarray) -> Test:
    what = f"the case {case} lowers the AUROC of {method} on the {simulator} simulator"
    return _test(MISLED, what, "mean fall of AUROC", Estimate.of_sample(lowered[:, 0]))


def _test(family: str, hypothesis: str, statistic: str, estimate: Estimate) -> Test:
    smallest = SMALLEST["auroc"].size
    return estimate.as_test(
        STUDY, family, hypothesis, statistic, smallest=smallest, sided="greater", units_are="data sets"
    )


def _agree(one: str, other: str, of: dict[str, SeedBlock], orderings: pa.Table) -> Test:
    """Test by signs whether tau of one data set each is above 0; ties count against it."""
    methods = [name for name in of[one].methods if name in of[other].methods]
    taus = kendall(of[one].of(methods), of[other].of(methods)) if len(methods) > 1 else np.empty(0)
    n, above = len(taus), int(np.count_nonzero(taus > 0))
    # The fewest of n that are too many for a fair coin.
    needed = next((k for k in range(n + 1) if binom.sf(k - 1, n, 0.5) <= ALPHA), n + 1)
    of_pair = (pc.field("compared") == "simulators") & (pc.field("metric") == "auroc")
    of_pair &= (pc.field("simulator") == one) & (pc.field("simulator_other") == other)
    row = orderings.filter(of_pair).to_pylist()
    return Test(
        STUDY,
        AGREE,
        f"methods stand in the same order in a data set of {one} and one of {other} more often than in opposite ones",
        "Kendall's tau of the means over seeds; p by the signs of tau between data sets",
        row[0]["tau"] if row else np.nan,
        float(binom.sf(above - 1, n, 0.5)) if n else np.nan,
        n,
        effect=above / n if n else np.nan,
        effect_of="share of pairs of data sets whose tau is above 0",
        power=float(binom.sf(needed - 1, n, AGREEING)),
    )


def verdict(tables: Mapping[str, pa.Table], tests: pa.Table) -> StudyVerdict:
    """Say whether any method beats every gene-level null in every simulator, by the tests of the study.

    Yes if each of a method's tests is supported; underpowered if not, but a method has none that is not supported.
    """
    scores, orderings, rows = tables["scores"], tables["orderings"], tests.to_pylist()
    by_method: dict[str, list[str]] = {}
    for test in rows:
        if test["family"] == BEATS_NULLS:
            by_method.setdefault(test["hypothesis"].split()[0], []).append(test["verdict"])
    winners = [name for name, verdicts in by_method.items() if set(verdicts) == {"supported"}]
    open_still = [name for name, verdicts in by_method.items() if "not supported" not in verdicts]
    holds = True if winners else None if open_still else False
    simulators = list(dict.fromkeys(scores["simulator"].to_pylist()))
    counted = f"{len(winners)} ({', '.join(winners)})" if winners else "none"
    sentences = [
        f"Methods that beat every gene-level null in each of {', '.join(simulators)}: {counted} of {len(by_method)}.",
        _of_orders(orderings),
        _of_cases([test["verdict"] for test in rows if test["family"] == MISLED]),
    ]
    return StudyVerdict(
        "yes" if holds else "underpowered" if holds is None else "no",
        " ".join(sentence for sentence in sentences if sentence),
        holds,
    )


def _of_orders(orderings: pa.Table) -> str:
    rows = orderings.filter((pc.field("compared") == "simulators") & (pc.field("metric") == "auroc")).to_pylist()
    pairs = [f"{row['tau']:.2f} between {row['simulator']} and {row['simulator_other']}" for row in rows]
    return f"Their order by AUROC agrees with Kendall's tau {', '.join(pairs)}." if pairs else ""


def _of_cases(verdicts: list[str]) -> str:
    found = f"{verdicts.count('supported')} of {len(verdicts)} tests"
    return f"Adversarial cases lower the AUROC of a correlation in {found}." if verdicts else ""
