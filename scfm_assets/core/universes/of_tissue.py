"""The universes of a tissue that no slice changes: matched ones as masks, and what there is to say of all of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.metrics import MATCHED
from scfm_assets.core.sampling import GeneLevels
from scfm_assets.core.statistics import Labels, best_auroc, best_average_precision, uninformed_average_precision
from scfm_assets.core.universes.matched_universes import (
    LIMIT,
    Imbalance,
    MaskedUniverse,
    balance,
    expression_matched,
    universe_seed,
)
from scfm_assets.core.universes.universe import ALL_PAIRS, TF_GRID, PanelEdges, candidates, edges_in_panel
from scfm_assets.tables.networks import CEILINGS, LEVELS, UNIVERSES

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    import pyarrow as pa

    from scfm_assets.core.base import Passed
    from scfm_assets.core.networks import NetworkTable

LEVEL = "levels."
WHOLE = 0.9
"""Share of tf_grid from which on a universe is called the whole grid."""
COMPLETENESS = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the true edges that a network may hold, from poor to complete."""


@dataclass(frozen=True, eq=False)
class NetworkUniverses:
    """What one network is ranked over.

    Attributes
    ----------
    network, version
        The network.
    edges
        It, as far as the panel holds it.
    matched
        Its matched universes.
    """

    network: str
    version: str
    edges: PanelEdges
    matched: tuple[MaskedUniverse, ...]

    def fixed(self) -> list[MaskedUniverse]:
        """All universes that no slice changes: all pairs, the TF grid, and the matched ones."""
        plain = [
            MaskedUniverse(rule.name, candidates(rule, self.edges, np.empty((0, 0))), self.edges.mask, self.edges.tfs)
            for rule in (ALL_PAIRS, TF_GRID)
        ]
        return [*plain, *self.matched]


@dataclass(frozen=True, eq=False)
class TissueUniverses:
    """The universes of all networks in the panel of one tissue.

    Attributes
    ----------
    levels
        What the panel's genes are like over all cells of the processed atlas.
    networks
        Those with an edge in the panel.
    """

    levels: GeneLevels
    networks: tuple[NetworkUniverses, ...]

    @property
    def matched(self) -> dict[str, tuple[MaskedUniverse, ...]]:
        """Matched universes by network, as `scfm_assets.core.evaluation.metric_rows.evaluate` takes them."""
        return {network.network: network.matched for network in self.networks}

    def to_tensors(self) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        """Arrays and metadata for a safetensors container."""
        tensors = {f"{LEVEL}{name}": values for name, values in self.levels.by_name.items()}
        records = []
        for i, network in enumerate(self.networks):
            tensors |= {f"{i}.{end}": getattr(network.edges, end) for end in ("tfs", "source", "target")}
            for universe in network.matched:
                tensors[f"{i}.{universe.name}.candidate"] = np.flatnonzero(universe.candidate)
                tensors[f"{i}.{universe.name}.positive"] = np.flatnonzero(universe.positive)
            left_out = {universe.name: universe.left_out for universe in network.matched}
            records.append({"network": network.network, "version": network.version, "left_out": left_out})
        return tensors, {"networks": json.dumps(records)}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, np.ndarray], words: Mapping[str, str]) -> TissueUniverses:
        """Undo `to_tensors`."""
        of_genes = {name.removeprefix(LEVEL): values for name, values in tensors.items() if name.startswith(LEVEL)}
        levels, networks = GeneLevels(of_genes.pop("mean"), of_genes.pop("detection"), of_genes), []
        n_genes = len(levels.mean)

        def mask(name: str) -> np.ndarray:
            marked = np.zeros(n_genes * n_genes, bool)
            marked[tensors[name]] = True
            return marked.reshape(n_genes, n_genes)

        for i, record in enumerate(json.loads(words["networks"])):
            edges = PanelEdges(n_genes, *(tensors[f"{i}.{end}"] for end in ("tfs", "source", "target")))
            matched = (
                MaskedUniverse(name, mask(f"{i}.{name}.candidate"), mask(f"{i}.{name}.positive"), edges.tfs, left_out)
                for name, left_out in record["left_out"].items()
            )
            networks.append(NetworkUniverses(record["network"], record["version"], edges, tuple(matched)))
        return cls(levels, tuple(networks))


