"""The store in object storage: fsspec's own memory, and a real S3 server on this machine where moto is installed."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pytest

from scfm_assets.engine import housekeeping
from scfm_assets.errors import ScfmError
from scfm_assets.partitions import Place
from scfm_assets.resources.files import Folder, files_of
from scfm_assets.resources.object_storage import Objects
from scfm_assets.resources.store import ARRAYS, TABLE, Arrays, Output, Store
from scfm_assets_tests.platforms import SMALLEST, Home, open_home
from scfm_assets_tests.published import publish

SECRET = "much/too+secret"
PLACE = Place("lung", 100)


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    """The environment in which a client finds an S3 server with one bucket."""
    moto = pytest.importorskip("moto.server", reason="no S3 server: pip install 'moto[server]'")
    pytest.importorskip("s3fs", reason="no S3 client: pip install 'scfm_assets[s3]'")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    found = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    found.start()
    host, port = found.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        import boto3

        named = {"aws_access_key_id": "somebody", "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        boto3.client("s3", endpoint_url=environment["AWS_ENDPOINT_URL"], **named).create_bucket(Bucket="results")
        yield environment
    finally:
        found.stop()


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty prefix, which SCFM_STORE names."""
    if request.param == "s3":
        for name, value in request.getfixturevalue("server").items():
            monkeypatch.setenv(name, value)
    found = f"{request.param}://results/{uuid.uuid4().hex}"
    monkeypatch.setenv("SCFM_STORE", found)
    return found


