"""Methods on random networks with the degrees of the real one: the rows of the table `degree_matched`.

A method that knows which genes are targets of many ranks the edges of such a network as well as those of the real one.
One random network says little: it may suit a method by luck, and holds some of the real edges. So a method is held
against many, and what those share with the real one is told beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.statistics import Permuted, permutation_test, permuted_degrees
from scfm_assets.tables.methods import DEGREE_MATCHED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.universes import Ground

DRAWS = 200
"""Random networks: the smallest p is then 0.005."""
METRIC = "auroc"


class RandomNetworks:
    """Random networks with the degrees of the one of a ground, drawn once for all slices and methods.

    Attributes
    ----------
    labels
        Places of the edges of each among the pairs of the ground, shapes (1, n_pos).
    shared
        Share of the real edges that a random network holds too, the mean.
    perfect
        AUROC of a method that ranks all real edges first, by the edges of the random networks, the mean.
    """

    def __init__(self, ground: Ground, *, tissue: str, draws: int = DRAWS) -> None:
        tfs, pairs = ground.universe.tfs, ground.pairs
        masks = ground.universe.candidate[tfs], ground.universe.positive[tfs]
        seed = seed_from("degree_matched", ground.network, ground.network_version, tissue)
        self.ground = ground
        self.labels = list(permuted_degrees(*masks, permutations=draws, seed=seed))
        self.shared = float(np.mean([pairs.positive[places].mean() for places in self.labels]))
        (perfect,) = self.of(pairs.positive[None].astype(np.float64))
        self.perfect = perfect.expected

    def of(self, scores: np.ndarray) -> list[Permuted]:
        """Rank the edges of all of them by the scores of some methods, (M, n)."""
        tested = permutation_test(scores, self.ground.pairs, metrics=(METRIC,), labels=iter(self.labels))
        return [by_metric[METRIC] for by_metric in tested]


def degree_matched_table(
    slices: Iterable[tuple[int, Sequence[Contender]]], grounds: Sequence[Ground], *, tissue: str, draws: int = DRAWS
) -> pa.Table:
    """Say by how much every method ranks the edges of networks better than those of random ones with their degrees.

    Parameters
    ----------
    slices
        n_cells and the methods of its slice; taken one after the other, so that one is held at a time.
    grounds
        The TF grid of each network.
    tissue
        Decides the random networks, together with the network.
    draws
        Random networks.

    Returns
    -------
    Rows of `degree_matched`; values are means over repeats.
    """
    known = [RandomNetworks(ground, tissue=tissue, draws=draws) for ground in grounds]
    rows = []
    for n_cells, methods in slices if known else ():
        for networks in known:
            for method, permuted in zip(methods, _merged(methods, networks), strict=True):
                names = {"n_cells": n_cells, **method.names, **networks.ground.names, "metric": METRIC}
                del names["universe"]
                rows.append({**names, **_numbers(permuted, networks), "n_repeats": len(method.keys)})
    return DEGREE_MATCHED.rows(rows, stamped=("tissue", "simulated"))


def _merged(methods: Sequence[Contender], networks: RandomNetworks) -> list[Permuted]:
    """Average the values of each method over its repeats, network by network."""
    of_methods: list[list[Permuted]] = [[] for _ in methods]
    for repeat in sorted({repeat for method in methods for repeat in method.keys}):
        places = [place for place, method in enumerate(methods) if repeat in method.keys]
        scores = np.stack([methods[place].scores_on(networks.ground, repeat) for place in places])
        for place, permuted in zip(places, networks.of(scores), strict=True):
            of_methods[place].append(permuted)
    return [
        Permuted(float(np.mean([one.value for one in found])), np.mean([one.permuted for one in found], axis=0))
        for found in of_methods
    ]


def _numbers(permuted: Permuted, networks: RandomNetworks) -> dict[str, Any]:
    return {
        "value": permuted.value,
        "expected": permuted.expected,
        "spread": float(np.std(permuted.permuted, ddof=1)),
        "difference": permuted.value - permuted.expected,
        "p": permuted.p(),
        "draws": len(permuted.permuted),
        "shared_edges": networks.shared,
        "perfect": networks.perfect,
    }
