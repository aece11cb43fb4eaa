"""The assets of one model: from tokens to edge scores. A model of the catalog is a key prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.defs import model_checks, networks, rows
from scfm_assets.defs.formats import ATTENTION, CELL_EMBEDDINGS, EDGES, INCREMENT, TOKENS
from scfm_assets.engine import code_ledger
from scfm_assets.engine.declare import Facts, Job, Node, Source, asset, same, up_to
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.attention import AttentionIncrement, AttentionSums, CellEmbeddings, TokenizedCells
    from scfm_assets.core.scores import EdgeScores
    from scfm_assets.engine.make import StoredValues
    from scfm_assets.partitions import Grid
    from scfm_assets.resources.store import Manifest


def checkpoint(catalog: Catalog, model: str) -> Source:
    """Declare a model's files."""
    entry = catalog.models[model]
    weights = str(entry.checkpoint) if entry.checkpoint else f"{entry.control} control, built here"
    return Source(
        asset=f"models/{model}/checkpoint",
        space=Space.WHOLE,
        version=lambda _: checkpoints.checkpoint_version(catalog, model),
        files=lambda _: checkpoints.checkpoint_files(catalog, model),
        doc=f"Weights, configuration and dictionaries of model {model}, by content digest.",
        kinds=frozenset({"pytorch"}),
        facts={"weights": weights, "family": entry.family, **({"layer_of_curve": entry.layer} if entry.layer else {})},
    )


def _base_is_there(grid: Grid, manifest: Manifest) -> bool:
    """Tell whether the count that an increment builds on is still there. Counts that are added leave it valid."""
    return manifest.facts["base"] in (0, *grid.counts)


