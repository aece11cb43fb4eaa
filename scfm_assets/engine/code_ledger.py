"""Versions of expensive code, raised by hand, and the ledger that guards them.

Whatever is cheap to make anew has a digest of its code for a version (`code_behind`). Where a run costs hours, a mere
move of code must not cost them again: there the version is a number, and ``code_ledger.json`` says for each number

- ``code``: the functions behind it,
- ``digest``: the digest of all that they reach, as it was when the number was set,
- ``equal``: later digests that have the same results, each with the reason.

A test fails by the name of the asset when its code has a digest that stands in neither. Then either

- results are the same: ``python -m scfm_assets.engine.code_ledger enter "why"`` runs the golden test (tokens, sums and
  scores of a small seeded model are those that are written down) and enters the digests; or
- results differ: ``python -m scfm_assets.engine.code_ledger raise ASSET`` gives it the next number, by which everything
  made of it becomes stale; the golden outputs are then written anew (see the test).
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from scfm_assets.core.base import replacing
from scfm_assets.engine.code_behind import digest_of
from scfm_assets.errors import ScfmError

LEDGER = Path(__file__).with_name("code_ledger.json")
GOLDEN = "scfm_assets_tests/engine/test_code_ledger.py"


@cache
def entries() -> dict[str, dict[str, Any]]:
    """Entries of the ledger by asset; of a model's assets by the last part of their keys."""
    return json.loads(LEDGER.read_text(encoding="utf-8"))


def version(asset: str) -> str:
    """Version of an asset's code."""
    return entries()[asset]["version"]


def unknown() -> dict[str, str]:
    """Assets whose code changed since it was last entered, with its digest."""
    digests = {asset: digest_of(entry["code"]) for asset, entry in entries().items()}
    return {asset: digest for asset, digest in digests.items() if digest not in known(asset)}


def known(asset: str) -> set[str]:
    """Digests of code that have the results of an asset's present version."""
    entry = entries()[asset]
    return {entry["digest"], *(equal["digest"] for equal in entry["equal"])}


def enter(reason: str) -> list[str]:
    """Enter the present code of all assets as equal in results, once the golden test passed; return what was entered.

    Raises
    ------
    ScfmError
        If no reason is given, or the golden test fails.
    """
    if not reason.strip():
        raise ScfmError("code_ledger enter", "no reason is given", 'Say why results are the same: enter "moved only".')
    golden = [sys.executable, "-m", "pytest", "-q", GOLDEN, "-k", "golden"]
    if subprocess.run(golden, cwd=LEDGER.parents[2], check=False).returncode != 0:
        problem = "the golden outputs are not those that are written down"
        raise ScfmError("code_ledger enter", problem, "If they should differ: code_ledger raise ASSET.")
    changed = unknown()
    for asset, digest in changed.items():
        entries()[asset]["equal"].append({"digest": digest, "reason": reason})
    _write()
    return sorted(changed)


def raise_version(asset: str) -> str:
    """Raise the number of an asset's code, with the present code behind it; return the new one.

    Raises
    ------
    ScfmError
        If the ledger has no such asset.
    """
    if asset not in entries():
        raise ScfmError("code_ledger raise", f"{asset!r} is not in the ledger", f"There are: {', '.join(entries())}.")
    entry = entries()[asset]
    entry |= {"version": str(int(entry["version"]) + 1), "digest": digest_of(entry["code"]), "equal": []}
    _write()
    return entry["version"]


def _write() -> None:
    with replacing(LEDGER) as hidden:
        hidden.write_text(json.dumps(entries(), indent=2) + "\n", encoding="utf-8")


def main(*words: str) -> str:
    """Enter a change or raise a number, as the command line says."""
    if len(words) == 2 and words[0] == "enter":
        return f"entered: {', '.join(enter(words[1])) or 'nothing has changed'}"
    if len(words) == 2 and words[0] == "raise":
        return f"{words[1]} is at version {raise_version(words[1])}"
    raise ScfmError("code_ledger", "wants a word on what to do", 'enter "REASON", or raise ASSET')


if __name__ == "__main__":
    try:
        print(main(*sys.argv[1:]))  # noqa: T201 - it is a command
    except ScfmError as error:
        sys.exit(str(error))
