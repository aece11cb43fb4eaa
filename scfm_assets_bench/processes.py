"""Fresh processes: where peak memory is measured, and where two workers share cells."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class DiedError(RuntimeError):
    """A process ended without an answer: most likely for want of memory."""


class Process:
    """A spawned process that does one piece of work after the other, and is gone when the block is left.

    Parameters
    ----------
    threads
        Threads of its libraries.
    """

    def __init__(self, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._here, child_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(child_end,), daemon=True)
        kept = {name: os.environ.get(name) for name in THREADS}
        os.environ.update(dict.fromkeys(THREADS, str(threads)))
        try:
            self._process.start()
        finally:
            for name, value in kept.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value
        child_end.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()
        self._here.close()

    def start(self, function: Callable[..., Any], *arguments: object) -> None:
        """Begin a piece of work; the function is one of a module, the arguments can be pickled."""
        self._here.send((function, arguments))

    def result(self) -> Any:
        """Wait for the work begun last.

        Raises
        ------
        DiedError
            The process ended instead.
        """
        try:
            done, value = self._here.recv()
        except EOFError as error:
            self._process.join()
            message = f"a process ended with exit code {self._process.exitcode}; was there memory enough?"
            raise DiedError(message) from error
        if not done:
            raise value
        return value


def in_fresh_process(function: Callable[..., Any], *arguments: object, threads: int) -> Any:
    """Do one piece of work in a process of its own and give what it returns."""
    with Process(threads) as process:
        process.start(function, *arguments)
        return process.result()


def _serve(connection: Connection) -> None:
    # Ctrl-C reaches the whole group of processes; who started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            function, arguments = connection.recv()
        except EOFError:
            return
        try:
            answer = True, function(*arguments)
        except Exception as error:  # noqa: BLE001 - raised again where the answer is read
            answer = False, error
        connection.send(answer)
