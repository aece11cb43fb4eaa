from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.tables.lineage import create_tables
from scfm_assets.tables.schema import TABLES, check_table
from scfm_assets.warehouse.query import query
from scfm_assets_tests.published import publish


def panel(tissue: str, n: int) -> pa.Table:
    return check_table(
        "gene_panel",
        pa.table(
            {
                "tissue": [tissue] * n, "panel_index": list(range(n)), "gene_id": [f"{tissue}{i}" for i in range(n)],
                "symbol": ["it's"] * n, "detection": [0.5] * n, "mean": [1.0] * n, "variance": [1.0] * n,
                "simulated": [True] * n,
            }
        ),
    )  # fmt: skip


def stored(home: Path, tissue: str, n: int) -> Path:
    path = home / "store" / "tables" / "gene_panel" / f"tissue={tissue}" / "data.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(panel(tissue, n), path)
    return path


def ask(home: Path, sql: str) -> list[tuple]:
    return [tuple(row.values()) for row in json.loads(query(home, sql, "json"))]


def python(code: str, *arguments: object) -> subprocess.Popen:
    """Start a second process; it says a line when it is ready."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


READER = """
import sys, duckdb
con = duckdb.connect(sys.argv[1], read_only=True)
for line in sys.stdin:
    print(con.execute(line).fetchall(), flush=True)
"""


def test_there_is_a_view_for_each_table_that_has_files(tmp_path):
    stored(tmp_path, "lung", 3)
    stored(tmp_path, "liver", 2)
    assert publish(tmp_path) == tmp_path / "scfm.duckdb"
    assert ask(tmp_path, "select tissue, count(*) from gene_panel group by 1 order by 1") == [("liver", 2), ("lung", 3)]
    assert ask(tmp_path, "select view_name from duckdb_views() where not internal") == [
        ("gene_panel",),
        ("gene_panel_latest",),
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == [".publish.lock", "scfm.duckdb", "store"]


def test_a_file_right_below_the_tables_folder_counts_too(tmp_path):
    path = tmp_path / "store" / "tables" / "gene_panel" / "data.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(panel("lung", 4), path)
    publish(tmp_path)
    assert ask(tmp_path, "select count(*) from gene_panel") == [(4,)]


def test_hidden_files_of_a_writer_are_not_read(tmp_path):
    path = stored(tmp_path, "lung", 3)
    path.with_name(".data.1234.parquet").write_bytes(b"half a file")
    publish(tmp_path)
    assert ask(tmp_path, "select count(*) from gene_panel") == [(3,)]


def test_columns_come_from_the_files_not_from_their_folders(tmp_path):
    path = stored(tmp_path, "lung", 1)
    folder = path.parent / "checkpoint=abc" / "n_cells=200"
    folder.mkdir(parents=True)
    path.rename(folder / "data.parquet")
    publish(tmp_path)
    names = [name for name, *_ in ask(tmp_path, "select column_name from (describe gene_panel)")]
    assert names == [column.name for column in TABLES["gene_panel"].columns]


def test_files_of_an_older_shape_get_null_in_the_new_columns(tmp_path):
    stored(tmp_path, "liver", 1)
    path = stored(tmp_path, "lung", 1)
    pq.write_table(panel("lung", 1).drop(["variance"]), path)
    publish(tmp_path)
    assert ask(tmp_path, "select tissue, variance from gene_panel order by 1") == [("liver", 1.0), ("lung", None)]


def test_views_read_new_files_and_work_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    stored(tmp_path / "home", "lung", 3)
    publish(Path("home"))
    stored(tmp_path / "home", "liver", 2)
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert ask(tmp_path / "home", "select count(*) from gene_panel") == [(5,)]


@pytest.mark.parametrize("name", ["it's", 'a "home"', "all*", "[1]", "a[b", "ä b", "semi;colon", "per%cent", "{x,y}"])
def test_any_folder_name_can_be_home(tmp_path, name):
    home = tmp_path / name
    stored(home, "lung", 3)
    stored(tmp_path / "1", "lung", 7)
    stored(tmp_path / "all of it", "lung", 7)
    publish(home)
    assert ask(home, "select count(*) from gene_panel") == [(3,)]


def test_a_home_that_duckdb_cannot_use_is_refused(tmp_path):
    with pytest.raises(ScfmError, match=r"'\?' in the folder's path"):
        publish(tmp_path / "what?")
    assert not list(tmp_path.iterdir())


def test_tables_and_columns_carry_their_sentences(tmp_path):
    stored(tmp_path, "lung", 1)
    publish(tmp_path)
    said = dict(ask(tmp_path, "select view_name, comment from duckdb_views() where not internal"))
    assert said.keys() == {"gene_panel", "gene_panel_latest"}
    assert said["gene_panel"] == f"{TABLES['gene_panel'].doc} Key: tissue, gene_id."
    assert said["gene_panel_latest"].startswith(TABLES["gene_panel"].doc)
    for view in said:
        comments = ask(
            tmp_path,
            f"select column_name, comment from duckdb_columns() where table_name = '{view}' order by column_index",
        )
        assert comments == [(column.name, column.doc) for column in TABLES["gene_panel"].columns]


def test_nothing_in_the_file_lacks_its_sentence(tmp_path):
    stored(tmp_path, "lung", 1)
    publish(tmp_path, fill=create_tables)
    undocumented = "comment is null or comment = ''"
    names = [name for (name,) in ask(tmp_path, "select distinct table_name from duckdb_columns() where not internal")]
    assert {"latest", "gene_panel", "gene_panel_latest", "lineage", "runs"} <= set(names)
    assert (
        ask(tmp_path, f"select table_name, column_name from duckdb_columns() where not internal and {undocumented}")
        == []
    )
    assert ask(tmp_path, f"select table_name from duckdb_tables() where not internal and {undocumented}") == []
    assert ask(tmp_path, f"select view_name from duckdb_views() where not internal and {undocumented}") == []


def test_a_view_whose_files_are_gone_is_removed(tmp_path):
    path = stored(tmp_path, "lung", 1)
    publish(tmp_path)
    path.unlink()
    publish(tmp_path)
    with pytest.raises(ScfmError, match="gene_panel does not exist"):
        query(tmp_path, "from gene_panel")


def test_what_is_filled_and_what_users_added_stay(tmp_path):
    def fill(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("create table if not exists lineage (id integer primary key)")
        con.execute("insert or ignore into lineage values (1), (2)")

    publish(tmp_path, fill=fill)
    with duckdb.connect(str(tmp_path / "scfm.duckdb")) as con:
        con.execute("create view mine as select 5 as five")
    publish(tmp_path, fill=fill)
    assert ask(tmp_path, "select count(*), (select five from mine) from lineage") == [(2, 5)]


def test_a_failing_fill_leaves_the_old_file_as_it_was(tmp_path):
    stored(tmp_path, "lung", 1)
    publish(tmp_path)
    before = (tmp_path / "scfm.duckdb").read_bytes()

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        con.execute("create table half (x integer)")
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        publish(tmp_path, fill=fill)
    assert (tmp_path / "scfm.duckdb").read_bytes() == before
    assert not list(tmp_path.glob(".scfm.duckdb*"))
    publish(tmp_path)


def test_a_reader_of_another_process_neither_blocks_nor_is_blocked(tmp_path):
    stored(tmp_path, "lung", 3)
    publish(tmp_path, fill=lambda con: con.execute("create table stamp as select 1 as version"))
    with python(READER, tmp_path / "scfm.duckdb") as reader:
        assert reader.stdin
        assert reader.stdout

        def reads() -> str:
            reader.stdin.write("select version, (select count(*) from gene_panel) from stamp\n")
            reader.stdin.flush()
            return reader.stdout.readline().strip()

        assert reads() == "[(1, 3)]"
        start = time.perf_counter()
        publish(tmp_path, fill=lambda con: con.execute("update stamp set version = 2"))
        assert time.perf_counter() - start < 5
        assert reads() == "[(1, 3)]"  # the old file, for as long as it is held
        assert ask(tmp_path, "select version from stamp") == [(2,)]
        reader.stdin.close()


def test_a_writer_that_holds_the_file_does_not_stop_publishing_and_loses_nothing_committed(tmp_path):
    stored(tmp_path, "lung", 3)
    publish(tmp_path)
    code = """
