"""What is compared: the methods of a slice, each at its fixed layer and in the direction that is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from scfm_assets.core.scores import Direction, EdgeScores, ScoreKey
    from scfm_assets.core.universes import Ground

Role = Literal["planted", "random", "model", "baseline", "null"]


@dataclass(frozen=True, eq=False)
class Scored:
    """The scores of one model, or of the baselines.

    Attributes
    ----------
    model, checkpoint
        What stands in the table.
    scores
        Scores of all pairs; its `left_out` gives the intervals over cells.
    role
        What the model is, for those of its methods that are no null.
    layer
        The layer that is judged, fixed beforehand; methods without a layer are judged too.
    controls
        Models of the same architecture with random weights.
    """

    model: str
    scores: EdgeScores
    role: Role
    checkpoint: str | None = None
    layer: int | None = None
    controls: tuple[str, ...] = ()


class ScoresOnGrounds(Protocol):
    """What scores the pairs of a ground when it is ranked, for methods that have no matrix."""

    def on(self, ground: Ground, repeat: int) -> np.ndarray:
        """Score its n pairs from all cells, (n,)."""
        ...

    def values_without_groups(self, ground: Ground, repeat: int) -> np.ndarray | None:
        """All of `METRICS` without each group of cells, (G, n_metrics); None where these are not known."""
        ...


class Contender(NamedTuple):
    """One method of one model, at its fixed layer, read in one direction."""

    source: Scored
    method: str
    layer: int | None
    role: Role
    direction: Direction
    keys: Mapping[int, ScoreKey]
    """Repeat to the name of its scores."""
    on_grounds: ScoresOnGrounds | None = None
    """Makes the scores of a ground; None for what has a matrix."""

    @property
    def names(self) -> dict[str, object]:
        """The columns that name it."""
        return {
            "model": self.source.model,
            "checkpoint": self.source.checkpoint,
            "method": self.method,
            "layer": self.layer,
            "direction": self.direction.name,
            "role": self.role,
        }

    def matrix(self, repeat: int) -> np.ndarray:
        """Its scores in one repeat, (K, K), turned so that rows are the TF's end."""
        scores = self.source.scores
        return self.direction.orient(scores.scores[scores.keys.index(self.keys[repeat])])

    def scores_on(self, ground: Ground, repeat: int) -> np.ndarray:
        """Score the pairs of a ground in one repeat, (n,)."""
        if self.on_grounds is not None:
            return self.on_grounds.on(ground, repeat)
        return ground.pairs.of(self.matrix(repeat)[ground.universe.tfs])

    def without_groups(self, repeat: int) -> Callable[[Ground], np.ndarray | None]:
        """Return what ranks a ground without each group of cells, (n_groups, n_metrics); None where not known.

        Scores of all pairs without groups are made here, once for all grounds: they are large.
        """
        on_grounds = self.on_grounds
        if on_grounds is not None:
            return lambda ground: on_grounds.values_without_groups(ground, repeat)
        left = self.source.scores.left_out
        scores = left.scores(self.keys[repeat]) if left is not None else None
        if left is None or scores is None:
            return lambda _: None
        turned = scores[:, int(self.direction.transposed)]
        return lambda ground: ground.pairs.values_of_each(
            ground.pairs.of(turned[:, np.searchsorted(left.tfs, ground.universe.tfs)])
        )

    def references(self, others: Sequence[Contender]) -> list[int]:
        """Find the places of what it is compared with: the nulls, and itself on random weights.

        Nulls are those that are made of counts, and those of its own model. A null is compared with the first other
        null: what a null is worth is said once.
        """
        nulls = [place for place, other in enumerate(others) if other != self and self._is_null_of(other)]
        controls = [place for place, other in enumerate(others) if other != self and self._is_controlled_by(other)]
        return sorted({*(nulls[:1] if self.role == "null" else nulls), *controls})

    def _is_null_of(self, other: Contender) -> bool:
        return other.role == "null" and (other.source.role == "baseline" or other.source.model == self.source.model)

    def _is_controlled_by(self, other: Contender) -> bool:
        alike = (other.method, other.layer) == (self.method, self.layer)
        return alike and other.source.model in self.source.controls


def contenders(sources: Sequence[Scored], nulls: Collection[str], direction: Direction) -> list[Contender]:
    """List the methods that are compared: single heads and layers other than the fixed one are left aside.

    Parameters
    ----------
    sources
        The scores.
    nulls
        Methods that know nothing of regulation.
    direction
        How scores that have a direction are read.
    """
    named: dict[tuple[str, str, int | None], Contender] = {}
    for source in sources:
        for key in source.scores.keys:
            if key.head is not None or key.layer not in (None, source.layer):
                continue
            (turn,) = key.directions([direction])
            role = "null" if key.method in nulls else source.role
            name = source.model, key.method, key.layer
            contender = named.setdefault(name, Contender(source, key.method, key.layer, role, turn, {}))
            named[name] = contender._replace(keys={**contender.keys, key.repeat: key})
    return list(named.values())
