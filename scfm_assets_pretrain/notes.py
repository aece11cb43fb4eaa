"""Records of a training: beside every revision, and before it begins."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.engine.environment import environment
from scfm_assets.inputs import sources
from scfm_assets_pretrain.inputs import FROM_ATLASES
from scfm_assets_pretrain.objectives import NATS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.genes import Vocabulary
    from scfm_assets_pretrain.corpus import Corpus, CorpusCells
    from scfm_assets_pretrain.inputs import TrainingJob
    from scfm_assets_pretrain.loop import Point


@dataclass(frozen=True)
class Notes:
    """What is known of a training before its first step.

    Parameters
    ----------
    job, identity
        The training, and the part of it that decides the weights.
    atlases
        Tissue -> what was taken of its atlas.
    training, held_out
        Number of cells.
    vocabulary
        Genes.
    baselines
        Name -> loss without a model; the first is the one to be beaten.
    """

    job: TrainingJob
    identity: Mapping[str, Any]
    atlases: Mapping[str, Mapping[str, Any]]
    training: int
    held_out: int
    vocabulary: Vocabulary
    baselines: Mapping[str, float]

    @property
    def baseline(self) -> tuple[str, float]:
        """Name and loss of the baseline to be beaten."""
        return next(iter(self.baselines.items()))

    def plan(self, tokens: int) -> list[str]:
        """Say what is going to be trained on what.

        Parameters
        ----------
        tokens
            Of an epoch.
        """
        job, recipe = self.job, self.job.recipe
        name, loss = self.baseline
        return [
            f"{self.training:,} cells of {', '.join(job.tissues)} to train on, {self.held_out:,} held out; "
            f"{tokens:,} tokens an epoch; {self.vocabulary.n_tokens:,} tokens in the vocabulary",
            f"{recipe.layers} layers x {recipe.heads} heads x {recipe.hidden}; {recipe.steps:,} steps of at most "
            f"{recipe.batch_tokens:,} tokens; {name.replace('_', ' ')} baseline {loss:.3f} {job.objective.unit}",
        ]

    def record(self, step: int, points: Sequence[Point], weights: str) -> dict[str, Any]:
        """Say how a revision came about: what stands in training.json."""
        import torch

        job, objective = self.job, self.job.objective
        last = points[-1]
        device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
        return {
            "name": job.folder.name,
            "step": step,
            "finished": step == job.recipe.steps,
            "tokens_as": objective.name,
            "objective": objective.words,
            "unit": objective.unit,
            "held_out_loss": last.held_out,
            **({"perplexity": math.exp(last.held_out)} if objective.unit == NATS else {}),
            "baselines": dict(self.baselines),
            "tokens_per_second": round(last.tokens / max(last.seconds, 1e-9)),
            "recipe": job.recipe.as_dict(),
            "cells": {"training": self.training, "held_out": self.held_out},
            "atlases": dict(self.atlases),
            "simulated": all(atlas["simulated"] for atlas in self.atlases.values()),
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

    def model_file(self, record: Mapping[str, Any]) -> str:
        """Say how the platform opens the folder: what stands in model.yaml."""
        import yaml

        recipe, objective = self.job.recipe, self.job.objective
        name, loss = self.baseline
        options = objective.functions.options(self.vocabulary)
        model = {
            "family": objective.family,
            **({"options": options} if options else {}),
            "layer": self.job.layer,
            "hidden_states": True,
            "expect": {
                "layers": recipe.layers,
                "heads": recipe.heads,
                "hidden": recipe.hidden,
                "vocabulary": self.vocabulary.size,
                "max_tokens": recipe.max_tokens,
            },
            "about": {
                "step": record["step"],
                "steps": recipe.steps,
                "held_out_loss": round(record["held_out_loss"], 4),
                f"{name}_loss": round(loss, 4),
                **{f"atlas_{tissue}": atlas["digest"] for tissue, atlas in self.atlases.items()},
            },
        }
        header = (
            f"# Step {record['step']} of {recipe.steps} of a training by `scfm pretrain`; all of it: training.json\n"
        )
        return header + yaml.safe_dump(model, sort_keys=False)


def about(catalog: Catalog, atlas: CorpusCells, corpus: Corpus) -> dict[str, Any]:
    """Say which cells of an atlas were taken."""
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
