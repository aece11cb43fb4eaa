"""`scfm lineage` as a scientist types it, on a platform that ran, and ran again with other weights."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from scfm_assets.cli.commands import main
from scfm_assets.partitions import Place
from scfm_assets.warehouse.lineage.ancestry import lineage_of
from scfm_assets_tests.platforms import TINY, Home, open_home
from scfm_assets_tests.published import publish, sync_lineage
from scfm_assets_tests.warehouse.lineage.test_lineage import report

SLICE = ("--tissue", "sim_one", "--n-cells", "40")
METRICS = "evaluation/metrics"


def scfm(*words: str) -> Result:
    return CliRunner().invoke(main, ["lineage", *words], catch_exceptions=False)


def told(*words: str) -> str:
    result = scfm(*words)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*words: str) -> str:
    result = scfm(*words)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    return result.output


@pytest.fixture(scope="module")
def known(finished: Home) -> Home:
    sync_lineage(finished.folder, finished.instance)
    return finished


@pytest.fixture
def here(known: Home, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The finished platform, with lineage, as the home of the commands."""
    monkeypatch.setenv("SCFM_HOME", str(known.folder))
    return known


@pytest.fixture(scope="module")
def retrained(known: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A copy of the finished platform in which model `random` got other weights, and its metrics were made again."""
    folder = tmp_path_factory.mktemp("retrained") / "home"
    shutil.copytree(known.folder, folder)
    before = os.environ.get("SCFM_HOME", "")
    os.environ["SCFM_HOME"] = str(folder)
    with open_home(folder) as home:
        catalog = deepcopy(TINY)
        catalog["models"]["random"]["seed"] = 7
        home.write(catalog)
        assert home.run(select='(key:"models/random/*" and not key:"*comparison") or key:"evaluation/metrics"').success
        publish(folder)
        sync_lineage(folder, home.instance)
        os.environ["SCFM_HOME"] = before
        yield home


@pytest.fixture
def two(retrained: Home, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Ids of the metrics of one slice, before and after."""
    monkeypatch.setenv("SCFM_HOME", str(retrained.folder))
    with lineage_of(retrained.folder) as con:
        found = con.execute(
            "select materialization from lineage where asset = ? and tissue = 'sim_one' and n_cells = 40 "
            "order by made_at",
            [METRICS],
        ).fetchall()
    (old,), (new,) = found
    return old, new


# The tree -----------------------------------------------------------------------------------------------------------


def test_the_tree_of_a_number_goes_down_to_the_digests_of_files(here: Home) -> None:
    text = told("metrics", *SLICE, "--model", "planted")
    manifest = here.store.manifest(METRICS, Place("sim_one", 40))
    assert manifest
    rows, head, first, *_ = text.replace("\n\n", "\n").splitlines()
    assert re.fullmatch(r"[\d,]+ rows of metrics with tissue sim_one, n_cells 40, model planted", rows)
    assert head.split("  ")[0] == "made of"
    made = manifest.made_at[:19].replace("T", " ")
    wanted = [METRICS, "sim_one n=40", manifest.materialization[:8], manifest.version[:12], manifest.code, made]
    assert re.split(r"  +", first) == wanted
    increment = here.store.manifest("models/planted/attention_increment", Place("sim_one", 20))
    assert increment
    (line,) = [x for x in text.splitlines() if increment.materialization[:8] in x]
    assert re.split(r"  +", line.lstrip("│├└ ")) == [
        "models/planted/attention_increment", "sim_one n=20", increment.materialization[:8], increment.version[:12],
        increment.checkpoint, increment.code, "cpu fp32", increment.made_at[:19].replace("T", " "),
    ]  # fmt: skip
    for file, digest in increment.sources["models/planted/checkpoint"].items():
        assert re.search(rf"[├└] {re.escape(file)} +{digest[:12]}\n", text)
    assert "torch" in text
    assert "It is the only materialization of this asset here." in text


def test_what_was_printed_is_named_and_not_repeated(here: Home) -> None:
    text = told("metrics", *SLICE)
    ids = re.findall(r" ([0-9a-f]{8})  ", text)
    assert len(ids) == len(set(ids)) > 20
    assert len(re.findall("[├└] model.safetensors ", text)) == 2
    assert "└ as above: atlas/processed, models/planted/checkpoint" in text


def test_other_models_are_named_but_not_followed_unless_asked(here: Home) -> None:
    one = told("metrics", *SLICE, "--model", "planted")
    assert re.search(r"models/random/attention … +sim_one n=40", one)
    assert "models/random/attention_increment" not in one
    assert re.search(r"models/planted/attention +sim_one n=40", one)
    all_ = told("metrics", *SLICE, "--model", "planted", "--all")
    assert "models/random/attention_increment" in all_
    assert "…" not in all_
    assert "models/planted/attention …" in told("metrics", *SLICE, "--model", "baselines")


def test_a_single_number_is_told_with_its_row(here: Home) -> None:
    words = ["--method", "attention", "--layer", "3", "--network", "truth", "--universe", "tf_grid", "--repeat", "0"]
    text = told("metrics", *SLICE, "--model", "planted", *words, "--metric", "auroc", "--interval", "tfs")
    assert text.startswith("The row of metrics with tissue sim_one, n_cells 40, model planted")
    assert re.search(r"value\s+0\.\d+", text)


def test_whole_digests_on_request(here: Home) -> None:
    manifest = here.store.manifest(METRICS, Place("sim_one", 40))
    assert manifest
    assert f"{manifest.materialization}  {manifest.version}  " in told("metrics", *SLICE, "--full")


def test_an_asset_and_an_id_have_trees_too(here: Home) -> None:
    whole = told("show", "models/planted/attention", *SLICE)
    assert whole == told("show", "attention", *SLICE, "--model", "planted")
    manifest = here.store.manifest("models/planted/attention", Place("sim_one", 40))
    assert manifest
    assert whole == told(manifest.materialization) == told(manifest.materialization[:9])
    assert "networks/truth_source" in told("networks/truth")


def test_several_places_are_listed_to_choose_from(here: Home) -> None:
    text = told("metrics", "--tissue", "sim_two")
    assert text.startswith("4 places have metrics tissue=sim_two. Choose one")
    assert [line.split("  ")[1] for line in text.splitlines()[2:]] == [f"sim_two n={n}" for n in (10, 20, 30, 40)]


# Revisions and their differences ------------------------------------------------------------------------------------


@pytest.mark.long
def test_revisions_stand_below_the_tree_with_what_differs(two: tuple[str, str]) -> None:
    old, new = two
    text = told("metrics", *SLICE, "--model", "random")
    assert "made by 2 materializations: this is the current one" in text
    tree, _, others = text.partition("Other revisions")
    assert new[:8] in tree
    assert old[:8] not in tree
    (line,) = [line for line in others.splitlines() if old[:8] in line]
    assert re.search(r" yes +weights of random", line)


@pytest.mark.long
def test_the_old_number_is_found_by_its_checkpoint(retrained: Home, two: tuple[str, str]) -> None:
    increment = retrained.store.revisions("models/random/attention", Place("sim_one", 40))[0]
    assert increment.checkpoint
    text = told("metrics", *SLICE, "--model", "random", "--checkpoint", increment.checkpoint[:5])
    assert two[0][:8] in text.partition("Other revisions")[0]


@pytest.mark.long
def test_the_difference_of_two_revisions_is_told_down_to_the_file(retrained: Home, two: tuple[str, str]) -> None:
    revisions = retrained.store.revisions("models/random/attention_increment", Place("sim_one", 40))
    files = [revision.sources["models/random/checkpoint"]["model.safetensors"][:12] for revision in revisions]
    text = told("diff", two[0][:10], two[1])
    differs, same, came = re.split(r"What is the same|What came of it", text.partition("What differs")[2])
    assert re.search(rf"model\.safetensors +{files[0]} → {files[1]}\n", differs)
    assert re.search(r"weights +models/random/checkpoint ", differs)
    assert not re.search("data|networks|code|device|config.json|planted", differs)
    for kind, what in (("data", "atlas/raw sim_one"), ("networks", "networks/truth_source"), ("code", "of all")):
        assert re.search(rf"{kind} +{what}", same)
    assert re.search(r"weights +models/planted/checkpoint\n", same)
    assert "models/random/attention_increment  sim_one n=10, 20, 30, 40" in came
    assert re.search(r"same content\n +models/random/tokenized_cells  sim_one n=10, 20, 30, 40", came)
    back = told("diff", two[1], two[0])
    assert f"{files[1]} → {files[0]}" in back


def test_two_of_different_places_are_not_compared(here: Home) -> None:
    one, other = (here.store.manifest(METRICS, Place("sim_one", n)) for n in (30, 40))
    assert one
    assert other
    text = refused("diff", one.materialization, other.materialization)
    assert f"is of {METRICS} sim_one n=30" in text
    assert "scfm lineage show" in text


# Differences of each kind, of materializations that are only told -----------------------------------------------------

RAW, WEIGHTS, EDGES = "atlas/raw[lung]", "models/m/checkpoint", "networks/truth_source"


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("SCFM_HOME", str(tmp_path))
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def make(instance: dg.DagsterInstance, name: str, *, version: str = "content", **changes: object) -> None:
    """Tell of an asset that reads one that reads all sources; `changes` go to the lower one."""
    files = {RAW: {"lung.h5ad": "d1"}, WEIGHTS: {"model.safetensors": "d2"}, EDGES: {"edges.csv": "d3"}}
    files |= changes.pop("sources", {})  # pyright: ignore[reportArgumentType]
    read = {label: ("-".join(digests.values()), None) for label, digests in files.items()}
    report(instance, f"low-{name}", "a/low", inputs=read, sources=files, version=version, **changes)  # pyright: ignore[reportArgumentType]
    report(instance, f"top-{name}", "a/top", inputs={"a/low[lung]": (version, f"low-{name}")}, version=version)


@pytest.mark.parametrize(
    ("changes", "lines"),
    [
        ({"sources": {RAW: {"lung.h5ad": "x1"}}}, [r"data +atlas/raw lung +d1 → x1", r"lung.h5ad +d1 → x1"]),
        (
            {"sources": {WEIGHTS: {"adapter.safetensors": "x2"}}},
            [r"weights +models/m/checkpoint", "adapter.safetensors +only in B", "model.safetensors +only in A"],
        ),
        ({"sources": {EDGES: {"edges.csv": "x3"}}}, [r"networks +networks/truth_source +d3 → x3"]),
        ({"code": "2"}, [r"code +a/low +1 → 2"]),
        ({"config": "changed"}, [r"configuration +a/low +config → changed"]),
        ({"facts": {"device": "cuda", "precision": "bf16"}}, [r"device +a/low +unknown → cuda bf16"]),
        (
            {
                "environment": {
                    "python": "3.12.1",
                    "platform": "Linux x86_64",
                    "commit": "abc",
                    "packages": {"torch": "3"},
                }
            },
            [r"environment +numpy +2.0.0 → unknown  in 1 of 2", r"python +3.11.7 → 3.12.1", r"torch +2.6.0 → 3 "],
        ),
    ],
    ids=["data", "weights", "networks", "code", "configuration", "device", "environment"],
)
def test_each_kind_of_difference_is_told(
    instance: dg.DagsterInstance, tmp_path: Path, changes: dict, lines: list
) -> None:
    make(instance, "old")
    make(instance, "new", version="other", **changes)
    sync_lineage(tmp_path, instance)
    differs = told("diff", "top-old", "top-new").partition("What is the same")[0].partition("What differs")[2]
    for line in lines:
        assert re.search(line, differs), differs
    kinds = re.findall(r"^  (\w+)", differs, re.MULTILINE)
    assert kinds == [lines[0].split(" ")[0]]
    assert kinds[0] in told("show", "top-new").partition("Other revisions")[2].splitlines()[-1]


def test_two_that_were_made_alike_are_told_to_be(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    make(instance, "old")
    make(instance, "new")
    make(instance, "odd", version="other")
    sync_lineage(tmp_path, instance)
    text = told("diff", "top-old", "top-new")
    assert "nothing that is recorded" in text
    assert "2 steps made again with the same content" in text
    assert "not deterministic" not in text
    text = told("diff", "top-old", "top-odd")
    assert "nothing that is recorded" in text
    assert re.search(r"still of other content:\n +a/low  lung\n +Their device", text.replace("  Their", " Their"))


def test_what_was_taken_back_is_the_current_revision(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for id_ in ("first", "second"):
        report(instance, id_, inputs={RAW: (id_, None)}, sources={RAW: {"lung.h5ad": id_}})
    sync_lineage(tmp_path, instance)
    assert "second" in told("atlas/processed").splitlines()[1]
    report(instance, "first", kept=True)
    sync_lineage(tmp_path, instance)
    text = told("atlas/processed")
    assert "first" in text.splitlines()[1]
    assert re.search(r"second .* data$", text.splitlines()[-1])


def test_what_dagster_no_longer_knows_is_said(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    report(instance, "top", "a/top", inputs={"a/low[lung]": ("v", "gone1234")})
    make(instance, "old")
    sync_lineage(tmp_path, instance)
    assert re.search(r"a/low +lung +gone1234 +v +not in Dagster's log", told("show", "top"))
    assert "what A was made of is not in Dagster's log" in told("diff", "top", "top-old")


# Words that are not names -------------------------------------------------------------------------------------------

HOSTILE = ("x' or 1=1 --", 'metrics"; drop table lineage; --', "../../../etc/passwd", "%", "", "metrics m", "lineage")


@pytest.mark.parametrize("name", HOSTILE)
def test_no_word_of_a_user_becomes_sql_or_a_path(here: Home, name: str) -> None:
    before = {f: f.stat().st_mtime_ns for f in here.folder.rglob("*") if f.is_file()}
    assert "is no table, no asset" in refused("show", name)
    assert "no row has tissue" in refused("metrics", "--tissue", name)
    assert "no row has model planted, checkpoint" in refused(
        "metrics", "--model", "planted", "--checkpoint", f"{name}!"
    )
    assert "was never materialized with tissue" in refused("show", "atlas/processed", "--tissue", name)
    assert "there is none that begins like this" in refused("diff", name, name)
    assert "metrics" in refused("show", "attention", "--model", f"../{name}")
    assert {f: f.stat().st_mtime_ns for f in here.folder.rglob("*") if f.is_file()} == before


def test_an_ambiguous_prefix_names_those_that_begin_like_it(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    for id_ in ("abc1", "abc2", "abc"):
        report(instance, id_)
    sync_lineage(tmp_path, instance)
    text = refused("diff", "ab", "abc1")
    assert "abc, abc1, abc2" in text
    assert "Give more digits." in text
    assert "a/low" not in told("diff", "abc", "abc1")  # a whole id is none of several


def test_a_column_that_a_table_lacks_is_told(here: Home) -> None:
    assert "table gene_panel: has no column model" in refused("gene_panel", "--model", "planted")
    assert "not chosen by layer" in refused("atlas/processed", "--layer", "2")


# Before there is anything -------------------------------------------------------------------------------------------


def test_before_the_first_run_all_say_what_to_do(tmp_path: Path) -> None:
    for words in (["metrics"], ["show", "metrics"], ["diff", "a", "b"], ["sync"]):
        assert "Run `scfm run` first" in refused(*words)
    assert list(tmp_path.iterdir()) == []


def test_without_lineage_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    publish(tmp_path)
    assert "Run `scfm lineage sync`" in refused("metrics")


def test_sync_says_what_it_did(rerun: Home) -> None:
    (rerun.folder / "scfm.duckdb").unlink(missing_ok=True)
    filters = dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = len(rerun.instance.event_log_storage.get_event_records(filters))
    assert told("sync") == f"{events:,} rows added to lineage\n"
    assert told("sync") == "lineage is up to date\n"
    assert told("metrics", *SLICE)


def test_a_run_brings_lineage_up_to_date_when_it_ends(home: Home) -> None:
    command = ["run", "--catalog", str(home.folder / "catalog.yaml"), "--select", 'key:"networks/*"']
    result = CliRunner().invoke(main, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "networks/truth_source" in told("networks/truth")
    assert told("sync") == "lineage is up to date\n"
