"""A short ladder on real atlases, a trained checkpoint and a published network: the whole way, by the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

pytestmark = [
    pytest.mark.real,
    pytest.mark.slow,
    pytest.mark.skipif("SCFM_DATA" not in os.environ, reason="set SCFM_DATA to the folder of the development data"),
]


def test_real_cells_and_a_trained_checkpoint_go_all_the_way(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scfm_assets.cli", "run"]
    catalog = Path(__file__).with_name("catalog_short.yaml")
    environment = {**os.environ, "SCFM_HOME": str(tmp_path)}
    done = subprocess.run(
        [*command, "--catalog", str(catalog)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with duckdb.connect(str(tmp_path / "scfm.duckdb"), read_only=True) as con:
        found = con.execute(
            """select tissue, model, count(distinct method), min(n_pos), bool_or(simulated) from metrics
               where n_cells = 100 group by all order by 1, 2"""
        ).fetchall()
        (lowest, highest) = con.execute(
            """select min(value), max(value) from metrics
               where metric = 'auroc' and model = 'v1_6l_random' and method = 'attention_lift'
                 and universe = 'tf_grid' and network = 'collectri' and n_cells = 100"""
        ).fetchall()[0]
    models = {"baselines": 8, "mini_01881": 2, "v1_6l_random": 2}
    assert [(tissue, model, methods) for tissue, model, methods, *_ in found] == [
        (tissue, model, methods) for tissue in ("blood", "gut") for model, methods in models.items()
    ]
    assert all(n_pos > 0 and not simulated for *_, n_pos, simulated in found)
    # Random weights know nothing: their lift scatters around one half (few positives, so widely).
    assert 0.35 < lowest <= highest < 0.65
