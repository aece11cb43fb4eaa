"""Tables that all studies share: hypotheses, tests and verdicts. Their own stand in their folders."""

from __future__ import annotations

from scfm_assets.tables.columns import SIMULATED, Column, Table, count, number, one_of, share, text

TESTED = (
    text("study", "Study that declares the test."),
    text("family", "Family inside which the study controls false discoveries, declared before a p value is seen."),
    text("hypothesis", "What would be supported, as a sentence."),
    text("statistic", "What was computed."),
    number("value", "Its value; NULL where it could not be computed."),
    share("p", "Chance of a value as extreme without the effect; NULL where it could not be tested.", nullable=True),
    count("n", "Independent units; NULL if there is no such number.", nullable=True, kind="BIGINT"),
    number("effect", "Effect size."),
    text("effect_of", "What the effect is, and over which units; only equal ones can be compared.", nullable=True),
    share("power", "Chance of detecting the smallest effect that the study is interested in.", nullable=True),
    number("mde", "Smallest effect that is detected with a power of 0.8.", check='"mde" >= 0'),
)

HYPOTHESES = Table(
    "hypotheses",
    "One row: one hypothesis of one study and what the data say of it, before any adjustment.",
    TESTED,
    key=("study", "family", "hypothesis", "statistic"),
    files_by=("study",),
)

TESTS = Table(
    "tests",
    "One row: one hypothesis of one study, adjusted for all others by Benjamini and Hochberg.",
    (
        *TESTED,
        share("q_family", "p adjusted inside its family; NULL where p is.", nullable=True),
        share("q_global", "p adjusted over all rows of the table; NULL where p is.", nullable=True),
        one_of(
            "verdict",
            "supported: q_family <= 0.05. not supported: it is not, with a power of 0.8. underpowered: with less, or "
            "unknown, and the lack of an effect means nothing.",
            "supported",
            "not supported",
            "underpowered",
        ),
    ),
    key=HYPOTHESES.key,
)

VERDICTS = Table(
    "verdicts",
    "One row: what a study asks, and what its numbers answer by thresholds that it states.",
    (
        text("study", "The study."),
        text("question", "What it asks."),
        text("answer", "The answer in a word or two: yes, no, underpowered, ..."),
        text("sentence", "The answer with the numbers that it rests on."),
        Column("holds", "BOOLEAN", "Whether it came out as a sound method would; NULL if neither.", nullable=True),
        SIMULATED,
    ),
    key=("study",),
    files_by=("study",),
)

STUDY_TABLES: tuple[Table, ...] = (HYPOTHESES, TESTS, VERDICTS)
