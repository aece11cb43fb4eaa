"""`scfm new-study`: a folder that passes the contract suite, to be filled with science."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

import click

from scfm_assets.errors import ScfmError

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
SCAFFOLD = Path(__file__).parent / "scaffold"


@click.command(name="new-study")
@click.argument("name")
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of a package of your own that will hold the study.  [default: scfm_assets/studies of this checkout]",
)
def new_study(name: str, into: Path | None) -> None:
    """Write the folder of a new study NAME: record, settings, tables, science, figures, page, and a test.

    It measures made-up numbers and passes the contract suite; replace its science. A package of your own offers the
    study by an entry point of the group scfm_assets.studies.
    """
    for file in write_study(name, into):
        click.echo(file)
    if into is not None:
        click.echo(f'offer it: entry point "{name} = <your package>.{name}" in the group scfm_assets.studies')


def write_study(name: str, into: Path | None = None) -> list[Path]:
    """Write the files of a new study.

    Parameters
    ----------
    name
        What the folder, the assets and the tables are called.
    into
        A folder that is a package; by default that of the studies in this checkout, with a test beside.

    Raises
    ------
    ScfmError
        If the name cannot be one, or is taken, or this is no checkout and no folder is given.
    """
    from scfm_assets.home import PACKAGE, project
    from scfm_assets.studies import discover

    if not NAME.fullmatch(name) or len(name) > 40:
        problem = f"{name!r} cannot be the name of a study"
        remedy = "Words of lower-case letters and digits, joined by '_', at most 40 characters."
        raise ScfmError("NAME", problem, remedy)
    if name in discover():
        raise ScfmError("NAME", f"there is a study {name!r}", "Choose another name.")
    if into is None and project() is None:
        problem = "this is no checkout of scfm_assets: its package is not yours to change"
        raise ScfmError("new-study", problem, "Name a package of your own: --into path/to/package")
    folder = (PACKAGE / "studies" if into is None else into) / name
    package = f"scfm_assets.studies.{name}" if into is None else _package_of(folder)
    files = {source: folder / source.name.removesuffix(".txt") for source in sorted(SCAFFOLD.glob("*.txt"))}
    test = SCAFFOLD / "test_study.py.txt"
    files.pop(test)
    if into is None:
        tests = PACKAGE.parent / "scfm_assets_tests" / "studies" / name
        files[test] = tests / f"test_{name}.py"
    if folder.exists():
        raise ScfmError(str(folder), "exists already", "Choose another name, or remove it.")
    words = {"name": name, "package": package, "title": name.replace("_", " ").capitalize()}
    for source, target in files.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(source.read_text(encoding="utf-8")).substitute(words), encoding="utf-8")
    if into is None:
        (files[test].parent / "__init__.py").touch()
    return list(files.values())


def _package_of(folder: Path) -> str:
    """Name a folder as a package: with all folders above it that hold an ``__init__.py``."""
    folder, parts = folder.absolute(), [folder.name]
    while (folder.parent / "__init__.py").is_file():
        folder = folder.parent
        parts.append(folder.name)
    return ".".join(reversed(parts))
