"""Connections to SQLite files that are kept: never those of another process, or of a file that is no longer there."""

from __future__ import annotations

import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
import sqlalchemy as sql
from sqlalchemy.pool import NullPool

from scfm_assets.engine import kept_connections
from scfm_assets.engine.kept_connections import MOST, kept_engine


def engine_of(file: Path) -> sql.Engine:
    return kept_engine(f"sqlite:///{file}", poolclass=NullPool, connect_args={"timeout": 30})


def written(file: Path, *numbers: int) -> None:
    with engine_of(file).begin() as connection:
        connection.execute(sql.text("create table if not exists numbers (n integer)"))
        for n in numbers:
            connection.execute(sql.text("insert into numbers values (:n)"), {"n": n})
    engine_of(file).dispose()


def numbers_in(file: Path) -> list[int]:
    with engine_of(file).connect() as connection:
        return list(connection.execute(sql.text("select n from numbers order by n")).scalars())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "events.db"
    with sqlite3.connect(path) as connection:
        connection.execute("pragma journal_mode = wal")
    return path


def test_the_connection_of_a_file_is_opened_once(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[object] = []
    connect = sqlite3.dbapi2.connect
    monkeypatch.setattr(sqlite3.dbapi2, "connect", lambda *a, **k: opened.append(a) or connect(*a, **k))
    for n in range(5):
        written(file, n)
    assert numbers_in(file) == [0, 1, 2, 3, 4]
    assert len(opened) == 1


def test_others_see_at_once_what_was_committed(file: Path) -> None:
    written(file, 1)
    with sqlite3.connect(file) as other:
        assert other.execute("select n from numbers").fetchall() == [(1,)]
        other.execute("insert into numbers values (2)")
    assert numbers_in(file) == [1, 2]


def test_what_failed_is_not_there_at_the_next_use(file: Path) -> None:
    written(file, 1)

    def fails() -> None:
        with engine_of(file).begin() as connection:
            connection.execute(sql.text("insert into numbers values (2)"))
            connection.execute(sql.text("insert into nowhere values (2)"))

    with pytest.raises(sql.exc.OperationalError):
        fails()
    with engine_of(file).connect() as connection:
        connection.execute(sql.text("insert into numbers values (3)"))  # never committed
    assert numbers_in(file) == [1]


@pytest.mark.parametrize("removed", [True, False])
def test_a_file_that_was_removed_or_replaced_is_opened_anew(file: Path, tmp_path: Path, removed: bool) -> None:
    written(file, 1)
    new = tmp_path / "new.db"
    with sqlite3.connect(new) as connection:
        connection.execute("create table numbers (n integer)")
        connection.execute("insert into numbers values (7)")
    connection.close()
    if removed:
        for part in tmp_path.glob("events.db*"):
            part.unlink()
        written(file, 9)
        assert numbers_in(file) == [9]
    else:
        for part in tmp_path.glob("events.db-*"):
            part.unlink()
        new.replace(file)
        assert numbers_in(file) == [7]


def test_threads_at_the_same_time_have_connections_of_their_own(file: Path) -> None:
    written(file)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: written(file, n), range(200)))
    assert numbers_in(file) == list(range(200))


def test_a_process_that_was_forked_opens_its_own_and_leaves_the_parents_alone(file: Path) -> None:
    written(file, 1)
    child = os.fork()
    if not child:
        try:
            written(file, 2)
            os._exit(0 if kept_connections._of_parents and numbers_in(file) == [1, 2] else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    written(file, 3)
    assert numbers_in(file) == [1, 2, 3]
    assert not kept_connections._of_parents


def test_what_a_killed_process_committed_is_there(file: Path) -> None:
    child = os.fork()
    if not child:
        written(file, *range(1000))
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert numbers_in(file) == list(range(1000))


def test_no_more_files_are_kept_open_than_are_allowed(tmp_path: Path) -> None:
    for n in range(5 * MOST):
        written(tmp_path / f"{n}.db", n)
    assert len({name for name in open_files() if name.startswith(str(tmp_path))}) <= 3 * MOST  # each with its log
    assert numbers_in(tmp_path / "0.db") == [0]


def test_nothing_lies_beside_the_file_once_all_is_closed(file: Path) -> None:
    written(file, 1)
    assert file.with_name("events.db-wal").exists()
    kept_connections.close_all()
    assert [path.name for path in file.parent.iterdir()] == ["events.db"]
    assert numbers_in(file) == [1]


def open_files() -> list[str]:
    names = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the folder's own is closed by now
            names.append(str(descriptor.readlink()))
    return names
