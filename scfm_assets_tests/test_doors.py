"""The doors between the layers: who may import whom, what loads with the code location, how files are called."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

from scfm_assets_tests import bare_box

ROOT = Path(__file__).parents[1]
PACKAGE, TESTS = ROOT / "scfm_assets", ROOT / "scfm_assets_tests"
PACKAGES = (PACKAGE, ROOT / "scfm_assets_bench", ROOT / "scfm_assets_pretrain")
HEAVY = {"torch", "transformers", "scanpy", "anndata", "pandas", "numba", "sklearn", "matplotlib"}
IN_A_NOTEBOOK = {"numpy", "scipy", "pandas", "pyarrow", "torch", "transformers", "safetensors"}
"""What core/ and families/ may ask for when they are imported: they work without the platform."""


# Reading imports ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Import:
    """A module that a file imports: always, when a function is called, or for type checkers only."""

    module: str
    line: int
    when: str

    def within(self, *packages: str) -> bool:
        return any(self.module == package or self.module.startswith(f"{package}.") for package in packages)


def imports_of(source: str) -> list[Import]:
    return list(_walk(ast.parse(source), "loading"))


def _walk(node: ast.AST, when: str) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        yield from (Import(alias.name, node.lineno, when) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: relative import"
        yield from (Import(_module(str(node.module), alias.name), node.lineno, when) for alias in node.names)
    elif isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        yield from (found for child in node.body for found in _walk(child, "typing"))
        yield from (found for child in node.orelse for found in _walk(child, when))
    else:
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from _walk(child, "calling" if inside and when == "loading" else when)


def _module(parent: str, name: str) -> str:
    """Tell `from package import module` from `from module import name`."""
    path = ROOT / Path(*parent.split("."), name)
    return f"{parent}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else parent


@cache
def files(*below: str) -> tuple[Path, ...]:
    found = [f for part in below or (".",) for f in sorted(_files_at(PACKAGE / part))]
    assert found, below
    return tuple(found)


def _files_at(path: Path) -> Iterator[Path]:
    return iter([path]) if path.is_file() else path.rglob("*.py")


def found_in(*below: str) -> list[tuple[str, Import]]:
    return [(str(file.relative_to(ROOT)), found) for file in files(*below) for found in imports_of(file.read_text())]


def test_the_reader_of_imports_tells_when_each_happens() -> None:
    source = """
import os.path, torch as t
from scfm_assets.core.sampling import cells
from scfm_assets.core.sampling.cells import members
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import dagster as dg
else:
    import json
try:
    import numba
except ImportError:
    pass
class A:
    import csv
    def f(self):
        with self:
            import pandas
        if TYPE_CHECKING:
            import anndata
