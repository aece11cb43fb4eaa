"""Checkpoints from a hub: a server on this machine, the real library, real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from scfm_assets.catalog import HubAddress, is_hub
from scfm_assets.core.base.digest import digest_file
from scfm_assets.errors import ScfmError
from scfm_assets_tests.families.test_official import write_dictionaries, write_weights
from scfm_assets_tests.inputs.hub_server import Hub, serve
from scfm_assets_tests.platforms import SMALLEST

FILES = {
    "V1/config.json": b"{}",
    "V1/model.safetensors": b"weights" * 1000,
    "V1/pytorch_model.bin": b"the same, older",
    "V1/training_args.bin": b"not wanted",
    "V1/modeling.py": b"raise SystemExit",
    "V1/deeper/model.safetensors": b"another one",
    "geneformer/token_dictionary_gc104M.pkl": b"tokens",
    "geneformer/gene_dictionaries_30m/token_dictionary_gc30M.pkl": b"older tokens",
    "geneformer/tokenizer.py": b"raise SystemExit",
    "setup.py": b"raise SystemExit",
    "README.md": b"words",
}
CALL = """
import json, sys
from pathlib import Path
from scfm_assets.catalog.hub_address import HubAddress
from scfm_assets.inputs import hub
from scfm_assets.errors import ScfmError
call, address, home = sys.argv[1:]
address = HubAddress.parse(address)
needs_home = call in {"fetched_folder", "fetched_file", "refreshed", "met"}
try:
    if call == "met":
        found = hub.resolved_revision(address, Path(home))
    else:
        found = getattr(hub, call)(address, Path(home)) if needs_home else getattr(hub, call)(address)
    print(json.dumps({"found": str(found)}))
except ScfmError as error:
    print(json.dumps({"place": error.place, "problem": error.problem, "remedy": error.remedy}))
"""


@dataclass
class Bench:
    """A hub, and processes that use it with a cache and a home of their own."""

    hub: Hub
    folder: Path

    def call(self, name: str, address: str, **environment: str) -> str:
        """Call a function of `scfm_assets.inputs.hub` in a process; a refusal is an ScfmError here too."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        own |= {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        own |= {"HF_HUB_ETAG_TIMEOUT": "2", "HF_HUB_DOWNLOAD_TIMEOUT": "2", "NO_PROXY": "*", **environment}
        command = [sys.executable, "-c", CALL, name, address, str(self.folder / "home")]
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])
        if "found" not in said:
            raise ScfmError(**said)
        return said["found"]

    def fetch(self, address: str, **environment: str) -> Path:
        return Path(self.call("fetched_folder", address, **environment))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with serve(Hub()) as hub:
        yield Bench(hub, tmp_path)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


# Addresses


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("hf://ctheodoris/Geneformer@main/Geneformer-V1-10M", ("ctheodoris/Geneformer", "main", "Geneformer-V1-10M")),
        ("hf://a/b@v1.0", ("a/b", "v1.0", "")),
        ("hf://a_b/c-d.e@" + "0a" * 20 + "/x/y_z/f.json", ("a_b/c-d.e", "0a" * 20, "x/y_z/f.json")),
    ],
)
def test_an_address_is_read_and_written_alike(text, parts):
    address = HubAddress.parse(text)
    assert (address.repository, address.revision, address.path) == parts
    assert str(address) == text
    assert is_hub(text)
    assert address.is_commit == (len(address.revision) == 40)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "hf://",
            "hf://a",
            "hf://a/b",
            "hf://a/b/c",
            "hf://a/b@",
            "hf://a/b@/c",
            "hf://a@main/b",
            "/a/b@main",
            "a/b@main",
        ),
        *("hf://a/b@main/", "hf://a/b@main//c", "hf://a/b@main/../c", "hf://a/b@main/c/..", "hf://a/b@main/./c"),
        *("hf://../b@main", "hf://a/..@main", "hf://a/b..c@main", "hf://a/b--c@main", "hf://a/b@..", "hf://a/b@x..y"),
        *("hf://a/b@main/c d", "hf://a/b@main/c?d", "hf://a/b@main/c%2e", "hf://a/b@main/c\\d", "hf://a/b@main/c\n"),
        *(
            "hf://a/b@main\n/c",
            "hf://ä/b@main",
            "hf://a/b@main/.git",
            "hf://a/b@main/*",
            "https://a/b@main",
            "hf://a:p/b@m",
        ),
    ],
)
def test_an_address_of_another_form_is_refused(text):
    with pytest.raises(ScfmError) as caught:
        HubAddress.parse(text)
    assert caught.value.place == text


# Fetching


