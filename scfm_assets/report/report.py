"""The report: one page, self-contained, of what a run found, made from the published tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scfm_assets.core.words import MARGINS
from scfm_assets.figures import plots
from scfm_assets.figures.files import to_svg
from scfm_assets.figures.traces import rows_of
from scfm_assets.report.headline import headline, picked, scores_of
from scfm_assets.report.html import Html, fill, table
from scfm_assets.report.methods import method_section
from scfm_assets.report.parts import curve_table, fit_table, glance_table, score_table
from scfm_assets.report.studies import anchor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from matplotlib.figure import Figure

    from scfm_assets.report.headline import Score
    from scfm_assets.report.studies import StudyPage

CODE = Html("<code>{}</code>")


@dataclass(frozen=True)
class Context:
    """What the tables do not say; everything may be left out."""

    title: str = "scfm_assets"
    catalog: str = ""
    created: str = ""
    """When the page was made, as it shall be shown."""
    tissues: Sequence[str] = ()
    """In the order of the page; those of the metrics by default. One without metrics is shown with its reason."""
    direction: str = "tf_queries"
    layer_of_model: Mapping[str, int | None] = field(default_factory=dict)
    """The fixed layers; those of the curves by default."""
    controls: Mapping[str, str] = field(default_factory=dict)
    """Model to 'planted' or 'random'."""
    cells: Mapping[str, tuple[np.ndarray, np.ndarray, Sequence[str]]] = field(default_factory=dict)
    """Tissue to counts, detected genes and type of its cells."""
    reasons: Sequence[str] = ()
    """Why something is missing."""
    verdicts: Sequence[str] = ()
    """Further sentences for the top of the page."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Packages."""
    data_versions: Mapping[str, str] = field(default_factory=dict)
    """Assets."""
    studies: Sequence[StudyPage] = ()
    """Parts of the page that the studies have made of themselves."""


def write(folder: Path, text: str) -> Path:
    """Write ``index.html`` of a folder, which is made if need be: no reader ever sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    beside, target = folder / f".index.html.{os.getpid()}", folder / "index.html"
    beside.write_text(text, encoding="utf-8")
    return beside.replace(target)


def render(tables: Mapping[str, pa.Table], context: Context | Mapping[str, Any]) -> str:
    """Make the page.

    Parameters
    ----------
    tables
        `metrics` and `scaling_curves`; `atlas_qc` and `method_verdicts` (of the largest n_cells) if there are any.
    context
        What the tables do not say.
    """
    about = context if isinstance(context, Context) else Context(**context)
    metrics, curves = tables["metrics"], tables["scaling_curves"]
    tissues = list(about.tissues) or list(dict.fromkeys(metrics["tissue"].to_pylist()))
    layers = about.layer_of_model or {row["model"]: row["layer"] for row in _distinct(curves, "model", "layer")}
    judging = {"direction": about.direction, "layer_of_model": layers, "controls": about.controls}
    judging |= {"verdicts": tables.get("method_verdicts")}
    scores = {tissue: scores_of(metrics, curves, tissue, **judging) for tissue in tissues}
    headlines = {tissue: headline(all_scores, metrics, tissue) for tissue, all_scores in scores.items()}
    links = [(tissue, _anchor(tissue)) for tissue in tissues]
    return fill(
        "page",
        about=about,
        simulated=_simulated(metrics, tissues),
        links=links + [(study.title, anchor(study.name)) for study in about.studies],
        overview=glance_table(headlines, _anchor) if sum(map(bool, headlines.values())) > 1 else None,
        tissues=[_tissue(tissue, tables, about, layers, scores[tissue]) for tissue in tissues],
        studies=[Html(page.markup) for page in about.studies],
        provenance=list(_provenance(metrics, about)),
        margin=MARGINS["auroc"],
    )


def _simulated(metrics: pa.Table, tissues: Sequence[str]) -> str:
    """Which tissues are simulated, in words; nothing where none is."""
    simulated = {row["tissue"] for row in _distinct(metrics, "tissue", "simulated") if row["simulated"]}
    if simulated and simulated >= set(tissues):
        return "All tissues"
    return ", ".join(tissue for tissue in tissues if tissue in simulated)


def _tissue(
    tissue: str,
    tables: Mapping[str, pa.Table],
    about: Context,
    layers: Mapping[str, int | None],
    scores: Sequence[Score],
) -> dict[str, Any]:
    """What the section of a tissue shows."""
    metrics, curves = tables["metrics"], tables["scaling_curves"]
    section: dict[str, Any] = {
        "name": tissue,
        "anchor": _anchor(tissue),
        "shown": headline(scores, metrics, tissue),
        "reasons": [reason for reason in about.reasons if reason.startswith(tissue)],
        "quality": _quality(tissue, tables.get("atlas_qc"), about),
    }
    if not section["shown"]:
        return section
    chosen = {"network": section["shown"][0].network, "layer_of_model": layers}
    others = [score for score in scores if score not in section["shown"]]
    curve = plots.scaling_curve(metrics, curves, tissue, direction=about.direction, columns=3, **chosen)
    return section | {
        "picked": picked(section["shown"]),
        "curve": _svg(curve, f"{tissue}-curve"),
        "scores": score_table(section["shown"]),
        "methods": method_section(tables.get("method_verdicts"), tissue),
        "curves": curve_table(curves, tissue, chosen["network"], about.direction),
        "fits": fit_table(curves, tissue, chosen["network"], about.direction),
        "layers": _svg(plots.attention_by_layer(metrics, tissue, **chosen), f"{tissue}-layers"),
        "coverage": _svg(plots.coverage(metrics, tissue), f"{tissue}-coverage"),
        "others": score_table(others, places=True) if others else None,
    }


def _quality(tissue: str, atlas_qc: pa.Table | None, about: Context) -> Html | None:
    if tissue in about.cells:
        return Html("<figure>{}</figure>").format(_svg(plots.atlas_qc(*about.cells[tissue], tissue), f"{tissue}-atlas"))
    rows = rows_of(atlas_qc, tissue=tissue) if atlas_qc is not None else []
    head = ["cell type", "donor", "cells", "median counts", "median genes"]
    names = ("cell_type", "donor", "cells", "median_counts", "median_genes")
    return table(head, [[row[name] for name in names] for row in rows]) if rows else None


def _provenance(metrics: pa.Table, about: Context) -> Iterator[tuple[str, int, Html]]:
    """What each block names, how many rows it has, and its table."""
    checkpoints = [r for r in _distinct(metrics, "model", "checkpoint") if r["checkpoint"] is not None]
    networks = _distinct(metrics, "network", "network_version")
    blocks = (
        ("model", "checkpoint", [(r["model"], r["checkpoint"]) for r in checkpoints]),
        ("network", "version", [(r["network"], r["network_version"]) for r in networks]),
        ("asset", "data version", list(about.data_versions.items())),
        ("package", "version", list(about.versions.items())),
    )
    for name, version, rows in blocks:
        if rows:
            yield name, len(rows), table([name, version], [[key, CODE.format(value)] for key, value in rows])


def _svg(figure: Figure, name: str) -> Html:
    return Html(to_svg(figure, name))


def _anchor(tissue: str) -> str:
    return f"tissue-{tissue}"


def _distinct(rows: pa.Table, *columns: str) -> list[dict[str, Any]]:
    """Distinct values of some columns, in the order of their first row."""
    return list({tuple(row.values()): row for row in rows.select(list(columns)).to_pylist()}.values())
