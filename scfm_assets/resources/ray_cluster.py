"""Forward passes on a Ray cluster: parts of an increment go to its workers, their sums come back in order."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.core.attention import attend_in_parts
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.attention import AttentionIncrement, FamilyModel, Halfway, Machine, TokenizedCells, Wanted

AHEAD = 2
"""Parts handed out per worker: one that it works on, and the next. More would only fill Ray's memory with sums."""


@dataclass(frozen=True)
class _Question:
    """What is the same for all parts: sent to each worker once."""

    model: FamilyModel
    panel: pa.Table
    wanted: Wanted
    machine: Callable[[], Machine]


def attend(
    machine: Callable[[], Machine],
    model: FamilyModel,
    cells: TokenizedCells,
    panel: pa.Table,
    wanted: Wanted,
    *,
    device: str,
    threads: int | None,
    halfway: Halfway | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[AttentionIncrement, Machine]:
    """Forward every cell of an increment once, on the workers of a Ray cluster.

    Parameters
    ----------
    machine
        Called by a worker: says where and how its passes run.
    device, threads
        What a worker asks the cluster for: a GPU for `cuda`, and for `auto` where there are any; this many processors.
    model, cells, panel, wanted, halfway, progress
        See `scfm_assets.core.attention.increments.attend`.

    Returns
    -------
    The increment, and what its last part ran on.

    Raises
    ------
    ScfmError
        If Ray is not installed or no cluster can be reached; and whatever a worker raises.
    """
    ray = connected()
    machines: list[Machine] = []

    def on_workers(parts: Sequence[TokenizedCells]) -> Iterator[AttentionIncrement]:
        resources = ray.cluster_resources()
        wants = {"num_cpus": threads or 1, "num_gpus": _gpus(device, resources)}
        workers = resources.get("GPU", 0) if wants["num_gpus"] else resources.get("CPU", 1) // wants["num_cpus"]
        task = ray.remote(_attend_part).options(**wants)
        question = ray.put(_Question(model, panel, wanted, machine))
        waiting, running = deque(parts), deque()
        while waiting or running:
            while waiting and len(running) < AHEAD * max(1, int(workers)):
                running.append(task.remote(question, waiting.popleft()))
            try:
                sums, ran_on = ray.get(running.popleft())
            except ray.exceptions.RayTaskError as error:
                if isinstance(error.cause, ScfmError):
                    raise error.cause from None
                raise
            machines.append(ran_on)
            yield sums

    increment = attend_in_parts(cells, on_workers, halfway=halfway, progress=progress)
    return increment, machines[-1] if machines else machine()


def connected() -> Any:
    """Connect to the cluster that RAY_ADDRESS names, else start one on this machine; once for the process."""
    try:
        import ray
        from dagster_ray import LocalRay
    except ImportError as error:
        problem = f"ray is asked for, and cannot be imported: {error}"
        raise ScfmError("SCFM_ENGINE", problem, "Install it: pip install 'scfm_assets[ray]'.") from error
    if not ray.is_initialized():
        import dagster as dg

        with dg.build_init_resource_context() as context:
            try:
                LocalRay(ray_init_options={"log_to_driver": False}).connect(context)
            except (ConnectionError, TimeoutError) as error:
                problem = f"no Ray cluster answers: {error}"
                raise ScfmError("RAY_ADDRESS", problem, "`ray status` looks for it.") from error
    return ray


def _gpus(device: str, resources: Mapping[str, float]) -> int:
    """GPUs of one worker: one, where there are any and the device is not another."""
    return int(device == "cuda" or (device == "auto" and resources.get("GPU", 0) >= 1))


def _attend_part(question: _Question, cells: TokenizedCells) -> tuple[AttentionIncrement, Machine]:
    """Forward the cells of one part: what a worker does."""
    from scfm_assets.core.attention import attend

    machine = question.machine()
    return attend(question.model, cells, question.panel, question.wanted, machine=machine), machine
