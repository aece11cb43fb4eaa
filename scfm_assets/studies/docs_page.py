"""The page of a study in the documentation, made of its record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic.fields import FieldInfo

    from scfm_assets.studies.study import Study
    from scfm_assets.tables.columns import Table

BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def study_page(study: Study) -> str:
    """Markdown of one study: question, ``page.md``, settings, families of tests and tables."""
    settings = [
        (f"`{name}`", f"`{_as_yaml(setting.default)}`", _bounds(setting), setting.description or "")
        for name, setting in study.settings.model_fields.items()
    ]
    parts = [
        f"# {study.title}",
        f"*{study.question}*",
        (study.folder / "page.md").read_text(encoding="utf-8").strip(),
        f"Run it with `scfm run --select 'key:\"{study.name}/*\"'`, after `scfm run` or together with what it is made "
        f"of; leave it out with `studies: {{{study.name}: null}}` in the catalog.",
        "## Settings",
        f"Keys below `studies: {study.name}:` of a catalog.",
        _table(("key", "default", "bounds", "meaning"), settings),
        "## Families of tests",
        _table(("family", "what is tested"), [(f"`{name}`", doc) for name, doc in study.families.items()]),
        "## Tables",
        *(part for table in study.tables.values() for part in _columns(table)),
    ]
    return "\n\n".join(parts) + "\n"


def _columns(table: Table) -> list[str]:
    rows = [(f"`{column.name}`", column.type, column.doc) for column in table.columns]
    return [f"### `{table.name}`", table.doc, _table(("column", "type", "meaning"), rows)]


def _as_yaml(value: Any) -> str:
    """A default as YAML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return "null" if value is None else str(value)


def _bounds(setting: FieldInfo) -> str:
    """The bounds of a setting, or of each item of a list, in words."""
    item = next((part for part in get_args(setting.annotation) if hasattr(part, "__metadata__")), None)
    of_items = [rule for field in getattr(item, "__metadata__", ()) for rule in getattr(field, "metadata", ())]
    return ", ".join(_words(setting.metadata) + [f"each {words}" for words in _words(of_items)])


def _words(rules: Iterable[Any]) -> list[str]:
    return [f"{sign} {getattr(rule, name)}" for rule in rules for name, sign in BOUNDS.items() if hasattr(rule, name)]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(_escaped(line))} |" for line in lines)


def _escaped(cells: Sequence[str]) -> list[str]:
    return [cell.replace("|", "\\|") for cell in cells]