"""
    assert [(found.module, found.when) for found in imports_of(source)] == [
        ("os.path", "loading"),
        ("torch", "loading"),
        ("scfm_assets.core.sampling.cells", "loading"),
        ("scfm_assets.core.sampling.cells", "loading"),
        ("typing", "loading"),
        ("dagster", "typing"),
        ("json", "loading"),
        ("numba", "loading"),
        ("csv", "loading"),
        ("pandas", "calling"),
        ("anndata", "typing"),
    ]


# Who imports whom ---------------------------------------------------------------------------------------------------

DOORS = {
    "errors": "",
    "home": "",
    "partitions": "",
    "tables": "errors",
    "core.base": "errors",
    "core.words": "",
    "core.metrics": "",
    "core.curves": "errors tables core.base core.metrics core.words",
    "core.genes": "errors core.base",
    "core.networks": "errors tables core.base core.genes",
    "core.intake": "errors core.base core.genes",
    "core.tokens": "errors core.base core.genes",
    "core.disk_tokens": "errors core.base core.intake core.tokens",
    "core.sampling": "errors tables core.base core.intake",
    "core.simulate": "errors core.base",
    "core.attention": "errors core.base core.genes core.sampling core.tokens",
    "core.scores": "errors tables core.attention core.base core.metrics",
    "core.statistics": "tables core.words core.metrics core.scores",
    "core.universes": "tables core.base core.metrics core.networks core.sampling core.scores core.statistics",
    "core.evaluation": "tables core.attention core.base core.words core.metrics core.networks core.sampling "
    "core.scores core.statistics core.universes",
    "families": "errors core.attention core.base core.genes core.simulate core.tokens",
    "figures": "core.curves core.evaluation core.metrics core.scores core.universes",
    "studies": "errors tables core figures",
    "catalog": "errors home core.base core.metrics core.scores families studies",
    "inputs": "errors home core families catalog",
    "resources": "errors partitions tables core.attention core.base catalog",
    "engine": "errors home partitions tables core.base families catalog inputs resources",
    "warehouse": "errors tables engine",
    "report": "core.words core.evaluation core.metrics core.scores figures",
    "defs": "errors home partitions tables core inputs resources engine warehouse figures report studies catalog",
    "definitions": "defs",
    "scfm_assets_pretrain": "errors core families catalog inputs engine figures",
    "scfm_assets_bench": "errors home partitions tables core resources warehouse",
    "cli": "errors home core studies catalog inputs resources engine warehouse defs scfm_assets_pretrain "
    "scfm_assets_bench",
}
"""Room -> rooms that it may import, whenever that happens; a room stands below all that may import it."""
OUTSIDE = {"scfm_assets"}
"""The package itself: its version."""


def room_of(module: str) -> str:
    """Name the room of a module."""
    package, *parts = module.split(".")
    if package != "scfm_assets" or not parts:
        return package
    return ".".join(parts[:2]) if parts[0] == "core" else parts[0]


def _may(room: str, other: str) -> bool:
    allowed = DOORS[room].split()
    return other == room or other in allowed or other.split(".")[0] in allowed


def imports_between_rooms() -> list[tuple[str, str, str]]:
    """Give room, imported room and place of all imports that leave a room."""
    rows = []
    for file in sorted(file for package in PACKAGES for file in package.rglob("*.py")):
        room = room_of(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        for imported in imports_of(file.read_text()):
            other = room_of(imported.module)
            if imported.module.split(".")[0].startswith("scfm_assets") and other != room:
                rows.append((room, other, f"{file.relative_to(ROOT)}:{imported.line}"))
    return rows


def test_a_room_imports_what_its_door_allows_and_nothing_upwards() -> None:
    rooms = list(DOORS)
    allowed = [(room, other) for room in rooms for other in DOORS[room].split()]
    above = {room: rooms.index(room) for room in rooms} | {"core": rooms.index("core.evaluation")}
    assert [(room, other) for room, other in allowed if above[other] >= above[room]] == []
    crossed = imports_between_rooms()
    assert {room for room, _, _ in crossed} <= set(rooms)
    assert [
        (room, other, place) for room, other, place in crossed if other not in OUTSIDE and not _may(room, other)
    ] == []


def test_every_door_is_used() -> None:
    crossed = {(room, other) for room, other, _ in imports_between_rooms()}
    crossed |= {(room, other.split(".")[0]) for room, other in crossed}
    assert [(room, other) for room in DOORS for other in DOORS[room].split() if (room, other) not in crossed] == []


def test_nobody_reaches_past_the_door_of_a_room_of_core() -> None:
    """What a room offers stands in its `__init__`; only the reader of counts on disk opens the reader of files."""
    past = []
    for file in sorted(file for package in PACKAGES for file in package.rglob("*.py")):
        room = room_of(".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
        for imported in imports_of(file.read_text()):
            other, depth = room_of(imported.module), imported.module.count(".")
            if other.startswith("core.") and other != room and depth > 2:
                past.append((room, imported.module))
    assert {(room, module) for room, module in past if not module.startswith("scfm_assets.core.intake.files")} == set()
    assert {room for room, _ in past} <= {"core.disk_tokens"}


def test_no_study_knows_another() -> None:
    """Nor what is beside it in the platform: `test_every_study` holds each to this, entry points too."""
    folders = {folder.name: folder for folder in (PACKAGE / "studies").iterdir() if (folder / "__init__.py").is_file()}
    assert folders
    known = [
        (name, imported.module)
        for name, folder in folders.items()
        for file in folder.rglob("*.py")
        for imported in imports_of(file.read_text())
        if imported.within(*(f"scfm_assets.studies.{other}" for other in folders if other != name))
    ]
    assert known == []


def test_functions_that_are_named_in_text_go_through_the_doors_too() -> None:
    """Checks and published tables name functions as ``"core.evaluation:panel_is_complete"``, and import them late."""
    named = {name for file in files("defs") for name in re.findall(r'"(core\.\w+:\w+)"', file.read_text())}
    assert len(named) > 8
    for room, function in (name.split(":") for name in sorted(named)):
        assert function in import_module(f"scfm_assets.{room}").__all__, (room, function)


def test_every_room_of_core_says_what_it_offers() -> None:
    for room in (PACKAGE / "core").iterdir():
        if (room / "__init__.py").is_file():
            module = import_module(f"scfm_assets.core.{room.name}")
            assert module.__doc__
            assert [name for name in module.__all__ if not hasattr(module, name)] == []
            assert {file.stem for file in room.glob("*.py")} & set(module.__all__) == set()


def test_rooms_hold_no_more_than_one_remembers() -> None:
    """Twenty modules and the `__init__`."""
    counted = Counter(file.parent for package in PACKAGES for file in package.rglob("*.py"))
    assert {str(room.relative_to(ROOT)): n for room, n in counted.items() if n > 21} == {}
    assert counted[PACKAGE] <= 5
    lines = {str(file.relative_to(ROOT)): len(file.read_text().splitlines()) for file in PACKAGE.rglob("*.py")}
    assert {file: n for file, n in lines.items() if n > 400} == {}


TWICE = {"Settings": "each study has its own, in a module of its own that is always called so"}


def test_one_name_means_one_class() -> None:
    modules: dict[str, list[str]] = {}
    for file in sorted(file for package in PACKAGES for file in package.rglob("*.py")):
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in modules.items() if len(files) > 1 and name not in TWICE} == {}


@pytest.mark.parametrize("part", ["core", "families", "tables", "catalog"])
def test_what_is_measured_does_not_know_dagster(part: str) -> None:
    assert [(file, found) for file, found in found_in(part) if found.module.split(".")[0].startswith("dagster")] == []


@pytest.mark.parametrize("part", ["core", "families"])
def test_core_and_families_load_without_the_platforms_packages(part: str) -> None:
    allowed = IN_A_NOTEBOOK | sys.stdlib_module_names | {"scfm_assets"}
    loaded = [(file, found) for file, found in found_in(part) if found.when == "loading"]
    assert [(file, found) for file, found in loaded if found.module.split(".")[0] not in allowed] == []


def test_in_core_only_the_engine_knows_torch() -> None:
    known = {file for file, found in found_in("core") if found.within("torch", "transformers")}
    engine = re.compile(r"scfm_assets/core/attention/\w+\.py")
    assert "scfm_assets/core/attention/collector.py" in known
    assert {file for file in known if not engine.fullmatch(file)} == set()


def test_nothing_that_the_code_location_loads_imports_a_heavy_package() -> None:
    loaded = [
        (file, found)
        for file, found in found_in("defs", "engine", "definitions.py", "partitions.py", "catalog")
        if found.when == "loading"
    ]
    assert loaded
    assert [(file, found) for file, found in loaded if found.within(*HEAVY)] == []


def test_one_file_uses_what_dagster_keeps_private() -> None:
    """The benchmark writes a large event log as Dagster does, and is no part of the product."""
    private = re.compile(
        r"dagster\._|\.dagster/|dagster/(data_version|partition|backfill)|DagsterExecutionInterrupted|event_log_storage"
        r"|run_storage|get_ref\(|from_ref\(|all_instigator_state|get_backfills|add_backfill\(backfill"
    )
    users = {str(file.relative_to(ROOT)) for file in files() if private.search(file.read_text())}
    users |= {str(file) for file in (ROOT / "scfm_assets_pretrain").rglob("*.py") if private.search(file.read_text())}
    assert users == {"scfm_assets/engine/dagster_internals.py"}


def test_only_partitions_builds_or_parses_partition_keys() -> None:
    keys = {"MultiPartitionKey", "keys_by_dimension", "get_partition_key_from_str"}
    users = set()
    for file in (*files(), *TESTS.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", getattr(node, "name", None))
            if name in keys:
                users.add(str(file.relative_to(ROOT)))
    assert users == {"scfm_assets/partitions.py"}


# What loads ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path):
    """Run a command in the repository, with a home of its own for everything that is written."""

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        own = dict.fromkeys(("HOME", "SCFM_HOME", "DAGSTER_HOME"), str(tmp_path))
        environment = {**os.environ, **own, "PYTHONPATH": str(ROOT), "SCFM_CATALOG": "demo"}
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    return call


def test_the_code_location_loads_without_heavy_packages(run) -> None:
    loaded = run(sys.executable, "-c", "import sys, scfm_assets.definitions; print(*sys.modules)")
    assert loaded.returncode == 0, loaded.stderr
    modules = set(loaded.stdout.split())
    assert "scfm_assets.definitions" in modules
    assert modules & HEAVY == set()


def test_dagster_finds_the_definitions_valid(run) -> None:
    checked = run(sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.long
def test_dg_finds_the_definitions_valid(run) -> None:
    checked = run(str(Path(sys.executable).with_name("dg")), "check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr


# What works where the platform is not installed ---------------------------------------------------------------------

PLATFORM = (
    "anndata",
    "dagster",
    "dagster_shared",
    "dagster_webserver",
    "duckdb",
    "h5py",
    "matplotlib",
    "numba",
    "pooch",
    "scanpy",
    "sklearn",
    "zarr",
)
"""Not required by any of the packages that core/ and families/ stand on."""


def test_core_and_families_do_their_work_where_only_their_own_packages_are_installed(run, tmp_path: Path) -> None:
    """All of their modules load; tokens, attention, scores and metrics are the same as with everything installed."""
    script = run(sys.executable, "-m", "scfm_assets_tests.bare_box", "numpy", "torch", *PLATFORM)
    assert script.returncode == 0, script.stderr
    found = json.loads(script.stdout.splitlines()[-1])
    assert found.pop("there") == ["numpy", "torch"]
    of_files = {".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files("core", "families")}
    assert set(found.pop("modules")) == {name for name in of_files if not name.endswith("__init__")} | {
        name.removesuffix(".__init__") for name in of_files if name.count(".") > 2 and name.endswith("__init__")
    }
    assert found == bare_box.work(tmp_path / "checkpoint")
    assert found["forwarded"] == 40
    assert found["rows"] > 0


@pytest.mark.parametrize("part", ["core", "families"])
def test_core_and_families_never_ask_for_what_only_happens_to_be_there(part: str) -> None:
    """Some packages of the platform are required by others today: they may be gone tomorrow."""
    beyond = ("click", "dagster", "dagster_shared", "duckdb", "pydantic", "rich", "yaml")
    assert [(file, found) for file, found in found_in(part) if found.when != "typing" and found.within(*beyond)] == []


# What files are called and hold -------------------------------------------------------------------------------------


def test_every_module_is_called_after_what_it_holds() -> None:
    vague = {f"{name}{plural}" for name in ("util", "helper", "common", "misc") for plural in ("", "s")}
    named = {part for file in (*files(), *TESTS.rglob("*.py")) for part in file.relative_to(ROOT).with_suffix("").parts}
    assert named & vague == set()


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode != 0:
        pytest.skip("not a git checkout: run the tests in one to check its files")
    machine = re.compile(rb"(?<![\w.])/(work|root|home/\w+|Users/\w+)/")
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert tracked
    assert [
        str(file.relative_to(ROOT)) for file in tracked if file.is_file() and machine.search(file.read_bytes())
    ] == []
