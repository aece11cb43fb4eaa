"""The report: one page, self-contained, of what a run found, made from the published tables."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scfm_assets.figures import plots
from scfm_assets.figures.files import to_svg
from scfm_assets.figures.traces import rows_of
from scfm_assets.report.headline import headline, scores_of
from scfm_assets.report.html import Html, details, element, number, page, table
from scfm_assets.report.methods import method_section
from scfm_assets.report.parts import READING, ROLES_EXPLAINED, cards, explained, fit_table, glance, score_table
from scfm_assets.report.studies import anchor, study_sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from matplotlib.figure import Figure

    from scfm_assets.report.headline import Score
    from scfm_assets.report.studies import StudyPage

NO_METRICS = "No metrics: no reference network is known for this tissue. Its cells passed through all other assets."


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


def write_report(folder: Path, tables: Mapping[str, pa.Table], context: Context | Mapping[str, Any]) -> Path:
    """Write ``index.html`` of a folder, beside the old one and then in its place.

    Parameters
    ----------
    folder
        Is made if it does not exist.
    tables
        `metrics` and `scaling_curves`; `atlas_qc` and `method_verdicts` (of the largest n_cells) if there are any.
    context
        What the tables do not say.

    Returns
    -------
    The page's path.
    """
    return write(folder, render(tables, context))


def write(folder: Path, text: str) -> Path:
    """Put a page into its place: no reader ever sees half of it."""
    folder.mkdir(parents=True, exist_ok=True)
    beside, target = folder / f".index.html.{os.getpid()}", folder / "index.html"
    beside.write_text(text, encoding="utf-8")
    return beside.replace(target)


def render(tables: Mapping[str, pa.Table], context: Context | Mapping[str, Any]) -> str:
    """Make the page; arguments as for `write_report`."""
    about = context if isinstance(context, Context) else Context(**context)
    metrics, curves = tables["metrics"], tables["scaling_curves"]
    tissues = list(about.tissues) or list(dict.fromkeys(metrics["tissue"].to_pylist()))
    layers = about.layer_of_model or {row["model"]: row["layer"] for row in _distinct(curves, "model", "layer")}
    simulated = {row["tissue"] for row in _distinct(metrics, "tissue", "simulated") if row["simulated"]}
    judging = {"direction": about.direction, "layer_of_model": layers, "controls": about.controls}
    scores = {tissue: scores_of(metrics, curves, tissue, **judging) for tissue in tissues}
    sections = [block for tissue in tissues for block in _tissue(tissue, tables, about, layers, scores[tissue])]
    query = element("code", 'scfm sql "select * from metrics"')
    source = element(
        "footer", "Every number of this page is a row of metrics or scaling_curves: ", query, class_="quiet"
    )
    headlines = {tissue: headline(found, metrics, tissue) for tissue, found in scores.items()}
    overview = glance(headlines, _anchor) if sum(map(bool, headlines.values())) > 1 else ""
    studied = study_sections(about.studies)
    main = element("main", overview, *sections, *studied, *_missing(about), *_provenance(metrics, about))
    return page(about.title, [_top(about, tissues, simulated), main, source])


def _top(about: Context, tissues: Sequence[str], simulated: set[str]) -> Html:
    made = ", ".join(part for part in (f"catalog {about.catalog}" if about.catalog else "", about.created) if part)
    links = [element("a", tissue, href=f"#{_anchor(tissue)}") for tissue in tissues]
    links += [element("a", study.title, href=f"#{anchor(study.name)}") for study in about.studies]
    notes = [element("p", sentence) for sentence in about.verdicts]
    if simulated:
        which = "All tissues" if simulated >= set(tissues) else ", ".join(t for t in tissues if t in simulated)
        said = f"{which}: simulated data. The truth is known, and nothing here is biology."
        notes.append(element("p", said, class_="banner"))
    return element(
        "header",
        element("h1", about.title),
        element("p", made, class_="quiet"),
        element("p", READING),
        element("ul", *(element("li", sentence) for sentence in ROLES_EXPLAINED), class_="quiet"),
        *notes,
        element("nav", *links),
    )


def _tissue(
    tissue: str,
    tables: Mapping[str, pa.Table],
    about: Context,
    layers: Mapping[str, int | None],
    scores: Sequence[Score],
) -> Iterator[Html]:
    metrics, curves = tables["metrics"], tables["scaling_curves"]
    yield element("h2", tissue, id=_anchor(tissue))
    shown = headline(scores, metrics, tissue)
    if not shown:
        yield element("p", _why(tissue, about.reasons))
    else:
        first = shown[0]
        network, kind = first.network, "simulated " if first.simulated else ""
        found = f"{first.n_pos:,} positives among the pairs of its TFs and the panel"
        said = f"At {first.n_cells:,} {kind}cells. Network {network}: {found}, base rate {number(first.base_rate, 4)}."
        yield element("p", said, class_="quiet")
        yield cards(shown)
        chosen = {"network": network, "layer_of_model": layers}
        curve = plots.scaling_curve(metrics, curves, tissue, direction=about.direction, columns=3, **chosen)
        yield _figure(curve, f"{tissue}-curve")
        yield score_table(shown)
        yield element("p", explained(first), class_="quiet")
        yield from method_section(tables.get("method_verdicts"), tissue)
        yield details("Forms of the curves", *fit_table(curves, tissue, network, about.direction))
        layered = plots.attention_by_layer(metrics, tissue, **chosen)
        yield details("Attention by layer", _figure(layered, f"{tissue}-layers"))
        yield details("Coverage", _figure(plots.coverage(metrics, tissue), f"{tissue}-coverage"))
        rest = [score for score in scores if score not in shown]
        if rest:
            yield details("Other universes and networks", score_table(rest, places=True))
    yield from _quality(tissue, tables.get("atlas_qc"), about)


def _quality(tissue: str, atlas_qc: pa.Table | None, about: Context) -> Iterator[Html]:
    if tissue in about.cells:
        yield details("Atlas", _figure(plots.atlas_qc(*about.cells[tissue], tissue), f"{tissue}-atlas"))
    elif atlas_qc is not None and (rows := rows_of(atlas_qc, tissue=tissue)):
        head = ["cell type", "donor", "cells", "median counts", "median genes"]
        names = ("cell_type", "donor", "cells", "median_counts", "median_genes")
        yield details("Atlas", table(head, [[row[name] for name in names] for row in rows]))


def _why(tissue: str, reasons: Sequence[str]) -> str:
    return " ".join(reason for reason in reasons if reason.startswith(tissue)) or NO_METRICS


def _missing(about: Context) -> Iterator[Html]:
    if about.reasons:
        yield element("h2", "What is missing, and why", id="missing")
        yield element("ul", *(element("li", reason) for reason in about.reasons))


def _provenance(metrics: pa.Table, about: Context) -> Iterator[Html]:
    yield element("h2", "Provenance", id="provenance")
    checkpoints = [r for r in _distinct(metrics, "model", "checkpoint") if r["checkpoint"] is not None]
    networks = _distinct(metrics, "network", "network_version")
    blocks = (
        (["model", "checkpoint"], [[r["model"], element("code", r["checkpoint"])] for r in checkpoints]),
        (["network", "version"], [[r["network"], element("code", r["network_version"])] for r in networks]),
        (["asset", "data version"], [[name, element("code", v)] for name, v in about.data_versions.items()]),
        (["package", "version"], [[name, element("code", v)] for name, v in about.versions.items()]),
    )
    for head, rows in blocks:
        if rows:
            block = table(head, rows)
            yield details(f"{len(rows)} {head[0]}s", block) if len(rows) > 12 else block


def _figure(figure: Figure, name: str) -> Html:
    return element("figure", Html(to_svg(figure, name)))


def _anchor(tissue: str) -> str:
    return f"tissue-{tissue}"


def _distinct(rows: pa.Table, *columns: str) -> list[dict[str, Any]]:
    """Distinct values of some columns, in the order of their first row."""
    return list({tuple(row.values()): row for row in rows.select(list(columns)).to_pylist()}.values())
