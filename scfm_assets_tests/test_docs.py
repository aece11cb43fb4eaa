"""The README and the docs hold what they say: their code runs, their links lead somewhere, they agree with the code.

A block that is not run has a comment before it that says why: ``<!-- not run: needs a GPU -->``.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from anndata import AnnData
from click.testing import CliRunner
from transformers import BertConfig, BertForMaskedLM

from scfm_assets import catalog, families
from scfm_assets.cli.commands import main
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.core.statistics import tests_table as adjusted
from scfm_assets.defs import assemble
from scfm_assets.home import PACKAGE, project
from scfm_assets.inputs.sources import inspection_spec
from scfm_assets.resources import kubernetes
from scfm_assets.warehouse.query import query
from scfm_assets_tests.platforms import TINY, Home
from scfm_assets_tests.published import publish

ROOT = project() or Path()
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
QUERIES = sorted((PACKAGE / "sql").glob("*.sql"))
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+?) -->\n\n)?^(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$",
    re.MULTILINE | re.DOTALL,
)


def _load(script: str):
    """A script of docs/ as a module."""
    specification = importlib.util.spec_from_file_location(f"docs_{script}", DOCS / f"{script}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


generate = _load("generate")


@dataclass(frozen=True)
class Block:
    """A block of code on a page."""

    page: str
    language: str
    code: str
    reason: str | None
    """Why it is not run; None where it is."""


def blocks_of(page: Path) -> Iterator[Block]:
    text = generate.filled(page.read_text(encoding="utf-8"))
    for found in BLOCK.finditer(text):
        lines = found["code"].splitlines()
        code = "\n".join(line.removeprefix(found["indent"]) for line in lines) + "\n"
        yield Block(page.relative_to(ROOT).as_posix(), found["language"], code, found["reason"])


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


def blocks(language: str) -> list[Block]:
    return [block for block in BLOCKS if block.language == language and block.reason is None]


def by_page(found: list[Block]) -> list:
    pages = dict.fromkeys(block.page for block in found)
    return [pytest.param([block for block in found if block.page == page], id=page) for page in pages]


def words(text: str) -> str:
    return " ".join(text.split())


def all_text() -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


# Every block of code --------------------------------------------------------------------------------------------------


def test_every_block_is_of_a_language_that_a_test_runs() -> None:
    assert {block.language for block in BLOCKS} <= {"bash", "python", "sql", "text", "toml", "yaml"}
    assert all(page.read_text(encoding="utf-8").count("```") % 2 == 0 for page in PAGES)


def test_few_blocks_are_not_run_and_those_say_why() -> None:
    reasons = [block.reason for block in BLOCKS if block.reason is not None]
    assert len(reasons) <= 8
    assert all(len(reason.split()) >= 3 for reason in reasons)


STUDY_PAGE = "docs/extending/study.md"


@pytest.mark.parametrize("of_page", by_page([block for block in blocks("python") if block.page != STUDY_PAGE]))
def test_python_runs_from_the_top_of_a_page_to_its_end(
    of_page: list[Block], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)
    exec(compile("\n".join(block.code for block in of_page), of_page[0].page, "exec"), page.__dict__)


def test_the_study_of_the_page_is_a_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files make a package: the record resolves, a row can be measured, the controls get their answers."""
    for block in blocks("python"):
        if block.page == STUDY_PAGE:
            file = tmp_path / re.match("# (.+)\n", block.code)[1]
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    study = replace(importlib.import_module("more_cells").STUDY, package="more_cells")
    metrics = pa.table({"tissue": ["lung"] * 2, "n_cells": [50, 100], "metric": ["auroc"] * 2, "value": [0.6, 0.7]})
    metrics = metrics.append_column("method", pa.array(["pearson"] * 2))
    for step in study.steps:
        assert study.resolve(step.function)(study.settings(), metrics)["gain"].to_pylist() == [pytest.approx(0.1)]
    for control, expected in ((study.controls.positive, {"yes"}), (study.controls.negative, {"no", "underpowered"})):
        tables = study.resolve(control)()
        tests = study.resolve(study.tests)(tables)
        assert {test.family for test in tests} == set(study.families)
        assert study.resolve(study.verdict)(tables, adjusted(tests)).answer in expected
        assert list(study.resolve(study.figures)(tables)) == ["gains"]


