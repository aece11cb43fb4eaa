"""`scfm pretrain`: a small checkpoint of one's own."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scfm_assets.cli.options import catalog_option, choose
from scfm_assets.errors import ScfmError
from scfm_assets_pretrain.objectives import OBJECTIVES

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets_pretrain.inputs import VocabularyFiles
    from scfm_assets_pretrain.objectives import Objective

COUNT = click.IntRange(min=1)


@click.command()
@click.argument("name")
@catalog_option
@click.option("--tissues", metavar="A,B", help="Train on these atlases of the catalog.  [default: all]")
@click.option(
    "--tokens-as",
    type=click.Choice(list(OBJECTIVES)),
    default="rank",
    show_default=True,
    help="Genes by rank, as Geneformer, or with binned values, as scGPT.",
)
@click.option("--vocabulary-of", metavar="MODEL", help="Take the dictionaries of this model of the catalog.")
@click.option("--tokens", type=click.Path(path_type=Path), help="Token dictionary.  [default: made of the atlases]")
@click.option("--medians", type=click.Path(path_type=Path), help="Medians, if --tokens is no table with both.")
@click.option("--ensembl-mapping", type=click.Path(path_type=Path), help="Other gene ids -> those of --tokens.")
@click.option("--vocab", type=click.Path(path_type=Path), help="The same for binned: a vocab.json of symbols.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of models.  [default: the catalog's watched one]")
@click.option("--layers", type=COUNT, default=4, show_default=True)
@click.option("--hidden", type=COUNT, default=128, show_default=True)
@click.option("--heads", type=COUNT, default=4, show_default=True)
@click.option(
    "--intermediate", type=COUNT, help="Width of the feed-forward layers.  [default: 4 x hidden; hidden if binned]"
)
@click.option("--max-tokens", type=COUNT, default=1024, show_default=True, help="Longest cell; the rest is cut.")
@click.option("--steps", type=COUNT, default=1800, show_default=True, help="Updates of the weights.")
@click.option("--batch-tokens", type=COUNT, default=4096, show_default=True, help="Most tokens of a step.")
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=1e-3, show_default=True)
@click.option("--dropout", type=click.FloatRange(0, 0.9), default=0.0, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--revisions", type=COUNT, default=4, show_default=True, help="Save so many, evenly spaced.")
@click.option("--save-at", metavar="STEPS", help="Save after these steps instead, as 100,300,900.")
@click.option("--evaluations", type=COUNT, default=10, show_default=True, help="Looks at the held-out cells.")
@click.option("--layer", type=COUNT, help="Layer of the scaling curve.  [default: the last]")
@click.option("--threads", type=COUNT, help="Threads of the CPU.  [default: all cores]")
@click.option("--resume", is_flag=True, help="Only go on with a training that was stopped.")
@click.option("--fresh", is_flag=True, help="Throw away what there is of the model and begin anew.")
def pretrain(name: str, catalog: str | None, *, resume: bool, fresh: bool, **given: Any) -> None:
    """Train a small model NAME on the catalog's atlases: a real checkpoint where none can be downloaded.

    Genes of a cell, ranked by expression, are masked and told from the others; with --tokens-as binned, the bins of
    their values are. A tenth of the cells is held out. The newest revision is checkpoints/NAME, which the platform
    watches; all are in checkpoints/NAME/revisions. The same command goes on where it was stopped. The same seed gives
    the same weights on one machine.
    """
    from scfm_assets_pretrain import training_run as training
    from scfm_assets_pretrain.inputs import TrainingJob
    from scfm_assets_pretrain.recipe import Recipe
    from scfm_assets_pretrain.report import Reporter

    chosen, objective = choose(catalog), OBJECTIVES[given["tokens_as"]]
    sizes = ("layers", "heads", "hidden", "max_tokens", "steps", "batch_tokens", "learning_rate", "dropout", "seed")
    recipe = Recipe(
        **{size: given[size] for size in sizes},
        intermediate=given["intermediate"] or objective.widening * given["hidden"],
        masked=objective.masked,
    )
    layer = given["layer"] or recipe.layers
    if layer > recipe.layers:
        raise ScfmError("--layer", f"{layer} of {recipe.layers} layers", "Layers are counted from 1.")
    job = TrainingJob(
        catalog=chosen,
        tissues=_tissues(chosen, given["tissues"]),
        folder=_folder(chosen, given["out"], name),
        objective=objective,
        recipe=recipe,
        dictionaries=_dictionaries(chosen, objective, given),
        revisions=_revisions(given["save_at"], given["revisions"], recipe.steps),
        evaluations=given["evaluations"],
        layer=layer,
        threads=given["threads"] or os.cpu_count() or 1,
    )
    with Reporter() as reporter:
        record = training.pretrain(job, fresh=fresh, resume=resume, tell=reporter.tell)
        reporter.sum_up(record, job.folder)


def _tissues(catalog: Catalog, given: str | None) -> tuple[str, ...]:
    if given is None:
        return tuple(catalog.atlases)
    tissues = tuple(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    unknown = [tissue for tissue in tissues if tissue not in catalog.atlases]
    if unknown or not tissues:
        problem = f"{unknown[0]!r} is no atlas of the catalog {catalog.name}" if unknown else "names no atlas"
        raise ScfmError("--tissues", problem, f"There are: {', '.join(catalog.atlases)}.")
    return tissues


def _folder(catalog: Catalog, out: Path | None, name: str) -> Path:
    from scfm_assets.catalog import NAME

    if not NAME.fullmatch(name) or name == "baselines":
        problem = f"{name!r} cannot be a model's name"
        raise ScfmError("NAME", problem, "It begins with a letter and holds letters, digits, '_' and '-', at most 63.")
    if out is None and name in set(catalog.models) - set(catalog.dropped):
        problem = f"the catalog {catalog.name} declares a model {name!r}"
        raise ScfmError("NAME", problem, "Choose another name.")
    return (out or catalog.watched).expanduser().absolute() / name


def _dictionaries(catalog: Catalog, objective: Objective, given: dict[str, Any]) -> VocabularyFiles:
    from scfm_assets_pretrain.inputs import VocabularyFiles, dictionaries_of_model

    if given["vocabulary_of"] is None:
        if (given["medians"] or given["ensembl_mapping"]) and given["tokens"] is None:
            place = "--medians" if given["medians"] else "--ensembl-mapping"
            raise ScfmError(place, "given without --tokens", "Name the token dictionary that it belongs to.")
        return VocabularyFiles(given["tokens"], given["medians"], given["ensembl_mapping"], given["vocab"])
    for kind, option in (("tokens", "--tokens"), ("vocab", "--vocab")):
        if given[kind] is not None:
            raise ScfmError(option, "given beside --vocabulary-of", "Give one of them.")
    return dictionaries_of_model(catalog, given["vocabulary_of"], objective)


def _revisions(save_at: str | None, count: int, steps: int) -> tuple[int, ...]:
    from scfm_assets_pretrain.recipe import evenly

    if save_at is None:
        return evenly(count, steps)
    if not re.fullmatch(r"\d+(,\d+)*", save_at.replace(" ", "")):
        raise ScfmError("--save-at", f"{save_at!r} is no list of steps", "Write it as 100,300,900.")
    chosen = {int(step) for step in save_at.split(",")}
    if beyond := [step for step in chosen if not 0 < step <= steps]:
        raise ScfmError("--save-at", f"step {beyond[0]} of {steps}", "Steps are counted from 1 to --steps.")
    return tuple(sorted({*chosen, steps}))
