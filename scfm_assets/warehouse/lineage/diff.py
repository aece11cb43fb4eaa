"""What differs between two materializations of the same thing: data, weights, networks, code, environment."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from scfm_assets.warehouse.lineage.ancestry import Made, Materialization, ReadInput

KINDS = {"atlas": "data", "models": "weights", "networks": "networks"}
"""First part of a source's name -> what it brings."""
SOURCES = tuple(KINDS.values())
STEPS: Mapping[str, Callable[[Materialization], str | None]] = {
    "code": lambda step: step.code,
    "configuration": lambda step: step.config[:12],
    "device": lambda step: step.machine or None,
}
"""What each step has of its own -> how to read it."""


@dataclass(frozen=True)
class StepDifference:
    """One thing that differs: of which kind, where, and how; of a source also file by file."""

    kind: str
    what: str
    how: str
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class StepComparison:
    """Two materializations of one asset at one place, compared down to their files.

    Attributes
    ----------
    a, b
        The two.
    differences
        What differs, by kind.
    same
        What does not, as (kind, words).
    shared, again, other
        Steps (asset and place) that are the very same on both sides; that were made again with the same content; whose
        content differs.
    unexplained
        Steps of other content although their code, configuration and inputs are the same.
    """

    a: Materialization
    b: Materialization
    differences: tuple[StepDifference, ...]
    same: tuple[tuple[str, str], ...]
    shared: tuple[Materialization, ...]
    again: tuple[Materialization, ...]
    other: tuple[Materialization, ...]
    unexplained: tuple[Materialization, ...]

    @property
    def summary(self) -> str:
        """Say in a few words what differs."""
        if not self.differences:
            return "nothing that is recorded"
        kinds = dict.fromkeys(difference.kind for difference in self.differences)
        return ", ".join(_brief(kind, [d.what for d in self.differences if d.kind == kind]) for kind in kinds)


def _brief(kind: str, what: list[str]) -> str:
    return f"{kind} of {', '.join(name.split('/')[1] for name in what)}" if kind == "weights" else kind


@dataclass
class Side:
    """Everything that one of the two was made of, by label; after changes one label may stand for several.

    `lost` are the labels of steps that Dagster's log does not hold.
    """

    steps: dict[str, dict[str, Materialization]] = field(default_factory=dict)
    sources: dict[str, dict[str, ReadInput]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, made: Made, root: str) -> Side:
        """Walk down from a materialization."""
        side, waiting, met = cls(), [root], {root}
        while waiting:
            step = made[waiting.pop()]
            side.steps.setdefault(step.label, {})[step.id] = step
            for read in step.inputs:
                if read.upstream is None:
                    side.sources.setdefault(read.label, {})[read.version] = read
                elif read.upstream not in made:
                    side.lost.add(read.label)
                elif read.upstream not in met:
                    met.add(read.upstream)
                    waiting.append(read.upstream)
        return side


def compare(made: Made, a: str, b: str) -> StepComparison:
    """Compare two materializations of the same asset at the same place.

    Parameters
    ----------
    made
        Both, and everything that they were made of.
    a, b
        Their ids.

    Raises
    ------
    ScfmError
        If they are not of the same asset at the same place.
    """
    if made[a].label != made[b].label:
        problem = f"{a} is of {made[a].asset} {made[a].place}, {b} is of {made[b].asset} {made[b].place}".rstrip()
        raise ScfmError("diff", problem, "Take two of one slice: `scfm lineage show` lists them below the tree.")
    left, right = Side.of(made, a), Side.of(made, b)
    both = [label for label in left.steps if label in right.steps]
    pairs = {
        label: (left.steps[label], right.steps[label]) for label in both if left.steps[label] != right.steps[label]
    }
    again = [label for label, (x, y) in pairs.items() if _of(x, _version) == _of(y, _version)]
    other = [label for label in pairs if label not in again]
    return StepComparison(
        made[a],
        made[b],
        (*_sources(left, right), *_lacking(left, right), *_own(pairs), *_environment(pairs)),
        (*_same_sources(left, right), *_same_steps(both, pairs)),
        shared=_steps(right, (label for label in both if label not in pairs)),
        again=_steps(right, again),
        other=_steps(right, other),
        unexplained=_steps(right, (label for label in other if _made_of(pairs[label][0]) == _made_of(pairs[label][1]))),
    )


def _of(steps: Mapping[str, Materialization], read: Callable[[Materialization], Any]) -> set[Any]:
    return {read(step) for step in steps.values()}


def _version(step: Materialization) -> str | None:
    return step.version


def _made_of(steps: Mapping[str, Materialization]) -> set[Any]:
    return _of(steps, lambda s: (s.code, s.config, frozenset((i.label, i.version) for i in s.inputs)))


