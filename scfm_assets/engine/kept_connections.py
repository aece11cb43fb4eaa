"""SQLAlchemy engines of SQLite files that keep a connection, for those who ask for an engine at every statement.

To make an engine compiles every statement anew; to close the last connection of a file folds its write-ahead log into
it and waits for the disk. Dagster does both for every event that it writes or reads.

A connection is not used again by a process that was forked since, or once its file has been replaced or removed.
"""

from __future__ import annotations

import atexit
import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from sqlalchemy import create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

if TYPE_CHECKING:
    from sqlalchemy import Engine

MOST = 16
"""Files whose connections are kept: the one that was used longest ago is closed for another."""

_engines: OrderedDict[tuple[str, str], Engine] = OrderedDict()
_of_parents: list[Engine] = []
"""Of the process that this one was forked from: not used, and not closed, which is its own to do."""
_lock = Lock()


def kept_engine(url: str, **options: Any) -> Engine:
    """Return the engine of a SQLite file, made at the first call; its `dispose` does nothing.

    Parameters
    ----------
    url
        SQLAlchemy's address of the file.
    options
        Of `sqlalchemy.create_engine`; ``poolclass`` is not followed.
    """
    key = url, repr(sorted(options.items(), key=lambda option: option[0]))
    with _lock:
        engine = _engines.pop(key, None)
        if engine is None:
            engine = _made(url, options)
        _engines[key] = engine
        while len(_engines) > MOST:
            _close(_engines.popitem(last=False)[1])
    return engine


@atexit.register
def close_all() -> None:
    """Close what nobody uses; who asks again gets a new connection."""
    with _lock:
        for engine in _engines.values():
            _close(engine)


def _leave_to_parent() -> None:
    _of_parents.extend(_engines.values())
    _engines.clear()
    _lock.release()


os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_leave_to_parent)


def _close(engine: Engine) -> None:
    if isinstance(engine.pool, _Kept):
        engine.pool.close()


def _made(url: str, options: dict[str, Any]) -> Engine:
    """Make an engine that keeps one connection, and opens others for threads that want one at the same time."""
    engine = create_engine(url, **{**options, "poolclass": _Kept, "pool_size": 1, "max_overflow": -1})
    event.listen(engine, "connect", _opened)
    event.listen(engine, "checkout", _still_the_same)
    return engine


class _Kept(QueuePool):
    """Stays as it is where its engine is disposed of: who asks for one at every statement throws it away after each."""

    def dispose(self) -> None:
        """Close nothing."""

    def recreate(self) -> _Kept:
        return self

    def close(self) -> None:
        """Close what nobody uses."""
        super().dispose()


def _opened(connection: Any, record: Any) -> None:
    """Note which file it is, and let commits to the write-ahead log not wait for the disk.

    A process that is killed loses nothing by that. A machine that loses power loses what was committed last, and never
    the file (https://sqlite.org/pragma.html#pragma_synchronous).
    """
    (_, _, file), *_ = connection.execute("PRAGMA database_list").fetchall()
    connection.execute("PRAGMA synchronous = NORMAL")
    record.info.update(file=file, identity=_identity(file))


def _still_the_same(_connection: Any, record: Any, _proxy: Any) -> None:
    """Have SQLAlchemy open another connection where this one is to a file that has gone."""
    if _identity(record.info["file"]) != record.info["identity"]:
        message = f"{record.info['file']} is no longer the file that was opened"
        raise DisconnectionError(message)


def _identity(file: str) -> tuple[int, int] | None:
    try:
        status = Path(file).stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino
