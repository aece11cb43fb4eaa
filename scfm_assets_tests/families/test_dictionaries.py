from __future__ import annotations

import io
import json
import os
import pickle
import pickletools

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scfm_assets.core.errors import ScfmError
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
        ([("ENSG1", 1)], "not a dictionary but list"),
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


@pytest.mark.parametrize("value", [{1: 1}, {("A",): 1}, {b"A": 1}])
def test_keys_that_are_not_text_are_refused(tmp_path, value):
    with pytest.raises(ScfmError, match="is not text"):
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


def test_pickle_streams_that_call_without_a_global_are_refused(tmp_path):
    path = tmp_path / "tokens.pkl"
    for stream in (b"\x80\x02]U\x01aR.", b"\x80\x02}U\x01ab.", b"Pid\n.", b"\x80\x02\x82\x01.", b"(ios\nsystem\n."):
        with io.StringIO() as sink, pytest.MonkeyPatch.context() as patch:
            patch.setattr("sys.stdout", sink)
            assert list(pickletools.genops(stream))
        path.write_bytes(stream)
        with pytest.raises(ScfmError, match=str(path)):
            read_tokens(path)


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
