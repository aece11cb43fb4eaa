"""The README holds what it says: its queries run, its catalog loads, its pictures and tables are those of the code."""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from scfm_assets import catalog, definitions
from scfm_assets.catalog import SETTLE_SECONDS
from scfm_assets.cli.commands import main
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.home import project
from scfm_assets.inputs.sources import inspection_spec
from scfm_assets.resources import kubernetes
from scfm_assets.resources.compute import SETTINGS
from scfm_assets.tables.platform import METRICS
from scfm_assets.warehouse.publish import publish, query
from scfm_assets_tests.platforms import Home

ROOT = project() or Path()
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
QUERIES = sorted((ROOT / "data" / "sql").glob("*.sql"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.fixture(scope="module")
def published(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the tables of the finished run, and views on them."""
    folder = tmp_path_factory.mktemp("published")
    for part in ("tables", "manifests"):
        shutil.copytree(finished.folder / "store" / part, folder / "store" / part)
    publish(folder)
    return folder


@pytest.mark.parametrize("file", QUERIES, ids=lambda file: file.stem)
def test_every_query_answers_on_a_finished_run(file: Path, published: Path) -> None:
    answer = query(published, file.read_text(encoding="utf-8"), "csv").splitlines()
    assert "tissue" in answer[0] or "sim_one" in answer[0]  # tissues are rows, or columns where they are compared
    if file.stem != "cells_to_95":  # forty cells of a tiny world need not show an asymptote
        assert len(answer) > 1


def test_the_queries_of_the_page_are_the_files() -> None:
    assert sorted(blocks("sql")) == sorted(file.read_text(encoding="utf-8") for file in QUERIES)
    assert len(QUERIES) == 10


def test_every_query_stands_between_the_link_to_its_file_and_its_answer() -> None:
    for file in QUERIES:
        linked = re.search(
            rf"\(data/sql/{file.name}\).*?\n```sql\n(.*?)```\n\n</details>\n\n```text\n(.*?)```", TEXT, re.DOTALL
        )
        assert linked is not None
        assert linked[1] == file.read_text(encoding="utf-8")
        assert linked[2].count("\n") > 2  # a head, a line, and rows


def test_the_catalog_of_the_page_loads(tmp_path: Path) -> None:
    example, _ = blocks("yaml")
    file = tmp_path / "mine.yaml"
    file.write_text(example, encoding="utf-8")
    loaded = catalog.load(file)
    assert set(loaded.models) == {"mine", "mine_random"}
    assert definitions.platform(loaded).nodes.keys() >= {"models/mine/attention", "networks/trrust", "scaling/curves"}


def test_the_kubernetes_settings_of_the_page_are_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, example = blocks("yaml")
    file = tmp_path / "kubernetes.yaml"
    file.write_text(example, encoding="utf-8")
    monkeypatch.setenv("SCFM_KUBERNETES", str(file))
    found = kubernetes.op_tags("gpu")[kubernetes.TAG]
    assert found["container_config"]["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "64Gi"}
    assert set(found["pod_spec_config"]) == {"node_selector", "tolerations"}


def test_the_graph_of_the_page_is_the_platform() -> None:
    (drawing,) = blocks("mermaid")
    names = dict(re.findall(r'(\w+)\(?\[\(?"([^"]+)"', drawing))
    drawn = {(names[a], names[b]) for a, b in re.findall(r"^ +(\w+)\S* -->(?:\|[^|]*\|)? (\w+)", drawing, re.MULTILINE)}
    platform = definitions.platform(catalog.load("demo"))

    def shortened(asset: str) -> str:
        return re.sub(r"^networks/[^/]+?(_source)?$", r"networks/…\1", re.sub(r"^models/[^/]+", "models/…", asset))

    read = {(shortened(r.asset), shortened(n.asset)) for n in platform.nodes.values() for r in n.reads.values()}
    watched = {(shortened(source), shortened(n.asset)) for n in platform.nodes.values() for source in n.watches}
    unasked = [name for name, node in platform.nodes.items() if not node.on_request]
    assert set(names.values()) == {shortened(asset) for asset in (*unasked, *platform.sources)}
    assert len(drawn) >= len(names) - 1
    assert drawn <= read | watched


def test_the_columns_of_metrics_are_those_of_the_schema() -> None:
    table = TEXT[TEXT.index("<!-- metrics:") : TEXT.index("<!-- end -->")]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)
    assert rows == [(column.name, column.doc) for column in METRICS.columns]


def test_environment_variables_of_the_page_are_those_that_the_code_reads() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "scfm_assets").rglob("*.py"))
    read = set(re.findall(r'environ(?:\.get\(|\[)"(SCFM_\w+)"', code))
    read |= {*SETTINGS.values(), SETTLE_SECONDS}
    table = TEXT[TEXT.index("## Environment variables") : TEXT.index("## Development")]
    assert set(re.findall(r"^\| `(SCFM_\w+)`", table, re.MULTILINE)) == read


def test_commands_and_options_of_the_page_exist() -> None:
    asked = CliRunner().invoke(main, ["--help"]).output
    for command, rest in re.findall(
        r"\bscfm ([a-z]+)([^`\n#]*)", "\n".join([*blocks("console"), *re.findall("`(.*?)`", TEXT)])
    ):
        assert re.search(rf"^  {command} ", asked, re.MULTILINE), command
        options = CliRunner().invoke(main, [command, "--help"]).output
        for option in re.findall(r"--\w+", rest):
            assert option in options, f"scfm {command} {option}"


def test_make_targets_of_the_page_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        word
        for line in blocks("console")
        for call in re.findall(r"^make ([\w ]+)", line, re.MULTILINE)
        for word in call.split()
    }
    assert {"run", "test"} <= named <= targets


def test_links_of_the_page_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (ROOT / link).exists(), link
    picture = ROOT / "docs" / "scaling_curve.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size < 200_000


def test_the_refusal_that_the_page_quotes_is_what_validate_says() -> None:
    (quoted,) = [block for block in blocks("text") if "Counts must be raw integers" in block]
    file = Path(str(files("scanpy.datasets") / "10x_pbmc68k_reduced.h5ad"))
    found = inspect_file(file, inspection_spec(catalog.load("demo"), file, None), [])
    assert words(quoted) in words(found.text())
    assert not found.ok
