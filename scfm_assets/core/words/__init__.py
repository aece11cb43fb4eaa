"""What may be said of a number: one rule for every word, from intervals and paired differences.

Reports, checks, tables and curves ask here instead of judging by a distance of their own. Two rules hold for all words:

- what is said of a value and a known number (chance, a ceiling) holds for the whole interval of the value;
- what is said of two methods, or of one at two numbers of cells, comes from the interval of their *paired* difference.

That two things are alike is a claim of its own. It needs an interval that lies inside the `Margin` of the metric, the
smallest effect that matters (two one-sided tests: Schuirmann 1987, J. Pharmacokinet. Biopharm. 15). Of an interval that
is too wide for that, words like *not told apart* say that nothing is known.
"""

from scfm_assets.core.words.rules import (
    ALPHA,
    BEATS,
    DOES_NOT_BEAT,
    MARGINS,
    POWER,
    UNDERPOWERED,
    WORSE,
    Compared,
    Confounding,
    Margin,
    Place,
    Trend,
    against_ceiling,
    against_chance,
    against_nulls,
    compared,
    confounding_of,
    is_best,
    is_conclusive,
    is_steady,
    place_of,
    shows_no_knowledge,
    trend_of,
    verdict_of_test,
)

__all__ = [
    "ALPHA",
    "BEATS",
    "DOES_NOT_BEAT",
    "MARGINS",
    "POWER",
    "UNDERPOWERED",
    "WORSE",
    "Compared",
    "Confounding",
    "Margin",
    "Place",
    "Trend",
    "against_ceiling",
    "against_chance",
    "against_nulls",
    "compared",
    "confounding_of",
    "is_best",
    "is_conclusive",
    "is_steady",
    "place_of",
    "shows_no_knowledge",
    "trend_of",
    "verdict_of_test",
]
