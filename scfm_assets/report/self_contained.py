"""Whether a page can be read without a network."""

from __future__ import annotations

import re

_RESOURCE = re.compile(
    r"""<(?:script|img|iframe|link|source|video|audio|embed|object|image|use)\b[^>]*?"""
    r"""\b(?:src|srcset|href|data)\s*=\s*["']?\s*((?:https?:)?//[^\s"'>]+)"""
    r"""|url\(\s*["']?\s*((?:https?:)?//[^\s"')]+)|@import\s+["']\s*((?:https?:)?//[^\s"']+)""",
    re.IGNORECASE,
)


def page_is_self_contained(page: str) -> tuple[bool, str]:
    """Look for scripts, styles, fonts and pictures that a page would fetch; links that a reader may follow are none."""
    fetched = [next(filter(None, match.groups())) for match in _RESOURCE.finditer(page)]
    if fetched:
        return False, f"the page fetches {len(fetched)} resources, such as {fetched[0]}"
    return True, f"{len(page.encode()):,} bytes that fetch nothing"
