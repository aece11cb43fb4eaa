"""Checkpoints on the Hugging Face hub: addresses, the files of a folder, and the commit that a branch stands at.

What is fetched lies in huggingface_hub's own cache, which other programs share. A branch stays at the commit at which a
home first met it, until `refreshed` is asked: all processes of a home read the same files.
`HF_ENDPOINT` (a mirror), `HF_HUB_OFFLINE`, `HF_HOME` and `HF_TOKEN` mean what they mean to that library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath

from scfm_assets.catalog import COMMIT, SCHEME, HubAddress
from scfm_assets.core.base import digest_json, replacing
from scfm_assets.errors import ScfmError

WEIGHTS = ("model.safetensors", "best_model.pt")
"""Weights, looked for first; `OLDER_WEIGHTS` are fetched only where there are none of these."""

OLDER_WEIGHTS = ("pytorch_model.bin",)

BESIDE_WEIGHTS = ("config.json", "vocab.json", "args.json", "token_dictionary.json", "gene_median.json")
"""What may lie beside the weights and is read. Nothing else of a repository is fetched, code least of all."""

DATA = (".json", ".parquet", ".pkl", ".pickle", ".safetensors", ".bin", ".pt", ".csv", ".tsv", ".txt")
"""Endings of single files that may be fetched; pickles are read by a reader that runs nothing."""

# Which commit -----------------------------------------------------------------------------------------------------


def present_commit(address: HubAddress) -> str:
    """Ask the hub for the commit that a revision stands at now; nothing is downloaded.

    Raises
    ------
    ScfmError
        If the hub cannot be asked, or knows no such repository or revision.
    """
    if address.is_commit:
        return address.revision
    from huggingface_hub import HfApi

    with _explained(address):
        commit = HfApi().model_info(address.repository, revision=address.revision, timeout=10).sha
    return _commit(address, commit)


def resolved_revision(address: HubAddress, home: Path | None = None) -> str:
    """Commit that an address stands for: as `home` has met it, else as the hub says, else as the cache knows.

    Raises
    ------
    ScfmError
        If neither does.
    """
    if home is not None and (met := _met(address, home)) is not None:
        return met
    try:
        return present_commit(address)
    except ScfmError:
        if (known := _cached_commit(address)) is None:
            raise
        return known


def refreshed(address: HubAddress, home: Path) -> str:
    """Ask the hub where a revision stands now, and let this home use that commit from here on.

    Where the hub cannot be asked, the commit that was met before stays.
    """
    try:
        commit = present_commit(address)
    except ScfmError:
        return resolved_revision(address, home)
    _meet(address, commit, home)
    return commit


def _record(address: HubAddress, home: Path) -> Path:
    revision = f"{SCHEME}{address.repository}@{address.revision}"
    return home / "hub" / f"{digest_json(revision)}.json"


def _met(address: HubAddress, home: Path) -> str | None:
    """Commit that an address stands for in a home, None if it has not met it."""
    if address.is_commit:
        return address.revision
    try:
        record = json.loads(_record(address, home).read_text())
        commit = record["commit"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return commit if isinstance(commit, str) and COMMIT.fullmatch(commit) else None


def _meet(address: HubAddress, commit: str, home: Path) -> None:
    if _met(address, home) == commit:
        return
    record = _record(address, home)
    with replacing(record) as hidden:
        hidden.write_text(json.dumps({"of": str(replace(address, path="")), "commit": commit}))


def _cached_commit(address: HubAddress) -> str | None:
    """Commit at which huggingface's cache last saw a branch or tag."""
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"models--{address.repository.replace('/', '--')}"
    try:
        commit = (folder / "refs" / address.revision).read_text().strip()
    except OSError:
        return None
    return commit if COMMIT.fullmatch(commit) else None


def _commit(address: HubAddress, commit: str | None) -> str:
    if commit is None or not COMMIT.fullmatch(commit):
        raise ScfmError(str(address), f"the hub names {commit!r}, which is no commit", "Is HF_ENDPOINT a hub?")
    return commit


# Its files --------------------------------------------------------------------------------------------------------