import sys, duckdb
con = duckdb.connect(sys.argv[1])
con.execute("create table mine as select 42 as answer")
print("ready", flush=True)
sys.stdin.read()
"""
    with python(code, tmp_path / "scfm.duckdb") as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline().strip() == "ready"
        assert (tmp_path / "scfm.duckdb.wal").exists()
        publish(tmp_path)
        assert not (tmp_path / "scfm.duckdb.wal").exists()
        assert ask(tmp_path, "select answer, (select count(*) from gene_panel) from mine") == [(42, 3)]
        writer.stdin.close()
    assert writer.returncode == 0
    assert ask(tmp_path, "select answer, (select count(*) from gene_panel) from mine") == [(42, 3)]


def test_a_killed_publisher_is_harmless(tmp_path):
    stored(tmp_path, "lung", 3)
    publish(tmp_path)
    code = """
import sys, time
from pathlib import Path
from scfm_assets_tests.published import publish
def fill(con):
    con.execute("create table half as select 1 as x")
    print("inside", flush=True)
    time.sleep(60)
publish(Path(sys.argv[1]), fill=fill)
"""
    with python(code, tmp_path) as publisher:
        assert publisher.stdout
        assert publisher.stdout.readline().strip() == "inside"
        os.kill(publisher.pid, signal.SIGKILL)
    assert {p.name for p in tmp_path.glob(".scfm.duckdb*")} == {".scfm.duckdb.next", ".scfm.duckdb.next.wal"}
    assert ask(tmp_path, "select count(*) from gene_panel") == [(3,)]
    stored(tmp_path, "liver", 1)
    publish(tmp_path)
    assert not list(tmp_path.glob(".scfm.duckdb*"))
    assert ask(tmp_path, "select count(*) from gene_panel") == [(4,)]
    with pytest.raises(ScfmError, match="half does not exist"):
        query(tmp_path, "from half")


def test_publishers_work_one_after_the_other(tmp_path):
    stored(tmp_path, "lung", 1)
    publish(tmp_path, fill=lambda con: con.execute("create table tally (n integer)"))
    inside: list[int] = []

    def fill(con: duckdb.DuckDBPyConnection) -> None:
        inside.append(1)
        assert len(inside) == 1
        time.sleep(0.02)
        con.execute("insert into tally select count(*) from tally")
        inside.pop()

    threads = [threading.Thread(target=publish, args=(tmp_path,), kwargs={"fill": fill}) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ask(tmp_path, "select n from tally order by n") == [(i,) for i in range(6)]


def test_a_broken_file_is_told_and_the_old_warehouse_stays(tmp_path):
    stored(tmp_path, "lung", 1)
    publish(tmp_path)
    path = stored(tmp_path, "liver", 1)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ScfmError, match=r"gene_panel: cannot be read: .*tissue=liver/data\.parquet"):
        publish(tmp_path)
    path.unlink()
    assert ask(tmp_path, "select count(*) from gene_panel") == [(1,)]


def test_a_file_that_is_no_database_is_told(tmp_path):
    (tmp_path / "scfm.duckdb").write_bytes(b"not a database" * 1000)
    with pytest.raises(ScfmError, match=r"scfm\.duckdb: cannot be opened: (.|\n)*Move scfm\.duckdb away"):
        publish(tmp_path)
    assert (tmp_path / "scfm.duckdb").read_bytes().startswith(b"not a database")


# Questions


@pytest.fixture
def home(tmp_path):
    stored(tmp_path, "lung", 3)
    publish(tmp_path)
    return tmp_path


def test_asking_before_publishing_says_what_to_do(tmp_path):
    with pytest.raises(ScfmError, match=r"there is no warehouse yet\nRun `scfm run` first"):
        query(tmp_path, "select 1")
    assert not list(tmp_path.iterdir())


def test_answers_as_csv_are_read_back(home):
    text = query(home, "select symbol, detection, null as nothing, 'a,\"b' as odd from gene_panel limit 1", "csv")
    assert list(csv.reader(io.StringIO(text))) == [
        ["symbol", "detection", "nothing", "odd"],
        ["it's", "0.5", "", 'a,"b'],
    ]


def test_answers_as_json_are_standard_json(home):
    sql = (
        "select 1 as a, null as b, 'nan'::double as c, date '2024-01-02' as d, [1, 2] as e, "
        "1.5::decimal(3,1) as f, {'x': 'inf'::double} as g"
    )
    answer = json.loads(query(home, sql, "json"), parse_constant=pytest.fail)
    assert answer == [{"a": 1, "b": None, "c": None, "d": "2024-01-02", "e": [1, 2], "f": 1.5, "g": {"x": None}}]
    assert query(home, "select 1 as a where false", "json") == "[]"


def test_answers_as_a_table_are_aligned(home):
    text = query(home, "select 'ab' as word, 1.23456789 as number union all select null, 10 order by 2")
    assert text.splitlines() == ["word   number", "----  -------", "ab    1.23457", "NULL       10"]
    assert query(home, "select 1 as a where false").splitlines() == ["a", "-"]


def test_a_long_table_says_that_it_is_cut(home):
    lines = query(home, "select * from range(501)").splitlines()
    assert len(lines) == 2 + 500 + 1
    assert lines[-1] == "... and more than these 500 rows: csv and json give all"
    assert len(query(home, "select * from range(500)").splitlines()) == 2 + 500
    assert len(query(home, "select * from range(501)", "csv").splitlines()) == 502


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("selct 1", "syntax error"),
        ("select nothing from gene_panel", "nothing"),
        ("from nowhere", "nowhere does not exist"),
        ("select 1/'a'", "Conversion Error"),
        ("create table x (a integer)", "read-only"),
        ("drop view gene_panel", "read-only"),
    ],
)
def test_duckdbs_own_words_come_through(home, sql, told):
    with pytest.raises(ScfmError, match=f"(?s)SQL: .*{told}") as caught:
        query(home, sql)
    assert "show tables" in (caught.value.remedy or "")


def test_statements_without_rows_answer_nothing(home):
    assert query(home, "") == ""
    assert query(home, "-- a comment") == ""


def test_an_unknown_format_is_refused(home):
    with pytest.raises(ScfmError, match="xml: is no format of answers\nAllowed: table, csv, json"):
        query(home, "select 1", "xml")  # pyright: ignore[reportArgumentType]
