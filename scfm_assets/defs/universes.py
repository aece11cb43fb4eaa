"""Over which pairs networks are ranked in a tissue, whatever its slices hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scfm_assets.defs import networks
from scfm_assets.defs.formats import UNIVERSES
from scfm_assets.engine.declare import Check, Facts, Job, Node, Reads, asset, same
from scfm_assets.inputs import sources
from scfm_assets.partitions import Place, Space

if TYPE_CHECKING:
    import pyarrow as pa
    from anndata import AnnData

    from scfm_assets.catalog import Catalog
    from scfm_assets.core.universes import TissueUniverses

ASSET = "evaluation/universes"
READS = {"universes": same(ASSET)}


def reads(catalog: Catalog) -> dict[str, Reads]:
    """Inputs of the universes."""
    return {"atlas": same("atlas/processed"), "panel": same("atlas/gene_panel"), **networks.reads(catalog)}


def declared(catalog: Catalog, place: Place) -> dict[str, Any]:
    """The part of the catalog that universes depend on."""
    settings = catalog.experiment.model_dump(mode="json", include={"universes"})
    return {**settings, **networks.taken_as(catalog, place)}


def _facts(job: Job, universes: TissueUniverses) -> Facts:
    from scfm_assets.core.universes import balance_of
    from scfm_assets.figures import balance as plot_balance
    from scfm_assets.figures import files as plot_files

    balances = {f"{job.tissue}, {network}": rows for network, rows in balance_of(universes).items()}
    facts = {"rows": sum(len(of_network.fixed()) for of_network in universes.networks)}
    thumbnails = {"balance": plot_files.thumbnail_markdown(plot_balance.balance(balances))} if balances else {}
    return Facts(facts, thumbnails)


CHECKS = (
    Check(
        "matched_universes_are_balanced",
        "What genes of positives and negatives are like differs by less than 0.1 standard deviations at both ends.",
        "core.universes:are_balanced",
        blocking=False,
    ),
    Check(
        "nulls_know_nothing_where_matched",
        "In expression-matched universes the interval of every null of single genes holds an AUROC of 0.5.",
        "core.evaluation:nulls_know_nothing",
        blocking=False,
    ),
)


def nodes(catalog: Catalog) -> list[Node]:
    """Declare the universes of every tissue."""

    @asset(
        ASSET,
        space=Space.TISSUE,
        reads=reads(catalog),
        config=declared,
        format=UNIVERSES,
        publishes={
            "universes": "core.universes:universe_rows",
            "universe_nulls": "core.evaluation:universe_null_rows",
            "ceilings": "core.universes:ceiling_rows",
        },
        facts=_facts,
        checks=CHECKS,
        kinds=["parquet"],
    )
    def universes(job: Job, atlas: AnnData, panel: pa.Table, **inputs: Any) -> TissueUniverses:
        """One row: the pairs of one network and universe, how many are edges, and how their expression differs."""
        from scfm_assets.core.evaluation import NoNetwork
        from scfm_assets.core.sampling import gene_levels
        from scfm_assets.core.universes import tissue_universes

        known = sources.stored_networks(job.catalog, job.tissue, networks.read(inputs))
        job.say(**({"reasons": str(known)} if isinstance(known, NoNetwork) else {}))
        gene_ids, symbols = (panel.column(name).to_pylist() for name in ("gene_id", "symbol"))
        counts: Any = atlas.X
        levels = gene_levels(counts, atlas.var_names.get_indexer(gene_ids))
        references = [] if isinstance(known, NoNetwork) else known
        settings = job.catalog.experiment.universes
        return tissue_universes(references, gene_ids, symbols, levels, tissue=job.tissue, asked=settings)

    return [universes]
