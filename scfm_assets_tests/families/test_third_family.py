"""A family is one file: a third one, in less than a hundred lines, comes in by its entry point and runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import numpy as np
import pytest
import scipy.sparse as sp
import torch
import yaml

from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets_tests.families import roberta_bins
from scfm_assets_tests.platforms import SMALLEST

GENES = [f"SIM{i:04d}" for i in range(1, 121)]
SHAPE = {
    "vocab_size": len(GENES) + 1,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 32,
    "max_position_embeddings": 200,
    "n_bins": 8,
    "initializer_range": 0.4,
    "pad_token_id": 0,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    like = tmp_path_factory.mktemp("like")
    (like / "config.json").write_text(json.dumps(SHAPE))
    (like / "genes.json").write_text(json.dumps({"<pad>": 0} | {gene: i + 1 for i, gene in enumerate(GENES)}))
    folder = like.parent / "roberta" / "made"
    roberta_bins.write_random(folder, like, {}, 5)
    return folder


def test_the_file_has_less_than_a_hundred_lines():
    assert len(Path(roberta_bins.__file__).read_text().splitlines()) < 100


def test_its_attention_and_states_are_transformers_own(folder):
    model = roberta_bins.open_checkpoint(folder, {})
    counts = sp.csr_matrix(np.random.default_rng(0).poisson(0.7, (5, len(GENES))))
    tokens = model.tokenize(counts, GENES)
    collector = AttentionCollector(
        model.vocabulary.panel_of_token(GENES), len(GENES), (1, 2), np.arange(5), 5, states=States((0,))
    )
    model.encode(tokens, collect=collector)

    eager = roberta_bins.open_checkpoint(folder, {}).encoder
    eager.set_attn_implementation("eager")
    for cell, sums in enumerate(collector.blocks):
        ids, values = (torch.tensor(row)[None] for row in (tokens.row(cell), tokens.row_values(cell)))
        with torch.no_grad():
            said = eager(input_ids=ids, values=values, output_attentions=True, output_hidden_states=True)
        at = tokens.row(cell) - 1  # tokens follow the genes
        for layer, attention in enumerate(said.attentions):
            expected = np.zeros((len(GENES), len(GENES)), np.float32)
            expected[np.ix_(at, at)] = attention[0].mean(0).numpy()
            np.testing.assert_allclose(sums.plain[layer], expected, rtol=0, atol=2e-6)
        mean = said.hidden_states[2][0].mean(0).numpy()
        np.testing.assert_allclose(collector.embeddings["mean"][cell, 1], mean, rtol=0, atol=1e-5)


@pytest.mark.long
def test_another_packages_family_runs_from_the_catalog_to_sql(folder, tmp_path):
    """As installed: a module on the path, and the metadata with which packages name their entry points."""
    site, home = tmp_path / "site", tmp_path / "home"
    told = site / "stranger-1.0.dist-info"
    told.mkdir(parents=True)
    home.mkdir()
    (site / "stranger.py").write_text(Path(roberta_bins.__file__).read_text())
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[scfm_assets.families]\nroberta_bins = stranger:FAMILY\n")
    models = {
        "theirs": {"family": "roberta_bins", "checkpoint": str(folder), "layer": 2, "options": {"note": "hello"}},
        "random": {"family": "roberta_bins", "control": "random", "config": str(folder), "layer": 2, "seed": 3},
    }
    (home / "catalog.yaml").write_text(yaml.safe_dump({**SMALLEST, "models": models}))
    paths = os.pathsep.join([str(site), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"SCFM_HOME": str(home), "PYTHONPATH": paths}
    command = [sys.executable, "-m", "scfm_assets.cli", "run", "--catalog", str(home / "catalog.yaml")]
    command += ["--select", '+key:"evaluation/metrics"']
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with duckdb.connect(str(home / "scfm.duckdb"), read_only=True) as warehouse:
        asked = "select model, count(distinct layer) from metrics where method = 'attention' group by all order by all"
        assert warehouse.sql(asked).fetchall() == [("random", 2), ("theirs", 2)]
