"""What the report says, of whatever numbers: no word contradicts the interval beside it, or another word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from scfm_assets.core.words import BEATS, DOES_NOT_BEAT, UNDERPOWERED, WORSE, confounding_of
from scfm_assets.report.headline import Score, judged

PACKAGE = Path(__file__).parents[2] / "scfm_assets"
LIMIT = st.none() | st.floats(0, 1)
PLACE = ("truth", "tf_grid")


@st.composite
def scores(draw) -> Score:
    role = draw(st.sampled_from(["planted", "random", "model", "baseline", "null"]))
    ends = sorted([draw(st.floats(0, 1)), draw(st.floats(0, 1))])
    low, high = draw(st.sampled_from([(None, None), tuple(ends), tuple(ends), (ends[0], None), (None, ends[1])]))
    value = draw(st.floats(ends[0], ends[1]))
    return Score(
        model=role if role in ("planted", "random", "model") else "baselines",
        method=draw(st.sampled_from(["attention", "pearson", "mean_product", "other"])),
        layer=None,
        direction="tf_queries",
        network="truth",
        universe="tf_grid",
        n_cells=600,
        value=value,
        lo=low,
        hi=high,
        interval="network",
        n_pos=100,
        base_rate=0.01,
        pair_coverage=None,
        positive_coverage=None,
        others={},
        simulated=True,
        role=role,
        ceiling=draw(st.floats(0.5, 1)) if role == "planted" else None,
    )


@settings(max_examples=300, deadline=None)
@given(
    drawn=st.lists(scores(), min_size=1, max_size=6),
    verdict=st.sampled_from([None, BEATS, DOES_NOT_BEAT, WORSE, UNDERPOWERED]),
)
def test_no_word_of_the_report_contradicts_the_numbers_beside_it(drawn, verdict):
    against = {} if verdict is None else {(*PLACE, s.model, s.method, s.layer): verdict for s in drawn}
    highest = max((s.value for s in drawn if s.role == "null"), default=None)
    for score in judged(drawn, against):
        word, low, high = score.verdict, score.lo, score.hi
        known = 0.5 if score.role == "random" else score.ceiling
        assert word
        if score.role == "null":
            assert (word == "highest null with a curve") == (score.value == highest) or word == "null"
        elif known is None:
            assert word == (verdict or "not held against the nulls")
        elif low is None and high is None:
            assert word == "no interval to judge it by"
            assert score.kind == "open"
        else:
            low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
            assert ("above" in word) == (low > known)
            assert ("below" in word) == (high < known)
            at = word in {"at chance", "reaches its ceiling"}
            near = at or word.startswith("near")
            assert near == (known - 0.05 <= low and high <= known + 0.05)
            assert at == (near and low <= known <= high)
            assert ("not told apart" in word) == (low <= known <= high and not near)
            assert score.kind != "bad" or not near  # what is inside the margin is no failure
            assert score.kind != "good" or near


@settings(max_examples=300, deadline=None)
@given(ends=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted))
def test_random_weights_are_never_at_chance_and_confounded(ends):
    low, high = ends
    (score,) = judged([Score(**{**vars(ONE), "lo": low, "hi": high})])
    word = confounding_of(low, high)
    assert (word == "clean") == (score.verdict == "at chance")
    assert (word == "confounded") == (not low <= 0.5 <= high)
    assert (word == "unknown") == (score.verdict == "not told apart from chance")


ONE = Score(
    *("random", "attention", None, "tf_queries", "truth", "tf_grid", 600, 0.5, None, None, "network", 100),
    *(0.01, None, None, {}, True, "random"),
)

WORDS = re.compile(
    r"\bat chance\b|reaches its ceiling|from its ceiling|\bbeats the nulls\b|best null|best baseline|"
    r"shows no knowledge|other cells would|not told apart"
)
ALLOWED = {"core/words/rules.py"}


def test_no_other_module_has_words_of_its_own():
    """Text that is not a docstring: tables say what a word means, and checks what they ask."""
    own = []
    for file in sorted(PACKAGE.rglob("*.py")):
        name = str(file.relative_to(PACKAGE))
        if name in ALLOWED or name.startswith("tables/"):
            continue
        tree = ast.parse(file.read_text())
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        assert any(isinstance(node, documented) for node in ast.walk(tree))
        own += [
            (name, node.lineno, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and WORDS.search(node.value)
        ]
    assert own == []


def test_no_template_judges_by_a_number_of_its_own():
    for file in sorted((PACKAGE / "report" / "templates").glob("*.j2")):
        text = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", file.read_text())
        assert not re.search(r"best null|as it must be|within 0\.\d|0\.40|0\.60", text), file.name
