"""Kubernetes: what the pods of forward passes ask for, read once from one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import Field, model_validator

from scfm_assets.catalog import Block, read, refuse
from scfm_assets.errors import ScfmError

TAG = "dagster-k8s/config"
POOL = "gpu"
"""Assets of this pool pass cells through models."""


class Toleration(Block):
    """A taint of a node that does not keep pods away."""

    key: str = Field(min_length=1)
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    @model_validator(mode="after")
    def _value_if_equal(self) -> Toleration:
        if (self.operator == "Equal") != (self.value is not None):
            refuse("a value belongs to the operator Equal, and to no other", at=("operator",))
        return self


class GpuPods(Block):
    """Pods of assets in the pool `gpu`."""

    limits: dict[str, str | int] = Field(default_factory=lambda: {"nvidia.com/gpu": 1})
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

    @model_validator(mode="after")
    def _limits_leave_something(self) -> GpuPods:
        for name, limit in self.limits.items():
            if isinstance(limit, int) and limit < 1:
                refuse(f"a limit of {limit} leaves nothing", "Use 1 or more.", at=("limits", name))
        return self

    def op_tags(self) -> dict[str, Any]:
        """The tags that Dagster's Kubernetes executor reads."""
        pod = {
            "node_selector": self.node_selector,
            "tolerations": [toleration.model_dump(exclude_none=True) for toleration in self.tolerations],
        }
        limits = {name: str(limit) for name, limit in self.limits.items()}
        config = {
            "container_config": {"resources": {"limits": limits, "requests": limits}},
            "pod_spec_config": {name: value for name, value in pod.items() if value},
        }
        return {TAG: config}


class Kubernetes(Block):
    """The file that SCFM_KUBERNETES names."""

    gpu: GpuPods = Field(default_factory=GpuPods)


def settings() -> Kubernetes | None:
    """Read the file that SCFM_KUBERNETES names; None where it is not set.

    Raises
    ------
    ScfmError
        If the file cannot be read, or anything in it is wrong.
    """
    named = os.environ.get("SCFM_KUBERNETES")
    return read(Kubernetes, Path(named).expanduser().absolute())[0] if named else None


def op_tags(pool: str | None) -> Mapping[str, Any]:
    """Tags of an asset's op: what its pod asks for. They mean nothing outside of Kubernetes."""
    declared = settings() if pool == POOL else None
    return {} if declared is None else declared.gpu.op_tags()


def executor() -> dg.ExecutorDefinition:
    """Executor of the runs that Dagster launches: a pod per asset on Kubernetes, else the run's own process.

    Only the former looks at an asset's own tags.

    Raises
    ------
    ScfmError
        If SCFM_KUBERNETES is set and dagster-k8s is not installed.
    """
    if settings() is None:
        return dg.in_process_executor
    if find_spec("dagster_k8s") is None:
        remedy = "Install it: pip install 'scfm_assets[k8s]'."
        raise ScfmError("SCFM_KUBERNETES", "is set, and dagster-k8s is not installed", remedy)
    from dagster_k8s import k8s_job_executor

    return k8s_job_executor
