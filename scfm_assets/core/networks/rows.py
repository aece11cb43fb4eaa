"""Rows of a network's file on their way to one row per edge: chosen, read, put right, merged and named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from scfm_assets.core.genes import GeneTable, is_date, undate, unversioned
from scfm_assets.core.networks.files import FIELDS, FORMATS, NetworkFormat, sign_of
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable

    from scfm_assets.core.networks.spec import NetworkSpec

IDS = {"tf": "tf_id", "target": "target_id"}
"""Ends of an edge, and the columns of the gene ids that a gene table gives them."""


def format_of(spec: NetworkSpec) -> NetworkFormat:
    """Record of a network's format."""
    for known in FORMATS:
        if known.name == spec.format:
            return known
    place, allowed = f"network '{spec.name}'", ", ".join(known.name for known in FORMATS)
    raise ScfmError(place, f"format '{spec.format}' is unknown", f"Allowed: {allowed}.")


def _columns(present: list[str], spec: NetworkSpec) -> dict[str, str | None]:
    """Find the column of each field, None for a field that the file does not tell."""
    form = format_of(spec)
    place, unknown = f"network '{spec.name}'", sorted(set(spec.columns) - set(FIELDS))
    if unknown:
        raise ScfmError(place, f"`columns` names the field '{unknown[0]}'", f"Allowed: {', '.join(FIELDS)}.")
    columns = {}
    for name in FIELDS:
        candidates = (spec.columns[name],) if name in spec.columns else getattr(form, name)
        columns[name] = next((column for column in candidates if column in present), None)
        if columns[name] is None and (name in {"tf", "target"} or name in spec.columns):
            problem = f"column {' or '.join(map(repr, candidates))} (the {name}) is missing"
            remedy = f"Present: {', '.join(map(repr, present))}. Say under `columns` which one is the {name}."
            raise ScfmError(spec.place, problem, remedy)
    return columns


