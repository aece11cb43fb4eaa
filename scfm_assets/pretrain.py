"""Training of small checkpoints from the atlases of a catalog: what goes in, what is asked, what is left behind."""

from __future__ import annotations

import errno
import json
import math
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets import pretrain_folder as folders
from scfm_assets import sources
from scfm_assets.checkpoint_folders import MODEL_FILE
from scfm_assets.core.digest import digest_json
from scfm_assets.core.errors import ScfmError
from scfm_assets.environment import environment
from scfm_assets.families.folder import MEDIANS_FILE, TOKENS_FILE
from scfm_assets.families.pretraining.recipe import HELD_OUT, Recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.vocabulary import Vocabulary
    from scfm_assets.families.pretraining.corpus import Cells, Corpus
    from scfm_assets.families.pretraining.loop import Point

IDENTITY_FILE = "identity.json"
STATES = "checkpoint-*"
"""What the Trainer calls the states it can go on from."""
ALIASES_FILE = "ensembl_mapping.json"
CURVE_FILE = "training.png"
FROM_ATLASES = "made of the atlases"


@dataclass(frozen=True)
class Dictionaries:
    """Files of a vocabulary; all None makes one of the atlases."""

    tokens: Path | None = None
    medians: Path | None = None
    ensembl_mapping: Path | None = None

    def as_dict(self) -> dict[str, str]:
        """Give what is set, as the family geneformer takes it."""
        return {name: str(path) for name, path in vars(self).items() if path is not None}


@dataclass(frozen=True)
class Job:
    """One training.

    Parameters
    ----------
    catalog, tissues
        Where the cells come from.
    folder
        The model's folder; its name is the model's.
    recipe
        Architecture and training.
    dictionaries
        Vocabulary.
    revisions
        Steps after which a revision is saved, rising; the last step is always one.
    evaluations
        How often the held-out cells are looked at beside that.
    layer
        The layer whose scaling curve the platform draws.
    threads
        Of the CPU.
    """

    catalog: Catalog
    tissues: tuple[str, ...]
    folder: Path
    recipe: Recipe
    dictionaries: Dictionaries
    revisions: tuple[int, ...]
    evaluations: int
    layer: int
    threads: int

    def identity(self) -> dict[str, Any]:
        """Give what decides the weights; a training goes on only where all of it is the same."""
        given = self.dictionaries.as_dict()
        files = {name: sources.file_digest(getattr(self.dictionaries, name)) for name in given}
        atlases = {
            tissue: [
                sources.atlas_version(self.catalog, tissue),
                sources.gene_table_version(self.catalog, tissue),
                self.catalog.atlases[tissue].model_dump(
                    mode="json", exclude_defaults=True, exclude={"file", "url", "gene_table"}
                ),
            ]
            for tissue in self.tissues
        }
        return {
            **{name.replace("_", "-"): value for name, value in self.recipe.as_dict().items()},
            **{f"atlas {tissue}": digest_json(parts) for tissue, parts in atlases.items()},
            "vocabulary": files or FROM_ATLASES,
            "objective": "rank, <mask> only, sine waves",
        }


def pretrain(job: Job, *, fresh: bool, resume: bool, tell: Callable[[Any], None]) -> dict[str, Any]:
    """Train a model, or go on with it, and leave its revisions in its folder.

    Parameters
    ----------
    job
        What is asked.
    fresh
        Throw away what the folder holds of another or an earlier training.
    resume
        Refuse to begin: there must be a training that was stopped.
    tell
        Called with text and with `scfm_assets.families.pretraining.loop.Progress`.

    Returns
    -------
    The content of training.json.

    Raises
    ------
    ScfmError
        If the folder holds another model, atlases and vocabulary do not meet, nothing is there to go on with, or the
        disk is full.
    """
    _check_trainer()
    identity, work = job.identity(), job.folder / folders.WORK
    done = _before(job, identity, fresh=fresh, resume=resume)
    if done is not None:
        tell(f"{job.folder} is finished: {job.recipe.steps} steps of the same training. --fresh trains it anew.")
        return done
    with folders.alone(work):
        (work / IDENTITY_FILE).write_text(json.dumps(identity, indent=1))
        try:
            return _Training(job, identity, tell).run()
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            remedy = "Make room and call the same command again: it goes on from the last state."
            raise ScfmError(str(job.folder), "the disk is full", remedy) from error


def _check_trainer() -> None:
    from importlib.util import find_spec

    if find_spec("accelerate") is None:
        problem = "the package accelerate, by which transformers trains, is not installed"
        raise ScfmError("scfm pretrain", problem, 'pip install "scfm_assets[pretrain]"')


