"""The embedded demo, as `make run` runs it: the right answers are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from scfm_assets.core.curves.forms import FORMS

pytestmark = pytest.mark.long  # the demo takes minutes of both processors

TISSUES = ["sim_kidney", "sim_liver", "sim_lung"]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("demo")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SCFM_")} | {"SCFM_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-m", "scfm_assets.cli", "run"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return home


def ask(home: Path, sql: str) -> list[tuple]:
    with duckdb.connect(str(home / "scfm.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


LARGEST = "metric = 'auroc' and universe = 'tf_grid' and interval = 'network' and n_cells = 600"


def test_the_planted_layer_is_found_in_every_simulated_tissue(demo: Path) -> None:
    rows = ask(
        demo,
        f"""select tissue, avg(value) from metrics
            where {LARGEST} and model = 'planted' and layer = 3 and direction = 'tf_queries' and method = 'attention'
            group by 1 order by 1""",
    )
    assert [tissue for tissue, _ in rows] == TISSUES
    ceilings = dict(
        ask(demo, "select distinct tissue, ceiling from scaling_curves where ceiling is not null and model = 'planted'")
    )
    for tissue, value in rows:
        assert value >= 0.85
        assert abs(value - ceilings[tissue]) <= 0.03


def test_everything_else_of_the_controls_scores_as_chance_does(demo: Path) -> None:
    rows = ask(
        demo,
        f"""select tissue, model, layer, direction, method, avg(value) as value from metrics
            where {LARGEST} and model in ('planted', 'random')
              and not (model = 'planted' and layer = 3 and direction = 'tf_queries')
            group by all having value not between 0.40 and 0.60""",
    )
    assert rows == []


def test_the_planted_curve_rises(demo: Path) -> None:
    small, large = (
        ask(
            demo,
            f"""select avg(value) from metrics where metric = 'auroc' and universe = 'tf_grid' and n_cells = {n}
                and model = 'planted' and layer = 3 and direction = 'tf_queries' and method = 'attention'""",
        )[0][0]
        for n in (25, 600)
    )
    assert large - small > 0.05


def test_every_form_of_curve_has_a_row(demo: Path) -> None:
    for tissue in TISSUES:
        found = {form for (form,) in ask(demo, f"select distinct form from scaling_curves where tissue = '{tissue}'")}
        assert found == {form.name for form in FORMS}


def test_real_cells_pass_through_without_a_network(demo: Path) -> None:
    assert ask(demo, "select count(*) from metrics where tissue = 'pbmc'") == [(0,)]
    manifest = json.loads(
        (demo / "store/manifests/evaluation/metrics/tissue=pbmc/n_cells=600/manifest.json").read_text()
    )
    assert "no reference network for organism 'human'" in manifest["facts"]["reasons"]
    processed = json.loads((demo / "store/manifests/atlas/processed/tissue=pbmc/manifest.json").read_text())
    assert processed["checks"] == [["counts_are_integers", True, "174,400 stored counts, all positive integers"]]


def test_the_report_stands_on_its_own(demo: Path) -> None:
    page = (demo / "report" / "index.html").read_text()
    assert all(tissue in page for tissue in [*TISSUES, "pbmc"])
    assert 'src="http' not in page
    assert "<svg" in page