def rows_where(frame: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
    """Keep the rows that have one of the allowed values in each of the named columns."""
    place = f"network '{spec.name}'"
    for column, allowed in spec.where.items():
        if column not in frame.columns:
            present = ", ".join(map(repr, map(str, frame.columns)))
            raise ScfmError(place, f"`where` names the column {column!r}, which is not there", f"Present: {present}.")
        values = _each(frame[column].to_numpy(), _text)
        if missing := [value for value in allowed if value not in values]:
            remedy = f"Present, after what stands before: {', '.join(sorted({*map(str, values)})[:20])}."
            raise ScfmError(place, f"no row has {column} {missing[0]!r}", remedy)
        frame = frame.take(np.flatnonzero(np.isin(values.astype(str), allowed)))
    return frame


def fields_of(frame: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
    """Read the fields of `FIELDS` as text, signs as -1, 0, 1; refuse a missing column and what is no sign."""
    columns = _columns([str(name) for name in frame.columns], spec)
    absent = np.full(len(frame), None, dtype=object)
    fields = {name: _each(frame[column].to_numpy(), _text) if column else absent for name, column in columns.items()}
    if (both := _signs(frame, format_of(spec))) is not None:
        fields["sign"] = both
        fields["confidence"] = _each(fields["confidence"], lambda levels: min(levels.split(";")))  # several sources
    if spec.ids == "ensembl":
        fields |= {name: _each(fields[name], unversioned) for name in ("tf", "target")}
    signs = _each(fields["sign"], sign_of, missing=0)
    bad = np.flatnonzero(pd.isna(signs))
    if len(bad):
        row = frame.index[bad[0]] + 1
        problem = f"column '{columns['sign']}' holds '{fields['sign'][bad[0]]}' (row {row}), which is no sign"
        remedy = "Allowed: a number (its sign counts), Activation, Repression, Unknown, +, - or nothing."
        raise ScfmError(spec.place, problem, remedy)
    return pd.DataFrame({**fields, "sign": signs.astype(np.int8)}, index=frame.index)


def _signs(frame: pd.DataFrame, form: NetworkFormat) -> np.ndarray | None:
    """Read the sign of formats that mark activation and repression apart; both at once contradict each other."""
    if form.raised is None or form.lowered is None or not {form.raised, form.lowered} <= set(frame.columns):
        return None
    raised, lowered = (
        _each(frame[column].to_numpy(), lambda value: str(value).strip().lower() in {"1", "1.0", "true"}, missing=False)
        for column in (form.raised, form.lowered)
    )
    return np.array([str(up - down) for up, down in zip(raised, lowered, strict=True)], dtype=object)


def _text(value: Any) -> str | None:
    """Trimmed text, None for an empty one."""
    return str(value).strip() or None


def _each(values: np.ndarray, change: Callable[[Any], Any], *, missing: Any = None) -> np.ndarray:
    """Change every distinct value once; what is not there becomes `missing`."""
    codes, distinct = pd.factorize(values, use_na_sentinel=True)
    return np.array([*map(change, distinct), missing], dtype=object)[codes]


def refuse_empty_names(edges: pd.DataFrame, spec: NetworkSpec) -> None:
    """Refuse edges without a TF or a target."""
    for name in ("tf", "target"):
        empty = np.flatnonzero(edges[name].isna())
        if len(empty):
            first = edges.index[empty[0]] + 1
            problem = f"the {name} is empty in {len(empty)} of {len(edges)} rows (first: row {first})"
            raise ScfmError(spec.place, problem, "Every edge needs a TF and a target: complete or remove these rows.")


def refuse_dates(edges: pd.DataFrame, spec: NetworkSpec) -> None:
    """Refuse names that a spreadsheet turned into dates, with their rows."""
    for name in ("tf", "target"):
        spoiled = _are_dates(edges[name].to_numpy())
        if spoiled.any():
            rows, dates = edges.index.to_numpy()[spoiled], edges[name].to_numpy()[spoiled]
            examples = ", ".join(f"'{date}' in row {row + 1}" for date, row in zip(dates[:5], rows[:5], strict=True))
            problem = f"{len(rows)} names of the {name} are dates: {examples}{', ...' if len(rows) > 5 else ''}"
            before = " or ".join(undate(dates[0])) or "a gene symbol"
            remedy = (
                f"A spreadsheet made dates of gene symbols ('{dates[0]}' was {before}), and they cannot be "
                "told back with certainty: take the source's own file, or put the symbols back. "
                f"`dates: repair` for network '{spec.name}' puts back those that can be one gene only, and leaves out "
                "the edges of the others; `dates: drop` leaves all of them out."
            )
            raise ScfmError(spec.place, problem, remedy)


def _are_dates(names: np.ndarray) -> np.ndarray:
    return _each(names, is_date).astype(bool)


def without_dates(edges: pd.DataFrame, spec: NetworkSpec) -> tuple[pd.DataFrame, int]:
    """Put back the names that can have been one gene only, and leave out the edges with another date.

    Returns
    -------
    The edges that are left, and how many of them were repaired. Names come back as they were before the families got
    new names because of the spreadsheets: a gene table knows both.
    """
    were = np.logical_or.reduce([_are_dates(edges[name].to_numpy()) for name in IDS])
    if not were.any():
        return edges, 0
    repaired = edges
    if spec.dates == "repair":
        repaired = edges.assign(**{name: _each(edges[name].to_numpy(), _undated) for name in IDS})
    still = np.logical_or.reduce([_are_dates(repaired[name].to_numpy()) for name in IDS])
    if still.all():
        problem = "every edge has a name that is a date"
        raise ScfmError(spec.place, problem, "Take the source's own file, or put the symbols back.")
    return repaired.take(np.flatnonzero(~still)), int((were & ~still).sum())


def _undated(name: str) -> str:
    genes = undate(name)
    return genes[0] if len(genes) == 1 else name


def of_confidence(edges: pd.DataFrame, spec: NetworkSpec) -> pd.DataFrame:
    """Keep the edges of the levels that are asked for; refuse a level that does not occur."""
    if spec.confidence is None:
        return edges
    present = edges["confidence"].value_counts().sort_index()
    missing = [level for level in spec.confidence if level not in present.index]
    if missing:
        levels = ", ".join(f"{level} ({count} edges)" for level, count in present.items()) or "no confidence at all"
        remedy = f"Present: {levels}. Change `confidence` of network '{spec.name}'."
        raise ScfmError(spec.place, f"no edge has confidence '{missing[0]}'", remedy)
    return edges.take(np.flatnonzero(edges["confidence"].isin(spec.confidence)))


def one_row_per_edge(edges: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Merge repeated edges: an unknown sign yields to a known one, opposite signs give 0, the best letter stays."""
    best_first = edges.sort_values(["tf", "target", "tissue", "confidence"], kind="stable")
    groups = best_first.groupby(["tf", "target", "tissue"], dropna=False, sort=False)
    low, high = groups["sign"].min().to_numpy(), groups["sign"].max().to_numpy()
    tidy = best_first.drop_duplicates(["tf", "target", "tissue"]).reset_index(drop=True)
    return tidy.assign(sign=np.sign(low + high).astype(np.int8)), int(((low < 0) & (high > 0)).sum())


def with_ids(tidy: pd.DataFrame, table: GeneTable) -> pd.DataFrame:
    """Add the gene id that a table gives each name."""
    ids = {column: _each(tidy[end].to_numpy(), table.find) for end, column in IDS.items()}
    return tidy.assign(**ids)


def ids_of(rows: pd.DataFrame) -> dict[str, str]:
    """Id of each name that stored rows have one for."""
    known: dict[str, str] = {}
    for end, column in IDS.items():
        if column in rows.columns:  # rows that were stored before there were ids have none
            ends = zip(rows[end].tolist(), rows[column].tolist(), strict=True)
            known |= {name: gene_id for name, gene_id in ends if isinstance(gene_id, str)}
    return known
