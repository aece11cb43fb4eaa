"""Whether methods rank edges better than permuted labels: exact tests that assume nothing of scores.

Targets are dealt anew within each TF, so that a TF with many edges gains nothing. The same permutations serve all
methods and repeats. Better than permuted labels is little: nulls of single genes are, too, where targets are expressed
as targets are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from scfm_assets.core.base import seed_from
from scfm_assets.core.evaluation.method_verdicts import STUDY, name_of
from scfm_assets.core.statistics import Permuted, Test, permutation_test, power_of_difference, smallest_difference
from scfm_assets.core.words import MARGINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scfm_assets.core.evaluation.contender import Contender
    from scfm_assets.core.universes import Ground

PERMUTATIONS = 999
"""The smallest p is then 0.001."""


def chance_tests(
    found: Sequence[Contender], grounds: Sequence[Ground], *, tissue: str, permutations: int = PERMUTATIONS
) -> list[Test]:
    """Test the AUROC of every method, the mean over its repeats, against labels permuted within TFs.

    Parameters
    ----------
    found
        Methods of one slice; nulls are tested too, as their p values are what the others' are worth.
    grounds
        Pairs to rank: one universe of each network.
    tissue
        Names the family, and decides the permutations together with the network.
    permutations
        How many.
    """
    tests = []
    for ground in grounds:
        seed = seed_from("chance", ground.network, ground.network_version, tissue)
        of_repeats = _of_repeats(found, ground, permutations, seed)
        for place, method in enumerate(found):
            permuted = [of_repeat[place] for of_repeat in of_repeats if place in of_repeat]
            value = float(np.mean([one.value for one in permuted]))
            merged = Permuted(value, np.mean([one.permuted for one in permuted], axis=0))
            spread = float(np.std(merged.permuted, ddof=1))
            tests.append(
                Test(
                    study=STUDY,
                    family=f"above_chance_{tissue}",
                    hypothesis=(
                        f"{name_of(method.names)} ranks the edges of {ground.network} better than permuted labels"
                    ),
                    statistic="AUROC; labels permuted within TFs",
                    value=merged.value,
                    p=merged.p(),
                    n=int(np.count_nonzero(ground.pairs.targets)),
                    effect=merged.effect,
                    effect_of="standard deviations of the permuted values",
                    power=power_of_difference(MARGINS["auroc"].size, spread, sided="greater"),
                    mde=smallest_difference(spread, sided="greater"),
                )
            )
    return tests


def _of_repeats(
    methods: Sequence[Contender], ground: Ground, permutations: int, seed: int
) -> list[dict[int, Permuted]]:
    """Permute the labels for all methods of a repeat at once: place of the method to its AUROC."""
    made = []
    for repeat in sorted({repeat for method in methods for repeat in method.keys}):
        places = [place for place, method in enumerate(methods) if repeat in method.keys]
        scores = np.stack([methods[place].scores_on(ground, repeat) for place in places])
        tested = permutation_test(scores, ground.pairs, permutations=permutations, seed=seed)
        made.append({place: by_metric["auroc"] for place, by_metric in zip(places, tested, strict=True)})
    return made
