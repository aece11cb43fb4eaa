"""`scfm sql`: one question, or a prompt for many."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import click

from scfm_assets.errors import ScfmError
from scfm_assets.home import PACKAGE, home
from scfm_assets.warehouse.query import FORMATS
from scfm_assets.warehouse.query import query as ask

Form = Literal["table", "csv", "json"]

HELP = """\
A statement ends with a semicolon and may span lines. What runs write meanwhile is there at the next statement.
  .tables           what can be asked
  .columns TABLE    its columns and what they mean
  .queries          questions that come with the platform; .run NAME asks one
  .format FORM      table, csv or json
  .quit             leave (also Ctrl-D)"""
TABLES = """
select view_name as "table", comment as "one row" from duckdb_views() where not internal
union all select table_name, comment from duckdb_tables() order by 1
"""
COLUMNS = """
select column_name as "column", data_type as type, comment as meaning from duckdb_columns()
where table_name = '{}' order by column_index
"""
QUERIES = PACKAGE / "sql"
"""Questions that come with the platform; those under ``<home>/sql`` are added."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("query", required=False)
@click.option("--format", "form", type=click.Choice(["table", "csv", "json"]), default="table", show_default=True)
def sql(query: str | None, form: Form) -> None:
    """Ask the warehouse: scfm sql "from metrics_latest where metric = 'auroc' limit 5".

    QUERY may be the path of an .sql file; without one a prompt starts. The tables are views in SCFM_HOME/scfm.duckdb,
    which any DuckDB client can open while runs write.
    """
    if query is None:
        prompt(home(), form)
        return
    if query.endswith(".sql") and Path(query).is_file():
        query = Path(query).read_text(encoding="utf-8")
    click.echo(ask(home(), query, form))


def prompt(folder: Path, form: Form) -> None:
    """Answer statements from the terminal (or from standard input) until there are no more."""
    ask(folder, "select 1")  # says what to do where there is no warehouse yet
    talks = sys.stdin.isatty()
    if talks:
        import readline  # noqa: F401 - gives the prompt its history and editing

        click.echo(f"{folder / 'scfm.duckdb'}, read-only. .help says what can be asked, .quit leaves.")
    failed = False
    for statement in _statements(talks=talks):
        try:
            if statement.startswith("."):
                form = _command(folder, statement, form)
            else:
                click.echo(ask(folder, statement, form))
        except ScfmError as error:
            failed = True
            click.secho(str(error), fg="red", err=True)
        except (EOFError, StopIteration):
            return
    if failed and not talks:
        sys.exit(1)


def _statements(*, talks: bool) -> Iterator[str]:
    """Statements and dot commands as they come; at the end what has no semicolon, too."""
    lines: list[str] = []
    while (line := _line(talks=talks, goes_on=bool(lines))) is not None:
        if not lines and (line.startswith(".") or not line.strip()):
            if line.strip():
                yield line.strip()
            continue
        lines.append(line)
        if line.rstrip().endswith(";"):
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _line(*, talks: bool, goes_on: bool) -> str | None:
    """Read a line; None at the end. Ctrl-C drops the line that is being typed."""
    if not talks:
        line = sys.stdin.readline()
        return line.rstrip("\n") if line else None
    while True:
        try:
            return input("  ... " if goes_on else "scfm> ")
        except EOFError:
            click.echo()
            return None
        except KeyboardInterrupt:
            click.echo()


def _command(folder: Path, command: str, form: Form) -> Form:
    """Do what a dot command says; return the format from here on."""
    name, _, of = command.rstrip(";").partition(" ")
    of = of.strip()
    if name in {".quit", ".exit"}:
        raise EOFError
    if name == ".format" and of in FORMATS:
        return of  # pyright: ignore[reportReturnType] - just checked
    answers = {
        ".tables": lambda: ask(folder, TABLES, form),
        ".columns": lambda: ask(folder, COLUMNS.format(of.replace("'", "''")), form),
        ".queries": lambda: "\n".join(sorted(_queries(folder))),
        ".run": lambda: ask(folder, _query_named(folder, of), form),
    }
    click.echo(answers.get(name, lambda: HELP)())
    return form


def _queries(folder: Path) -> dict[str, Path]:
    return {file.stem: file for place in (QUERIES, folder / "sql") for file in place.glob("*.sql")}


def _query_named(folder: Path, name: str) -> str:
    files = _queries(folder)
    if name not in files:
        raise ScfmError(".run", f"there is no query {name!r}", f"There are: {', '.join(sorted(files))}.")
    return files[name].read_text(encoding="utf-8")
