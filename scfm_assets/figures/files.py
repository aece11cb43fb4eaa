"""Figures as files: PNG, a thumbnail inside Markdown, and SVG that stands inside a page."""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING

from scfm_assets.figures.style import INK, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THUMBNAIL_BYTES = 50_000
THUMBNAIL_PIXELS = 1040
"""What Dagster's window has room for on a small laptop."""
PIXELS_PER_INCH = 84
"""Of a page: what makes the letters of a figure those of its text."""
RESOLUTIONS = (110, 90, 75, 60, 48, 36, 24, 12)


def to_png(figure: Figure, max_bytes: int | None = None) -> bytes:
    """Render as PNG; with `max_bytes` in 64 colours, as large as fits and no wider than a thumbnail."""
    from PIL import Image

    if max_bytes is None:
        return _render(figure, RESOLUTIONS[0])
    png = b""
    widest = THUMBNAIL_PIXELS / figure.get_figwidth()
    for dpi in RESOLUTIONS:
        out = io.BytesIO()
        image = Image.open(io.BytesIO(_render(figure, min(dpi, widest)))).convert("RGB")
        image.quantize(64, dither=Image.Dither.NONE).save(out, format="PNG", optimize=True)
        png = out.getvalue()
        if len(png) <= max_bytes:
            break
    return png


def thumbnail_markdown(figure: Figure, alt: str = "figure") -> str:
    """Markdown that holds the picture itself, in less than 50 kB: the metadata of an asset."""
    png = to_png(figure, THUMBNAIL_BYTES * 3 // 4 - 200)  # base64 makes four characters of three bytes
    alt = re.sub(r"[^\w .,:-]", " ", alt)
    return f"![{alt}](data:image/png;base64,{base64.b64encode(png).decode()})"


def to_svg(figure: Figure, name: str) -> str:
    """Render as SVG for inside a page: transparent, in the page's own ink and paper (`--page`), ids that do not clash.

    Parameters
    ----------
    figure
        A figure of `plots`.
    name
        Tells the ids of several figures of one page apart.
    """
    import matplotlib as mpl

    out = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": f"figure {name}"}):
        metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(out, format="svg", transparent=True, metadata=metadata)
    svg = out.getvalue()
    svg = svg[svg.index("<svg") :].replace(INK, "currentColor").replace("#ffffff", "var(--page, #ffffff)")
    prefix = re.sub(r"\W", "-", name)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'(href="|url\()#', rf"\1#{prefix}-", svg)
    head, body = svg.split(">", 1)
    widest = figure.get_figwidth() * PIXELS_PER_INCH
    head = re.sub(r' (width|height)="[^"]*"', "", head)
    return f'{head} style="max-width: {widest:.0f}px">{body}'


def _render(figure: Figure, dpi: float) -> bytes:
    import matplotlib as mpl

    out = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(out, format="png", dpi=dpi)
    return out.getvalue()
