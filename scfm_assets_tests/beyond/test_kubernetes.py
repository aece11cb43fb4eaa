"""What Kubernetes would be asked for: manifests, made offline by Dagster's own code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place
from scfm_assets.resources import kubernetes
from scfm_assets_tests.platforms import Home

GPU = {"models/planted/attention_increment", "models/random/attention_increment"}

SETTINGS = """\
gpu:
  limits: {nvidia.com/gpu: 2, memory: 64Gi}
  node_selector: {accelerator: h100}
  tolerations:
    - {key: nvidia.com/gpu, effect: NoSchedule}
    - {key: team, operator: Equal, value: scfm}
"""


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of settings that the environment names."""
    file = tmp_path / "kubernetes.yaml"
    file.write_text(SETTINGS)
    monkeypatch.setenv("SCFM_KUBERNETES", str(file))
    return file


@pytest.fixture
def dagster_k8s() -> Any:
    return pytest.importorskip("dagster_k8s", reason="no dagster-k8s: pip install 'scfm_assets[k8s]'")


def tags_of(found: dg.Definitions) -> dict[str, dict[str, str]]:
    """Asset -> tags of its op, as the launched job holds them."""
    job = found.resolve_implicit_global_asset_job_def()
    layer = job.asset_layer
    handles = {key: layer.get_op_output_handle(key).node_handle for key in layer.executable_asset_keys}
    return {"/".join(key.path): dict(job.get_node(handle).definition.tags) for key, handle in handles.items()}


def manifest(tags: dict[str, str]) -> dict[str, Any]:
    """The pod that Dagster's executor would ask for, as Kubernetes reads it."""
    from dagster_k8s.job import DagsterK8sJobConfig, construct_dagster_k8s_job, get_user_defined_k8s_config
    from kubernetes.client import ApiClient

    job = construct_dagster_k8s_job(
        DagsterK8sJobConfig(job_image="registry/scfm:1", dagster_home="/opt/dagster"),
        ["dagster", "api", "execute_step"],
        "dagster-step-1",
        user_defined_k8s_config=get_user_defined_k8s_config(tags),
    )
    return ApiClient().sanitize_for_serialization(job)["spec"]["template"]["spec"]


@pytest.mark.usefixtures("asked", "dagster_k8s")
def test_pods_of_forward_passes_ask_for_a_gpu_and_no_others_do(home: Home) -> None:
    found = home.definitions
    specs = {asset: manifest(tags) for asset, tags in tags_of(found).items()}
    assert set(specs) > GPU
    for asset, spec in specs.items():
        (container,) = spec["containers"]
        limits = container.get("resources", {}).get("limits", {})
        assert limits == ({"nvidia.com/gpu": "2", "memory": "64Gi"} if asset in GPU else {}), asset
        assert spec.get("nodeSelector", {}) == ({"accelerator": "h100"} if asset in GPU else {}), asset
        assert [t["key"] for t in spec.get("tolerations", [])] == (["nvidia.com/gpu", "team"] if asset in GPU else [])
    (container,) = specs["models/planted/attention_increment"]["containers"]
    assert container["resources"]["requests"] == container["resources"]["limits"]
    assert specs["models/planted/attention_increment"]["tolerations"] == [
        {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"},
        {"key": "team", "operator": "Equal", "value": "scfm"},
    ]


@pytest.mark.usefixtures("asked", "dagster_k8s")
def test_each_asset_of_a_launched_run_gets_a_pod(home: Home) -> None:
    """Tags of an op are read by this executor alone."""
    from dagster_k8s import k8s_job_executor

    job = home.definitions.resolve_implicit_global_asset_job_def()
    assert job.executor_def is k8s_job_executor


@pytest.mark.usefixtures("asked", "dagster_k8s")
def test_scfm_run_works_in_its_own_process_all_the_same(home: Home) -> None:
    outcome = home.run(select='key:"atlas/gene_panel" or key:"atlas/processed"')
    assert outcome.success, outcome
    assert home.store.manifest("atlas/gene_panel", Place("sim_one")) is not None


def test_without_settings_nothing_speaks_of_kubernetes(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCFM_KUBERNETES", raising=False)
    found = home.definitions
    assert found.resolve_implicit_global_asset_job_def().executor_def is dg.in_process_executor
    assert [asset for asset, tags in tags_of(found).items() if kubernetes.TAG in tags] == []


@pytest.mark.usefixtures("dagster_k8s")
def test_an_empty_block_asks_for_one_gpu(asked: Path) -> None:
    asked.write_text("gpu: {}")
    found = kubernetes.op_tags("gpu")[kubernetes.TAG]
    assert found["container_config"]["resources"]["limits"] == {"nvidia.com/gpu": "1"}
    assert found["pod_spec_config"] == {}
    assert kubernetes.op_tags(None) == kubernetes.op_tags("other") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gpus: {}", r"kubernetes.yaml:1.*gpus.*unknown key"),
        ("gpu:\n  limits: {nvidia.com/gpu: 0}", r"kubernetes.yaml:2.*leaves nothing"),
        ("gpu:\n  limits: {nvidia.com/gpu: [1]}", r"kubernetes.yaml:2.*limits"),
        ("gpu:\n  node_selector: {disk: 1}", r"kubernetes.yaml:2.*a text is wanted"),
        ("gpu:\n  tolerations:\n    - {key: a, effect: Never}", r"kubernetes.yaml:3.*NoSchedule"),
        ("gpu:\n  tolerations:\n    - {key: a, operator: Equal}", r"kubernetes.yaml:3.*Equal"),
        ("gpu: [1", "not readable as YAML"),
    ],
)
def test_a_wrong_setting_names_file_line_and_what_is_allowed(asked: Path, text: str, told: str) -> None:
    asked.write_text(text)
    with pytest.raises(ScfmError, match=rf"(?s){told}"):
        kubernetes.op_tags("gpu")


def test_a_file_that_is_not_there_and_a_package_that_is_not_installed_are_told(
    asked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "dagster_k8s", None)
    with pytest.raises(ScfmError, match=r"(?s)SCFM_KUBERNETES.*pip install 'scfm_assets\[k8s\]'"):
        kubernetes.executor()
    asked.unlink()
    with pytest.raises(ScfmError, match=r"kubernetes.yaml.*cannot be read"):
        kubernetes.settings()
