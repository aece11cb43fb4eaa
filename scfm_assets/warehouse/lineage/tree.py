"""The tree below a number, as text: every materialization that it stands on, down to the files."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, dataclass, field, replace
from itertools import groupby
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from scfm_assets.warehouse.lineage import ancestry
from scfm_assets.warehouse.lineage import choice as lineage_choice
from scfm_assets.warehouse.lineage import diff as lineage_diff
from scfm_assets.warehouse.text_table import text_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import duckdb

    from scfm_assets.warehouse.lineage.ancestry import Made, Materialization, ReadInput
    from scfm_assets.warehouse.lineage.choice import Chosen

WIDTH = 110
"""Characters at which running text is wrapped."""
MOST_PLACES = 40
"""Places that are listed where several have what was asked for."""
MOST_REVISIONS = 10
"""Revisions that are listed below a tree."""


@dataclass(frozen=True)
class Line:
    """One line of a tree; `aside` ones stand outside of its columns."""

    tree: str
    place: str = ""
    id: str = ""
    content: str = ""
    checkpoint: str = ""
    code: str = ""
    on: str = ""
    made: str = ""
    aside: bool = field(default=False, kw_only=True)


HEAD = Line("made of", "where", "id", "content", "checkpoint", "code", "on", "made (UTC)")


def show(home: Path, name: str, where: Mapping[str, Any], *, everything: bool = False, full: bool = False) -> str:
    """Tell what a number, or an asset's output, is made of.

    Parameters
    ----------
    home
        Folder that holds ``scfm.duckdb``.
    name
        A table, an asset, or the first digits of a materialization's id.
    where
        Column -> value of the rows that are meant. With a `model`, those of other models are named but not followed.
    everything
        Follow other models, too.
    full
        Print ids and digests whole.

    Raises
    ------
    ScfmError
        If there is no lineage yet, or nothing as asked.
    """
    with ancestry.lineage_of(home) as con:
        places = lineage_choice.chosen(con, name, where)
        request = " ".join([name, *(f"{column}={value}" for column, value in where.items())])
        if len(places) > 1:
            return "\n".join(_places(con, places, request))
        (one,) = places
        made = ancestry.ancestors(con, [one.ids[0]])
        root = made[one.ids[0]]
        model = None if everything else where.get("model")
        lines = [*_number(con, name, where, one), *_tree(made, root, model, full=full), *_environments(made)]
        return "\n".join([*lines, *_revisions(con, root, one)])


def _number(con: duckdb.DuckDBPyConnection, name: str, where: Mapping[str, Any], one: Chosen) -> Iterator[str]:
    """Name the rows that are meant; of a single one say everything."""
    if not one.rows:
        return
    conditions = ", ".join(f"{column} {value}" for column, value in where.items())
    if one.rows > 1:
        several = f", made by {len(one.ids)} materializations: this is the current one" if len(one.ids) > 1 else ""
        yield f"{one.rows:,} rows of {name}{f' with {conditions}' if conditions else ''}{several}"
    else:
        row = lineage_choice.the_row(con, name, where)
        yield f"The row of {name} with {conditions}" if conditions else f"The row of {name}"
        cells = ((column, value) for column, value in row.items() if value is not None)
        words = ", ".join(f"{c} {v:.6g}" if isinstance(v, float) else f"{c} {v}" for c, v in cells)
        yield from wrap(words, WIDTH, initial_indent="  ", subsequent_indent="  ")
    yield ""


def _places(con: duckdb.DuckDBPyConnection, places: Sequence[Chosen], request: str) -> Iterator[str]:
    """List the places that have what was asked for."""
    current = ancestry.ancestors(con, [one.ids[0] for one in places])
    yield f"{len(places)} places have {request}. Choose one, by --tissue, --n-cells or its id:"
    steps = [_step(current[one.ids[0]], full=False) for one in places[:MOST_PLACES]]
    yield from _aligned([replace(HEAD, tree="asset"), *steps])
    if len(places) > MOST_PLACES:
        yield f"... and {len(places) - MOST_PLACES} more"


# The tree -----------------------------------------------------------------------------------------------------------


def _tree(made: Made, root: Materialization, model: str | None, *, full: bool) -> Iterator[str]:
    lines = [HEAD, *_below(made, root, Walk(model, full))]
    yield from _aligned(lines)
    if any(line.tree.endswith(CLOSED) for line in lines):
        yield f"{CLOSED.strip()} of other models, not followed: --all follows them"


@dataclass(frozen=True)
class Walk:
    """What was printed already, and how to print."""

    model: str | None
    full: bool
    printed: set[str] = field(default_factory=set)

    def is_closed(self, asset: str) -> bool:
        """Whether an asset belongs to another model than the one that was asked for."""
        if self.model is None:
            return False
        kind, _, rest = asset.partition("/")
        return (kind == "models" and rest.split("/")[0] != self.model) or (kind == "baselines" != self.model)


CLOSED = " …"


def _below(made: Made, step: Materialization, walk: Walk) -> list[Line]:
    """Lines of a step and of what it was made of."""
    walk.printed.add(step.id)
    blocks, above = [], []
    for read in step.inputs:
        key = read.upstream or f"{read.label} {read.version}"
        if key in walk.printed:
            above.append(read)
            continue
        walk.printed.add(key)
        blocks.append(_block(made, read, walk))
    if above:
        blocks.append([Line(f"as above: {', '.join(_above(made, above))}", aside=True)])
    return [_step(step, full=walk.full), *_hung(blocks)]


def _block(made: Made, read: ReadInput, walk: Walk) -> list[Line]:
    step = made.get(read.upstream or "")
    if walk.is_closed(read.asset):
        line = _step(step, full=walk.full) if step else _source(read, full=walk.full)
        return [replace(line, tree=line.tree + CLOSED)]
    if step is not None:
        return _below(made, step, walk)
    if read.upstream is not None:
        return [replace(_source(read, full=walk.full), id=read.upstream[:8], made="not in Dagster's log")]
    files = [[Line(name, content=_cut(digest, 12, full=walk.full))] for name, digest in read.files.items()]
    return [_source(read, full=walk.full), *_hung(files)]


def _hung(blocks: Sequence[list[Line]]) -> Iterator[Line]:
    """Hang the lines of several branches below their parent."""
    for i, (first, *rest) in enumerate(blocks):
        last = i == len(blocks) - 1
        yield replace(first, tree=("└ " if last else "├ ") + first.tree)
        yield from (replace(line, tree=("  " if last else "│ ") + line.tree) for line in rest)


def _step(step: Materialization, *, full: bool) -> Line:
    return Line(
        step.asset,
        step.place,
        _cut(step.id, 8, full=full),
        _cut(step.version or "", 12, full=full),
        step.checkpoint or "",
        step.code,
        step.machine,
        f"{step.made_at:%Y-%m-%d %H:%M:%S}",
    )


def _source(read: ReadInput, *, full: bool) -> Line:
    return Line(read.asset, read.partition or "", "source", _cut(read.version, 12, full=full))


def _cut(digest: str, digits: int, *, full: bool) -> str:
    return digest if full else digest[:digits]


def _above(made: Made, reads: Sequence[ReadInput]) -> Iterator[str]:
    for asset, group in groupby(reads, key=lambda read: read.asset):
        steps = [made[read.upstream] for read in group if read.upstream is not None and read.upstream in made]
        counts = [f"{step.n_cells}" for step in steps if step.n_cells]
        yield f"{asset} n={', '.join(counts)}" if len(counts) > 1 else asset


def _aligned(lines: Sequence[Line]) -> Iterator[str]:
    """Lines of a tree with its columns aligned; columns that hold nothing are left out."""
    aligned = iter(_table([astuple(line)[:-1] for line in lines if not line.aside]))
    for line in lines:
        yield line.tree if line.aside else next(aligned)


# Below the tree -----------------------------------------------------------------------------------------------------


def _environments(made: Made) -> Iterator[str]:
    """Say by which code, Python and packages the steps were made."""
    counts = Counter(_environment(step) for step in made.values())
    for words, steps in counts.most_common():
        who = f"{steps} of {len(made)} steps" if len(counts) > 1 else "All steps"
        yield ""
        yield from wrap(f"{who} were made {words}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)


def _environment(step: Materialization) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in step.packages.items())
    commit = f"at commit {step.commit}" if step.commit else "outside of a checkout"
    return f"{commit}, by Python {step.python} on {step.platform}, with {packages or 'packages unknown'}."


def _revisions(con: duckdb.DuckDBPyConnection, root: Materialization, one: Chosen) -> Iterator[str]:
    """List the other materializations of the same asset at the same place, and what differs from the one shown."""
    others = [id_ for id_ in ancestry.revisions(con, root) if id_ != root.id]
    yield ""
    if not others:
        yield "It is the only materialization of this asset here."
        return
    made = ancestry.ancestors(con, [root.id, *others[:MOST_REVISIONS]])
    yield "Other revisions, and what differs in the one above (`scfm lineage diff A B` tells all):"
    rows = [("id", "content", "checkpoint", "made (UTC)", "in the table" if one.rows else "", "differs in")]
    for id_ in others[:MOST_REVISIONS]:
        line = _step(made[id_], full=False)
        in_table = "yes" if id_ in one.ids and one.rows else ""
        differs = lineage_diff.compare(made, id_, root.id).summary
        rows.append((line.id, line.content, line.checkpoint, line.made, in_table, differs))
    yield from (f"  {line}" for line in _table(rows))
    if len(others) > MOST_REVISIONS:
        yield f"... and {len(others) - MOST_REVISIONS} older ones"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Lines of a table, its head first; columns that hold nothing are left out."""
    filled = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    head, *body = ([row[i] for i in filled] for row in rows)
    return text_table(head, body)