def _before(job: Job, identity: dict[str, Any], *, fresh: bool, resume: bool) -> dict[str, Any] | None:
    """Look at what the folder holds: nothing, this training half done or finished, or something else."""
    folder, work = job.folder, job.folder / folders.WORK
    record = folders.read_training(folder) if not fresh else None
    if (folder / MODEL_FILE).exists() and not (folder / folders.TRAINING_FILE).exists():
        problem = "holds a model that was not trained here"
        raise ScfmError(str(folder), problem, "Choose another name.")
    if fresh:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(folder / folders.REVISIONS, ignore_errors=True)
    begun = _identity_in(work)
    for known in (begun, record.get("identity") if record else None):
        if known is not None and known != identity:
            differing = sorted(name for name in {*known, *identity} if known.get(name) != identity.get(name))
            listed = "; ".join(_told_difference(name, known.get(name), identity.get(name)) for name in differing)
            problem = f"holds another training: {listed}"
            raise ScfmError(str(folder), problem, "Choose another name, or throw that one away with --fresh.")
    finished = record is not None and record.get("finished") and begun is None
    if resume and begun is None and not finished:
        raise ScfmError(str(folder), "there is no training to go on with", "Leave out --resume to begin one.")
    return record if finished else None


def _told_difference(name: str, there: Any, now: Any) -> str:
    if isinstance(there, int | float) and isinstance(now, int | float):
        return f"{name} {there}, now {now}"
    return f"another {name}"


def _identity_in(work: Path) -> dict[str, Any] | None:
    """Read what the training with a state was asked for; one that never came to a state binds nobody."""
    if not any(work.glob(STATES)):
        return None
    try:
        return json.loads((work / IDENTITY_FILE).read_bytes())
    except (FileNotFoundError, ValueError):  # none yet, or killed while it was written
        return None


