"""A model on the hub, looked at as the sensor does: fetched beside it, and seen again when its branch has moved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scfm_assets_tests.families.test_geneformer import a_folder, change_weights
from scfm_assets_tests.inputs import hub_server
from scfm_assets_tests.platforms import SMALLEST

LOOK = """
import json, sys, time
from scfm_assets import catalog; from scfm_assets.engine import watching

watching.HUB_SECONDS = 0.5
mine, said = catalog.load(sys.argv[1]), []
print(json.dumps([None, "ready"]), flush=True)
for _ in sys.stdin:
    time.sleep(0.1)
    deadline = time.monotonic() + 60
    seen = watching.look(mine, "mine")
    while seen.version is None and time.monotonic() < deadline and "cannot" not in seen.reason:
        time.sleep(0.05)
        seen = watching.look(mine, "mine")
    print(json.dumps([seen.version, seen.reason]), flush=True)
"""
"""One look per line that comes in; huggingface_hub reads its settings once per process."""


def files_of(folder: Path) -> dict[str, bytes]:
    return {f"small/{path.name}": path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
def test_a_branch_that_moves_is_seen_and_fetched_without_waiting_for_it(tmp_path):
    folder = a_folder(tmp_path / "made")
    home = tmp_path / "home"
    home.mkdir()
    model = {"checkpoint": "hf://lab/model@main/small", "options": {"generation": "v1"}, "layer": 2}
    (home / "catalog.yaml").write_text(yaml.safe_dump({**SMALLEST, "models": {"mine": model}}))
    with hub_server.serve(hub_server.Hub()) as served:
        served.commit(files_of(folder))
        settings = {"SCFM_HOME": str(home), "HF_HOME": str(tmp_path / "hf"), "HF_ENDPOINT": served.url}
        settings |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        command = [sys.executable, "-c", LOOK, str(home / "catalog.yaml")]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(command, env=os.environ | settings, **pipes) as process:

            def look() -> list[str]:
                process.stdin.write("\n")
                process.stdin.flush()
                return json.loads(process.stdout.readline())

            assert json.loads(process.stdout.readline()) == [None, "ready"]
            first, reason = look()
            assert first, reason
            change_weights(folder, lambda state: state["bert.encoder.layer.0.output.dense.bias"].add_(1))
            served.commit(files_of(folder))
            second = first
            for _ in range(100):
                second = look()[0]
                if second != first:
                    break
            process.stdin.close()
            assert process.wait() == 0
    assert second not in {None, first}
    snapshots = {path.resolve() for path in (tmp_path / "hf").rglob("model.safetensors")}
    assert len(snapshots) == 2  # what was fetched first is still there for who reads it