def tissue_universes(
    networks: Sequence[NetworkTable],
    gene_ids: Sequence[str],
    symbols: Sequence[str],
    levels: GeneLevels,
    *,
    tissue: str,
    asked: Collection[str] = MATCHED,
) -> TissueUniverses:
    """Make the matched universes of a tissue.

    Parameters
    ----------
    networks
        Tidied networks of the atlas's organism; those without an edge in the panel are left aside.
    gene_ids, symbols
        The panel.
    levels
        What its genes are like.
    tissue
        Whose edges count.
    asked
        Names of universes; those of `MATCHED` are made.
    """
    of_networks = []
    for network in networks:
        edges = edges_in_panel(network, gene_ids, symbols, tissue=tissue)
        if not len(edges.source):
            continue
        seeds = {name: universe_seed(name, network.digest, gene_ids, tissue) for name in MATCHED if name in asked}
        matched = tuple(expression_matched(edges, levels, seed=seed) for seed in seeds.values())
        of_networks.append(NetworkUniverses(network.name, network.version, edges, matched))
    return TissueUniverses(levels, tuple(of_networks))


# What there is to say of them ---------------------------------------------------------------------------------------


def universe_rows(universes: TissueUniverses) -> pa.Table:
    """Rows of `universes`, one per network and universe that no slice changes."""
    rows = []
    for network, universe in _every(universes):
        n_pos, n = (int(np.count_nonzero(marked)) for marked in (universe.positive, universe.candidate))
        differences = {
            f"{row.end.lower()}_{row.level}_difference": row.after
            for row in balance(universe, network.edges, universes.levels)
        }
        named = {"network": network.network, "network_version": network.version, "universe": universe.name}
        counts = {"n_tfs": len(network.edges.tfs), "n_pos": n_pos, "n_neg": n - n_pos, "base_rate": n_pos / max(1, n)}
        grid = len(network.edges.tfs) * (network.edges.n_genes - 1)
        of_grid = min(1.0, n / max(1, grid))
        unknown = dict.fromkeys(f"{end}_{level}_difference" for end in ("tf", "target") for level in LEVELS)
        rows.append(
            {**named, **counts, "left_out": universe.left_out, "share_of_grid": of_grid, **unknown, **differences}
        )
    return UNIVERSES.rows(rows)


def ceiling_rows(universes: TissueUniverses) -> pa.Table:
    """Rows of `ceilings`, one per network, universe of all its edges and completeness.

    A completeness under which there would be as many edges as pairs has no row. Matched universes have none: what is
    hidden among negatives that were chosen is no random share of what is hidden.
    """
    rows = []
    for network, universe in _every(universes):
        n_pos, n = (int(np.count_nonzero(marked)) for marked in (universe.positive, universe.candidate))
        named = {"network": network.network, "network_version": network.version, "universe": universe.name}
        possible = [share for share in COMPLETENESS if n_pos < share * n and universe.name not in MATCHED]
        rows += [{**named, **_ceiling(Labels.of(n, n_pos, completeness=share), share)} for share in possible]
    return CEILINGS.rows(rows)


def _ceiling(labels: Labels, completeness: float) -> dict[str, float]:
    return {
        "completeness": completeness,
        "hidden_share": labels.hidden_share,
        "best_auroc": best_auroc(labels),
        "best_auprc": best_average_precision(labels),
        "uninformed_auprc": uninformed_average_precision(labels.labelled, labels.pairs),
    }


def _every(universes: TissueUniverses) -> Iterator[tuple[NetworkUniverses, MaskedUniverse]]:
    return ((network, universe) for network in universes.networks for universe in network.fixed())


def balance_of(universes: TissueUniverses) -> dict[str, tuple[Imbalance, ...]]:
    """Balance of each network's expression-matched universe, as `plot_balance` draws it."""
    return {
        network.network: balance(universe, network.edges, universes.levels)
        for network in universes.networks
        for universe in network.matched
        if universe.name == "expression_matched"
    }


def are_balanced(universes: TissueUniverses) -> Passed:
    """Compare what genes are like in positives and negatives, at both ends, of all expression-matched universes."""
    worst = {
        network: max(rows, key=lambda row: abs(row.after) if not np.isnan(row.after) else np.inf)
        for network, rows in balance_of(universes).items()
    }
    differences = [
        f"{network}: {row.after:+.3f} in {row.level} of the {row.end} (of all pairs {row.before:+.3f})"
        for network, row in worst.items()
    ]
    if not differences:
        return True, "no expression-matched universe"
    return all(
        abs(row.after) < LIMIT for row in worst.values()
    ), f"largest standardised differences: {'; '.join(differences)}{_whole_grids(universes)}"


def _whole_grids(universes: TissueUniverses) -> str:
    """Name the networks whose expression-matched universe holds nearly all pairs of the grid: it says nothing new."""
    rows = [row for row in universe_rows(universes).to_pylist() if row["universe"] == "expression_matched"]
    whole = [f"{row['network']} ({row['share_of_grid']:.0%})" for row in rows if row["share_of_grid"] >= WHOLE]
    return f"; nothing was to be matched, it is the whole grid: {', '.join(whole)}" if whole else ""
