"""Increments on a Ray cluster: a real one of two nodes on this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial

import pytest

from scfm_assets.core.attention import increments
from scfm_assets.core.attention.increment_parts import attend_in_parts
from scfm_assets.errors import ScfmError
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place
from scfm_assets.resources import ray_cluster
from scfm_assets.resources.compute import Compute
from scfm_assets_tests.core.attention.test_increment_parts import bits
from scfm_assets_tests.platforms import Home

INCREMENT, PLACE = "models/planted/attention_increment", Place("sim_one", 40)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Address of a cluster of two nodes with one processor each."""
    ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'scfm_assets[ray]'")
    pytest.importorskip("dagster_ray", reason="dagster-ray is not installed: pip install 'scfm_assets[ray]'")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    found = Cluster(initialize_head=True, head_node_args=node)
    try:
        found.add_node(**node)
        yield found.address
    finally:
        ray.shutdown()
        found.shutdown()


@pytest.fixture
def on_ray(cluster: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", cluster)
    monkeypatch.setenv("SCFM_ENGINE", "ray")


@pytest.fixture
def nothing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forward passes in this process fail: whatever comes was made by workers."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("forwarded in the asset's own process")

    monkeypatch.setattr("scfm_assets.core.attention.attend", refuse)


@pytest.mark.long
@pytest.mark.usefixtures("on_ray", "nothing_here")
def test_increments_made_on_a_cluster_are_the_local_ones_to_the_bit(finished: Home, rerun: Home) -> None:
    outcome = rerun.run(select=f'key:"{INCREMENT}"', force=True)
    assert outcome.success, outcome
    assert {done.asset for done in outcome.computed} == {INCREMENT}
    assert len(outcome.computed) == len(rerun.platform.grid.places(rerun.platform.nodes[INCREMENT].space))
    for done in outcome.computed:
        before, after = (home.store.manifest(INCREMENT, done.place) for home in (finished, rerun))
        assert before is not None
        assert after is not None
        assert after.version == before.version
        assert [manifest.facts["engine"] for manifest in (before, after)] == ["local", "ray"]
        assert after.facts["device"] == before.facts["device"]
    made_of_them = rerun.run(select='key:"models/planted/attention"')
    assert (made_of_them.success, made_of_them.computed) == (True, [])


@pytest.mark.long
@pytest.mark.usefixtures("on_ray")
def test_many_parts_come_back_in_order(finished: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog, platform, store = finished.catalog, finished.platform, finished.store
    found = platform.upstream(platform.nodes[INCREMENT], PLACE, store)
    above = platform.nodes[INCREMENT].reads
    tokens, panel, regulators = (
        store.read(next(iter(found[name].values())), platform.nodes[above[name].asset].format)
        for name in ("tokens", "panel", "regulators")
    )
    monkeypatch.setenv("SCFM_HOME", str(finished.folder))
    model = checkpoints.open_model(catalog, "planted")
    wanted = checkpoints.wanted_of(catalog, "planted", regulators)
    in_threes = partial(attend_in_parts, size=3)
    expected = in_threes(tokens, lambda parts: (increments.attend(model, p, panel, wanted) for p in parts))
    monkeypatch.setattr(ray_cluster, "attend_in_parts", in_threes)
    told = []
    made, machine = Compute(engine="ray").attend(
        model, tokens, panel, wanted, progress=lambda done, total: told.append((done, total))
    )
    assert bits(made) == bits(expected)
    assert machine.device == "cpu"
    assert len(told) > 4
    assert told[-1] == (tokens.tokens.n_cells, tokens.tokens.n_cells)

    with pytest.raises(ScfmError, match="tf32 is not done on cpu"):  # a worker's own words
        Compute(engine="ray", device="cpu", precision="tf32").attend(model, tokens, panel, wanted)


def test_without_ray_the_engine_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ScfmError, match=r"(?s)SCFM_ENGINE.*pip install 'scfm_assets\[ray\]'"):
        ray_cluster.connected()
