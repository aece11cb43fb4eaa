from __future__ import annotations

import json
import os
import pickle
import resource
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.families.dictionaries import has_medians, read_mapping, read_medians, read_tokens

TOKENS = {"<pad>": 0, "ENSG1": 7, "ENSG2": 3}
MEDIANS = {"ENSG1": 1.5, "ENSG2": 2.0}
MAPPING = {"OLD": "ENSG1", "ENSG1": "ENSG1"}


def written(path, value):
    if path.suffix == ".json":
        path.write_text(json.dumps(value))
    else:
        path.write_bytes(pickle.dumps(value))
    return path


@pytest.mark.parametrize("suffix", [".json", ".pkl", ".pickle"])
def test_the_three_dictionaries_are_read_from_json_and_pickles(tmp_path, suffix):
    assert read_tokens(written(tmp_path / f"t{suffix}", TOKENS)) == TOKENS
    assert read_medians(written(tmp_path / f"m{suffix}", {**MEDIANS, "ENSG2": 2})) == MEDIANS
    assert read_mapping(written(tmp_path / f"e{suffix}", MAPPING)) == MAPPING


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles_of_every_protocol_are_read(tmp_path, protocol):
    path = tmp_path / "tokens.pkl"
    path.write_bytes(pickle.dumps({**TOKENS, "Ünïcode": 2**40}, protocol=protocol))
    assert read_tokens(path) == {**TOKENS, "Ünïcode": 2**40}


def test_a_parquet_table_holds_tokens_and_medians_side_by_side(tmp_path):
    path = tmp_path / "vocabulary.parquet"
    columns = {
        "gene": list(TOKENS),
        "token_id": pa.array(TOKENS.values(), pa.int32()),
        "nonzero_median": [None, 1.5, 2.0],
    }
    pq.write_table(pa.table(columns), path)
    assert read_tokens(path) == TOKENS
    assert read_medians(path) == MEDIANS
    assert has_medians(path)
    columns["nonzero_median"] = [float("nan"), 1.5, 2.0]
    pq.write_table(pa.table(columns), path)
    assert read_medians(path) == MEDIANS


def test_a_parquet_table_of_other_columns_is_refused_by_their_names(tmp_path):
    path = tmp_path / "mapping.parquet"
    pq.write_table(pa.table({"source_id": ["OLD"], "ensembl_id": ["ENSG1"]}), path)
    assert read_mapping(path) == {"OLD": "ENSG1"}
    assert not has_medians(path)
    with pytest.raises(
        ScfmError, match="columns source_id, ensembl_id; one of gene, source_id and token_id are needed"
    ):
        read_tokens(path)


class Hostile:
    """Writes a file if it is ever unpickled."""

    def __init__(self, call, *arguments):
        self.reduced = (call, arguments)

    def __reduce__(self):
        return self.reduced


def test_a_hostile_pickle_is_refused_by_name_and_never_runs(tmp_path):
    trap = tmp_path / "trap"
    for value in (
        Hostile(os.system, f"touch {trap}"),
        {"ENSG1": Hostile(eval, f"open({str(trap)!r}, 'w')")},
        {Hostile(getattr, "ENSG1", "upper"): 1},
    ):
        path = tmp_path / "tokens.pkl"
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(ScfmError, match=r"asks for (posix\.system|builtins\.(eval|getattr))") as caught:
            read_tokens(path)
        assert str(path) in str(caught.value)
        assert not trap.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize(
    "value", [np.float64(1.5), {1, 2}, complex(1, 2), Hostile(print)], ids=["numpy", "set", "complex", "call"]
)
def test_anything_that_needs_a_global_is_refused(tmp_path, value, protocol):
    path = tmp_path / "medians.pkl"
    path.write_bytes(pickle.dumps({"ENSG1": value}, protocol=protocol))
    with pytest.raises(ScfmError, match=str(path)):
        read_medians(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([["ENSG1", 1]], "not a dictionary but list"),
        ({}, "an empty dictionary"),
        ({"ENSG1": None}, "'ENSG1' -> None"),
        ({"ENSG1": [1]}, r"'ENSG1' -> \[1\]"),
        ({"ENSG1": {"a": 1}}, "'ENSG1' -> "),
        ({"ENSG1": True}, "'ENSG1' -> True"),
        ({"ENSG1": "7"}, "'ENSG1' -> '7': the value should be int"),
        ({"ENSG1": 7.0}, "'ENSG1' -> 7.0: the value should be int"),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".pkl"])
def test_what_is_not_a_plain_dictionary_of_tokens_is_refused(tmp_path, value, message, suffix):
    with pytest.raises(ScfmError, match=message):
        read_tokens(written(tmp_path / f"tokens{suffix}", value))


@pytest.mark.parametrize("value", [{1: 1}, {("A",): 1}, {b"A": 1}, {frozenset("A"): 1}])
def test_keys_that_are_not_text_are_refused(tmp_path, value):
    with pytest.raises(ScfmError, match=r"is not text|holds a (tuple|frozenset)"):
        read_tokens(written(tmp_path / "tokens.pkl", value))


def test_the_dictionary_of_another_kind_is_refused(tmp_path):
    path = written(tmp_path / "mapping.json", MAPPING)
    with pytest.raises(ScfmError, match="should be float"):
        read_medians(path)
    with pytest.raises(ScfmError, match="should be str"):
        read_mapping(written(tmp_path / "tokens.json", TOKENS))


