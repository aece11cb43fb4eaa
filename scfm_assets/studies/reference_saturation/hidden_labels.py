"""Ways in which a reference network comes to know only some of the edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.errors import ScfmError


@dataclass(frozen=True)
class Hiding:
    """One way to hide edges.

    Attributes
    ----------
    name, doc
        What it is called, and which edges stay, in one sentence.
    order
        (edges, strength, rng) -> the edges in the order in which they become known, as positions among them. Fewer
        labels are thus always a part of more.
    drawn
        Whether other edges stay in another draw.
    control
        Whether it is a fault that the study must find, and not a way in which references are incomplete.
    """

    name: str
    doc: str
    order: Callable[[np.ndarray, np.ndarray | None, np.random.Generator], np.ndarray]
    drawn: bool = True
    control: bool = False


def _by_degree(edges: np.ndarray, _: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Draw one after the other with chances in proportion to both degrees.

    The race of exponential times of Efraimidis and Spirakis 2006, Information Processing Letters 97.
    """
    row, column = edges.nonzero()
    weight = edges.sum(axis=1)[row] * edges.sum(axis=0)[column]
    return np.argsort(rng.exponential(size=len(row)) / weight, kind="stable")


def _by_score(edges: np.ndarray, strength: np.ndarray | None, _: np.random.Generator) -> np.ndarray:
    if strength is None:
        place, problem = "hidden labels", "labels that follow scores, and no scores"
        raise ScfmError(place, problem, "Give `strength`, or hide at random or by degree.")
    return np.argsort(-strength[edges], kind="stable")


HIDINGS = {
    hiding.name: hiding
    for hiding in (
        Hiding("random", "Every edge is as likely to stay.", lambda edges, _, rng: rng.permutation(edges.sum())),
        Hiding("degree", "Edges of TFs and targets with many edges are likelier to stay.", _by_degree),
        Hiding("circular", "Edges stay that score highest at the fewest cells.", _by_score, drawn=False, control=True),
    )
}
"""`circular` is what the published test did (it kept the strongest correlations of a sample as its truth): what is
labelled then regresses to the mean as cells are added, and any method seems to fail."""


def drawn_labels(
    edges: np.ndarray,
    completeness: Sequence[float],
    hiding: str,
    seed: int,
    *,
    draws: int,
    strength: np.ndarray | None = None,
) -> list[list[np.ndarray]]:
    """Results of `labels_of` for several draws, or for the only one where chance decides nothing."""
    times = range(draws if HIDINGS[hiding].drawn else 1)
    return [labels_of(edges, completeness, hiding, seed, draw=draw, strength=strength) for draw in times]


def labels_of(
    edges: np.ndarray,
    completeness: Sequence[float],
    hiding: str,
    seed: int,
    *,
    draw: int = 0,
    strength: np.ndarray | None = None,
) -> list[np.ndarray]:
    """Hide edges from the labels, and leave at least one.

    Parameters
    ----------
    edges
        Boolean (R, K), rows are TFs: the edges among the candidate pairs.
    completeness
        Shares of the edges that stay, above 0 and at most 1.
    hiding
        A name of `HIDINGS`.
    seed, draw
        The same ones keep the labels of a lower completeness among those of a higher one.
    strength
        float (R, K), for `circular`.

    Returns
    -------
    Boolean (R, K) of each completeness: the edges that stay labelled.

    Raises
    ------
    ScfmError
        If completeness is no such share, the hiding is unknown or there are no edges.
    """
    place, edges = "hidden labels", np.asarray(edges, bool)
    if hiding not in HIDINGS:
        raise ScfmError(place, f"no hiding is called {hiding!r}", f"There are: {', '.join(HIDINGS)}.")
    wrong = [share for share in completeness if not 0 < share <= 1]
    if wrong:
        raise ScfmError(place, f"completeness {wrong[0]}", "Completeness must be above 0 and at most 1.")
    n_edges = np.count_nonzero(edges)
    if not n_edges:
        raise ScfmError(place, "the network has no edge among the candidate pairs", "Take more genes, or more edges.")
    rng = np.random.default_rng(seed_from("hidden labels", hiding, seed, draw))
    order, places = HIDINGS[hiding].order(edges, strength, rng), np.flatnonzero(edges)
    labelled = []
    for share in completeness:
        mask = np.zeros(edges.size, bool)
        mask[places[order[: max(1, round(share * n_edges))]]] = True
        labelled.append(mask.reshape(edges.shape))
    return labelled