@pytest.mark.parametrize("block", [pytest.param(block, id=block.page) for block in blocks("yaml")])
def test_yaml_is_a_catalog_or_settings_of_pods(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(block.code, encoding="utf-8")
    if "atlases" in yaml.safe_load(block.code):
        loaded = catalog.load(file)
        expected = {*(f"models/{model}/attention" for model in loaded.models), "scaling/curves"}
        assert assemble.platform(loaded).nodes.keys() >= expected
        return
    monkeypatch.setenv("SCFM_KUBERNETES", str(file))
    pods = kubernetes.op_tags("gpu")[kubernetes.TAG]
    assert pods["container_config"]["resources"]["limits"] == {"nvidia.com/gpu": "1", "memory": "64Gi"}
    assert set(pods["pod_spec_config"]) == {"node_selector", "tolerations"}


def test_toml_names_entry_points_that_are_looked_for() -> None:
    groups = [*(tomllib.loads(block.code)["project"]["entry-points"] for block in blocks("toml"))]
    assert {name for group in groups for name in group} <= {families.ENTRY_POINTS, "scfm_assets.studies"}
    assert groups


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


def test_sql_of_the_pages_is_that_of_the_files() -> None:
    assert sorted(block.code for block in blocks("sql")) == sorted(file.read_text(encoding="utf-8") for file in QUERIES)
    assert len(QUERIES) == 10


def test_commands_and_options_exist() -> None:
    known = CliRunner().invoke(main, ["--help"]).output
    code = "\n".join(block.code for block in BLOCKS if block.language == "bash")
    calls = re.findall(r"\bscfm ([a-z][a-z-]+)([^`\n#|]*)", "\n".join([code, *re.findall("`(.*?)`", all_text())]))
    assert calls
    for command, rest in calls:
        assert re.search(rf"^  {command} ", known, re.MULTILINE), command
        options = CliRunner().invoke(main, [command, "--help"]).output
        for option in re.findall(r"--[\w-]+", rest):
            assert option in options, f"scfm {command} {option}"


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    code = "\n".join(block.code for block in BLOCKS if block.language == "bash")
    calls = [*re.findall(r"^make ([\w -]+)", code, re.MULTILINE), *re.findall(r"`make ([\w -]+)`", all_text())]
    named = {word for call in calls for word in call.split()}
    assert {"run", "test", "docs"} <= named <= targets


# Pages against the code -----------------------------------------------------------------------------------------------


def test_the_readme_is_a_front_door() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 140


def test_every_question_has_a_query_and_an_answer() -> None:
    text = (DOCS / "questions.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^<!-- question: (\w+) -->$", text, re.MULTILINE)) == [file.stem for file in QUERIES]
    answers = json.loads(generate.ANSWERS.read_text(encoding="utf-8"))
    assert sorted(answers) == [file.stem for file in QUERIES]
    assert all(len(lines) > 2 for lines in answers.values())  # a head, a line, and rows


def test_the_readme_quotes_an_answer_of_the_demo() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (quoted,) = re.findall(
        r"scfm sql scfm_assets/sql/(\w+)\.sql\n```\n\n<!-- answer: (\w+) -->\n\n```text\n(.*?)```", text, re.DOTALL
    )
    asked, answered, lines = quoted
    assert asked == answered
    assert lines.splitlines() == json.loads(generate.ANSWERS.read_text(encoding="utf-8"))[answered]


def test_the_graph_of_assets_is_the_platform() -> None:
    declared = assemble.platform(catalog.load("demo"))
    graph = generate.asset_graph("demo")

    def shortened(asset: str) -> str:
        return re.sub(r"^networks/[^/]+?(_source)?$", r"networks/…\1", re.sub(r"^models/[^/]+", "models/…", asset))

    unasked = [name for name, node in declared.nodes.items() if not node.on_request]
    assert set(graph) == {shortened(asset) for asset in (*unasked, *declared.sources)}
    above = {
        (shortened(name), shortened(node.asset))
        for node in declared.nodes.values()
        for name in (*(read.asset for read in node.reads.values()), *node.watches)
    }
    drawn = {(parent, asset) for asset, parents in graph.items() for parent in parents}
    assert drawn <= above
    assert {asset for asset, parents in graph.items() if not parents} == {shortened(s) for s in declared.sources}
    picture = generate.draw(graph)
    assert all(f">{asset}</text>" in picture for asset in graph)
    assert picture.count("<path") == len(drawn)


