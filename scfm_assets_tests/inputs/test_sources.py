"""Files, downloads and controls that a catalog names, and the digests by which they are known."""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import os
import threading
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from scfm_assets import home as homes
from scfm_assets.core.base.digest import digest_file
from scfm_assets.errors import ScfmError
from scfm_assets.inputs import checkpoints, file_digests, sources
from scfm_assets_tests.platforms import TINY, Home, atlas_file


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A web server on this machine, and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}", folder
        found.shutdown()
        thread.join()


def test_a_download_is_fetched_once_and_works_offline_afterwards(server: tuple[str, Path]) -> None:
    url, folder = server
    (folder / "edges.tsv").write_text("tf\ttarget\nA\tB\n")
    sha = hashlib.sha256((folder / "edges.tsv").read_bytes()).hexdigest()
    first = sources.fetched(f"{url}/edges.tsv", sha)
    assert first.read_text() == "tf\ttarget\nA\tB\n"
    (folder / "edges.tsv").unlink()
    assert sources.fetched(f"{url}/edges.tsv", sha) == first


def test_a_download_with_other_content_is_refused_and_not_kept(server: tuple[str, Path]) -> None:
    url, folder = server
    (folder / "edges.tsv").write_text("something else")
    with pytest.raises(ScfmError, match="another SHA-256"):
        sources.fetched(f"{url}/edges.tsv", "0" * 64)
    assert not list((homes.home() / "downloads").glob("*.tsv"))


def test_a_download_that_cannot_be_had_says_where_to_put_the_file(server: tuple[str, Path]) -> None:
    url, _ = server
    with pytest.raises(ScfmError, match=r"cannot be downloaded") as caught:
        sources.fetched(f"{url}/missing.h5ad", "0" * 64)
    assert "missing.h5ad" in str(caught.value.remedy)


def test_an_atlas_from_the_web_is_read_like_a_file(server: tuple[str, Path], home: Home) -> None:
    url, folder = server
    path = atlas_file(folder / "web.h5ad")
    sha = hashlib.sha256(path.read_bytes()).hexdigest()
    catalog = deepcopy(TINY)
    catalog["atlases"]["web"] = {"url": f"{url}/web.h5ad", "sha256": sha, "organism": "simulated", "donor": "donor"}
    home.write(catalog)
    assert home.run(select='key:"atlas/processed"').success
    assert sources.atlas_version(home.catalog, "web") == sha[:20]


def test_digests_follow_content_and_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file.txt"
    file.write_text("one")
    first = sources.file_digest(file)
    assert first == digest_file(file)
    monkeypatch.setattr(file_digests, "digest_file", lambda _: pytest.fail("digested again"))
    assert sources.file_digest(file) == first
    monkeypatch.undo()
    file.write_text("two")
    os.utime(file, (0, 0))
    assert sources.file_digest(file) != first


def test_controls_are_the_same_wherever_they_are_built(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {model: checkpoints.checkpoint_version(home.catalog, model) for model in ("planted", "random")}
    monkeypatch.setenv("SCFM_HOME", str(tmp_path / "elsewhere"))
    assert {model: checkpoints.checkpoint_version(home.catalog, model) for model in here} == here
    assert here["planted"] != here["random"]


def test_another_seed_is_another_checkpoint(home: Home) -> None:
    before = checkpoints.checkpoint_version(home.catalog, "random")
    catalog = deepcopy(TINY)
    catalog["models"]["random"]["seed"] = 1
    home.write(catalog)
    assert checkpoints.checkpoint_version(home.catalog, "random") != before


def test_a_model_that_is_not_the_declared_one_is_refused(home: Home) -> None:
    catalog = deepcopy(TINY)
    catalog["models"]["random"]["expect"] = {"layers": 18}
    home.write(catalog)
    with pytest.raises(ScfmError, match=r"layers declared 18, found 4"):
        checkpoints.open_model(home.catalog, "random")


def test_a_changed_weight_is_another_version(home: Home) -> None:
    folder = checkpoints.checkpoint_folder(home.catalog, "random")
    before = checkpoints.checkpoint_version(home.catalog, "random")
    medians = json.loads((folder / "gene_median.json").read_text())
    medians[next(iter(medians))] += 1
    (folder / "gene_median.json").write_text(json.dumps(medians))
    assert checkpoints.checkpoint_version(home.catalog, "random") != before
    (folder / "training.json").write_text("{}")
    assert checkpoints.checkpoint_version(home.catalog, "random") != before


def test_a_control_of_which_nobody_knows_how_it_was_built_is_another_version(home: Home) -> None:
    before = checkpoints.checkpoint_version(home.catalog, "random")
    folder = checkpoints.checkpoint_folder(home.catalog, "random")
    assert checkpoints.checkpoint_version(home.catalog, "random") == before
    (folder / checkpoints.BUILT).write_text("")
    assert checkpoints.checkpoint_version(home.catalog, "random") != before
