"""Tables of cells and genes as anndata stores them: every encoding that it has had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from scfm_assets.core.intake.files.stored import NUMBERS, TEXTS, StoredNode, attempt, damaged

_NULLABLE = ("nullable-integer", "nullable-boolean", "nullable-string-array")
_OLD_CATEGORIES = "__categories"


def read_frame(node: StoredNode, old_categories: StoredNode | None = None) -> pd.DataFrame:
    """Read obs or var.

    Columns that are no values per row (arrays, nested tables) are left out; nothing that we take can be in them.

    Parameters
    ----------
    node
        The group of columns, or the compound table that anndata wrote before 0.7.
    old_categories
        Where anndata before 0.7 kept categories, as ``<column>_categories``.

    Raises
    ------
    ScfmError
        If it has no index, or a column is damaged or of another length.
    """
    if node.is_array:
        return _compound(node, old_categories)
    index_name = node.word("_index") or next((name for name in ("_index", "index") if name in node.names()), "_index")
    index = node.need(index_name).vector("the names of its rows", TEXTS + NUMBERS).texts()
    categories = node.get(_OLD_CATEGORIES)
    columns = {}
    for name in _order(node, index_name):
        values = _column(node.need(name), None if categories is None else categories.get(name))
        if values is None:
            continue
        if len(values) != len(index):
            raise damaged(node.need(name), f"has {len(values):,} values for {len(index):,} rows")
        columns[name] = values
    return frame_of(node.place, columns, index)


def frame_of(place: str, columns: Mapping[str, Any], index: Iterable[Any]) -> pd.DataFrame:
    """Make a table of columns and the names of its rows."""
    return attempt(place, lambda: pd.DataFrame(dict(columns), index=pd.Index([str(name) for name in index])))


def _order(node: StoredNode, index_name: str) -> list[str]:
    order = node.attribute("column-order")
    if order is None:
        return [name for name in node.names() if name not in {index_name, _OLD_CATEGORIES}]
    names = node.attempt(lambda: [_word(name) for name in np.asarray(order).ravel().tolist()])
    return [name for name in dict.fromkeys(names) if name != index_name]


def _column(node: StoredNode, old_categories: StoredNode | None) -> Any:
    """Read one column, None if it has not one value per row."""
    if node.is_array:
        if len(node.shape) != 1 or node.kind not in NUMBERS + TEXTS:
            return None
        values = _values(node)
        return values if old_categories is None else _decoded(node, values, _values(old_categories))
    encoding = node.word("encoding-type")
    if encoding == "categorical":
        return _decoded(node, node.need("codes").vector("codes", "iu").read(), _values(node.need("categories")))
    if encoding in _NULLABLE:
        values = _values(node.need("values")).astype(object)
        mask = node.need("mask").vector("a mask", "b").read()
        if mask.shape != values.shape:
            raise damaged(node, f"has {len(values):,} values and a mask of {len(mask):,}")
        values[mask] = None
        return values
    return None


def _values(node: StoredNode) -> np.ndarray:
    node.vector("a column", NUMBERS + TEXTS)
    return node.read() if node.kind in NUMBERS else node.texts()


def _decoded(node: StoredNode, codes: np.ndarray, categories: np.ndarray) -> Any:
    """Put categories in the place of their codes; -1 stands for a missing value."""
    if codes.dtype.kind not in "iu":
        raise damaged(node, f"has codes of type {codes.dtype}, which count nothing")
    wrong = (codes < -1) | (codes >= len(categories))
    if wrong.any():
        first = int(wrong.argmax())
        raise damaged(node, f"has code {codes[first]} in row {first:,}, and {len(categories):,} categories")
    if len(pd.unique(categories)) == len(categories) and not pd.isna(categories).any():
        return node.attempt(lambda: pd.Categorical.from_codes(codes.astype(np.int64), categories=categories))
    with_none = np.array([*categories.tolist(), None], dtype=object)
    return with_none[codes]


def _compound(node: StoredNode, old_categories: StoredNode | None) -> pd.DataFrame:
    """Read the one array of records that anndata wrote before 0.7."""
    names = node.attempt(lambda: node.raw.dtype.names) or ()
    if len(node.shape) != 1 or not names:
        raise damaged(node, "is no table")
    node.check()
    table = node.read()
    index_name = next((name for name in ("index", "_index") if name in names), names[0])
    columns = {}
    for name in names:
        values = table[name]
        if name == index_name or values.ndim != 1 or values.dtype.kind not in NUMBERS + TEXTS:
            continue
        values = values if values.dtype.kind in NUMBERS else _words(values)
        categories = None if old_categories is None else old_categories.get(f"{name}_categories")
        columns[name] = values if categories is None else _decoded(node, values, _values(categories))
    return frame_of(node.place, columns, _words(table[index_name]))


def _words(values: np.ndarray) -> np.ndarray:
    return np.array([_word(value) for value in values.tolist()], dtype=object)


def _word(value: Any) -> str:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else str(value)
