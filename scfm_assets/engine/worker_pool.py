"""Several processes that share the tissues of a run: each works through the slices of one tissue at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, suppress
from dataclasses import KW_ONLY, dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets import catalog as catalogs
from scfm_assets.engine.dagster_internals import opened, reference_to
from scfm_assets.engine.declare import LISTENER, Progress
from scfm_assets.engine.worker import Worker
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import dagster as dg

    from scfm_assets.catalog import Catalog
    from scfm_assets.engine.dagster_internals import InstanceRef
    from scfm_assets.engine.platform import Platform
    from scfm_assets.engine.worker import Event
    from scfm_assets.partitions import Place

    Assemble = Callable[[Catalog, Path], tuple[Platform, dg.Definitions]]

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
TICK = 0.25
"""Seconds between two words on the progress of one asset."""

_worker: Worker | None = None


@dataclass(eq=False)
class WorkerPool(AbstractContextManager["WorkerPool"]):
    """Processes that start when there is work for more than one.

    Parameters
    ----------
    jobs
        Number of processes. The cores are shared out among them.
    catalog
        What is declared.
    assemble
        Declares the assets of a catalog in each process: a function of a module, which can be named to them.
    home
        Folder that holds everything that is written.
    instance
        Where Dagster records runs.
    force
        Recompute what is fresh, too.
    listen
        Called in this process with everything that happens in the others.
    """

    jobs: int
    catalog: Catalog
    assemble: Assemble
    home: Path
    instance: dg.DagsterInstance
    _: KW_ONLY
    force: bool
    listen: Callable[[Event], None]
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)
    _events: Any = field(default=None, init=False)
    _listener: threading.Thread | None = field(default=None, init=False)

    def work(
        self, assets: Sequence[str], shares: Sequence[list[Place]], unseen: set[tuple[str, Place]]
    ) -> list[tuple[str, Place]]:
        """Materialize what is needed, places of one share in order. Give what was not made, as `Worker.work` does."""
        pool = self._pool or self._start()
        tasks = [pool.submit(_work, list(assets), share, unseen) for share in shares]
        try:
            return [missing for task in tasks for missing in task.result()]
        except BrokenProcessPool as error:
            remedy = (
                "What was finished is kept: the same command goes on from there. With --jobs 1 it needs less memory."
            )
            raise ScfmError("scfm run", "one of its processes was killed (out of memory?)", remedy) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Stop the processes: after an interruption or a bug at once, else when they are done."""
        if kind is not None:
            for process in multiprocessing.active_children():
                with suppress(ProcessLookupError):  # it may have ended by now
                    os.kill(process.pid or 0, signal.SIGINT)
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._events.put(None)
        if self._listener is not None:
            self._listener.join()

    def _start(self) -> ProcessPoolExecutor:
        threads = str(max(1, (os.cpu_count() or 1) // self.jobs))
        for name in THREADS:  # read when the libraries are loaded, so they must be there before the processes start
            os.environ.setdefault(name, threads)
        context = multiprocessing.get_context("spawn")
        self._events = context.Queue()
        self._listener = threading.Thread(target=self._hear, daemon=True)
        self._listener.start()
        catalog = (str(self.catalog.path), self.catalog.dropped)
        instance = reference_to(self.instance)
        settings = (self.assemble, catalog, str(self.home), instance, self.force, self._events)
        self._pool = ProcessPoolExecutor(self.jobs, context, _begin, settings)
        return self._pool

    def _hear(self) -> None:
        while (event := self._events.get()) is not None:
            self.listen(event)


def _begin(  # noqa: PLR0917 - a process starts with positional arguments
    assemble: Assemble,
    catalog: tuple[str, tuple[str, ...]],
    home: str,
    instance: InstanceRef,
    force: bool,  # noqa: FBT001
    events: Any,
) -> None:
    """Make a fresh process ready: with the models that the watched folder held when the run began."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    path, dropped = catalog
    global _worker  # noqa: PLW0603 - one per process, set when it starts
    platform, definitions = assemble(catalogs.load(Path(path), dropped=dropped), Path(home))
    _worker = Worker.of(platform, definitions, Path(home), opened(instance), force=force)
    last = 0.0

    def tell(event: Event) -> None:
        nonlocal last
        if isinstance(event, Progress):
            if time.monotonic() - last < TICK:
                return
            last = time.monotonic()
        events.put(event)

    LISTENER.set(tell)


def _end_with_the_run() -> None:
    """End this process when `scfm run` was killed: nobody would hear of what it makes, nor stop it."""
    run = multiprocessing.parent_process()
    if run is not None:
        wait([run.sentinel])
        os._exit(1)


def _work(assets: list[str], places: list[Place], unseen: set[tuple[str, Place]]) -> list[tuple[str, Place]]:
    if _worker is None:
        msg = "the process was not made ready"
        raise RuntimeError(msg)
    return _worker.work(assets, places, unseen)
