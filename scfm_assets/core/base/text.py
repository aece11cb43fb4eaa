"""Names from files, made fit for a terminal and a message."""

from __future__ import annotations

_LONGEST = 80


def is_plain(text: str) -> bool:
    """Whether a text holds no control characters and nothing that is no Unicode."""
    return text.isprintable() or all(char.isprintable() or char in "\u00a0\u3000\u00ad" for char in text)


def shown(text: object) -> str:
    """Write a name from a file so that it can do nothing to a terminal, and not fill it."""
    plain = "".join(char if is_plain(char) else char.encode("unicode_escape").decode("ascii") for char in str(text))
    return plain if len(plain) <= _LONGEST else f"{plain[: _LONGEST - 1]}…"
