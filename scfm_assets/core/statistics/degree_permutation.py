"""Random networks with the degrees of a given one: every TF keeps its number of targets, every target its of TFs.

Two TFs at a time throw together the targets that only one of them has and deal them out again, each as many as before
(the curveball trade: Strona et al. 2014, Nature Communications 5; uniform: Carstens 2015, Physical Review E 91).
Targets that are no candidate of the other TF are not dealt. In one round every TF trades once, with a random partner.

The networks are exchangeable with the observed one, as exact p values need: all chains start from one network that
lies as many rounds from the observed one as they are long (Besag and Clifford 1989, Biometrika 76).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

ROUNDS = 20
"""Rounds of each chain. For three TFs 5 do not forget where the chain began, and 20 do (`test_permutation`)."""


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
    candidate = np.asarray(candidate, bool)
    if (positive & ~candidate).any():
        message = f"{np.count_nonzero(positive & ~candidate)} edges are no candidate pairs"
        raise ValueError(message)
    place_of = np.cumsum(candidate.reshape(-1)).reshape(candidate.shape) - 1
    rows = np.flatnonzero(positive.any(axis=1))
    start = {int(row): np.flatnonzero(positive[row]) for row in rows}
    hub = _traded(start, candidate, rounds, np.random.default_rng([seed, 0]))
    for chain in range(1, permutations + 1):
        traded = _traded(hub, candidate, rounds, np.random.default_rng([seed, chain]))
        yield np.concatenate([place_of[row, targets] for row, targets in traded.items()])[None]


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
