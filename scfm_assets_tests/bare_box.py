"""Run in a process of its own: the work of core/ and families/ where the platform's packages are not installed.

What is left are the packages of a GPU box, and what these require themselves. All others are as good as not there: not
found by an import, not found by name.
"""

from __future__ import annotations

import importlib.util
import json
import pkgutil
import re
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

INSTALLED = ("numpy", "scipy", "pandas", "pyarrow", "torch", "transformers", "safetensors")
N_GENES = 30
GENES = [f"ENSG{i:011d}" for i in range(N_GENES)]


# A box without the others -------------------------------------------------------------------------------------------


def spelled(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def required(names: tuple[str, ...]) -> set[str]:
    """Distributions that these require, and theirs, extras left out."""
    from packaging.requirements import Requirement

    found, ahead = set(), [spelled(name) for name in names]
    while ahead:
        name = ahead.pop()
        if name in found:
            continue
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        asked = [Requirement(line) for line in lines]
        ahead += [spelled(r.name) for r in asked if r.marker is None or r.marker.evaluate({"extra": ""})]
    return found


class Bare(PathFinder):
    """Finds what is on the path, but for the packages that a bare box does not have."""

    allowed: set[str]
    missing: set[str]

    @classmethod
    def leave(cls, *names: str) -> None:
        cls.allowed = required(names)
        owners = metadata.packages_distributions()
        cls.missing = {
            module for module, owned in owners.items() if not {spelled(owner) for owner in owned} & cls.allowed
        } - {"scfm_assets", "scfm_assets_bench", "scfm_assets_pretrain", "scfm_assets_tests"}
        already = sorted({module.split(".")[0] for module in sys.modules} & cls.missing - {"packaging"})
        assert not already, already
        sys.meta_path[:] = [cls if finder is PathFinder else finder for finder in sys.meta_path]
        importlib.invalidate_caches()

    @classmethod
    def find_spec(cls, fullname: str, path: object = None, target: object = None) -> ModuleSpec | None:
        missing = fullname.split(".")[0] in cls.missing
        return None if missing else super().find_spec(fullname, path, target)

    @classmethod
    def find_distributions(cls, context: object = None) -> Iterator[metadata.Distribution]:
        found = super().find_distributions(context)
        return (distribution for distribution in found if spelled(distribution.name) in cls.allowed)


# The work -----------------------------------------------------------------------------------------------------------


def all_modules() -> list[str]:
    loaded = []
    for package in ("scfm_assets.core", "scfm_assets.families"):
        paths = importlib.import_module(package).__path__
        for found in pkgutil.walk_packages(paths, f"{package}."):
            importlib.import_module(found.name)
            loaded.append(found.name)
    return loaded


def a_checkpoint(folder: Path) -> Path:
    import torch
    from transformers import BertConfig, BertForMaskedLM

    names = ["<pad>", "<mask>", "<cls>", "<eos>", *GENES]
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=64,
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    (folder / "token_dictionary.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    (folder / "gene_median.json").write_text(json.dumps(dict.fromkeys(GENES, 1.5)))
    return folder


def work(folder: Path) -> dict[str, object]:
    """Tokenize, open, encode, score, evaluate."""
    import numpy as np
    import pyarrow as pa
    import scipy.sparse as sp

    from scfm_assets.core.attention.collector import AttentionCollector, CellGroups, States
    from scfm_assets.core.base.digest import digest_arrays
    from scfm_assets.core.evaluation.metric_rows import evaluate
    from scfm_assets.core.networks.table import NetworkSpec, tidy_network
    from scfm_assets.core.scores.edges import from_attention
    from scfm_assets.families import FAMILIES

    rng = np.random.default_rng(0)
    counts = sp.csr_array(rng.poisson(1.0, (40, N_GENES)).astype(np.int32))
    model = FAMILIES["geneformer"].open(a_checkpoint(folder), {"generation": "v2"})
    tokens = model.tokenize(counts, GENES)
    panel = pa.table({"gene_id": GENES[:20], "symbol": [f"G{i}" for i in range(20)]})
    collector = AttentionCollector(
        model.vocabulary.panel_of_token(GENES[:20]),
        20,
        (1, 2),
        np.zeros(40, np.int32),
        1,
        groups=CellGroups(np.arange(40) % 10, 10, np.arange(4)),
        states=States((2, 3), 2),
    )
    model.encode(tokens, collect=collector)
    scores = from_attention({0: collector.blocks[0]}, panel)
    edges = pa.table({"tf": [f"G{i % 4}" for i in range(24)], "target": [f"G{i % 19}" for i in range(24)]})
    found = evaluate(
        scores,
        [tidy_network(edges, NetworkSpec("small", ids="symbol"))],
        tissue="lung",
        n_cells=40,
        model="m",
        checkpoint=None,
        simulated=True,
    )
    return {
        "tokens": int(tokens.lengths.sum()),
        "forwarded": collector.forwarded,
        "row_sum_error": collector.row_sum_error,
        "embeddings": sorted(collector.embeddings),
        "scores": len(scores.keys),
        "rows": found.table.num_rows,
        "digests": [digest_arrays(array) for array in (tokens.ids, collector.blocks[0].plain, scores.scores)],
        "values": [
            None if value is None else round(value, 12)
            for column in ("value", "lo", "hi")
            for value in found.table[column].to_pylist()
        ],
    }


if __name__ == "__main__":
    Bare.leave(*INSTALLED)
    there = [name for name in sys.argv[1:] if importlib.util.find_spec(name) is not None]
    with tempfile.TemporaryDirectory() as home:
        print(json.dumps({"there": there, "modules": all_modules(), **work(Path(home))}))