def test_a_folder_comes_with_its_dictionaries_and_nothing_else(bench):
    commit = bench.hub.commit(FILES)
    folder = bench.fetch("hf://lab/model@main/V1")
    assert (folder.name, folder.parent.name) == ("V1", commit)
    dictionaries = {"token_dictionary_gc104M.pkl", "gene_dictionaries_30m/token_dictionary_gc30M.pkl"}
    wanted = {"V1/config.json", "V1/model.safetensors"} | {f"geneformer/{name}" for name in dictionaries}
    assert files_in(folder.parent) == wanted
    assert all((folder.parent / name).read_bytes() == FILES[name] for name in wanted)
    asked = {line.split("/", 4)[-1] for line in bench.hub.asked if "/resolve/" in line}
    assert asked == wanted


@pytest.mark.parametrize(
    ("revision", "flag"),
    [
        ("main", {}),
        pytest.param("commit", {"HF_HUB_OFFLINE": "1"}, marks=pytest.mark.long),
        pytest.param("commit", {}, marks=pytest.mark.long),
        pytest.param("main", {"HF_HUB_OFFLINE": "1"}, marks=pytest.mark.long),
    ],
    ids=["main, hub gone", "commit, told to stay offline", "commit, hub gone", "main, told to stay offline"],
)
def test_what_was_fetched_once_works_offline_afterwards(tmp_path, flag, revision):
    with serve(Hub()) as hub:
        bench = Bench(hub, tmp_path)
        commit = hub.commit(FILES)
        address = f"hf://lab/model@{commit if revision == 'commit' else revision}/V1"
        first = bench.fetch(address)
        assert bench.call("fetched_file", f"{address}/config.json") == str(first / "config.json")
        asked = len(hub.asked)
        assert bench.fetch(address) == first
        assert len(hub.asked) == asked  # what the home has met is asked for no more
    assert bench.fetch(address, **flag) == first
    assert bench.call("resolved_revision", address, **flag) == commit
    other = Bench(hub, tmp_path / "other")  # another home finds it in the same cache
    assert other.fetch(address, HF_HOME=str(tmp_path / "hf"), **flag) == first
    with pytest.raises(ScfmError, match="cannot be fetched, and is not all in huggingface's cache") as caught:
        bench.fetch("hf://lab/model@other/V2", **flag)
    assert "hf download lab/model --revision other --include 'V2/*' 'geneformer/*'" in str(caught.value.remedy)
    assert "name a local folder" in str(caught.value.remedy)


@pytest.mark.long
def test_a_branch_that_moved_is_followed_when_it_is_asked_for_and_not_before(bench):
    first = bench.hub.commit(FILES)
    address = "hf://lab/model@main/V1"
    before = bench.fetch(address)
    second = bench.hub.commit({**FILES, "V1/model.safetensors": b"trained on"})
    asked = len(bench.hub.asked)
    assert bench.call("present_commit", address) == second
    assert bench.hub.asked[asked:] == ["GET api/models/lab/model/revision/main"]  # nothing was downloaded
    assert bench.fetch(address) == before
    assert bench.call("met", address) == first
    assert bench.call("refreshed", address) == second
    after = bench.fetch(address)
    assert after.parent.name == second
    assert (after / "model.safetensors").read_bytes() == b"trained on"
    assert (before / "model.safetensors").read_bytes() == FILES["V1/model.safetensors"]


def test_a_hub_that_cannot_be_asked_leaves_the_commit_as_it_was(tmp_path):
    with serve(Hub()) as hub:
        bench = Bench(hub, tmp_path)
        commit = hub.commit(FILES)
        bench.fetch("hf://lab/model@main/V1")
    assert bench.call("refreshed", "hf://lab/model@main/V1") == commit
    with pytest.raises(ScfmError, match="cannot be fetched"):
        bench.call("present_commit", "hf://lab/model@main/V1")
    with pytest.raises(ScfmError, match="cannot be fetched"):
        bench.call("resolved_revision", "hf://lab/model@other/V1")


def test_older_weights_are_fetched_where_there_are_no_newer(bench):
    files = {name: content for name, content in FILES.items() if name != "V1/model.safetensors"}
    bench.hub.commit(files)
    assert (bench.fetch("hf://lab/model@main/V1") / "pytorch_model.bin").read_bytes() == b"the same, older"
    assert bench.fetch("hf://lab/model@main/V1", HF_HUB_OFFLINE="1").name == "V1"


def test_the_root_of_a_repository_may_be_the_checkpoint(bench):
    bench.hub.commit(
        {"config.json": b"{}", "best_model.pt": b"w", "vocab.json": b"{}", "args.json": b"{}", "x.py": b""}
    )
    assert files_in(bench.fetch("hf://lab/model@main")) == {"config.json", "best_model.pt", "vocab.json", "args.json"}