def test_environment_variables_are_those_that_the_code_reads() -> None:
    code = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    read = set(re.findall(r'"(SCFM_\w+)"', code))
    table = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(SCFM_\w+)`", table, re.MULTILINE)) == read


def test_links_lead_somewhere() -> None:
    links = [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", page.read_text())]
    assert links
    generated = {DOCS / page for page in generate.pages()}
    assert [(page, link) for page, link in links if not _leads(page, link, generated)] == []
    picture = DOCS / "scaling_curve.png"
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert picture.stat().st_size < 200_000


def _leads(page: Path, link: str, generated: set[Path]) -> bool:
    target = Path(os.path.normpath(page.parent / link))
    return target.exists() or target in generated


def test_the_refusal_that_a_page_quotes_is_what_validate_says() -> None:
    (quoted,) = [block.code for block in blocks("text") if "Counts must be raw integers" in block.code]
    file = Path(str(files("scanpy.datasets") / "10x_pbmc68k_reduced.h5ad"))
    inspected = inspect_file(file, inspection_spec(catalog.load("demo"), file, None), [])
    assert words(quoted) in words(inspected.text())
    assert not inspected.ok


# Commands, typed ------------------------------------------------------------------------------------------------------


def _environment(**more: str) -> dict[str, str]:
    binaries = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCFM_")}
    return {**clean, "PATH": binaries, "PYTHONPATH": str(ROOT), **more}


def _typed(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = _environment(SCFM_HOME=str(folder / "data"), NO_COLOR="1")
    command = ("bash", "-eu", "-o", "pipefail", "-c", commands)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader has it: package, atlas, checkpoint, network, and a demo that was run, but small."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "scfm_assets").symlink_to(PACKAGE)
    shutil.copy(str(files("scanpy.datasets") / "10x_pbmc68k_reduced.h5ad"), folder)
    for name in ("catalogs", "atlases", "vocab", "networks", "checkpoints"):
        (folder / "data" / name).mkdir(parents=True)
    small = {**TINY, "name": "demo", "atlases": {"sim_lung": {"simulated": True}}}
    small["models"] = {"planted": TINY["models"]["planted"]}
    small["experiment"] = {**TINY["experiment"], "n_cells": [25, 50], "universes": ["tf_grid"]}
    (folder / "data" / "catalogs" / "demo.yaml").write_text(yaml.safe_dump(small))
    (mine,) = [block for block in blocks("yaml") if block.page == "docs/guide/your_data.md"]
    of_guide = yaml.safe_load(mine.code)
    of_guide["experiment"] |= {
        "n_cells": [10, 20],
        "panel": 100,
        "universes": ["tf_grid"],
        "intervals": {"resamples": 20},
    }
    (folder / "data" / "catalogs" / "mine.yaml").write_text(yaml.safe_dump(of_guide))
    _write_inputs(folder / "data")
    run = _typed("scfm run", folder)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return folder


def _write_inputs(home: Path) -> None:
    """What the catalog of the guide names: 1,100 cells of as many genes, a small Geneformer, a few edges."""
    rng, n = np.random.default_rng(0), 1100
    genes = [f"ENSG{i:011d}" for i in range(n)]
    counts = rng.poisson(rng.gamma(0.5, 0.2, n), (n, n)).astype(np.int32)
    np.fill_diagonal(counts, 1)  # no gene and no cell without a count
    labels = {"cell_type": rng.choice(["T", "B"], n), "donor_id": rng.choice(["d1", "d2", "d3"], n)}
    obs = pd.DataFrame(labels, index=[f"cell{i}" for i in range(n)])
    AnnData(counts, obs=obs, var=pd.DataFrame(index=genes)).write_h5ad(home / "atlases" / "lung.h5ad")
    medians = [None, None, *np.full(n, 2.0)]
    rows = pa.table({"gene": ["<pad>", "<mask>", *genes], "token_id": range(n + 2), "nonzero_median": medians})
    pq.write_table(rows, home / "vocab" / "tokens.parquet")
    shape = {"vocab_size": n + 2, "hidden_size": 16, "num_hidden_layers": 6, "num_attention_heads": 2}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(**shape, intermediate_size=24, max_position_embeddings=2048, hidden_act="relu")
        BertForMaskedLM(config).save_pretrained(home / "checkpoints" / "mine")
    pairs = {(tf, int(target)) for tf in range(0, n, 60) for target in rng.integers(0, n, 15) if tf != target}
    edges = "".join(f"{genes[tf]}\t{genes[target]}\tActivation\t1\n" for tf, target in sorted(pairs))
    (home / "networks" / "trrust_human.tsv").write_text(edges)


@pytest.mark.long
@pytest.mark.parametrize("of_page", by_page(blocks("bash")))
def test_every_command_can_be_typed_in_order(of_page: list[Block], workplace: Path) -> None:
    for block in of_page:
        typed = _typed(block.code, workplace)
        expected = 1 if "exit code 1" in block.code else 0
        assert typed.returncode == expected, f"{block.code}\n{typed.stdout[-3000:]}{typed.stderr[-3000:]}"


@pytest.mark.long
def test_the_site_builds_without_a_warning(tmp_path: Path) -> None:
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site"))
    built = subprocess.run(command, cwd=ROOT, env=_environment(), capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    pages = [page.read_text(encoding="utf-8") for page in (tmp_path / "site").rglob("*.html")]
    assert not any(re.search(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)"', page) for page in pages)
    assert not any(re.search(r"^<p>\?\?\? |<p>!!! ", page, re.MULTILINE) for page in pages)
