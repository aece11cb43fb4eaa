"""The cells that are simulated: by each simulator, in each case that misleads."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from scfm_assets.core.simulate import CASES, SIMULATORS, CopulaSpec, Donor, HillSpec, LinearSpec, Wiring
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from anndata import AnnData

    from scfm_assets.core.simulate import Simulated
    from scfm_assets.studies.synthetic_truth.settings import Settings

PLACE = "study synthetic_truth"
NONE = "none"
"""The case in which nothing misleads."""
CASE = {case.name: case for case in CASES}


def cases_of(settings: Settings, simulator: str) -> tuple[str, ...]:
    """The cases of a simulator, the one that does not mislead first. A copula has no dynamics, so no loops."""
    return (NONE, *(name for name in settings.cases if (simulator, name) != ("copula", "feedback")))


def methods_in(settings: Settings, case: str) -> tuple[str, ...]:
    """The methods that are computed in a case."""
    return tuple(name for name in settings.methods if name != "grnboost" or case in settings.boosted_cases)


def spec_of(settings: Settings, simulator: str, donor: Donor | None) -> Any:
    """The spec of one simulator.

    Raises
    ------
    ScfmError
        If it keeps a donor's marginals, and there is no donor.
    """
    size: dict[str, Any] = {"n_cells": settings.n_cells, "n_genes": settings.n_genes}
    size["wiring"] = Wiring(n_tfs=settings.n_tfs, density=settings.density)
    if simulator == "linear":
        return LinearSpec(**size)
    if simulator == "hill":
        return HillSpec(**size, dt=settings.hill_dt)
    if donor is None:
        raise ScfmError(PLACE, f"simulator {simulator!r} has no donor", "Give an atlas, or leave the simulator out.")
    return CopulaSpec(donor, **size, strength=settings.planted_strength)


def donor_of(settings: Settings, atlases: Mapping[str, AnnData]) -> Donor | None:
    """The cells that the copula simulator copies: of the tissue that is named, else of the first; None without it."""
    tissue = settings.donor or next(iter(atlases), None)
    if "copula" not in settings.simulators or tissue is None:
        return None
    atlas = atlases[tissue]
    counts: Any = atlas.X
    return Donor(tissue, counts, tuple(atlas.var_names), atlas.obs["cell_type"].to_numpy(str))


def data_sets(settings: Settings, simulator: str, donor: Donor | None, seed: int) -> Iterator[tuple[str, Simulated]]:
    """Simulate each case of one simulator at one seed.

    Cases that change counts change those of the very cells that the first case shows: the difference is theirs alone.
    Cases that wire the network anew draw other networks and other cells.
    """
    source, spec = SIMULATORS[simulator], spec_of(settings, simulator, donor)
    clean = source.at_seed(spec, seed)
    for name in cases_of(settings, simulator):
        if name == NONE:
            yield name, clean
        else:
            case = CASE[name]
            drawn = replace(source, function=lambda *_, clean=clean: clean)  # instead of drawing it again
            yield name, case.at_seed(drawn if case.rewire is None else source, spec, seed)
