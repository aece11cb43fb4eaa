"""What the slopes say: hypotheses with their power, and whether missing labels explain a scaling failure."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from scfm_assets.core.metrics import reach
from scfm_assets.core.statistics import Estimate, Sided, Test
from scfm_assets.studies.reference_saturation.hidden_labels import HIDINGS
from scfm_assets.studies.reference_saturation.slopes import ASKED, GROUPS
from scfm_assets.studies.study import StudyVerdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import pyarrow as pa

Answer = Literal["yes", "no", "no failure", "underpowered"]
Rows = list[dict[str, Any]]
Key = tuple[Any, ...]
"""Density, growth of noise, method, hiding and metric."""
EXPLAINED, BEYOND, GROWTH = "labels_explain", "beyond_prediction", "growth_of_noise"
"""Families."""

STUDY = str(__package__).rpartition(".")[2]
PUBLISHED_RISE = 0.0223884 * float(np.log(2))
"""AUROC per doubling of cells of the published scaling curve (its logarithmic fit): the rise that labels would have to
hide where nobody knows the true one."""
TITLES = {
    "auroc": "AUROC",
    "auprc_ratio": "average precision over the base rate",
    "log_auprc_ratio": "log average precision over the base rate",
}
HOW = {"random": "at random", "degree": "by degree", "circular": "by their own score"}


def answer_with_truth(curve: Iterable[Mapping[str, Any]]) -> Answer:
    """Say whether missing labels explain a scaling failure, where complete labels are the truth.

    ``no``: the metric rises with n at every completeness (lower limits above 0), or falls with every edge labelled
    (upper limit below 0), which no missing label can explain. ``yes``: it rises with every edge labelled, at some
    completeness it does not (upper limit at most 0), and the interaction is above 0. ``underpowered``: anything else.

    Parameters
    ----------
    curve
        Rows of `slopes` of one curve, hiding and metric.
    """
    at, interaction = _parts(curve)
    complete = at[max(at)]
    if complete["hi"] is None:
        return "underpowered"
    if complete["hi"] < 0 or all(row["lo"] is not None and row["lo"] > 0 for row in at.values()):
        return "no"
    lost = any(row["hi"] is not None and row["hi"] <= 0 for row in at.values())
    return "yes" if complete["lo"] > 0 and lost and _above(interaction, 0.0) else "underpowered"


def answer_for_known_edges(curve: Iterable[Mapping[str, Any]], rise: float = PUBLISHED_RISE) -> Answer:
    """Say the same of stored scores and a reference that may lack edges itself.

    ``no failure``: AUROC rises with n by the labels that there are. Else what hiding more of them does is carried on
    to those that are not there: ``no`` if slopes grow with completeness by less than `rise` (upper limit of the
    interaction, which leads from no labels to all that there are); else ``yes`` if they grow at all (lower limit above
    0), and ``underpowered`` if not even that is known.

    Parameters
    ----------
    curve
        Rows of `slopes` or `slopes_over_tfs` of one curve and hiding, metric ``auroc``.
    rise
        AUROC per doubling of cells that labels would have to hide.
    """
    at, interaction = _parts(curve)
    if _above(at[max(at)], 0.0):
        return "no failure"
    if interaction["hi"] is not None and interaction["hi"] < rise:
        return "no"
    return "yes" if _above(interaction, 0.0) else "underpowered"


def _above(row: Mapping[str, Any], limit: float) -> bool:
    return row["lo"] is not None and row["lo"] > limit


def _parts(curve: Iterable[Mapping[str, Any]]) -> tuple[dict[float, Mapping[str, Any]], Mapping[str, Any]]:
    """Tell slopes, by completeness, from the interaction."""
    rows = list(curve)
    (interaction,) = (row for row in rows if row["term"] == "interaction")
    return {row["completeness"]: row for row in rows if row["term"] == "slope"}, interaction


def curves_of(slopes: pa.Table) -> dict[Key, Rows]:
    """Gather the rows of each curve, hiding and metric; those are the last two parts of the key."""
    curves: dict[Key, Rows] = defaultdict(list)
    for row in slopes.to_pylist():
        curves[tuple(row[name] for name in (*GROUPS, "hiding", "metric"))].append(row)
    return dict(curves)


def _hypothesis(family: str, key: Key) -> str:
    """The hypothesis of a family on one curve, hiding and metric."""
    density, growth, method, hiding, metric = key
    of = f"{TITLES[metric]} of {method} (density {density:g})"
    return {
        EXPLAINED: f"{of} rises less with cells the fewer edges are labelled, hidden {HOW[hiding]}",
        BEYOND: f"{of} changes with hidden labels other than hidden edges among the negatives explain",
        GROWTH: f"{of} falls with cells, every edge labelled, noise growing by {growth:g} a cell",
    }[family]


def hypotheses(tables: Mapping[str, pa.Table]) -> list[Test]:
    """Test, in three families, one test per density and method (and hiding and metric).

    ``labels_explain``: the rise without growing noise shrinks as labels are hidden (one-sided). ``beyond_prediction``:
    labels hidden at random change slopes of AUROC other than their ceilings predict (two-sided). ``growth_of_noise``:
    it falls with n although every edge is labelled, with and without growth (one-sided). The smallest effect of
    interest is in all of them the slope without growth and with every edge labelled: what there is to lose.

    Parameters
    ----------
    tables
        ``slopes`` of the study.
    """
    curves = curves_of(tables["slopes"])
    tests = []
    for key, rows in curves.items():
        density, growth, method, hiding, metric = key
        at, interaction = _parts(rows)
        rise = _rise(curves, density, method, metric)
        if growth == 0 and metric in ASKED and not HIDINGS[hiding].control:
            crossed = "interaction, log2 n x completeness"
            tests.append(_test(EXPLAINED, key, crossed, _of(interaction), rise=rise, sided="greater"))
        if growth == 0 and hiding == "random" and metric == "auroc":
            beyond = _over_error(interaction["excess"], interaction["excess_lo"], interaction["units"])
            tests.append(_test(BEYOND, key, "interaction, observed - predicted", beyond, rise=rise, sided="two-sided"))
        if hiding == "random" and metric == "auroc":
            tests.append(_test(GROWTH, key, "slope on log2 n", _of(at[max(at)]), rise=rise, sided="less"))
    return tests


def _rise(curves: Mapping[Key, Rows], density: float, method: str, metric: str) -> float:
    """The slope with every edge labelled and the least growth of noise."""
    least = min(key[1] for key in curves)
    curve = next(rows for key, rows in curves.items() if key == (density, least, method, key[3], metric))
    at, _ = _parts(curve)
    return float(at[max(at)]["value"])


def _of(row: Mapping[str, Any]) -> Estimate:
    return Estimate(row["value"], np.nan if row["error"] is None else row["error"], row["units"])


def _over_error(value: float, low: float | None, units: int) -> Estimate:
    """Take the error back out of an interval."""
    return Estimate(value, np.nan if low is None else (value - low) / float(reach(units, level=0.95)), units)


def _test(family: str, key: Key, statistic: str, estimate: Estimate, *, rise: float, sided: Sided) -> Test:
    what = _hypothesis(family, key)
    return estimate.as_test(STUDY, family, what, statistic, smallest=rise, sided=sided, units_are="data sets")


def verdict(tables: Mapping[str, pa.Table], tests: pa.Table) -> StudyVerdict:
    """Answer the study's question, and count what the curves of the catalog answer beside it."""
    answer = verdict_of(tables["slopes"], tests)
    of_catalog = counted(tables["observed"])
    return replace(answer, sentence=" ".join(part for part in (answer.sentence, of_catalog) if part))