@pytest.fixture
def s3(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    found = f"s3://results/{uuid.uuid4().hex}"
    monkeypatch.setenv("SCFM_STORE", found)
    return found


def ask(home: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "scfm.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def objects(store: Store) -> list[str]:
    assert isinstance(store.files, Objects)
    files = store.files
    return (
        sorted(files._name(path) for path in files.system.find(files.root)) if files.system.exists(files.root) else []
    )


# One output ---------------------------------------------------------------------------------------------------------


def table(checkpoint: str | None, value: float, rows: int = 3) -> pa.Table:
    columns = {"model": ["m"] * rows, "checkpoint": pa.array([checkpoint] * rows, pa.string())}
    return pa.table(columns | {"tissue": ["lung"] * rows, "n_cells": [100] * rows, "value": [value] * rows})


def output(value: float, of: str = "abc", **facts: Any) -> Output:
    """Arrays, and a table of two files: one of a checkpoint, one of none."""
    rows = pa.concat_tables([table(of, value), table(None, value, 1)])
    arrays = Arrays({"a": np.full(4, value)})
    return Output(
        ARRAYS, arrays, {"metrics": rows}, code="1", config="c", inputs={}, facts=facts, shown={"plot": "![]()"}
    )


def stored(store: Store) -> float | None:
    """The value that a reader gets, and that every part of the output agrees on."""
    found = store.manifest("evaluation/metrics", PLACE)
    if found is None:
        return None
    (value,) = set(store.read(found, ARRAYS).tensors["a"].tolist())
    assert found.version == output(value).version
    assert store.holds(found)
    return value


def test_an_output_comes_back_as_it_was(url: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.manifest("evaluation/metrics", PLACE) is None
    assert store.revisions("evaluation/metrics", PLACE) == ()
    written = store.write("evaluation/metrics", PLACE, output(0.5))
    assert store.manifest("evaluation/metrics", PLACE) == written
    assert store.shown("evaluation/metrics", PLACE) == {"plot": "![]()"}
    assert stored(Store(tmp_path)) == 0.5
    assert store.files.uri(written.value[0]) == f"{url}/{written.value[0]}"
    assert store.files.size(written.value[0]) > 32
    assert list(tmp_path.iterdir()) == []


class KilledError(Exception):
    pass


def kill_at(monkeypatch: pytest.MonkeyPatch, store: Store, puts: int) -> list[str]:
    """Let a writer die when it puts, replaces or removes its next object after some."""
    assert isinstance(store.files, Objects)
    system, done = store.files.system, []

    def dying(name: str, call: Any) -> Any:
        def called(*arguments: Any, **options: Any) -> Any:
            if len(done) == puts:
                raise KilledError
            done.append(name)
            return call(*arguments, **options)

        return called

    for name in ("put_file", "pipe_file", "rm_file"):
        monkeypatch.setattr(system, name, dying(name, getattr(system, name)))
    return done


@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_a_writer_that_dies_at_any_object_leaves_the_old_output_or_the_new_one(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for puts in range(99):
        store = Store(tmp_path / str(puts))
        monkeypatch.setenv("SCFM_STORE", f"{url}/{puts}")
        store.write("evaluation/metrics", PLACE, output(1.0))
        with monkeypatch.context() as patched:
            done = kill_at(patched, store, puts)
            try:
                store.write("evaluation/metrics", PLACE, output(2.0))
            except KilledError:
                assert len(done) == puts
        value = stored(store)
        seen.append(value)
        publish(store.home)
        assert ask(store.home, "select value, count(*) from metrics group by all") == [(value, 4)]
        if len(done) < puts:
            break
        store.write("evaluation/metrics", PLACE, output(3.0))
        assert stored(store) == 3.0
    assert seen == sorted(seen)
    assert {1.0, 2.0} == set(seen)
    assert seen.count(1.0) > 3  # several objects, none of which is seen before the last
    left = [name for name in objects(store) if name.startswith(("assets/", "tables/"))]
    found = store.manifest("evaluation/metrics", PLACE)
    assert found is not None
    assert sorted(left) == sorted([*found.value, *found.tables["metrics"]])


KILLED = """
import os, signal, sys
from pathlib import Path
from scfm_assets.resources.store import Store
from scfm_assets_tests.beyond.test_object_store import PLACE, output

store, puts = Store(Path(sys.argv[1])), []
put = store.files.system.put_file

def dying(*arguments):
    if puts:
        os.kill(os.getpid(), signal.SIGKILL)
    puts.append(put(*arguments))

store.files.system.put_file = dying
store.write("evaluation/metrics", PLACE, output(2.0))
"""


def test_a_killed_upload_is_never_seen(s3: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.write("evaluation/metrics", PLACE, output(1.0))
    before = objects(store)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env={**os.environ, "TMPDIR": str(tmp_path)})
    assert killed.returncode == -signal.SIGKILL
    assert len(objects(store)) == len(before) + 1
    assert stored(store) == 1.0
    publish(tmp_path)
    assert ask(tmp_path, "select value, count(*) from metrics group by all") == [(1.0, 4)]


def test_rows_of_earlier_checkpoints_stay_and_their_twins_are_replaced(url: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    for checkpoint, value in (("old", 1.0), ("new", 2.0), ("new", 3.0)):
        store.write("evaluation/metrics", PLACE, output(value, checkpoint))
        publish(tmp_path)
    by_checkpoint = "select checkpoint, value, count(*) from metrics group by all order by all"
    assert ask(tmp_path, by_checkpoint) == [("new", 3.0, 3), ("old", 1.0, 3), (None, 3.0, 1)]
    assert ask(tmp_path, by_checkpoint.replace("metrics", "metrics_latest")) == [("new", 3.0, 3), (None, 3.0, 1)]
    assert sum(name.endswith(".parquet") for name in objects(store)) == 3


def test_every_revision_keeps_its_arrays_and_can_be_taken_back(url: str, tmp_path: Path) -> None:
    store, asset = Store(tmp_path), "models/m/edge_scores"
    old = store.write(asset, PLACE, output(1.0, "old", checkpoint="old"))
    new = store.write(asset, PLACE, output(2.0, "new", checkpoint="new"))
    assert store.revisions(asset, PLACE) == (old, new)
    store.take_back(asset, PLACE, old)
    assert store.manifest(asset, PLACE) == old
    again = store.write(asset, PLACE, output(4.0, "new", checkpoint="new"))
    assert store.revisions(asset, PLACE) == (old, again)
    for manifest, value in ((old, 1.0), (again, 4.0)):
        assert store.read(manifest, ARRAYS).tensors["a"].tolist() == [value] * 4
    publish(tmp_path)
    by_checkpoint = "select checkpoint, value, count(*) from metrics group by all order by all"
    assert ask(tmp_path, by_checkpoint) == [("new", 4.0, 3), ("old", 1.0, 3), (None, 4.0, 1)]
    assert [name for name in objects(store) if new.materialization in name] == []  # nobody can ask for it any more


def test_publishing_fetches_only_what_is_new(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)
    assert isinstance(store.files, Objects)
    store.write("evaluation/metrics", PLACE, output(1.0))
    system, fetched = store.files.system, []
    get = system.get_file
    monkeypatch.setattr(system, "get_file", lambda *a, **k: (fetched.append(a[0]), get(*a, **k)))
    publish(tmp_path)
    assert len(fetched) == 2
    publish(tmp_path)
    assert len(fetched) == 2
    store.write("evaluation/metrics", Place("lung", 200), output(2.0))
    publish(tmp_path)
    assert len(fetched) == 4


def test_a_lost_object_is_told_with_what_to_do(url: str, tmp_path: Path) -> None:
    store = Store(tmp_path)
    found = store.write("evaluation/metrics", PLACE, output(1.0))
    assert isinstance(store.files, Objects)
    store.files.system.rm_file(store.files._path(found.value[0]))
    with pytest.raises(ScfmError, match=r"(?s)://results/.*is gone.*scfm run --force"):
        store.read(found, ARRAYS)


# Where it is --------------------------------------------------------------------------------------------------------


def test_a_folder_of_your_choice_is_a_store_like_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for asked in (str(tmp_path / "elsewhere"), f"file://{tmp_path}/elsewhere"):
        monkeypatch.setenv("SCFM_STORE", asked)
        store = Store(tmp_path / "home")
        assert store.files == Folder(tmp_path / "elsewhere")
        rows = table("abc", 1.0)
        store.write(
            "evaluation/metrics", PLACE, Output(TABLE, rows, {"metrics": rows}, code="1", config="c", inputs={})
        )
        publish(tmp_path / "home")
        assert ask(tmp_path / "home", "select count(*) from metrics") == [(3,)]
    assert not (tmp_path / "home" / "store").exists()


@pytest.mark.parametrize(
    "asked",
    [f"s3://somebody:{SECRET.replace('/', '')}@results/x", "s3://results/x?key=verysecret", "gs://r/x#verysecret"],
)
def test_a_url_with_a_secret_is_refused_without_telling_it(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCFM_STORE", asked)
    with pytest.raises(ScfmError, match="SCFM_STORE") as told:
        files_of(Path())
    assert "secret" not in str(told.value)


def test_storage_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCFM_STORE", "carrier-pigeon://loft/results")
    with pytest.raises(ScfmError, match="carrier-pigeon"):
        files_of(Path())


# The platform -------------------------------------------------------------------------------------------------------


def check_run(home: Home) -> None:
    """Everything is there, fresh, and in SQL."""
    platform, store = home.platform, home.store
    rows = dict.fromkeys(("metrics", "edge_scores", "cell_sets"), 0)
    for node in (node for node in platform.nodes.values() if not node.on_request):
        for place in platform.grid.places(node.space):
            manifest = platform.plan(node, place, store).kept
            assert manifest is not None, (node.asset, place)
            for name in rows.keys() & manifest.tables.keys():
                for file in manifest.tables[name]:
                    with store.files.at_hand(file) as path:
                        rows[name] += TABLE.read(path).num_rows
    publish(home.folder)
    assert {name: ask(home.folder, f'select count(*) from "{name}"') for name in rows} == {
        name: [(count,)] for name, count in rows.items()
    }
    assert min(rows.values()) > 0
    assert not (home.folder / "store" / "tables").exists()
    assert not (home.folder / "store" / "assets").exists()


@pytest.mark.long
@pytest.mark.parametrize("url", ["memory"], indirect=True)
def test_the_whole_platform_runs_on_memory_and_a_second_run_computes_nothing(url: str, tmp_path: Path) -> None:
    with open_home(tmp_path, SMALLEST) as home:
        first = home.run()
        assert first.success, first
        check_run(home)
        sizes = {asset.asset: asset.bytes_now for asset in housekeeping.status(home.platform, home.store)}
        assert all(size > 0 for name, size in sizes.items() if not home.platform.nodes[name].on_request)
        second = home.run()
        assert (second.success, second.computed) == (True, [])


def scfm(folder: Path, *arguments: str) -> str:
    where = {"SCFM_HOME": str(folder), "SCFM_CATALOG": str(folder / "catalog.yaml")}
    environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | where
    command = [sys.executable, "-m", "scfm_assets.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.long
def test_two_processes_share_a_bucket_and_no_secret_is_written_down(s3: str, tmp_path: Path) -> None:
    with open_home(tmp_path, SMALLEST) as home:
        said = scfm(tmp_path, "run", "--jobs", "2")
        check_run(home)
        key = dg.AssetKey(["atlas", "gene_panel"])
        (record,) = home.instance.fetch_materializations(key, limit=1).records
        assert record.asset_materialization is not None
        uri = record.asset_materialization.metadata["dagster/uri"].value
        assert str(uri).startswith(f"{s3}/tables/gene_panel/")
        names = objects(home.store)
        said += scfm(tmp_path, "run", "--jobs", "2")
        assert objects(home.store) == names
    assert SECRET not in said
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 10
    assert [path for path in written if SECRET.encode() in path.read_bytes()] == []