class _Training:
    """One training on its way: the inputs, and how a revision is written down."""

    def __init__(self, job: Job, identity: dict[str, Any], tell: Callable[[Any], None]) -> None:
        self.job, self.identity, self.tell = job, identity, tell

    def run(self) -> dict[str, Any]:
        """Read, train, leave."""
        import torch

        from scfm_assets.families.pretraining import batches, loop, masked_genes

        job, recipe = self.job, self.job.recipe
        if not torch.cuda.is_available():
            torch.set_num_threads(job.threads)
        atlases = [read_cells(job.catalog, tissue, recipe.seed) for tissue in job.tissues]
        vocabulary = read_vocabulary(job.dictionaries, atlases)
        self.vocabulary = vocabulary
        self.corpus = corpus = _tokenized(atlases, vocabulary, recipe)
        lengths = corpus.tokens.lengths
        frequencies = masked_genes.unigram(corpus.tokens, corpus.training, vocabulary)
        masking = masked_genes.Masking(corpus.tokens, vocabulary, recipe.masked, recipe.seed)
        seen = corpus.looked_at(recipe.held_out_cells, recipe.seed)
        held_out = [
            masking.held_out(seen[rows], i)
            for i, rows in enumerate(batches.in_order(lengths[seen], recipe.batch_tokens))
        ]
        self.baselines = masked_genes.baselines(held_out, frequencies)
        self.atlases = {atlas.tissue: self._about(atlas) for atlas in atlases}
        self.model = masked_genes.build(recipe, vocabulary, frequencies)
        _check_room(job.folder, sum(p.numel() for p in self.model.parameters()) * 4, len(job.revisions))
        self.say(lengths)
        steps = batches.plan(lengths[corpus.training], recipe.steps, batch_tokens=recipe.batch_tokens, seed=recipe.seed)
        task = loop.Task(self.model, lambda step: masking.training(corpus.training[steps[step]], step), held_out)
        if whole := folders.revisions(job.folder):  # a process that was killed may not have come to it
            folders.publish(whole[-1], job.folder)
        points = loop.train(
            task,
            recipe,
            job.folder / folders.WORK,
            evaluate_at={*job.revisions, *_evenly(job.evaluations, recipe.steps)},
            revise=self.revise,
            tell=self.tell,
        )
        record = folders.read_training(job.folder) or self.record(recipe.steps, points, "")
        shutil.rmtree(job.folder / folders.WORK)
        return record

    def revise(self, step: int, points: Sequence[Point]) -> None:
        """Save and publish a revision, if this step is to have one."""
        if step not in self.job.revisions:
            return
        folder = folders.revision_folder(self.job.folder, step)

        def notes(weights: str) -> dict[str, bytes]:
            record = self.record(step, points, weights)
            texts = {folders.TRAINING_FILE: _json(record), MODEL_FILE: self.model_file(record)}
            return {CURVE_FILE: _curve(record)} | {name: text.encode() for name, text in texts.items()}

        folders.write_revision(folder, self.save, notes)
        folders.publish(folder, self.job.folder)

    def save(self, folder: Path) -> None:
        """Write configuration, weights and dictionaries."""
        from safetensors import torch as safetensors

        from scfm_assets.families.pretraining import masked_genes

        config, weights = masked_genes.as_bert(self.model)
        (folder / folders.WEIGHTS_FILE).write_bytes(safetensors.save(weights, metadata={"format": "pt"}))
        (folder / "config.json").write_text(_json(config))
        tokens, medians = dictionaries_of(self.vocabulary)
        (folder / TOKENS_FILE).write_text(_json(tokens))
        (folder / MEDIANS_FILE).write_text(_json(medians))
        if self.vocabulary.aliases:
            (folder / ALIASES_FILE).write_text(_json(dict(self.vocabulary.aliases)))

    def record(self, step: int, points: Sequence[Point], weights: str) -> dict[str, Any]:
        """Say how a revision came about: what stands in training.json."""
        import torch

        from scfm_assets.families.pretraining.masked_genes import WORDS

        job = self.job
        last = points[-1]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        return {
            "name": job.folder.name,
            "step": step,
            "finished": step == job.recipe.steps,
            "objective": WORDS,
            "held_out_loss": last.held_out,
            "perplexity": math.exp(last.held_out),
            "baselines": self.baselines,
            "tokens_per_second": round(last.tokens / max(last.seconds, 1e-9)),
            "recipe": job.recipe.as_dict(),
            "cells": {"training": len(self.corpus.training), "held_out": len(self.corpus.held_out)},
            "atlases": self.atlases,
            "simulated": all(about["simulated"] for about in self.atlases.values()),
            "vocabulary": {
                "source": job.dictionaries.as_dict() or FROM_ATLASES,
                "digest": self.vocabulary.digest,
                "tokens": self.vocabulary.n_tokens,
            },
            "losses": [asdict(point) for point in points],
            "revisions": [done for done in job.revisions if done <= step],
            "weights": weights,
            "machine": {"device": device, "threads": torch.get_num_threads()},
            "environment": environment(),
            "identity": self.identity,
        }

    def model_file(self, record: dict[str, Any]) -> str:
        """Say how the platform opens the folder: what stands in model.yaml."""
        import yaml

        recipe, known = self.job.recipe, self.vocabulary
        options: dict[str, str] = {"generation": "v1" if known.cls is None else "v2"}
        if known.aliases:
            options["ensembl_mapping"] = ALIASES_FILE
        model = {
            "family": "geneformer",
            "options": options,
            "layer": self.job.layer,
            "hidden_states": True,
            "expect": {
                "layers": recipe.layers,
                "heads": recipe.heads,
                "hidden": recipe.hidden,
                "vocabulary": known.size,
                "max_tokens": recipe.max_tokens,
            },
            "about": {
                "step": record["step"],
                "steps": recipe.steps,
                "held_out_loss": round(record["held_out_loss"], 4),
                "unigram_loss": round(self.baselines["unigram"], 4),
                **{f"atlas_{tissue}": about["digest"] for tissue, about in self.atlases.items()},
            },
        }
        said = f"# Step {record['step']} of {recipe.steps} of a training by `scfm pretrain`; all of it: training.json\n"
        return said + yaml.safe_dump(model, sort_keys=False)

    def say(self, lengths: Any) -> None:
        """Tell what is going to be trained on what."""
        corpus, recipe = self.corpus, self.job.recipe
        passed = lengths[corpus.training].sum()
        self.tell(
            f"{len(corpus.training):,} cells of {', '.join(self.job.tissues)} to train on, "
            f"{len(corpus.held_out):,} held out; {passed:,} tokens an epoch; "
            f"{self.vocabulary.n_tokens:,} tokens in the vocabulary"
        )
        self.tell(
            f"{recipe.layers} layers x {recipe.heads} heads x {recipe.hidden}; {recipe.steps:,} steps of at most "
            f"{recipe.batch_tokens:,} tokens; unigram baseline {self.baselines['unigram']:.3f} nats"
        )

    def _about(self, atlas: Cells) -> dict[str, Any]:
        corpus, catalog = self.corpus, self.job.catalog
        here = corpus.tissue == atlas.tissue
        return {
            "files": sources.atlas_files(catalog, atlas.tissue),
            "digest": sources.atlas_version(catalog, atlas.tissue),
            "simulated": catalog.atlases[atlas.tissue].simulated,
            "cells": len(atlas.split.held_out),
            "training": int(here[corpus.training].sum()),
            "held_out": int(here[corpus.held_out].sum()),
            "held_out_rule": atlas.split.rule,
            "held_out_donors": list(atlas.split.donors),
        }