def verdict_of(slopes: pa.Table, tests: pa.Table) -> StudyVerdict:
    """Answer the study's question by `answer_with_truth` of every curve without growing noise, and by the tests.

    A curve says ``yes`` only where its test of ``labels_explain`` is supported. Where a control is not seen, nothing
    is: growing noise must make AUROC fall with every edge labelled (its test of ``growth_of_noise`` is supported), and
    circular labels, which make any method fail, must be found out, wherever they were simulated. Then ``yes`` if any
    curve says so, ``no`` if all do, else ``underpowered``.

    Parameters
    ----------
    slopes
        Table `SLOPES`.
    tests
        Rows of `tests` of the study.
    """
    curves = curves_of(slopes)
    supported = {(row["family"], row["hypothesis"]) for row in tests.to_pylist() if row["verdict"] == "supported"}
    judged = {
        key: rows for key, rows in curves.items() if key[1] == 0 and key[4] in ASKED and not HIDINGS[key[3]].control
    }
    answers = {key: answer_with_truth(rows) for key, rows in judged.items()}
    for key, answer in answers.items():
        if answer == "yes" and (EXPLAINED, _hypothesis(EXPLAINED, key)) not in supported:
            answers[key] = "underpowered"
    missed = _missed_controls(curves, supported)
    lost = [key for key, answer in answers.items() if answer == "yes"]
    if lost and not missed:
        return StudyVerdict("yes", _sentence_yes(judged, lost), holds=False)
    unknown = sum(answer != "no" for answer in answers.values())
    if missed or unknown or not answers:
        problem = f"{unknown} of {len(answers)} curves do not say; controls missed: {', '.join(missed) or 'none'}."
        return StudyVerdict("underpowered", problem, holds=None)
    return StudyVerdict("no", _sentence_no(judged), holds=True)