def nodes(catalog: Catalog, model: str) -> list[Node]:
    """All assets of one model."""
    entry = catalog.models[model]
    prefix = f"models/{model}"
    watched = [f"{prefix}/checkpoint"]
    by_groups = catalog.experiment.cell_groups > 0

    def options(_: Catalog, __: object) -> dict[str, Any]:
        return entry.model_dump(mode="json", include={"family", "expect"}) | {"options": entry.words}

    def collected(c: Catalog, p: Place) -> list[Any]:
        fields = entry.model_dump(mode="json", include={"layers", "aggregation", "heads", "attention", "hidden_states"})
        return [options(c, p), fields, c.experiment.cell_groups]

    @asset(
        f"{prefix}/tokenized_cells",
        space=Space.SLICE,
        reads={"atlas": same("atlas/processed"), "cell_sets": same("atlas/cell_sets")},
        watches=watched,
        code=code_ledger.version("tokenized_cells"),
        config=options,
        format=TOKENS,
        still_valid=_base_is_there,
        checks=[model_checks.vocabulary_covers_the_atlas(model)],
        kinds=["safetensors"],
    )
    def tokenized_cells(job: Job, atlas: AnnData, cell_sets: pa.Table) -> TokenizedCells:
        """The cells that this slice adds to the next smaller one, as the model reads them."""
        from scfm_assets.core.attention import tokenize_increment

        family_model = checkpoints.open_model(job.catalog, model)
        base = job.grid.base_of(job.n_cells)
        counts: Any = atlas.X
        names = checkpoints.names_of(job.catalog, model, atlas)
        tokens = tokenize_increment(family_model.tokenize, counts, names, cell_sets, base=base)
        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, model), cells=tokens.tokens.n_cells, base=base)
        return tokens

    @asset(
        f"{prefix}/attention_increment",
        space=Space.SLICE,
        reads={
            "tokens": same(f"{prefix}/tokenized_cells"),
            "panel": same("atlas/gene_panel"),
            **({"regulators": same("atlas/regulators")} if by_groups else {}),
        },
        watches=watched,
        code=code_ledger.version("attention_increment"),
        config=collected,
        format=INCREMENT,
        still_valid=_base_is_there,
        checks=[model_checks.ATTENTION_ROWS_SUM_TO_ONE, model_checks.fingerprint_is_declared(model)],
        computes=True,
        pool="gpu",
        kinds=["pytorch", "safetensors"],
    )
    def attention_increment(
        job: Job, tokens: TokenizedCells, panel: pa.Table, regulators: pa.Table | None = None
    ) -> AttentionIncrement:
        """Sums over the cells that this slice adds: attention between panel genes, per layer, plain and lifted."""
        family_model = checkpoints.open_model(job.catalog, model)
        wanted = checkpoints.wanted_of(job.catalog, model, regulators)
        increment, machine = job.compute.attend(
            family_model, tokens, panel, wanted, halfway=job.halfway, progress=job.progress
        )
        job.say(
            checkpoint=checkpoints.checkpoint_digest(job.catalog, model),
            engine=job.compute.engine,
            device=machine.device,
            precision=machine.precision,
            forward_passes=tokens.tokens.n_cells,
            base=tokens.base,
            **{f"model_{k}": v for k, v in family_model.fingerprint.as_dict().items()},
        )
        return increment

    @asset(
        f"{prefix}/attention",
        space=Space.SLICE,
        reads={"increments": up_to(f"{prefix}/attention_increment")},
        watches=watched,
        format=ATTENTION,
        checks=[model_checks.SUMS_HOLD_THEIR_CELLS],
        kinds=["safetensors"],
    )
    def attention(job: Job, increments: StoredValues) -> dict[int, AttentionSums]:
        """Per repeat, sums over its cells of the attention between panel genes, per layer, and their pair counts."""
        from scfm_assets.core.attention import sum_increments

        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, model))
        return sum_increments(lambda n: increments[Place(job.tissue, n)], job.n_cells)

    def edge_rows(job: Job, scores: EdgeScores) -> pa.Table:
        known = networks.read(job.inputs).values()
        return rows.edge_rows(job.catalog, job.place, scores, known, model)

    @asset(
        f"{prefix}/edge_scores",
        space=Space.SLICE,
        reads={
            "attention": same(f"{prefix}/attention"),
            "tokens": up_to(f"{prefix}/tokenized_cells"),
            "panel": same("atlas/gene_panel"),
            **({"regulators": same("atlas/regulators")} if by_groups else {}),
            **networks.reads(catalog),
        },
        watches=watched,
        format=EDGES,
        publishes={"edge_scores": edge_rows},
        checks=[model_checks.SCORES_ARE_FINITE],
        facts=lambda _, scores: Facts({"score_matrices": len(scores.keys), "genes": len(scores.gene_ids)}),
        kinds=["parquet"],
    )
    def edge_scores(
        job: Job,
        attention: dict[int, AttentionSums],
        tokens: StoredValues,
        panel: pa.Table,
        regulators: pa.Table | None = None,
        **_: pa.Table,
    ) -> EdgeScores:
        """One row: how strongly one layer links a TF to a target, by one method and in one direction.

        The null `uniform_attention` is made of the model's own tokens, so that it holds what the context cuts off.
        """
        from scfm_assets.core.attention import even_sums
        from scfm_assets.core.scores import from_attention

        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, model))
        wanted = checkpoints.wanted_of(job.catalog, model, regulators)
        even = even_sums(
            lambda n: tokens[Place(job.tissue, n)],
            job.n_cells,
            checkpoints.open_model(job.catalog, model),
            panel,
            tfs=wanted.tfs,
            n_groups=wanted.n_groups,
        )
        return from_attention(attention, panel, checkpoints.panel_vectors(job.catalog, model, panel), even)

    @asset(
        f"{prefix}/cell_embeddings",
        space=Space.SLICE,
        reads={"increments": up_to(f"{prefix}/attention_increment"), "atlas": same("atlas/processed")},
        watches=watched,
        format=CELL_EMBEDDINGS,
        checks=[model_checks.EMBEDDINGS_ARE_FINITE],
        facts=lambda _, embeddings: Facts({"cells": len(embeddings.cells), "obsm": ", ".join(embeddings.obsm)}),
        kinds=["safetensors"],
    )
    def cell_embeddings(job: Job, increments: StoredValues, atlas: AnnData) -> CellEmbeddings:
        """The slice's cells as vectors of each layer, by the mean of their genes and by <cls>, ready for obsm."""
        from scfm_assets.core.attention import cell_embeddings

        job.say(checkpoint=checkpoints.checkpoint_digest(job.catalog, model))
        barcodes = atlas.obs_names.tolist()
        return cell_embeddings(lambda n: increments[Place(job.tissue, n)], job.n_cells, barcodes)

    on_request = [cell_embeddings] if entry.hidden_states else []
    return [tokenized_cells, attention_increment, attention, edge_scores, *on_request]