@pytest.mark.parametrize("suffix", [".json", ".pkl", ".parquet"])
@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"not at all", b"{", b"\x80\x04}\x94(\x8c\x01A"])
def test_damaged_files_are_refused_by_name(tmp_path, suffix, content):
    path = tmp_path / f"tokens{suffix}"
    path.write_bytes(content)
    with pytest.raises(ScfmError, match=str(path)):
        read_tokens(path)


def test_every_truncation_of_a_pickle_is_refused_or_read_whole(tmp_path):
    path, whole = tmp_path / "tokens.pkl", pickle.dumps(TOKENS)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ScfmError):
            read_tokens(path)


TRAP = b"touch trap"
HOSTILE = {
    "a global that is reduced": b"cposix\nsystem\n(S'" + TRAP + b"'\ntR.",
    "nested in a value": b"(dS'ENSG1'\ncbuiltins\neval\n(S'1'\ntRs.",
    "a key that is called": b"(dcbuiltins\nstr\n(S'ENSG1'\ntRI1\ns.",
    "an instance, INST": b"(S'" + TRAP + b"'\niposix\nsystem\n.",
    "an instance, OBJ": b"(cposix\nsystem\nS'" + TRAP + b"'\no.",
    "an instance, NEWOBJ": b"\x80\x02cbuiltins\nbytearray\n(K\x08t\x81.",
    "an instance, NEWOBJ_EX": b"\x80\x04cbuiltins\nbytearray\n(K\x08t}\x92.",
    "STACK_GLOBAL, names off the memo": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94h\x00h\x01\x93\x8c\x01x\x85R.",
    "STACK_GLOBAL, dotted": b"\x80\x04\x8c\x02os\x8c\x0bpath.system\x93.",
    "an extension code": b"\x80\x02\x82\x01.",
    "an extension code of two bytes": b"\x80\x02\x83\x01\x01.",
    "an extension code of four bytes": b"\x80\x02\x84\x01\x01\x01\x00.",
    "a persistent id": b"Pid\n.",
    "a persistent id off the stack": b"S'id'\nQ.",
    "numpy's rebuilder": b"\x80\x02cnumpy._core.multiarray\n_reconstruct\n(K\x00tR.",
    "copyreg's rebuilder": b"\x80\x02ccopyreg\n_reconstructor\n(K\x00tR.",
    "a state that is set": b"\x80\x02}U\x01ab.",
    "a list that is called": b"\x80\x02]U\x01aR.",
    "out-of-band bytes": b"\x80\x05\x97.",
    "a memo that was never filled": b"\x80\x02h\x05.",
    "a frame longer than the file": b"\x80\x04\x95" + b"\xff" * 7 + b"\x7f}.",
    "text longer than the file": b"\x80\x04\x8d" + b"\xff" * 7 + b"\x7fA.",
    "bytes longer than any memory": b"\x80\x04\x8e" + b"\xff" * 8 + b"A.",
    "a number longer than the file": b"\x80\x02\x8b\xff\xff\xff\x7f\x01.",
    "a memo slot far out": b"\x80\x02}r\xff\xff\xff\x7f.",
    "a protocol that there is none of": b"\x80\x63}.",
    "lists in lists": b"(" * 100_000 + b"l" * 100_000 + b".",
}


@pytest.mark.parametrize("stream", HOSTILE.values(), ids=HOSTILE)
def test_a_stream_that_would_run_or_grow_is_refused_in_a_process_of_little_memory(tmp_path, stream, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tokens.pkl"
    path.write_bytes(stream)
    limits = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), limits[1]))
    try:
        with pytest.raises(ScfmError, match=str(path)):
            read_tokens(path)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)
    assert not (tmp_path / "trap").exists()


@pytest.mark.parametrize(("empty", "end"), [(b"]", b"e"), (b"", b"t")], ids=["lists", "tuples"])
@pytest.mark.parametrize("where", ["key", "value"])
def test_a_memo_bomb_is_refused_at_once(tmp_path, empty, end, where):
    """Each holds the one before ten times: 10^30 items, were they ever counted, written or hashed."""
    stream = b"\x80\x02)q\x000" if end == b"t" else b"\x80\x02]q\x000"
    for i in range(1, 31):
        one = b"(" + (b"h" + bytes([i - 1])) * 10
        stream += (empty + b"q" + bytes([i]) + one + b"e0") if end == b"e" else (one + b"tq" + bytes([i]) + b"0")
    entry = b"h\x1eK\x01" if where == "key" else b"U\x05ENSG1h\x1e"
    path = tmp_path / "tokens.pkl"
    path.write_bytes(stream + b"}" + entry + b"s.")
    with pytest.raises(ScfmError) as caught:
        read_tokens(path)
    assert len(str(caught.value)) < 1000


def test_a_repeated_key_in_json_is_refused(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text('{"ENSG1": 1, "ENSG2": 2, "ENSG1": 3}')
    with pytest.raises(ScfmError, match="'ENSG1' stands there more than once"):
        read_tokens(path)


def test_a_missing_file_and_an_unknown_suffix_are_refused(tmp_path):
    with pytest.raises(ScfmError, match="no such file"):
        read_tokens(tmp_path / "tokens.json")
    (tmp_path / "tokens.txt").write_text("{}")
    with pytest.raises(ScfmError, match=r"cannot end in '\.txt'"):
        read_tokens(tmp_path / "tokens.txt")
