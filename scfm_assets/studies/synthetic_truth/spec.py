"""What is simulated: simulators, cases that mislead, seeds; and the cells that come of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scfm_assets.core.simulate import CASES, SIMULATORS, CopulaSpec, HillSpec, LinearSpec, Wiring, check_rules
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scfm_assets.core.simulate import Donor, Simulated, Simulator

PLACE = "study synthetic_truth"
NONE = "none"
"""The case in which nothing misleads."""
CASE = {case.name: case for case in CASES}
METHODS = ("pearson", "spearman", "partial_correlation", "mutual_information", "grnboost")
"""Methods that can be asked for; the gene-level nulls always stand beside them."""


@dataclass(frozen=True)
class SyntheticTruthSpec:
    """What decides the study. The defaults take a few minutes, nearly all of them for grnboost.

    Parameters
    ----------
    simulators
        Names, of `SIMULATORS`.
    cases
        Names of adversarial cases; the case without one is always there.
    seeds
        Independent data sets (network and cells) of each simulator. 8 are the fewest with which a sign test finds at
        a power of 0.8 what holds in nine data sets of ten.
    n_cells, n_genes, n_tfs, density
        Size of each data set; mean share of the pairs of a TF and a gene that are edges.
    methods
        Of `METHODS`.
    boosted_cases
        Cases in which grnboost is computed: it costs a hundred times as much as all others together.
    hill_dt
        Time step of the Hill simulator. Five times SERGIO's raises the variance of a master regulator far from zero
        by 2 % (`hill.master_moments`) and takes a fifth of the time.
    planted_strength
        Strength of an edge that the copula simulator plants; the default makes edges about as hard to find as they
        are for the Hill simulator.
    """

    simulators: tuple[str, ...] = tuple(SIMULATORS)
    cases: tuple[str, ...] = tuple(CASE)
    seeds: int = 8
    n_cells: int = 800
    n_genes: int = 100
    n_tfs: int = 20
    density: float = 0.05
    methods: tuple[str, ...] = METHODS
    boosted_cases: tuple[str, ...] = (NONE,)
    hill_dt: float = 0.05
    planted_strength: float = 0.15

    def __post_init__(self) -> None:
        """Refuse names that nothing has; sizes are for the simulators to refuse."""
        rules = {
            name: (len(set(own)) == len(own) >= fewest and set(own) <= set(known), f"some of: {', '.join(known)}")
            for name, own, known, fewest in (
                ("simulators", self.simulators, tuple(SIMULATORS), 1),
                ("cases", self.cases, tuple(CASE), 0),
                ("methods", self.methods, METHODS, 1),
                ("boosted_cases", self.boosted_cases, (NONE, *CASE), 0),
            )
        }
        check_rules(PLACE, self, rules | {"seeds": (self.seeds >= 1, "1 or more")})

    def cases_of(self, simulator: str) -> tuple[str, ...]:
        """Give the cases of a simulator, the one that does not mislead first. A copula has no dynamics, so no loops."""
        return (NONE, *(name for name in self.cases if (simulator, name) != ("copula", "feedback")))

    def methods_in(self, case: str) -> tuple[str, ...]:
        """Give the methods that are computed in a case."""
        return tuple(name for name in self.methods if name != "grnboost" or case in self.boosted_cases)

    def of_simulator(self, name: str, donor: Donor | None) -> Any:
        """Give the spec of one simulator.

        Raises
        ------
        ScfmError
            If it keeps a donor's marginals, and there is no donor.
        """
        size: dict[str, Any] = {"n_cells": self.n_cells, "n_genes": self.n_genes}
        size["wiring"] = Wiring(n_tfs=self.n_tfs, density=self.density)
        if name == "linear":
            return LinearSpec(**size)
        if name == "hill":
            return HillSpec(**size, dt=self.hill_dt)
        if donor is None:
            raise ScfmError(PLACE, f"simulator {name!r} has no donor", "Give an atlas, or leave the simulator out.")
        return CopulaSpec(donor, **size, strength=self.planted_strength)


def data_sets(
    spec: SyntheticTruthSpec, simulator: str, donor: Donor | None, seed: int
) -> Iterator[tuple[str, Simulated]]:
    """Simulate each case of one simulator at one seed.

    Cases that change counts change those of the very cells that the first case shows: the difference is theirs alone.
    Cases that wire the network anew draw other networks and other cells.
    """
    own, of_simulator = SIMULATORS[simulator], spec.of_simulator(simulator, donor)
    clean = own.at_seed(of_simulator, seed)
    for name in spec.cases_of(simulator):
        if name == NONE:
            yield name, clean
        else:
            case = CASE[name]
            yield name, case.at_seed(_again(own, clean) if case.rewire is None else own, of_simulator, seed)


def _again(simulator: Simulator, made: Simulated) -> Simulator:
    """Give a simulator that does not draw again what it has drawn."""
    return replace(simulator, function=lambda _spec, _rng: made)