def _missed_controls(curves: Mapping[Key, Rows], supported: Collection[tuple[str, str]]) -> list[str]:
    """Name the controls of AUROC that some curve does not show."""
    missed = []
    for (density, growth, method, hiding, metric), rows in curves.items():
        if metric != "auroc":
            continue
        falls = (GROWTH, _hypothesis(GROWTH, (density, growth, method, hiding, metric))) in supported
        if growth > 0 and hiding == "random" and not falls:
            missed.append(f"growing noise ({method}, density {density:g})")
        if growth == 0 and HIDINGS[hiding].control and answer_with_truth(rows) != "yes":
            missed.append(f"{hiding} labels ({method}, density {density:g})")
    return missed


def _sentence_yes(curves: Mapping[Key, Rows], lost: Sequence[Key]) -> str:
    density, _, method, hiding, metric = key = lost[0]
    at, _ = _parts(curves[key])
    worst, complete = min(at.values(), key=lambda row: row["value"]), at[max(at)]
    return (
        f"{len(lost)} of {len(curves)} curves lose their rise: {TITLES[metric]} of {method} (density {density:g}) "
        f"changes by {complete['value']:+.4f} per doubling of cells with every edge labelled, by {_limits(worst)} with "
        f"{worst['completeness']:.0%} of them, hidden {HOW[hiding]}."
    )


def _sentence_no(curves: Mapping[Key, Rows]) -> str:
    areas = {key: _parts(rows)[0] for key, rows in curves.items() if key[4] == "auroc"}
    complete = [at[max(at)]["value"] for at in areas.values()]
    ends = (_parts(rows)[0] for rows in curves.values())
    falling = sum(at[max(at)]["hi"] < 0 for at in ends)
    fall = f", but for {falling} that fall with every edge labelled" if falling else ""
    key, worst = min(((key, row) for key, at in areas.items() for row in at.values()), key=lambda curve: curve[1]["lo"])
    return (
        f"All {len(curves)} curves rise however many labels are hidden{fall}: AUROC by {min(complete):+.4f} to "
        f"{max(complete):+.4f} per doubling of cells with every edge labelled; the lowest limit is met with "
        f"{worst['completeness']:.0%} of them, hidden {HOW[key[3]]} ({key[2]}, density {key[0]:g}): {_limits(worst)}."
    )


def _limits(row: Mapping[str, Any]) -> str:
    return f"{row['value']:+.4f} [{row['lo']:+.4f}, {row['hi']:+.4f}]"


def counted(observed: pa.Table) -> str:
    """Say in a sentence what the curves of the catalog answer; nothing without any."""
    one = {
        (*(row[of] for of in ("tissue", "model", "method", "network", "hiding")),): row["answer"]
        for row in observed.to_pylist()
    }
    if not one:
        return ""
    counts = Counter(one.values())
    words = {
        "no failure": "rise with the labels that there are",
        "no": "do not rise, and missing labels cannot be why",
        "yes": "do not rise, and missing labels may be why",
        "underpowered": "do not say",
    }
    summary = ", ".join(f"{counts[answer]} {doing}" for answer, doing in words.items() if counts[answer])
    return f"Of {len(one)} curves of this catalog (each read with labels hidden at random and by degree), {summary}."
