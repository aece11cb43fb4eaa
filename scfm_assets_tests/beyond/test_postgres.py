"""Dagster's records in PostgreSQL: a server of its own, and real processes that share it."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import duckdb
import pytest
import yaml

from scfm_assets.engine import runner
from scfm_assets.errors import ScfmError
from scfm_assets.warehouse.lineage import projection as lineage
from scfm_assets_tests.platforms import SMALLEST, Home
from scfm_assets_tests.published import publish

LAID_IN = "pip install 'scfm_assets[postgres]'"


def programs() -> Path:
    """The folder of PostgreSQL's own programs."""
    for folder in (
        *os.environ.get("PATH", "").split(os.pathsep),
        *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin"))),
    ):
        if (Path(folder) / "initdb").exists():
            return Path(folder).resolve()
    pytest.skip("no PostgreSQL server: apt-get install postgresql, or brew install postgresql")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """URL of an empty database on a server that lives as long as the tests here."""
    pytest.importorskip("dagster_postgres", reason=f"dagster-postgres is not installed: {LAID_IN}")
    pytest.importorskip("psycopg2", reason=f"psycopg2 is not installed: {LAID_IN}")
    found = programs()
    # The server refuses to be run by root, and another user cannot look into pytest's folders.
    folder = Path(tempfile.mkdtemp(prefix="scfm-pg-"))
    user = "nobody" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
    if os.getuid() == 0:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(found / program), "-D", str(folder / "data"), *arguments],
            user=user if os.getuid() == 0 else None,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=(folder / "said").open("a"),
            stderr=subprocess.STDOUT,
        )
        assert done.returncode == 0, (folder / "said").read_text()

    try:
        (folder / "said").touch(0o666)
        call("initdb", "-U", "scfm", "--auth=trust", "--no-sync", "--encoding=UTF8")
        options = f"-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -k {folder}"
        call("pg_ctl", "start", "--wait", "-o", options, "-l", str(folder / "server.log"))
        try:
            yield f"postgresql+psycopg2://scfm:no-secret@127.0.0.1:{port}/postgres"
        finally:
            call("pg_ctl", "stop", "--wait", "-m", "immediate")
    finally:
        shutil.rmtree(folder)


def scfm(home: Home, *arguments: str) -> str:
    """Run `scfm` as users do."""
    where = {"SCFM_HOME": str(home.folder), "SCFM_CATALOG": str(home.folder / "catalog.yaml")}
    environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | where
    command = [sys.executable, "-m", "scfm_assets.cli", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def recorded(tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A platform whose settings name the database, nothing run yet."""
    monkeypatch.setenv("SCFM_POSTGRES", database)
    runner.dagster_home(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path / "dagster")) as instance:
        home = Home(tmp_path, instance)
        home.write(SMALLEST)
        yield home


@pytest.mark.long
def test_two_processes_record_what_they_make_in_postgres(recorded: Home, database: str) -> None:
    scfm(recorded, "run", "--jobs", "2")
    storage = recorded.instance.event_log_storage
    assert type(storage).__name__ == "PostgresEventLogStorage"
    grid = recorded.platform.grid
    for node in (node for node in recorded.platform.nodes.values() if not node.on_request):
        records = recorded.instance.fetch_materializations(dg.AssetKey(node.asset.split("/")), limit=100).records
        assert {grid.parse(record.partition_key) for record in records} == set(grid.places(node.space)), node.asset
        for record in records:
            stored = recorded.store.manifest(node.asset, grid.parse(record.partition_key))
            made = record.asset_materialization
            assert stored is not None
            assert made is not None
            assert made.tags["dagster/data_version"] == stored.version
    assert list((recorded.folder / "dagster").rglob("*.db")) == []
    before = storage.get_maximum_record_id()
    scfm(recorded, "run", "--jobs", "2")
    assert storage.get_maximum_record_id() == before
    check_lineage(recorded, database)


def check_lineage(home: Home, database: str) -> None:
    """Lineage has every materialization once, those whose ids become visible late included."""
    import psycopg2

    made = "select materialization, count(*) from lineage group by all having materialization is not null order by all"
    with duckdb.connect(str(home.folder / "scfm.duckdb"), read_only=True) as con:
        rows = con.execute(made).fetchall()
    platform = home.platform
    asked = [node for node in platform.nodes.values() if not node.on_request]
    wanted = [(node.asset, place) for node in asked for place in platform.grid.places(node.space)]
    manifests = [home.store.manifest(asset, place) for asset, place in wanted]
    assert rows == sorted((manifest.materialization, 1) for manifest in manifests if manifest is not None)
    assert len(rows) == len(wanted)

    other = home.folder / "other"
    found: list[int] = []
    # A writer that has drawn its ids and commits after others: its rows are not there yet when others' later ones are.
    with psycopg2.connect(database.replace("+psycopg2", "")) as con, con.cursor() as late:
        event = "dagster_event_type = 'ASSET_MATERIALIZATION'"
        late.execute(f"create table late as select * from event_logs where {event} order by id desc offset 1 limit 3")
        late.execute("delete from event_logs where id in (select id from late)")
        con.commit()
        publish(other, fill=lambda con: found.append(lineage.sync(home.instance, con)))
        late.execute("insert into event_logs select * from late")
        con.commit()
        publish(other, fill=lambda con: found.append(lineage.sync(home.instance, con)))
    publish(other, fill=lambda con: found.append(lineage.sync(home.instance, con)))
    assert found == [len(wanted) - 3, 3, 0]
    with duckdb.connect(str(other / "scfm.duckdb"), read_only=True) as con:
        assert con.execute(made).fetchall() == rows


def test_settings_name_the_database_and_not_its_password(recorded: Home, database: str) -> None:
    text = (recorded.folder / "dagster" / "dagster.yaml").read_text()
    assert yaml.safe_load(text)["storage"] == {"postgres": {"postgres_url": {"env": "SCFM_POSTGRES"}}}
    assert "no-secret" not in text
    assert yaml.safe_load(text)["telemetry"] == {"enabled": False}


def test_settings_of_before_are_not_changed_and_never_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCFM_POSTGRES", raising=False)
    settings = runner.dagster_home(tmp_path) / "dagster.yaml"
    before = settings.read_text()
    monkeypatch.setenv("SCFM_POSTGRES", "postgresql+psycopg2://scfm:no-secret@db/scfm")
    with pytest.raises(
        ScfmError, match=r"(?s)SCFM_POSTGRES.*does not use it.*postgres_url: {env: SCFM_POSTGRES}"
    ) as told:
        runner.dagster_home(tmp_path)
    assert "no-secret" not in str(told.value)
    assert settings.read_text() == before
    settings.write_text(before + str(told.value).partition("that file:")[2])
    runner.dagster_home(tmp_path)
    monkeypatch.delenv("SCFM_POSTGRES")
    with pytest.raises(ScfmError, match=r"SCFM_POSTGRES.*is not set"):
        runner.dagster_home(tmp_path)
