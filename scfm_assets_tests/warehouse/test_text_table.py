"""Tables as text: the same on a terminal and in a pipe."""

from __future__ import annotations

import pytest

from scfm_assets.warehouse.text_table import text_table


def test_columns_are_as_wide_as_what_they_hold_and_numbers_stand_to_the_right() -> None:
    rows = [["attention", "0.81"], ["é漢字", "12.5"], ["", ""]]
    assert text_table(["method", "AUROC"], rows, right=[1], ruled=True) == [
        "method     AUROC",
        "---------  -----",
        "attention   0.81",
        "é漢字       12.5",
        "",
    ]
    assert text_table(["method", "AUROC"], []) == ["method  AUROC"]


def test_nothing_is_cut_wrapped_or_taken_for_markup() -> None:
    long = "[bold]" + "word " * 500 + ":smile: [/]"
    head, row = text_table(["text", "n"], [[long, "two\nlines"]])
    assert row == f"{long}  two lines"
    assert head.endswith("  n")


@pytest.mark.parametrize("variable", ["FORCE_COLOR", "COLUMNS", "NO_COLOR"])
def test_a_table_does_not_depend_on_the_terminal(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = text_table(["a"], [["x" * 100]], ruled=True)
    monkeypatch.setenv(variable, "20")
    assert text_table(["a"], [["x" * 100]], ruled=True) == plain == ["a", "-" * 100, "x" * 100]
