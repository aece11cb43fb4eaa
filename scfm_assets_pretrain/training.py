"""A training on its way: what it reads, what it passes to the loop, and how its revisions come to be written."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from scfm_assets.catalog import MODEL_FILE
from scfm_assets.errors import ScfmError
from scfm_assets_pretrain import folder as folders
from scfm_assets_pretrain.inputs import read_cells
from scfm_assets_pretrain.notes import Notes, about
from scfm_assets_pretrain.recipe import evenly

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from scfm_assets_pretrain.inputs import TrainingJob
    from scfm_assets_pretrain.loop import Point

CURVE_FILE = "training.png"


class Training:
    """One training on its way: the inputs, and how a revision is written down."""

    def __init__(self, job: TrainingJob, identity: dict[str, Any], tell: Callable[[Any], None]) -> None:
        self.job, self.identity, self.tell = job, identity, tell

    def run(self) -> dict[str, Any]:
        """Read, train, leave."""
        import torch

        from scfm_assets_pretrain import batches, loop
        from scfm_assets_pretrain.corpus import tokenized

        job, recipe = self.job, self.job.recipe
        learnt = job.objective.functions
        if not torch.cuda.is_available():
            torch.set_num_threads(job.threads)
        atlases = [read_cells(job.catalog, tissue, recipe.seed) for tissue in job.tissues]
        given = job.dictionaries.as_paths()
        self.vocabulary = vocabulary = learnt.read_vocabulary(given) if given else learnt.vocabulary_of(atlases)
        corpus = tokenized(atlases, vocabulary, max_tokens=recipe.max_tokens, encode=learnt.encode)
        lengths = corpus.tokens.lengths
        known = learnt.known(corpus.tokens, corpus.training, vocabulary)
        masking = learnt.masking(corpus.tokens, vocabulary, recipe.masked, recipe.seed)
        seen = corpus.looked_at(recipe.held_out_cells, recipe.seed)
        held_out = [
            masking.held_out(seen[rows], i)
            for i, rows in enumerate(batches.in_order(lengths[seen], recipe.batch_tokens))
        ]
        self.notes = Notes(
            job,
            self.identity,
            atlases={atlas.tissue: about(job.catalog, atlas, corpus) for atlas in atlases},
            training=len(corpus.training),
            held_out=len(corpus.held_out),
            vocabulary=vocabulary,
            baselines=learnt.baselines(held_out, known),
        )
        self.model = learnt.build(recipe, vocabulary, known)
        _check_room(job.folder, sum(p.numel() for p in self.model.parameters()) * 4, len(job.revisions))
        for sentence in self.notes.plan(int(lengths[corpus.training].sum())):
            self.tell(sentence)
        steps = batches.plan(lengths[corpus.training], recipe.steps, batch_tokens=recipe.batch_tokens, seed=recipe.seed)
        task = loop.Task(self.model, lambda step: masking.training(corpus.training[steps[step]], step), held_out)
        if revisions := folders.revisions(job.folder):  # a process that was killed may not have come to it
            folders.publish(revisions[-1], job.folder)
        points = loop.train(
            task,
            recipe,
            job.folder / folders.WORK,
            evaluate_at={*job.revisions, *evenly(job.evaluations, recipe.steps)},
            revise=self.revise,
            tell=self.tell,
        )
        record = folders.read_training(job.folder) or self.notes.record(recipe.steps, points, "")
        shutil.rmtree(job.folder / folders.WORK)
        return record

    def revise(self, step: int, points: Sequence[Point]) -> None:
        """Save and publish a revision, if this step is to have one."""
        if step not in self.job.revisions:
            return
        folder = folders.revision_folder(self.job.folder, step)

        def notes(weights: str) -> dict[str, bytes]:
            record = self.notes.record(step, points, weights)
            texts = {
                folders.TRAINING_FILE: json.dumps(record, indent=1) + "\n",
                MODEL_FILE: self.notes.model_file(record),
            }
            return {CURVE_FILE: _curve(record)} | {name: text.encode() for name, text in texts.items()}

        folders.write_revision(folder, self._save, notes)
        folders.publish(folder, self.job.folder)

    def _save(self, folder: Path) -> None:
        self.job.objective.functions.save(self.model, self.vocabulary, folder)


def _check_room(folder: Path, weights: int, n_revisions: int) -> None:
    needed = weights * (n_revisions + 8)  # the model, two states with two moments each, one being written
    free = shutil.disk_usage(folder).free
    if free < needed:
        problem = f"{free / 1e6:,.0f} MB are free, {needed / 1e6:,.0f} MB are needed"
        raise ScfmError(str(folder), problem, "Make room, ask for fewer --revisions, or choose another --out.")


def _curve(record: dict[str, Any]) -> bytes:
    from scfm_assets.figures.files import to_png
    from scfm_assets_pretrain.figures import training_figure

    return to_png(training_figure(record))
