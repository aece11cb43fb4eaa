from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from scfm_assets.cli.bench import BENCHES, MODELS, bench
from scfm_assets_bench import suite
from scfm_assets_bench.models import SHAPES
from scfm_assets_bench.record import Result
from scfm_assets_tests.bench.test_measuring import FIELDS


@pytest.fixture
def given(monkeypatch):
    """Two benchmarks that measure nothing and keep what they were asked."""
    asked = []

    def of(name, *, stopped=False):
        def run(settings, tell):
            asked.append((name, settings))
            tell(f"{name} begins")
            yield Result(name, "a case", "careful", ratio=1.5, error=1e-6)
            if stopped:
                raise KeyboardInterrupt
            yield Result(name, "another", "typical", ratio=7.0)

        return suite.Bench(name, run, (f"what {name} compares",))

    def install(**changes):
        monkeypatch.setattr(suite, "BENCHES", tuple(of(name, **changes) for name in BENCHES))
        return asked

    return install


def test_the_command_knows_every_benchmark_and_every_shape():
    assert tuple(each.name for each in suite.BENCHES) == BENCHES
    assert tuple(SHAPES) == MODELS


def test_json_is_one_object_per_line_and_progress_goes_elsewhere(given):
    asked = given()
    done = CliRunner().invoke(bench, ["all", "--json", "--model", "v1-12l", "--repeats", "2"])
    assert done.exit_code == 0, done.output
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["bench"] for line in lines] == [name for name in BENCHES for _ in range(2)]
    assert all(list(line) == FIELDS for line in lines)
    assert "curve begins" in done.stderr
    assert {(settings.model, settings.repeats, settings.threads) for _, settings in asked} == {("v1-12l", 2, 1)}


def test_tables_name_the_machine_the_baselines_and_what_is_in_each_side(given):
    asked = given()
    done = CliRunner().invoke(bench, ["metrics", "--quick"])
    assert done.exit_code == 0, done.output
    for words in ("1 thread of", "torch", "metrics: seconds are", "careful", "7x", "what metrics compares", "quick"):
        assert words in done.stdout
    assert [name for name, _ in asked] == ["metrics"]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_what_was_measured_before_ctrl_c_is_shown(given, options):
    given(stopped=True)
    done = CliRunner().invoke(bench, ["curve", *options])
    assert done.exit_code == 130
    assert "a case" in done.stdout
    assert "stopped" in done.stderr


def test_help_comes_without_heavy_packages(run_python):
    code = """
import sys
from click.testing import CliRunner
from scfm_assets.cli.bench import bench
assert CliRunner().invoke(bench, ["--help"]).exit_code == 0
print(*sorted({"torch", "transformers", "numba", "sklearn", "pandas", "numpy"} & set(sys.modules)))
"""
    assert run_python(code).split() == []


@pytest.fixture
def run_python():
    import subprocess
    import sys

    def run(code):
        return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    return run
