"""What choosing a layer or a head of a model would be worth: never on the data that it is reported on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from scfm_assets.defs import baselines, universes
from scfm_assets.defs.inputs import direction_of
from scfm_assets.engine.declare import Facts, Job, Node, asset, everything
from scfm_assets.inputs import checkpoints
from scfm_assets.partitions import Place, Space
from scfm_assets.tables.methods import SELECTION

if TYPE_CHECKING:
    from scfm_assets.catalog import Catalog
    from scfm_assets.core.universes import TissueUniverses
    from scfm_assets.engine.make import StoredValues


def nodes(catalog: Catalog, model: str) -> list[Node]:
    """Declare the choice of layers and heads of a model; nothing if there is one layer and no head to choose."""
    entry, prefix = catalog.models[model], f"models/{model}"
    if entry.layers != "all" and len(entry.layers) < 2 and len(entry.heads) < 2:
        return []
    of_groups = {"attention": everything(f"{prefix}/attention")} if baselines.has_groups(catalog) else {}

    def facts(_: Job, chosen: pa.Table) -> Facts:
        from scfm_assets.core.evaluation import optimism_of

        optimism = {f"optimism_{name}": round(value, 4) for name, value in optimism_of(chosen).items()}
        return Facts({"rows": chosen.num_rows, **optimism})

    @asset(
        f"{prefix}/selection",
        space=Space.TISSUE,
        reads={"scores": everything(f"{prefix}/edge_scores"), **of_groups, **universes.READS},
        watches=[f"{prefix}/checkpoint"],
        config=lambda c, _: {"direction": c.experiment.direction},
        table="selection",
        facts=facts,
        kinds=["parquet"],
    )
    def selection(
        job: Job, universes: TissueUniverses, scores: StoredValues, attention: StoredValues | None = None
    ) -> pa.Table:
        """One row: what the best layer or head of one half scores on the half that did not choose it.

        At the largest number of cells of the tissue that is there.
        """
        from scfm_assets.core.evaluation import selection_table
        from scfm_assets.core.metrics import TF_GRID
        from scfm_assets.core.universes import grounds_of

        digest, direction = checkpoints.checkpoint_digest(job.catalog, model), direction_of(job.catalog)
        job.say(checkpoint=digest)
        place = max(scores, key=lambda place: place.n_cells or 0, default=Place(job.tissue))
        chosen = SELECTION.rows([])
        if place in scores:
            chosen = selection_table(
                scores[place],
                grounds_of(universes, TF_GRID.name),
                direction,
                sums_of_repeat=attention.get(place) if attention is not None else None,
                tissue=job.tissue,
                model=model,
                checkpoint=digest,
            )
        return chosen.append_column("n_cells", pa.array([place.n_cells] * chosen.num_rows, pa.int32()))

    return [selection]