def fetched_folder(address: HubAddress, home: Path) -> Path:
    """Local folder of a checkpoint, fetching first what is wanted of it and is not there yet.

    The dictionaries that the official Geneformer repository keeps beside its checkpoints come with it.

    Parameters
    ----------
    address
        A folder of a repository.
    home
        Remembers the commit of a branch.

    Raises
    ------
    ScfmError
        No such repository, revision or folder; no weights in it; no permission; or no network and nothing cached.
    """
    from scfm_assets.families.official import DICTIONARY_FILES

    met = _met(address, home)
    inside = PurePosixPath(address.path)
    patterns = [str(inside / name) for name in (*BESIDE_WEIGHTS, *WEIGHTS)]
    root = _snapshot(address.at(met) if met else address, [*patterns, *DICTIONARY_FILES])
    commit, folder = _commit(address, root.name), root / inside
    if not any((folder / name).is_file() for name in WEIGHTS):
        _snapshot(address.at(commit), [str(inside / name) for name in OLDER_WEIGHTS])
    if not any((folder / name).is_file() for name in (*WEIGHTS, *OLDER_WEIGHTS)):
        problem = f"holds none of {', '.join((*WEIGHTS, *OLDER_WEIGHTS))} at commit {commit[:12]}"
        raise ScfmError(str(address), problem, "Name the folder of the repository that holds the weights.")
    _meet(address, commit, home)
    return folder


def fetched_file(address: HubAddress, home: Path) -> Path:
    """Local copy of one file of a repository, fetching it first if need be.

    Raises
    ------
    ScfmError
        As `fetched_folder`; or the address names no file of data.
    """
    if not address.path.endswith(DATA):
        raise ScfmError(str(address), "is no file of data by its name", f"Endings: {', '.join(DATA)}.")
    from huggingface_hub import hf_hub_download

    with _explained(address):
        local = hf_hub_download(address.repository, address.path, revision=_met(address, home) or address.revision)
    path = Path(local)
    root = path.parents[len(PurePosixPath(address.path).parts) - 1]
    _meet(address, _commit(address, root.name), home)
    return path


def _snapshot(address: HubAddress, names: list[str]) -> Path:
    from huggingface_hub import snapshot_download

    with _explained(address):
        return Path(snapshot_download(address.repository, revision=address.revision, allow_patterns=names))


@contextmanager
def _explained(address: HubAddress) -> Iterator[None]:
    """Turn what the library raises into what a user can do about it."""
    from huggingface_hub import errors

    place = str(address)
    page = f"https://huggingface.co/{address.repository}"
    try:
        yield
    except errors.GatedRepoError as error:
        remedy = f"Accept its conditions at {page}, and set HF_TOKEN to a token of yours."
        raise ScfmError(place, "its authors give this repository to those who asked for it", remedy) from error
    except errors.RepositoryNotFoundError as error:
        remedy = f"Correct the address; for a private repository set HF_TOKEN. See {page}."
        raise ScfmError(place, f"the hub has no repository {address.repository}", remedy) from error
    except errors.RevisionNotFoundError as error:
        remedy = f"{page}/commits/main lists its commits."
        raise ScfmError(place, f"the repository has no revision {address.revision!r}", remedy) from error
    except errors.RemoteEntryNotFoundError as error:
        remedy = f"{page}/tree/{address.revision} lists its files."
        raise ScfmError(place, f"there is no {address.path!r} at this revision", remedy) from error
    except (errors.HTTPError, OSError, ValueError, LookupError, TypeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        problem = f"cannot be fetched, and is not all in huggingface's cache: {type(error).__name__}: {reason}"
        raise ScfmError(place, problem, _beforehand(address)) from error


def _beforehand(address: HubAddress) -> str:
    folder = f" --include '{address.path}/*' 'geneformer/*'" if address.path else ""
    command = f"hf download {address.repository} --revision {address.revision}{folder}"
    return (
        f"Check the network, HF_ENDPOINT and HF_HUB_OFFLINE; or fetch it beforehand where there is a network, with "
        f"`{command}` into the same HF_HOME; or name a local folder."
    )
