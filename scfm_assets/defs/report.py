"""The report: what a person looks at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from scfm_assets.defs.declare import Facts, Job, Later, Node, asset, everything
from scfm_assets.defs.scaling import all_of
from scfm_assets.partitions import Space
from scfm_assets.resources.store import Format

if TYPE_CHECKING:
    from pathlib import Path

    from scfm_assets.catalog import Catalog


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _read_text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _digest_text(text: str) -> str:
    from scfm_assets.core.digest import digest_arrays

    return digest_arrays(text)


HTML = Format(".html", _write_text, _read_text, _digest_text)


@asset(
    "report",
    space=Space.WHOLE,
    reads={
        "metrics": everything("evaluation/metrics"),
        "curves": everything("scaling/curves"),
    },
    config=lambda catalog, _: [catalog.name, catalog.title],
    format=HTML,
    facts=lambda job, _: Facts({}, {"report": dg.MetadataValue.path(str(job.store.home / "report" / "index.html"))}),
    kinds=["html"],
)
def report(job: Job, metrics: Later, curves: Later) -> str:
    """One page: curves, layers, coverage and quality of every tissue, with intervals, controls, verdicts and provenance."""
    from scfm_assets.report import render, write

    page = render({"metrics": all_of(metrics), "scaling_curves": all_of(curves)}, {})
    write(job.store.home / "report", page)
    return page


def nodes(_: Catalog) -> list[Node]:
    """The report."""
    return [report]
