"""The readable inspection of an atlas: what is in the file, what would be put right, what would be refused."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from scfm_assets.core.intake.atlas import read
from scfm_assets.core.intake.count_source import take_counts, var_at
from scfm_assets.core.intake.coverage import ModelCoverage, coverage_of
from scfm_assets.core.intake.files import notes_of
from scfm_assets.core.intake.findings import AtlasFacts, Finding, finding_on
from scfm_assets.core.intake.gene_intake import check_organism, gene_table_of, given_names, take_genes, unite_genes
from scfm_assets.core.intake.guess import entry_lines, evidence
from scfm_assets.core.intake.inspection_parts import (
    Section,
    columns_section,
    confounded_lines,
    coverage_section,
    facts_of,
    file_section,
    genes_section,
    label_lines,
    library_section,
    matrices_section,
)
from scfm_assets.core.intake.obs import choose, take_barcodes, take_label, take_rows
from scfm_assets.core.intake.spec import UNDECLARED, AtlasSpec
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from anndata import AnnData

    from scfm_assets.core.genes import Repair, Vocabulary

T = TypeVar("T")

WIDTH = 120


@dataclass(frozen=True)
class Inspection:
    """What `process` would do with an atlas.

    Attributes
    ----------
    place
        The file.
    sections
        What is in it.
    repairs
        What would be put right.
    refusals
        What would stop it: all of it, not only the first.
    entry
        The catalog's entry for it, in YAML.
    finding
        The whole in one line.
    facts
        The numbers that the finding rests on.
    """

    place: str
    sections: tuple[Section, ...]
    repairs: tuple[Repair, ...]
    refusals: tuple[ScfmError, ...]
    entry: tuple[str, ...]
    finding: Finding
    facts: AtlasFacts

    @property
    def ok(self) -> bool:
        """Whether the atlas can be used as it is declared."""
        return not self.refusals

    def text(self) -> str:
        """Write the inspection for a terminal."""
        repaired = [f"{repair.n:,} {repair.what.replace('_', ' ')} ({repair.example})" for repair in self.repairs]
        refused = [f"{refusal.problem}. {refusal.remedy or ''}".rstrip() for refusal in self.refusals]
        sections = (
            *self.sections,
            Section("Would be put right", tuple(repaired) or ("nothing",)),
            Section("Would be refused", tuple(refused) or ("nothing",)),
            Section("Catalog entry", self.entry, verbatim=True),
            Section("Verdict", (self.finding.words,)),
        )
        width = max(len(section.title) for section in sections) + 4
        return "\n".join([self.place, *(_paragraph(section, width) for section in sections)]) + "\n"


def inspect_file(
    path: Path,
    spec: AtlasSpec,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    *,
    absent: Mapping[str, str] | None = None,
    guessed: bool = False,
) -> Inspection:
    """Inspect a file or folder of any of `atlas_files.FORMATS`.

    Parameters
    ----------
    path
        The file; it stands for that of `spec`.
    spec
        What is declared about it, by the catalog or by `guess_spec`.
    vocabularies
        Genes that each model knows, by its name.
    absent
        Models whose genes cannot be asked for, and why.
    guessed
        Whether `spec` is a guess: the finding then says that the organism is not the catalog's default.

    Raises
    ------
    ScfmError
        If the file cannot be read at all. Everything else is a refusal within the inspection.
    """
    spec = replace(spec, path=path)
    return inspect_atlas(read(spec), spec, vocabularies, absent=absent, guessed=guessed)


def inspect_atlas(
    adata: AnnData,
    spec: AtlasSpec,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    *,
    absent: Mapping[str, str] | None = None,
    guessed: bool = False,
) -> Inspection:
    """Ask every step of `process`, note what each would put right or refuse, and describe what there is.

    Parameters
    ----------
    adata
        From `read`, `read_scanpy` or a simulator.
    spec
        What is declared about it.
    vocabularies, absent, guessed
        As `inspect_file`.
    """
    refusals: list[ScfmError] = []
    all_obs: Any = adata.obs
    source = _ask(refusals, lambda: take_counts(adata, spec))
    rows, left_out = _ask(refusals, lambda: take_rows(all_obs, spec)) or (np.ones(len(all_obs), dtype=bool), ())
    obs = all_obs if rows.all() else all_obs[rows]
    counts = None if source is None else source.counts if rows.all() else source.counts[rows]
    _ask(refusals, lambda: take_barcodes(obs.index, spec))
    for name in (*UNDECLARED, *(["assay"] if spec.assay is not None else [])):
        _ask(refusals, lambda name=name: take_label(obs, name, spec))
    var = var_at(adata, source.place if source else "X")
    names = _ask(refusals, lambda: take_genes(var, spec))
    if names is not None:
        _ask(refusals, lambda: check_organism(names, obs, spec))
    notes = notes_of(adata)
    repairs = [*notes.left_out, *(source.repairs if source else ()), *left_out, *(names.repairs if names else ())]
    coverages: tuple[ModelCoverage, ...] = ()
    kept = None
    if counts is not None and names is not None:
        models = (vocabularies or {}).items()
        coverages = tuple(coverage_of(model, known, names, counts, spec.organism) for model, known in models)
        united = _ask(refusals, lambda: unite_genes(counts, names, spec)) or (counts, None, ())
        chosen = _ask(refusals, lambda: choose(united[0], obs.index.to_numpy(), spec))
        repairs += (*united[2], *(chosen[2] if chosen else ()))
        kept = united[0] if chosen is None else united[0][chosen[0]][:, chosen[1]]
    sections = [file_section(adata, spec, source), matrices_section(adata, source)]
    if counts is not None:
        sections.append(library_section(counts, np.array([], dtype=object) if names is None else names.symbols))
    sections.append(columns_section(obs, spec))
    clues = ()
    if names is not None:
        _, given_symbols = given_names(var, spec)
        clues = evidence(names.ids.tolist(), given_symbols.tolist(), obs)
        sections.append(genes_section(names, given_symbols, clues, spec, gene_table_of(spec)))
        sections.append(coverage_section(coverages, absent or {}))
    titles = {"Cell types": "cell_type", "Donors": "donor", "Batches": "batch"}
    sections += [Section(title, label_lines(obs, getattr(spec, name), name)) for title, name in titles.items()]
    if confounded := confounded_lines(obs, spec):
        sections.append(Section("Confounded", confounded))
    looks_like = clues[0][0] if clues else None
    facts = facts_of(adata, obs, spec, kept, coverages=coverages, looks_like=looks_like)
    finding = finding_on(facts, tuple(refusals), guessed=guessed)
    return Inspection(spec.place, tuple(sections), tuple(repairs), tuple(refusals), entry_lines(spec), finding, facts)


def _ask(refusals: list[ScfmError], step: Callable[[], T]) -> T | None:
    """Do a step, or note why it would be refused."""
    try:
        return step()
    except ScfmError as refusal:
        refusals.append(refusal)
        return None


def _paragraph(section: Section, width: int) -> str:
    """Set the title in the margin and the lines beside it."""
    wrap = textwrap.TextWrapper(WIDTH - width, subsequent_indent="  ", break_long_words=False).wrap
    lines = [part for line in section.lines for part in ([line] if section.verbatim else wrap(line))]
    margin = [f"  {section.title}".ljust(width), *[" " * width] * (len(lines) - 1)]
    return "\n".join(left + line for left, line in zip(margin, lines, strict=True))
