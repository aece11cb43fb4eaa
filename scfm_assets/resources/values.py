"""The kinds of values that are stored: how each becomes a file, comes back, and is digested by content."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from scfm_assets.core.base import digest_arrays, digest_table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pyarrow as pa
    from anndata import AnnData


@dataclass(frozen=True)
class Arrays:
    """Named arrays and the words that explain them, stored as one safetensors file."""

    tensors: Mapping[str, np.ndarray]
    words: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Format:
    """How one kind of value becomes a file, comes back, and is digested by content."""

    suffix: str
    write: Callable[[Path, Any], None]
    read: Callable[[Path], Any]
    digest: Callable[[Any], str]


def _write_table(path: Path, table: pa.Table) -> None:
    pq.write_table(table, path, compression="zstd")


def _read_table(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)  # pyright: ignore[reportArgumentType] - None: no columns from folders


def _write_arrays(path: Path, value: Arrays) -> None:
    from safetensors.numpy import save_file

    save_file({k: np.ascontiguousarray(v) for k, v in value.tensors.items()}, path, metadata=dict(value.words))


def _read_arrays(path: Path) -> Arrays:
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        return Arrays({name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {}))  # noqa: SIM118


def _digest_arrays(value: Arrays) -> str:
    named = [part for name in sorted(value.tensors) for part in (name, value.tensors[name])]
    return digest_arrays(*named, json.dumps(dict(value.words), sort_keys=True))


def _write_anndata(path: Path, value: AnnData) -> None:
    value.write_h5ad(path)


def _read_anndata(path: Path) -> AnnData:
    from anndata import read_h5ad

    return read_h5ad(path)


def _digest_anndata(value: AnnData) -> str:
    counts: Any = value.X
    frames = [part for frame in (value.obs, value.var) for c in frame for part in (str(c), np.asarray(frame[c]))]
    index = (np.asarray(value.obs_names, dtype=str), np.asarray(value.var_names, dtype=str))
    return digest_arrays(counts.data, counts.indices, counts.indptr, *index, *frames)


TABLE = Format(".parquet", _write_table, _read_table, digest_table)
ARRAYS = Format(".safetensors", _write_arrays, _read_arrays, _digest_arrays)
ANNDATA = Format(".h5ad", _write_anndata, _read_anndata, _digest_anndata)
