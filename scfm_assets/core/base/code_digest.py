"""Digest of what code does: comments, docstrings and layout aside."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path


def digest_code(paths: Iterable[Path]) -> str:
    """Digest Python files, and all Python files below folders, as 32 hex digits.

    Two versions of a file have one digest if they differ in comments, docstrings, blank lines or layout only. A file
    is known by its name below the given folder, wherever that lies.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(paths):
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            name = file.relative_to(path.parent).as_posix()
            digest.update(f"{name}\0{_digest_file(file, file.stat().st_mtime_ns)}\0".encode())
    return digest.hexdigest()


@cache
def _digest_file(file: Path, _mtime_ns: int) -> str:
    return digest_source(file.read_text(encoding="utf-8"))


def digest_source(source: str) -> str:
    """Digest one module, class or function in Python, as 32 hex digits; see `digest_code`."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not is_text(statement)]  # pyright: ignore[reportAttributeAccessIssue]
    return hashlib.blake2b(ast.dump(tree).encode(), digest_size=16).hexdigest()


def is_text(statement: ast.AST) -> bool:
    """Whether a statement is a text alone: a docstring, or what is said below a constant."""
    if not isinstance(statement, ast.Expr) or not isinstance(statement.value, ast.Constant):
        return False
    return isinstance(statement.value.value, str)
