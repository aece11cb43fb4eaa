"""Gene dictionaries of model families, read without running anything they contain.

A dictionary is plain: text -> whole number, number or text. It may stand in a parquet table, a JSON object, or one of
the pickles Geneformer ships, which are read by an unpickler that refuses every global.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path
from reprlib import Repr
from typing import Any

from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import read_json

KEYS = ("gene", "source_id")
"""Columns of a parquet table that hold the key."""

HASHED = frozenset({"EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "FROZENSET"})
"""Operations of a pickle that build what could be a key and hold keys again: hashing thirty of them can take years."""

ENDS = frozenset({"GLOBAL", "STACK_GLOBAL", "INST"})
"""Operations at which our unpickler stops."""

_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80

PLAIN = "It must be one plain dictionary of text -> number or text."

READABLE = "Dictionaries are read from .parquet, .json, .pkl and .pickle files."


def read_tokens(path: Path) -> dict[str, int]:
    """Gene id or special token -> token id (parquet: `gene`, `token_id`)."""
    return _typed(path, "token_id", int)


def read_medians(path: Path) -> dict[str, float]:
    """Gene id -> non-zero median (parquet: `gene`, `nonzero_median`, null = none)."""
    return {key: float(value) for key, value in _typed(path, "nonzero_median", float).items()}


def read_mapping(path: Path) -> dict[str, str]:
    """Other gene id -> canonical gene id (parquet: `source_id`, `ensembl_id`)."""
    return _typed(path, "ensembl_id", str)


def has_medians(path: Path) -> bool:
    """Whether the file is a parquet table with token ids and medians side by side."""
    import pyarrow.parquet as pq

    return path.suffix == ".parquet" and path.is_file() and "nonzero_median" in pq.read_schema(path).names


def read_dictionary(path: Path, column: str) -> dict[str, Any]:
    """Read a plain dictionary of text -> int, float or text.

    Parameters
    ----------
    path
        Parquet, JSON or pickle, told by the suffix.
    column
        Column with the values, if it is a parquet table.

    Raises
    ------
    ScfmError
        File missing, of another kind, unreadable, not a plain dictionary, or a pickle that asks for any global.
    """
    if not path.is_file():
        raise ScfmError(str(path), "no such file", READABLE)
    match path.suffix:
        case ".parquet":
            loaded = _read_parquet(path, column)
        case ".json":
            loaded = read_json(path, READABLE, object_pairs_hook=lambda pairs: _without_repeats(path, pairs))
        case ".pkl" | ".pickle":
            loaded = _read_pickle(path)
        case suffix:
            raise ScfmError(str(path), f"a dictionary cannot end in {suffix!r}", READABLE)
    if type(loaded) is not dict or not loaded:
        problem = f"not a dictionary but {type(loaded).__name__}" if type(loaded) is not dict else "an empty dictionary"
        raise ScfmError(str(path), problem, PLAIN)
    for key, value in loaded.items():
        if type(key) is not str or type(value) not in {int, float, str}:
            problem = f"entry {_SHORT.repr(key)} -> {_SHORT.repr(value)} is not text -> number or text"
            raise ScfmError(str(path), problem, PLAIN)
    return loaded


def _typed(path: Path, column: str, kind: type) -> dict[str, Any]:
    dictionary = read_dictionary(path, column)
    for key, value in dictionary.items():
        if type(value) is not kind and not (kind is float and type(value) is int):
            problem = f"{key!r} -> {value!r}: the value should be {kind.__name__}"
            remedy = "Is this the dictionary that is meant? Tokens, medians and id mapping are three."
            raise ScfmError(str(path), problem, remedy)
    return dictionary


def _read_parquet(path: Path, column: str) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ScfmError(str(path), f"not a readable parquet file ({error})", READABLE) from error
    key = next((name for name in KEYS if name in table.column_names), None)
    if key is None or column not in table.column_names:
        problem = f"columns {', '.join(table.column_names)}; one of {', '.join(KEYS)} and {column} are needed"
        raise ScfmError(str(path), problem)
    keys, values = table.column(key).to_pylist(), table.column(column).to_pylist()
    # A null or NaN says "none": special tokens have no median.
    pairs = [(k, v) for k, v in zip(keys, values, strict=True) if v is not None and v == v]
    return _without_repeats(path, pairs)


def _without_repeats(path: Path, pairs: list[tuple[Any, Any]]) -> dict[str, Any]:
    dictionary = dict(pairs)
    if len(dictionary) < len(pairs):
        seen: set[Any] = set()
        again = next(key for key, _ in pairs if key in seen or seen.add(key))
        raise ScfmError(str(path), f"key {again!r} stands there more than once", "Every key needs one value.")
    return dictionary


class _PlainUnpickler(pickle.Unpickler):
    """Builds dictionaries, numbers and text; whatever would need a global, and with it code, is refused."""

    def __init__(self, path: Path, handle: Any) -> None:
        super().__init__(handle)
        self.path = path

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        problem = f"the pickle asks for {module_name}.{global_name}, so it is not a plain dictionary and is not opened"
        remedy = "Convert it to JSON or parquet in a place where you trust it."
        raise ScfmError(str(self.path), problem, remedy)


def _read_pickle(path: Path) -> Any:
    content = path.read_bytes()
    try:
        _refuse_tuples(path, content)
        return _PlainUnpickler(path, io.BytesIO(content)).load()
    except ScfmError:
        raise
    # A broken or hostile stream can end in nearly any of these; none of them has run code.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ScfmError(str(path), f"not a readable pickle ({error})", READABLE) from error
    except (OverflowError, MemoryError, RecursionError, UnicodeDecodeError) as error:
        raise ScfmError(str(path), f"not a readable pickle ({error!r})", READABLE) from error


def _refuse_tuples(path: Path, content: bytes) -> None:
    codes = [operation.code.encode("latin-1") for operation in pickletools.opcodes if operation.name in HASHED]
    if not any(code in content for code in codes):
        return  # most dictionaries: looking at every operation takes longer than reading them
    for operation, _, _ in pickletools.genops(content):
        if operation.name in HASHED:
            kind = "frozenset" if operation.name == "FROZENSET" else "tuple"
            problem = f"the pickle holds a {kind}, so it is not a plain dictionary"
            raise ScfmError(str(path), problem, PLAIN)
        if operation.name in ENDS:
            return
