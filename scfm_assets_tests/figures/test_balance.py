"""What the figure of balance draws."""

from __future__ import annotations

from scfm_assets.core.universes.matched_universes import Imbalance
from scfm_assets.figures.balance import balance
from scfm_assets.figures.files import thumbnail_markdown

ROWS = (
    Imbalance("TF", "mean", 0.8, 0.04),
    Imbalance("TF", "detection", -0.3, -0.02),
    Imbalance("target", "mean", 0.2, 0.0),
    Imbalance("target", "detection", float("nan"), 0.01),
)


def test_every_level_of_both_ends_stands_before_and_after_and_the_limit_is_drawn():
    figure = balance({"lung, $truth": ROWS, "gut": ROWS[:2]}, "Balance")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["lung, $truth", "gut"]
    ax = figure.axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == [
        "TF\nmean", "TF\ndetection", "target\nmean", "target\ndetection",
    ]  # fmt: skip
    drawn = [
        (line.get_xdata()[0], line.get_ydata()[0], line.get_mfc()) for line in ax.lines if line.get_marker() in "os"
    ]
    assert [(x, y) for x, y, colour in drawn if colour == "white"][:3] == [(0, 0.8), (1, -0.3), (2, 0.2)]
    assert [(x, y) for x, y, colour in drawn if colour != "white"] == [(0, 0.04), (1, -0.02), (2, 0.0), (3, 0.01)]
    assert {line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"} == {-0.1, 0.1}
    assert len(thumbnail_markdown(figure)) < 50_000


def test_nothing_matched_is_said():
    (ax,) = balance({}).axes
    assert "no matched universe" in ax.texts[0].get_text()
