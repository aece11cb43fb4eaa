"""What a new checkpoint of a model changed, against the one that it had before."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from scfm_assets.defs import baselines, evaluation, networks, universes
from scfm_assets.defs.formats import ATTENTION, EDGES
from scfm_assets.defs.inputs import CELL_SETS
from scfm_assets.defs.rows import evaluation_of
from scfm_assets.engine.declare import Facts, Job, Node, asset, same
from scfm_assets.engine.plan import label_of
from scfm_assets.inputs import checkpoints, sources
from scfm_assets.partitions import Space

if TYPE_CHECKING:
    import pyarrow as pa

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.evaluation import Comparison
    from scfm_assets.core.scores import EdgeScores
    from scfm_assets.resources.store import Manifest

BELOW_SCORES = ("attention", "attention_increment", "tokenized_cells")
"""What a model's edge scores are made of, from above down to the cells."""
CELLS = ("atlas/processed", "atlas/gene_panel", "atlas/cell_sets")
"""What two checkpoints must have in common to be compared."""


@dataclass(frozen=True)
class NotComparable:
    """Says why there is nothing that a checkpoint could be compared with: no failure."""

    reason: str

    def __str__(self) -> str:
        """Say it to a user."""
        return f"{self.reason}: nothing is compared"


def scores_before(job: Job, model: str) -> Manifest | NotComparable:
    """Find the edge scores of a slice by the checkpoint that a model had before, if they stand on the same cells."""
    checkpoint, name = checkpoints.checkpoint_digest(job.catalog, model), f"models/{model}/edge_scores"
    revisions = job.store.revisions(name, job.place, whole=False)
    new = next(revision for revision in revisions if revision.checkpoint == checkpoint)
    earlier = list(takewhile(lambda revision: revision != new, revisions))
    if not earlier:
        return NotComparable(f"no checkpoint of {model} came before {checkpoint}")
    old = earlier[-1]
    if not job.store.holds(old):
        return NotComparable(f"the edge scores of checkpoint {old.checkpoint} are no longer stored")
    below, now = (cells_below(job, model, scores) for scores in (old, new))
    if below is None:
        return NotComparable(f"which cells the edge scores of checkpoint {old.checkpoint} stand on is no longer known")
    changed = [label for label, version in below.items() if now is None or now.get(label) != version]
    if changed:
        return NotComparable(f"{', '.join(changed)} changed since checkpoint {old.checkpoint} was scored")
    return old


def cells_below(job: Job, model: str, scores: Manifest) -> dict[str, str] | None:
    """Versions of atlas, panel and cell sets that edge scores stand on; None if a step between is lost."""
    versions, manifest = dict(scores.inputs), scores
    for name in BELOW_SCORES:
        below = made_of(job, manifest, f"models/{model}/{name}")
        if below is None:
            return None
        versions, manifest = {**versions, **below.inputs}, below
    return {label: version for label, version in versions.items() if label.split("[")[0] in CELLS}


def made_of(job: Job, manifest: Manifest, name: str) -> Manifest | None:
    """Find the revision of a model's asset that an output of the same slice was made of."""
    version = manifest.inputs.get(label_of(name, job.place))
    revisions = job.store.revisions(name, job.place, whole=False)
    return next((revision for revision in revisions if revision.version == version), None)


def _compare(job: Job, model: str, scores: EdgeScores, attention: dict[int, AttentionSums] | None) -> Comparison:
    """Compare the new edge scores with those before, or say why not."""
    from scfm_assets.core.evaluation import NoNetwork, compare, not_compared

    known = sources.stored_networks(job.catalog, job.tissue, networks.read(job.inputs))
    before = scores_before(job, model)
    if isinstance(known, NoNetwork) or isinstance(before, NotComparable):
        return not_compared(*(str(why) for why in (known, before) if isinstance(why, NoNetwork | NotComparable)))
    sums = made_of(job, before, f"models/{model}/attention")
    attention_before = job.store.read(sums, ATTENTION) if attention and sums and job.store.holds(sums) else None
    job.say(checkpoint_before=before.checkpoint, compared_with=before.materialization)
    return compare(
        evaluation.with_left_out(job.store.read(before, EDGES), attention_before),
        evaluation.with_left_out(scores, attention),
        known,
        checkpoint_before=str(before.checkpoint),
        **evaluation_of(job.catalog, job.place, model, job.inputs["universes"], job.inputs["cell_sets"]),
    )


def _facts(job: Job, model: str, compared: pa.Table) -> Facts:
    from scfm_assets.figures import differences as plot_differences
    from scfm_assets.figures import files as plot_files

    if compared.num_rows == 0:
        return Facts({"rows": 0})
    layer = job.catalog.models[model].layer
    figure = plot_differences.difference_by_layer(compared, layer=layer)
    thumbnails = {"difference_by_layer": plot_files.thumbnail_markdown(figure)}
    return Facts({**_verdicts(job, layer, compared), "rows": compared.num_rows}, thumbnails)


def _verdicts(job: Job, layer: int | None, compared: pa.Table) -> dict[str, str]:
    """Say for each network what became of attention at the fixed layer, on the TF grid."""
    from scfm_assets.core.metrics import TF_GRID
    from scfm_assets.figures.traces import rows_of

    criteria = {
        "layer": layer,
        "direction": job.catalog.experiment.direction,
        "universe": TF_GRID.name,
        "metric": "auroc",
    }
    rows = rows_of(compared, **criteria, head=None, interval="network")
    rows = [row for row in rows if row["method"] in {"attention", "attention_max"}]
    facts = {}
    for name in dict.fromkeys(row["network"] for row in rows):
        repeats = [row for row in rows if row["network"] == name]
        before, now = (sum(row[column] for row in repeats) / len(repeats) for column in ("value_before", "value"))
        verdicts = [row["verdict"] for row in repeats]
        summary = ", ".join(f"{verdict} in {verdicts.count(verdict)}" for verdict in dict.fromkeys(verdicts))
        facts[f"verdict_{name}"] = f"{summary} of {len(repeats)} repeats: AUROC {before:.3f} before, {now:.3f} now"
    return facts


def nodes(catalog: Catalog, model: str) -> list[Node]:
    """Declare the comparison of a model's checkpoints."""
    prefix = f"models/{model}"
    of_groups = {"attention": same(f"{prefix}/attention")} if baselines.has_groups(catalog) else {}

    @asset(
        f"{prefix}/checkpoint_comparison",
        space=Space.SLICE,
        reads={
            "scores": same(f"{prefix}/edge_scores"),
            **of_groups,
            **universes.READS,
            **CELL_SETS,
            **networks.reads(catalog),
        },
        watches=[f"{prefix}/checkpoint"],
        config=evaluation.declared,
        table="checkpoint_comparison",
        facts=lambda job, compared: _facts(job, model, compared),
        kinds=["parquet"],
    )
    def checkpoint_comparison(
        job: Job, scores: EdgeScores, attention: dict[int, AttentionSums] | None = None, **_: Any
    ) -> pa.Table:
        """One row: how one metric of one slice changed from one checkpoint to the next, over the same cells."""
        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, model))
        comparison = _compare(job, model, scores, attention)
        job.say(**({"reasons": "; ".join(comparison.reasons)} if comparison.reasons else {}))
        return comparison.table

    return [checkpoint_comparison]
