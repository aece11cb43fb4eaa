"""Columns of the studies' tables that say what they hold."""

from __future__ import annotations

import pyarrow as pa


def documented(name: str, kind: pa.DataType, doc: str, *, nullable: bool = False) -> pa.Field:
    """Declare a column; its sentence stands in the metadata of the field, under ``doc``."""
    return pa.field(name, kind, nullable=nullable, metadata={"doc": doc})
