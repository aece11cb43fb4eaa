"""The code behind a value: everything of ours that a function reaches, read without importing it.

What counts are functions, classes and constants, wherever they stand: a function that moves to another module has the
digest that it had. Comments, docstrings and layout do not count.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from scfm_assets.core.base import is_text

ROOT = Path(__file__).parents[2]
DECISIVE = ("core", "families", "studies", "inputs", "defs")
"""Rooms whose code decides what a value is. Schemas of tables stand in an asset's version on their own."""
FETCHING = {"scfm_assets.inputs.downloads", "scfm_assets.inputs.hub", "scfm_assets.inputs.file_digests"}
"""How files are had: what they hold is known by their digests."""


@dataclass(frozen=True)
class Symbol:
    """A function, class or constant of a module."""

    module: str
    name: str


@dataclass
class Code:
    """What a piece of code is, and what it refers to: names with the attribute that is taken of each, if any."""

    digest: str
    names: set[tuple[str, str | None]]
    imports: dict[str, tuple[str, str]]


@dataclass
class Module:
    """The top level of a module: statements by the names that they define, and what is imported."""

    statements: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


def digest_of(functions: Iterable[str | Callable[..., Any]]) -> str:
    """Digest functions and all of ours that they reach, as 12 hex digits.

    Parameters
    ----------
    functions
        Functions, also such as are defined inside others; or names, as ``"core.scores:score"``.
    """
    pieces: dict[Symbol, str] = {}
    ahead: list[Symbol] = []
    for function in functions:
        if callable(function):
            code, symbols = _of_function(function)
            pieces[Symbol(function.__module__, function.__qualname__)] = code
            ahead += symbols
        else:
            module, _, name = function.partition(":")
            ahead.append(Symbol(f"scfm_assets.{module}", name))
    while ahead:
        symbol = ahead.pop()
        if symbol in pieces or not _is_decisive(symbol.module):
            continue
        code = _code(symbol, _stamp(symbol.module))
        pieces[symbol] = code.digest
        ahead += _referred(symbol.module, code)
    lines = sorted(f"{symbol.name.rpartition('.')[2]} {digest}" for symbol, digest in pieces.items() if digest)
    return hashlib.blake2b("\n".join(lines).encode(), digest_size=6).hexdigest()


def _is_decisive(module: str) -> bool:
    parts = module.split(".")
    decisive = parts[0] != "scfm_assets" or (len(parts) > 1 and parts[1] in DECISIVE)
    return decisive and module not in FETCHING and _file(module) is not None


@cache
def _file(module: str) -> Path | None:
    """File of one of our modules, None for all others."""
    if not module.startswith("scfm_assets"):
        return None
    path = ROOT.joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((file for file in files if file.is_file()), None)


def _stamp(module: str) -> int:
    file = _file(module)
    return 0 if file is None else file.stat().st_mtime_ns


@cache
def _parsed(module: str, _stamp: int) -> Module:
    file, parsed = _file(module), Module()
    if file is not None:
        for statement in _top(ast.parse(file.read_text(encoding="utf-8")).body):
            if isinstance(statement, ast.Import | ast.ImportFrom):
                parsed.imports |= _imported(statement)
            else:
                for name in _defined(statement):
                    parsed.statements.setdefault(name, []).append(statement)
    return parsed


def _top(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if isinstance(statement, ast.If | ast.Try):
            yield from _top([*statement.body, *statement.orelse])
        else:
            yield statement


def _defined(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))


def _imported(statement: ast.Import | ast.ImportFrom) -> dict[str, tuple[str, str]]:
    """Names that an import defines: the module, and the name in it ("" for the module itself)."""
    if isinstance(statement, ast.Import):
        return {alias.asname: (alias.name, "") for alias in statement.names if alias.asname}
    return {alias.asname or alias.name: (str(statement.module), alias.name) for alias in statement.names}


def _read(nodes: Iterable[ast.AST]) -> Code:
    """Digest of code without its imports and docstrings, and what it refers to."""
    code, parts = Code("", set(), {}), []
    for node in nodes:
        _dump(node, parts, code)
    return replace(code, digest=hashlib.blake2b("".join(parts).encode(), digest_size=16).hexdigest())


def _dump(value: object, parts: list[str], code: Code) -> None:
    """Write code as text, and gather what it refers to."""
    if isinstance(value, ast.Import | ast.ImportFrom):
        code.imports.update(_imported(value))
    elif isinstance(value, ast.AST) and not is_text(value):
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
            code.names.add((value.value.id, value.attr))
        elif isinstance(value, ast.Name):
            code.names.add((value.id, None))
        parts.append(f"{type(value).__name__}(")
        for name in value._fields:
            if name != "ctx":
                _dump(getattr(value, name, None), parts, code)
        parts.append(")")
    elif isinstance(value, list):
        parts.append("[")
        for item in value:
            _dump(item, parts, code)
        parts.append("]")
    elif not isinstance(value, ast.AST):
        parts.append(f"{value!r},")


@cache
def _code(symbol: Symbol, stamp: int) -> Code:
    module = _parsed(symbol.module, stamp)
    if symbol.name in module.statements:
        return _read(module.statements[symbol.name])
    if symbol.name in module.imports:
        return Code("", {(symbol.name, None)}, {})
    return Code("", set(), {})


def _referred(module: str, code: Code) -> Iterator[Symbol]:
    """Symbols that a piece of code of a module refers to."""
    parsed = _parsed(module, _stamp(module))
    for name, attribute in code.names:
        if name in code.imports or name in parsed.imports:
            origin, member = code.imports.get(name) or parsed.imports[name]
            qualified = f"{origin}.{member}" if member else origin
            if _file(qualified) is None:
                yield Symbol(origin, member)
            elif attribute is not None:
                yield Symbol(qualified, attribute)
        elif name in parsed.statements:
            yield Symbol(module, name)


def _of_function(function: Callable[..., Any]) -> tuple[str, list[Symbol]]:
    """Digest of a function without its decorators, together with the functions beside it that it calls."""
    module, stamp = function.__module__, _stamp(function.__module__)
    outer = function.__qualname__.split(".")[0]
    first = function.__code__.co_firstlineno
    for statement in _parsed(module, stamp).statements.get(outer, []):
        inside = [node for node in ast.walk(statement) if isinstance(node, ast.FunctionDef)]
        for node in inside:
            if first in {node.lineno, *(decorator.lineno for decorator in node.decorator_list)}:
                beside = {other.name: other for other in inside if other is not node and other is not statement}
                code = _read([_undecorated(node)])
                called = sorted({name for name, _ in code.names if name in beside})
                code = _read([_undecorated(node), *(_undecorated(beside[name]) for name in called)])
                return code.digest, list(_referred(module, code))
    msg = f"{function.__qualname__} is not written down in {module}"
    raise LookupError(msg)


def _undecorated(node: ast.FunctionDef) -> ast.FunctionDef:
    plain = copy.copy(node)
    plain.decorator_list = []
    return plain
