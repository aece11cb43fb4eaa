"""Tables of a small catalog as they were when their numbers were last meant to move.

``python -m scfm_assets_tests.golden.golden_tables HOME`` keeps the tables of a home into which `catalog.yaml` ran with
its studies; say in the commit which numbers moved, and why.
"""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import torch
from numpy._core._multiarray_umath import __cpu_features__

from scfm_assets.studies import discover
from scfm_assets.tables.schema import TABLES

FOLDER = Path(__file__).parent
CATALOG = FOLDER / "catalog.yaml"
KEPT = FOLDER / "tables"
MACHINE = FOLDER / "machine.json"
ROWS = {"edge_scores": "n_cells = 40 and repeat = 0"}
"""Rows that are kept of a table, as SQL; all of the others."""
FLUCTUATING = ("materialization", "checkpoint", "checkpoint_before")
"""Columns that are no result of the catalog alone."""


def machine() -> dict[str, object]:
    """What may change the last bits of a number: the kernels that this processor's libraries choose."""
    return {
        "numpy": sorted(name for name, present in __cpu_features__.items() if present),
        "torch": torch.backends.cpu.get_cpu_capability(),
        "openblas": os.environ.get("OPENBLAS_CORETYPE", ""),
    }


def stored_tables(home: Path) -> dict[str, pd.DataFrame]:
    """Rows of all stored tables of a home, sorted by their key."""
    with duckdb.connect() as con:
        return {
            folder.name: _sorted(folder.name, _rows(con, f"{folder}/**/*.parquet", ROWS.get(folder.name, "true")))
            for folder in sorted((home / "store" / "tables").iterdir())
        }


@cache
def kept_tables() -> dict[str, pd.DataFrame]:
    """The tables that were kept."""
    with duckdb.connect() as con:
        return {file.stem: _sorted(file.stem, _rows(con, str(file), "true")) for file in sorted(KEPT.glob("*.parquet"))}


def _rows(con: duckdb.DuckDBPyConnection, files: str, where: str) -> pd.DataFrame:
    rows = con.execute(
        f"from read_parquet('{files}', hive_partitioning = false, union_by_name = true) where {where}"
    ).df()
    return rows.drop(columns=[name for name in FLUCTUATING if name in rows])


def _sorted(table: str, rows: pd.DataFrame) -> pd.DataFrame:
    key = [name for name in TABLES[table].key if name in rows]
    key = key or [name for name in rows if rows[name].dtype.kind != "f"]
    return rows.sort_values(key, key=lambda values: values.astype(str)).reset_index(drop=True)


def keep(home: Path) -> None:
    """Keep the tables of a home."""
    discover()  # studies declare tables of their own
    tables = stored_tables(home)
    KEPT.mkdir(exist_ok=True)
    for file in KEPT.glob("*.parquet"):
        file.unlink()
    for name, rows in tables.items():
        rows.to_parquet(KEPT / f"{name}.parquet", compression="zstd", index=False)
    MACHINE.write_text(json.dumps(machine(), indent=1) + "\n")


def differences(kept: pd.DataFrame, now: pd.DataFrame) -> dict[str, np.ndarray]:
    """Absolute differences of the numbers of each column, inf where one is missing; 0 or inf for what is no number.

    Both tables have the same columns and number of rows.
    """
    columns = {}
    for name in kept.columns:
        before, after = kept[name], now[name]
        if before.dtype.kind in "fiu" and after.dtype.kind in "fiu":
            a, b = before.to_numpy(float), after.to_numpy(float)
            difference = np.abs(np.where(a == b, 0.0, a - b))
            columns[name] = np.where(np.isnan(a) & np.isnan(b), 0.0, np.nan_to_num(difference, nan=np.inf))
        elif before.map(lambda cell: isinstance(cell, np.ndarray)).any():
            columns[name] = np.array([_of_lists(a, b) for a, b in zip(before, after, strict=True)])
        else:
            columns[name] = np.where(before.astype(str) == after.astype(str), 0.0, np.inf)
    return columns


def _of_lists(before: object, after: object) -> float:
    """The largest difference of two lists of numbers; inf where their lengths differ or only one is there."""
    if not (isinstance(before, np.ndarray) and isinstance(after, np.ndarray)):
        return 0.0 if type(before) is type(after) else np.inf
    if before.shape != after.shape:
        return np.inf
    a, b = before.astype(float), after.astype(float)
    difference = np.where(np.isnan(a) & np.isnan(b), 0.0, np.abs(np.where(a == b, 0.0, a - b)))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0))


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
