"""The tests of all studies: Benjamini-Hochberg inside each family and over all of them, and what each test says."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import false_discovery_control

from scfm_assets.core.words import ALPHA, verdict_of_test
from scfm_assets.tables.studies import HYPOTHESES, TESTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

NUMBERS = ("value", "p", "effect", "power", "mde")


@dataclass(frozen=True)
class Test:
    """One hypothesis and what the data say of it; NaN where a number is not known.

    Attributes
    ----------
    study, family
        Families are declared by a study before it sees a p value; two studies' families of one name are two families.
    hypothesis
        What would be supported, as a sentence; once in its family.
    statistic, value
        What was computed, and its value.
    p
        Chance of a value as extreme without the effect; NaN if it could not be tested.
    n
        Independent units; None if there is no such number.
    effect
        Effect size.
    effect_of
        What it is, and over which units: "Cohen's d over TFs"; effects of two kinds cannot be compared.
    power
        Chance of detecting the smallest effect of interest that the study declares.
    mde
        Smallest effect that is detected with a power of 0.8.
    """

    __test__ = False  # not for pytest to collect

    study: str
    family: str
    hypothesis: str
    statistic: str
    value: float
    p: float
    n: int | None = None
    effect: float = np.nan
    power: float = np.nan
    mde: float = np.nan
    effect_of: str | None = None

    def __post_init__(self) -> None:
        for name in ("p", "power"):
            number = getattr(self, name)
            if not (np.isnan(number) or 0 <= number <= 1):
                message = f"{self.study}, {self.family}, '{self.hypothesis}': {name} = {number} is no probability"
                raise ValueError(message)


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Adjust p values for the false discovery rate (Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57).

    Parameters
    ----------
    p
        p values, shape (m,). NaN stands for what could not be tested: it stays NaN and does not count in m.
    """
    p = np.asarray(p, float)
    tested = ~np.isnan(p)
    q = np.full(p.shape, np.nan)
    if tested.any():
        q[tested] = false_discovery_control(p[tested])
    return q


def hypotheses_table(tests: Sequence[Test]) -> pa.Table:
    """Rows of the table `hypotheses`."""
    return HYPOTHESES.rows(asdict(test) for test in tests)


def tests_of(hypotheses: pa.Table) -> list[Test]:
    """Undo `hypotheses_table`; other columns are left aside."""
    rows = hypotheses.select([column.name for column in HYPOTHESES.columns]).to_pylist()
    return [Test(**row | {name: np.nan for name in NUMBERS if row[name] is None}) for row in rows]


def tests_table(tests: Sequence[Test], *, alpha: float = ALPHA) -> pa.Table:  # noqa: PT028 -- no test of pytest's
    """Adjust all tests and judge them by `q_family`.

    Parameters
    ----------
    tests
        Tests of any studies; rows come in their order.
    alpha
        False discovery rate that is allowed inside a family.

    Returns
    -------
    Rows of the table `tests`, null where a number is NaN.

    Raises
    ------
    ValueError
        If one family holds a hypothesis with the same statistic twice: it would count twice.
    """
    named = Counter((test.study, test.family, test.hypothesis, test.statistic) for test in tests)
    for name, times in named.items():
        if times > 1:
            message = f"{times} tests of the same hypothesis: {name}"
            raise ValueError(message)
    p = np.array([test.p for test in tests], float)
    q_global, q_family = benjamini_hochberg(p), np.full(len(tests), np.nan)
    families = [(test.study, test.family) for test in tests]
    for _, members in groupby(sorted(range(len(tests)), key=families.__getitem__), key=families.__getitem__):
        places = list(members)
        q_family[places] = benjamini_hochberg(p[places])
    return TESTS.rows(
        asdict(test) | {"q_family": q, "q_global": q_of_all, "verdict": verdict_of_test(q, test.power, alpha=alpha)}
        for test, q, q_of_all in zip(tests, q_family.tolist(), q_global.tolist(), strict=True)
    )
