"""Random networks with the degrees of a given one: every TF keeps its number of targets, every target its of TFs.

Two TFs at a time throw together the targets that only one of them has and deal them out again, each as many as before
(the curveball trade: Strona et al. 2014, Nature Communications 5; uniform: Carstens 2015, Physical Review E 91).
Targets that are no candidate of the other TF are not dealt. In one round every TF trades once, with a random partner.

The networks are exchangeable with the observed one, as exact p values need (Besag and Clifford 1989, Biometrika 76).
`permuted_degrees` draws them independently of each other: all chains start from one network that lies as many rounds
from the observed one as they are long. `series_of_degrees` draws one chain in which the observed network stands at a
random place: far cheaper, exact too, but neighbours are alike.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ROUNDS = 20
"""Rounds of each chain. For three TFs 5 do not forget where the chain began, and 20 do (`test_permutation`)."""
APART = 2
"""Rounds between neighbours of a series: a target that can be dealt stays with its TF one time in four."""


def permuted_degrees(
    candidate: np.ndarray, positive: np.ndarray, *, permutations: int, seed: int, rounds: int = ROUNDS
) -> Iterator[np.ndarray]:
    """Draw networks with the same degrees, one at a time.

    Parameters
    ----------
    candidate, positive
        Boolean (R, K): the pairs that may be edges, and the edges; rows are the TF's end.
    permutations
        Number of networks.
    seed
        Decides them.
    rounds
        Length of each chain.

    Yields
    ------
    Places of the edges among the candidate pairs in the order of the matrix, int64 (1, n_pos): what
    `scfm_assets.core.statistics.permutation.permutation_test` takes as `labels`.
    """
    candidate, start, place_of = _checked(candidate, positive)
    hub = _traded(start, candidate, rounds, np.random.default_rng([seed, 0]))
    for chain in range(1, permutations + 1):
        traded = _traded(hub, candidate, rounds, np.random.default_rng([seed, chain]))
        yield _places(traded, place_of)


def series_of_degrees(
    candidate: np.ndarray, positive: np.ndarray, *, permutations: int, seed: int, rounds: int = APART
) -> np.ndarray:
    """Draw networks with the same degrees, each `rounds` from the next; the observed one is somewhere between them.

    A trade undoes itself as often as it is made, so that the chain runs the same way in both directions. Arguments as
    for `permuted_degrees`.

    Returns
    -------
    Places of the edges among the candidate pairs, int64 (permutations, n_pos).
    """
    candidate, start, place_of = _checked(candidate, positive)
    rng = np.random.default_rng(seed)
    before, drawn = int(rng.integers(permutations + 1)), []
    for length in (before, permutations - before):
        network = start
        for _ in range(length):
            network = _traded(network, candidate, rounds, rng)
            drawn.append(_places(network, place_of))
    return np.concatenate(drawn) if drawn else np.empty((0, np.count_nonzero(positive)), np.int64)


def _checked(candidate: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, dict[int, np.ndarray], np.ndarray]:
    """The candidates, targets of each row with an edge, and the place of each pair among the candidates."""
    candidate = np.asarray(candidate, bool)
    if (positive & ~candidate).any():
        message = f"{np.count_nonzero(positive & ~candidate)} edges are no candidate pairs"
        raise ValueError(message)
    place_of = np.cumsum(candidate.reshape(-1)).reshape(candidate.shape) - 1
    rows = np.flatnonzero(positive.any(axis=1))
    return candidate, {int(row): np.flatnonzero(positive[row]) for row in rows}, place_of


def _places(network: dict[int, np.ndarray], place_of: np.ndarray) -> np.ndarray:
    return np.concatenate([place_of[row, targets] for row, targets in network.items()])[None]


def _traded(
    targets: dict[int, np.ndarray], candidate: np.ndarray, rounds: int, rng: np.random.Generator
) -> dict[int, np.ndarray]:
    targets, rows = dict(targets), np.array(list(targets))
    held = np.zeros(candidate.shape[1], bool)
    for _ in range(rounds):
        partners = rng.permutation(rows)
        for one, other in zip(partners[0::2].tolist(), partners[1::2].tolist(), strict=False):
            mine, theirs = targets[one], targets[other]
            kept_mine = _among(mine, theirs, held) | ~candidate[other].take(mine)
            kept_theirs = _among(theirs, mine, held) | ~candidate[one].take(theirs)
            dealt = np.concatenate([mine[~kept_mine], theirs[~kept_theirs]])
            rng.shuffle(dealt)
            cut = np.count_nonzero(~kept_mine)
            targets[one] = np.concatenate([mine[kept_mine], dealt[:cut]])
            targets[other] = np.concatenate([theirs[kept_theirs], dealt[cut:]])
    return targets


def _among(some: np.ndarray, others: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Say which of some targets are among others; `held` is all False before and after. Far faster than np.isin."""
    held[others] = True
    among = held[some]
    held[others] = False
    return among