def test_one_file_of_data_is_fetched_and_code_is_not(bench):
    commit = bench.hub.commit(FILES)
    path = Path(bench.call("fetched_file", f"hf://lab/model@{commit}/geneformer/token_dictionary_gc104M.pkl"))
    assert path.read_bytes() == b"tokens"
    with pytest.raises(ScfmError, match="is no file of data by its name"):
        bench.call("fetched_file", "hf://lab/model@main/setup.py")
    with pytest.raises(ScfmError, match=r"there is no 'geneformer/gone\.json' at this revision"):
        bench.call("fetched_file", "hf://lab/model@main/geneformer/gone.json")


# What can be wrong


@pytest.mark.parametrize(
    ("address", "problem", "remedy"),
    [
        ("hf://lab/model@gone/V1", "no revision 'gone'", "/lab/model/commits/main lists its commits"),
        ("hf://lab/other@main/V1", "no repository lab/other", "HF_TOKEN"),
        ("hf://lab/model@main/V7", r"holds none of model\.safetensors", "the folder of the repository that holds"),
    ],
)
def test_what_is_not_there_is_told_with_where_to_look(bench, address, problem, remedy):
    bench.hub.commit(FILES)
    with pytest.raises(ScfmError, match=problem) as caught:
        bench.fetch(address)
    assert caught.value.place.startswith("hf://lab/")
    assert remedy in str(caught.value.remedy)


def test_a_repository_that_is_given_on_request_says_how_to_ask(bench):
    bench.hub.commit(FILES)
    bench.hub.gated = True
    with pytest.raises(ScfmError, match="to those who asked for it") as caught:
        bench.fetch("hf://lab/model@main/V1")
    assert "Accept its conditions at https://huggingface.co/lab/model" in str(caught.value.remedy)


def test_an_answer_that_breaks_off_is_never_taken_for_the_file(bench):
    commit = bench.hub.commit(FILES)
    bench.hub.truncated = {"V1/model.safetensors"}
    with pytest.raises(ScfmError, match="cannot be fetched"):
        bench.fetch("hf://lab/model@main/V1")
    whole = bench.folder / "hf" / "hub" / "models--lab--model" / "snapshots" / commit / "V1" / "model.safetensors"
    assert not whole.exists()
    bench.hub.truncated = set()
    assert (bench.fetch("hf://lab/model@main/V1") / "model.safetensors").read_bytes() == FILES["V1/model.safetensors"]


def test_names_that_leave_the_repository_are_never_asked_for(bench):
    hostile = {
        "../../../evil.json": b"x",
        "V1/../../evil.json": b"x",
        "/tmp/evil.json": b"x",
        "V1/\\..\\evil.json": b"x",
    }
    bench.hub.commit({**FILES, **hostile})
    bench.fetch("hf://lab/model@main/V1")
    assert not [line for line in bench.hub.asked if "evil" in line]
    assert not list(bench.folder.rglob("evil.json"))


def test_a_server_that_is_no_hub_is_told(tmp_path):
    with serve(Hub(repository="x/y")) as hub:
        hub.commits["not a commit"] = FILES
        hub.branches["main"] = "not a commit"
        with pytest.raises(ScfmError, match="which is no commit"):
            Bench(hub, tmp_path).fetch("hf://x/y@main/V1")


# A model from the hub

OPEN = """
import json, sys
from scfm_assets import catalog; from scfm_assets.inputs import checkpoints
model = checkpoints.open_model(catalog.load(sys.argv[1]), "mine")
files = checkpoints.checkpoint_files(catalog.load(sys.argv[1]), "mine")
print(json.dumps([model.generation.name, model.fingerprint.as_dict(), files]))
"""


@pytest.mark.long
def test_a_checkpoint_of_the_official_layout_opens_with_its_address_alone(tmp_path):
    root = tmp_path / "made"
    write_dictionaries(root, "30M", "104M")
    write_weights(root / "mine_v2", "v2", layers=2, heads=2, hidden=16)
    files = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
    model = {"checkpoint": "hf://lab/model@main/mine_v2", "layer": 2, "expect": {"layers": 2, "max_tokens": 4096}}
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump({**SMALLEST, "models": {"mine": model}}))
    with serve(Hub()) as hub:
        hub.commit(files)
        own = {
            **os.environ,
            "HF_ENDPOINT": hub.url,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
        command = [sys.executable, "-c", OPEN, str(file)]
        told = subprocess.run(command, env=own, capture_output=True, text=True, check=True, timeout=100).stdout
    generation, fingerprint, digests = json.loads(told.splitlines()[-1])
    assert (generation, fingerprint["layers"], fingerprint["vocabulary"]) == ("v2", 2, 20275)
    assert set(digests) == {
        *("config.json", "model.safetensors", "token_dictionary_gc104M.pkl", "gene_median_dictionary_gc104M.pkl"),
        "ensembl_mapping_dict_gc104M.pkl",
    }
    assert digests["model.safetensors"] == digest_file(root / "mine_v2" / "model.safetensors")
    offline = subprocess.run(
        command, env={**own, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True, timeout=100
    ).stdout
    assert offline == told