def _steps(side: Side, labels: Iterable[str]) -> tuple[Materialization, ...]:
    steps = [next(iter(side.steps[label].values())) for label in labels]
    return tuple(sorted(steps, key=lambda step: (step.asset, step.tissue or "", step.n_cells or 0)))


# Sources ------------------------------------------------------------------------------------------------------------


def kind_of(asset: str) -> str:
    """Say what a source brings: data, weights or networks."""
    return KINDS.get(asset.split("/", 1)[0], "data")


def _sources(left: Side, right: Side) -> Iterator[StepDifference]:
    differences = []
    for label in sorted({*left.sources, *right.sources}):
        a, b = left.sources.get(label, {}), right.sources.get(label, {})
        if a.keys() != b.keys():
            one = next(iter((a or b).values()))
            differences.append(StepDifference(kind_of(one.asset), one.name, _change(a, b), tuple(_changed_files(a, b))))
    return iter(sorted(differences, key=lambda difference: SOURCES.index(difference.kind)))


def _change(a: Mapping[str, Any], b: Mapping[str, Any]) -> str:
    """Say how versions changed, or which side has any."""
    if not a or not b:
        return "only in A" if a else "only in B"
    return f"{_joined(version[:12] for version in a)} → {_joined(version[:12] for version in b)}"


def _changed_files(a: Mapping[str, ReadInput], b: Mapping[str, ReadInput]) -> Iterator[tuple[str, str]]:
    if len(a) == len(b) == 1:
        (old,), (new,) = a.values(), b.values()
        for file in sorted({*old.files, *new.files}):
            was, is_ = ([side.files[file]] if file in side.files else [] for side in (old, new))
            if was != is_:
                yield file, _change(dict.fromkeys(was), dict.fromkeys(is_))


def _same_sources(left: Side, right: Side) -> Iterator[tuple[str, str]]:
    same = [label for label in left.sources if left.sources[label].keys() == right.sources.get(label, {}).keys()]
    for kind in SOURCES:
        if named := [label for label in sorted(same) if kind_of(label) == kind]:
            yield kind, ", ".join(next(iter(left.sources[label].values())).name for label in named)


def _joined(words: Iterable[str | None]) -> str:
    return ", ".join(sorted(word or "unknown" for word in words))


# Steps --------------------------------------------------------------------------------------------------------------

Pairs = dict[str, tuple[dict[str, "Materialization"], dict[str, "Materialization"]]]


def _lacking(left: Side, right: Side) -> Iterator[StepDifference]:
    """Name the steps that only one side has: another choice of models, networks or numbers of cells."""
    for mine, theirs in ((left, right), (right, left)):
        lacking = _steps(mine, (label for label in mine.steps if label not in theirs.steps))
        counts = Counter((step.asset, step.label in theirs.lost) for step in lacking)
        for (asset, lost), places in counts.items():
            side = "A" if mine is left else "B"
            how = f"what {'AB'.replace(side, '')} was made of is not in Dagster's log" if lost else f"only in {side}"
            yield StepDifference("inputs", _counted(asset, places), how)


def _own(pairs: Pairs) -> Iterator[StepDifference]:
    for kind, read in STEPS.items():
        changed = Counter(
            (next(iter(x.values())).asset, f"{_joined(_of(x, read))} → {_joined(_of(y, read))}")
            for x, y in pairs.values()
            if _of(x, read) != _of(y, read)
        )
        for (asset, how), places in sorted(changed.items()):
            yield StepDifference(kind, _counted(asset, places), how)


def _counted(asset: str, places: int) -> str:
    return asset if places == 1 else f"{asset} ({places} places)"


def _environment(pairs: Pairs) -> Iterator[StepDifference]:
    changed: Counter[tuple[str, str]] = Counter()
    for x, y in pairs.values():
        a, b = ([dict(_parts(step)) for step in side.values()] for side in (x, y))
        for name in sorted({part for parts in (*a, *b) for part in parts}):
            was, is_ = ({parts.get(name) for parts in side} for side in (a, b))
            if was != is_:
                changed[name, f"{_joined(was)} → {_joined(is_)}"] += 1
    for (name, how), steps in sorted(changed.items()):
        yield StepDifference("environment", name, f"{how}  in {steps} of {len(pairs)} steps that are not shared")


def _parts(step: Materialization) -> Iterator[tuple[str, str | None]]:
    yield "commit", step.commit
    yield "platform", step.platform
    yield "python", step.python
    yield from step.packages.items()


def _same_steps(both: list[str], pairs: Pairs) -> Iterator[tuple[str, str]]:
    for kind, read in STEPS.items():
        same = sum(label not in pairs or _of(pairs[label][0], read) == _of(pairs[label][1], read) for label in both)
        if same:
            yield kind, f"of all {same} steps" if same == len(both) else f"of {same} of {len(both)} steps"
    if not any(True for _ in _environment(pairs)):
        yield "environment", f"of all {len(both)} steps"
