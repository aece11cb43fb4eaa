"""What must hold for the outputs of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scfm_assets.engine.declare import Check, Job
from scfm_assets.inputs import checkpoints

if TYPE_CHECKING:
    from scfm_assets.core.attention import AttentionIncrement, CellEmbeddings, TokenizedCells
    from scfm_assets.core.base import Passed

ROW_SUM_TOLERANCE = 1e-4
"""Rows of softmax in fp32 over up to 4096 keys sum to one within this."""


def _rows_sum_to_one(_: Job, increment: AttentionIncrement) -> Passed:
    worst = increment.row_sum_error
    if any(sums.ranked for sums in increment.sums):
        return (
            worst == 0,
            f"ranks were summed, not weights; the scores behind them are {'' if worst == 0 else 'not '}finite",
        )
    return worst <= ROW_SUM_TOLERANCE, f"largest |1 - sum of a row|: {worst:.2e} (allowed {ROW_SUM_TOLERANCE:g})"


def _embeddings_are_finite(_: Job, embeddings: CellEmbeddings) -> Passed:
    from scfm_assets.core.evaluation import are_finite

    return are_finite(embeddings.obsm)


ATTENTION_ROWS_SUM_TO_ONE = Check(
    "attention_rows_sum_to_one", "Every row of attention, over all keys, sums to one.", _rows_sum_to_one
)
SUMS_HOLD_THEIR_CELLS = Check(
    "sums_hold_their_cells",
    "The sums of each repeat hold as many cells as the slice, each once.",
    "core.evaluation:sums_hold_their_cells",
    more=lambda job: [job.n_cells, job.catalog.experiment.repeats],
)
SCORES_ARE_FINITE = Check("scores_are_finite", "No score is NaN or infinite.", "core.evaluation:scores_are_finite")
EMBEDDINGS_ARE_FINITE = Check("embeddings_are_finite", "No number is NaN or infinite.", _embeddings_are_finite)


def vocabulary_covers_the_atlas(model: str) -> Check:
    """Ask whether a model knows enough of the atlas's genes for its tokens to mean these cells."""

    def passes(job: Job, _: TokenizedCells) -> Passed:
        from scfm_assets.core.evaluation import vocabulary_covers

        vocabulary = checkpoints.open_model(job.catalog, model).vocabulary
        names = checkpoints.names_of(job.catalog, model, job.inputs["atlas"])
        return vocabulary_covers(vocabulary.rows_of(names) >= 0)

    doc = "The model knows at least a tenth of the atlas's genes: below it, ids of another kind have met by chance."
    return Check("vocabulary_covers_the_atlas", doc, passes)


def fingerprint_is_declared(model: str) -> Check:
    """Hold the model that was passed cells against what the catalog expects of it."""

    def passes(job: Job, _: AttentionIncrement) -> Passed:
        from scfm_assets.core.evaluation import fingerprint_is_declared

        fingerprint = {name.removeprefix("model_"): v for name, v in job.said.items() if name.startswith("model_")}
        return fingerprint_is_declared(fingerprint, job.catalog.models[model].expect.as_dict())

    doc = "The loaded model has the layers, heads, sizes and vocabulary that the catalog's `expect` names."
    return Check("fingerprint_is_declared", doc, passes)
