"""The report as a page: its style, and the few pieces of HTML that it is made of. Every text is escaped here."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

CSS = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2430; --quiet: #6b7280; --line: #e3e6ea; --card: #f6f7f9;
  --good: #1d7a46; --bad: #b3261e; --open: #8a5a00; --accent: #2d7dd2; }
@media (prefers-color-scheme: dark) { :root { --page: #14171c; --ink: #e6e8ec; --quiet: #9aa2ae; --line: #2b313a;
  --card: #1b2027; --good: #5fce93; --bad: #ff8a80; --open: #f0b95a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI",
  Roboto, "Helvetica Neue", Arial, sans-serif; }
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 8px; letter-spacing: -0.01em; }
h2 { font-size: 23px; margin: 56px 0 4px; padding-top: 20px; border-top: 1px solid var(--line); }
h3 { font-size: 17px; margin: 28px 0 8px; }
p, li { margin: 6px 0 12px; max-width: 78ch; }
li { margin: 2px 0; }
ul { padding-left: 20px; }
.quiet { color: var(--quiet); }
a { color: var(--accent); }
nav { display: flex; flex-wrap: wrap; gap: 6px 10px; margin: 18px 0 0; padding: 0; }
nav a { padding: 3px 12px; border: 1px solid var(--line); border-radius: 99px; text-decoration: none; color: inherit; }
nav a:hover { border-color: var(--accent); }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(200px, 1fr)); gap: 12px; margin: 18px 0; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; }
.card b { display: block; font-size: 28px; line-height: 1.25; font-variant-numeric: tabular-nums; }
.card b i { font-size: 14px; font-style: normal; font-weight: 400; color: var(--quiet); }
.card span { display: block; }
.card .name { font-weight: 600; overflow-wrap: anywhere; }
.card .mark { white-space: normal; }
.card .small { font-size: 14px; color: var(--quiet); }
.mark { font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .open { color: var(--open); } .plain { color: var(--quiet); }
figure { margin: 18px 0; }
figure svg { display: block; width: 100%; height: auto; }
svg text { font-family: inherit !important; }
.scroll { overflow-x: auto; margin: 10px 0 18px; }
table { border-collapse: collapse; font-size: 13.5px; line-height: 1.4; width: 100%; }
th, td { text-align: left; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--quiet); font-weight: 600; vertical-align: bottom; white-space: normal; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.wide { white-space: normal; min-width: 24ch; }
code { font: 13px/1.4 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
details { margin: 10px 0; border: 1px solid var(--line); border-radius: 10px; padding: 0 16px; }
summary { cursor: pointer; padding: 10px 0; font-weight: 600; }
.banner { margin: 18px 0 0; padding: 10px 16px; border-left: 4px solid var(--open); background: var(--card); }
footer { padding-top: 40px; padding-bottom: 56px; font-size: 14px; }
@media print { details { border: 0; } .cards { grid-template-columns: repeat(4, 1fr); } }
"""


@dataclass(frozen=True)
class Html:
    """Text that is markup already; everything else is escaped."""

    markup: str


Text = str | int | float | None | Html


def html(value: Text) -> str:
    """Escape a text, show nothing for None, pass markup through."""
    if isinstance(value, Html):
        return value.markup
    return "" if value is None else escape(str(value))


def element(name: str, *content: Text, **attributes: str) -> Html:
    """Make one element; ``class_`` is its class."""
    said = "".join(f' {key.rstrip("_")}="{escape(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{said}>{''.join(map(html, content))}</{name}>")


def mark(text: str, kind: str) -> Html:
    """Make a verdict: kind is good, bad, open or plain."""
    return element("span", text, class_=f"mark {kind}")


def table(head: Sequence[str], rows: Iterable[Sequence[Text]]) -> Html:
    """Make a table; cells that hold numbers, and their heads, stand to the right.

    A column counts as one of numbers if every cell that holds something starts with a digit, a sign or a bracket.
    """
    rows = [list(row) for row in rows]
    numeric = [_all_numbers([row[i] for row in rows]) for i in range(len(head))]
    classes = [{"class_": "number"} if right else {} for right in numeric]
    top = [element("th", text, **cls) for text, cls in zip(head, classes, strict=True)]
    body = [element("tr", *(element("td", c, **cls) for c, cls in zip(row, classes, strict=True))) for row in rows]
    return element(
        "div", element("table", element("thead", element("tr", *top)), element("tbody", *body)), class_="scroll"
    )


def details(summary: str, *content: Html) -> Html:
    """Make something to unfold."""
    return element("details", element("summary", summary), *content)


def number(value: float | None, digits: int = 3) -> str | None:
    """Write a number; nothing where there is none."""
    return None if value is None else f"{value:.{digits}f}"


def probability(p: float | None) -> str | None:
    """Write a probability; those that round to nothing as an upper limit."""
    return None if p is None else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def limits(lo: float | None, hi: float | None, digits: int = 3) -> str | None:
    """Write an interval; a limit that is not known is a question mark, nothing where neither is."""
    if lo is None and hi is None:
        return None
    return f"[{number(lo, digits) or '?'}, {number(hi, digits) or '?'}]"


def page(title: str, body: Sequence[Html]) -> str:
    """Make the whole document: one file, no script, nothing loaded from elsewhere."""
    head = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{CSS}</style>"
    )
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{"".join(map(html, body))}</body></html>\n'


def _all_numbers(cells: Sequence[Text]) -> bool:
    texts = [str(cell) for cell in cells if not isinstance(cell, Html) and cell not in (None, "")]
    markup = any(isinstance(cell, Html) for cell in cells)
    return bool(texts) and not markup and all(text[0] in "0123456789-−[?" for text in texts)
