"""What the platform offers to the steps of a study; `defs/studies/inputs.py` knows how each is delivered.

A step names its inputs in `Step.reads` and gets them in that order. What "of the step" means depends on where it is
made: once (`whole`), for each tissue, for each slice, for each model, or for each model and slice.
"""

from __future__ import annotations

from dataclasses import dataclass

WHOLE, TISSUE, SLICE, EACH_MODEL, MODEL_SLICE = PLACES = ("whole", "tissue", "slice", "model", "model slice")
"""Where a step may be made."""
IN_TISSUES = (TISSUE, SLICE, MODEL_SLICE)
OF_MODELS = (EACH_MODEL, MODEL_SLICE)


@dataclass(frozen=True)
class Input:
    """Something that a step can read.

    Attributes
    ----------
    name, doc
        What it is called, and what the step gets.
    places
        Where a step that reads it may be made.
    """

    name: str
    doc: str
    places: tuple[str, ...] = PLACES


ATLAS = Input(
    "atlas",
    "Processed counts with cell types and donors: an AnnData; in a step without a tissue a mapping from all tissues of "
    "the catalog, real ones first, to AnnData that is loaded when it is looked up.",
)
PANEL = Input("panel", "The genes whose pairs are scored, a row per gene; without a tissue the rows of all.")
CELL_SETS = Input("cell_sets", "Which cells are in the slice, a row per repeat and cell; else the rows of all slices.")
TOKENS = Input(
    "tokens",
    "A mapping from n_cells, up to the slice's, to the `TokenizedCells` that this number adds to the one before.",
    (MODEL_SLICE,),
)
ATTENTION = Input(
    "attention", "A mapping from each repeat to the `AttentionSums` over the cells of the slice.", (MODEL_SLICE,)
)
EMBEDDINGS = Input(
    "embeddings",
    "The slice's cells as vectors of each layer, `CellEmbeddings`; of models that the catalog asks for hidden states.",
    (MODEL_SLICE,),
)
MODEL = Input("model", "The opened model: it tokenizes, and passes cells through its layers.", OF_MODELS)
CONTENDERS = Input(
    "contenders",
    "Scores of all methods and models: the `Contender`s of the slice; in a step of a tissue an iterator over n_cells "
    "and the contenders of that slice, one slice held at a time.",
    (TISSUE, SLICE),
)
CONTENDERS_BY_GROUP = Input(
    "contenders_by_group",
    "`CONTENDERS` with, for each, its scores without each group of cells, where the catalog asks for intervals over "
    "cells.",
    (TISSUE, SLICE),
)
UNIVERSES = Input(
    "universes",
    "The pairs that each network is ranked over, `TissueUniverses`; without a tissue a mapping from tissues.",
)
NETWORKS = Input("networks", "A mapping from each reference network's name to its edges, a table.")
METRICS = Input("metrics", "Rows of `metrics`: of the slice, of the tissue, or all.", (WHOLE, TISSUE, SLICE))
WORKERS = Input("workers", "How many processes the step may start; no number depends on it.")
COMPUTE = Input("compute", "The machine: threads, memory, device and precision; a step that reads it `computes`.")

INPUTS = {
    offered.name: offered
    for offered in (
        *(ATLAS, PANEL, CELL_SETS, TOKENS, ATTENTION, EMBEDDINGS, MODEL, CONTENDERS, CONTENDERS_BY_GROUP, UNIVERSES),
        *(NETWORKS, METRICS, WORKERS, COMPUTE),
    )
}
"""All of them by name. The platform knows no strata but the cell types, donors and batches of `ATLAS`."""