def read_cells(catalog: Catalog, tissue: str, seed: int) -> Cells:
    """Read the atlas of a tissue as the platform does, and choose its held-out cells."""
    from scfm_assets.core.atlas import process
    from scfm_assets.families.pretraining.corpus import Cells
    from scfm_assets.families.pretraining.split import hold_out

    atlas = process(sources.read_atlas(catalog, tissue), sources.atlas_spec(catalog, tissue))
    counts: Any = atlas.X
    split = hold_out(atlas.obs_names.tolist(), atlas.obs["donor"].astype(str).tolist(), share=HELD_OUT, seed=seed)
    return Cells(tissue, counts, atlas.var_names.tolist(), atlas.var["symbol"].astype(str).tolist(), split)


def read_vocabulary(dictionaries: Dictionaries, atlases: Sequence[Cells]) -> Vocabulary:
    """Read the dictionaries that are named, or make a vocabulary of the atlases.

    Raises
    ------
    ScfmError
        If a dictionary cannot be read, has no padding or mask, or its ids have gaps.
    """
    from pathlib import Path

    from scfm_assets.families import FAMILIES
    from scfm_assets.families.pretraining.corpus import vocabulary_of

    if dictionaries.tokens is None:
        return vocabulary_of(atlases)
    from scfm_assets.families.dictionaries import read_tokens

    generation = "v2" if "<cls>" in read_tokens(dictionaries.tokens) else "v1"
    options = {**dictionaries.as_dict(), "generation": generation}
    vocabulary = FAMILIES["geneformer"].vocabulary(Path(), options)
    place = str(dictionaries.tokens)
    if vocabulary.pad is None or vocabulary.mask is None:
        raise ScfmError(place, "has no <pad> or no <mask>", "Both are needed to train.")
    if vocabulary.size != vocabulary.n_tokens:
        problem = f"{vocabulary.n_tokens} tokens with ids up to {vocabulary.size - 1}"
        raise ScfmError(place, problem, "Number the tokens from 0 without gaps.")
    return vocabulary


def dictionaries_of(vocabulary: Vocabulary) -> tuple[dict[str, int], dict[str, float]]:
    """Give token ids and medians as a Geneformer folder has them."""
    special = {"<pad>": vocabulary.pad, "<mask>": vocabulary.mask, "<cls>": vocabulary.cls, "<eos>": vocabulary.eos}
    genes = vocabulary.gene_ids.tolist()
    tokens = {name: token for name, token in special.items() if token is not None}
    tokens |= dict(zip(genes, vocabulary.token_ids.tolist(), strict=True))
    return tokens, dict(zip(genes, vocabulary.medians.tolist(), strict=True))


def _tokenized(atlases: Sequence[Cells], vocabulary: Vocabulary, recipe: Recipe) -> Corpus:
    from scfm_assets.families.pretraining.corpus import tokenized

    return tokenized(atlases, vocabulary, max_tokens=recipe.max_tokens)


def _check_room(folder: Path, weights: int, n_revisions: int) -> None:
    wanted = weights * (n_revisions + 8)  # the model, two states with two moments each, one being written
    free = shutil.disk_usage(folder).free
    if free < wanted:
        problem = f"{free / 1e6:,.0f} MB are free, {wanted / 1e6:,.0f} MB are needed"
        raise ScfmError(str(folder), problem, "Make room, ask for fewer --revisions, or choose another --out.")


def _evenly(count: int, steps: int) -> tuple[int, ...]:
    from scfm_assets.families.pretraining.recipe import evenly

    return evenly(count, steps)


def _curve(record: dict[str, Any]) -> bytes:
    from scfm_assets.plot_files import to_png
    from scfm_assets.plot_training import training_figure

    return to_png(training_figure(record))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


def dictionaries_of_model(catalog: Catalog, name: str) -> Dictionaries:
    """Name the dictionaries of a model of the catalog.

    Raises
    ------
    ScfmError
        If there is no such model, or it is of a family without such dictionaries.
    """
    from scfm_assets.checkpoints import known_folder

    if name not in catalog.models:
        problem = f"{name!r} is no model of the catalog {catalog.name}"
        raise ScfmError("--vocabulary-of", problem, f"There are: {', '.join(catalog.models) or 'none'}.")
    entry = catalog.models[name]
    if entry.family != "geneformer":
        problem = f"model {name!r} is of the family {entry.family}"
        raise ScfmError("--vocabulary-of", problem, "Name a model of the family geneformer.")
    options = entry.options
    if "tokens" in options:
        return Dictionaries(*(options.get(kind) for kind in ("tokens", "medians", "ensembl_mapping")))
    folder = known_folder(catalog, name)
    return Dictionaries(
        folder / TOKENS_FILE, options.get("medians", folder / MEDIANS_FILE), options.get("ensembl_mapping")
    )
