"""A thousand cells of a thousand genes take each simulator well under a minute on one free core."""

import time

import numpy as np
import pytest

from scfm_assets.core.simulate.copula import CopulaSpec, Donor
from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.core.simulate.linear import LINEAR, LinearSpec
from scfm_assets.core.simulate.simulators import SIMULATORS


@pytest.mark.long
@pytest.mark.parametrize("name", ["linear", "hill", "copula"])
def test_a_thousand_cells_of_a_thousand_genes_are_soon_there(name):
    atlas = LINEAR.at_seed(LinearSpec(), 0)
    donor = Donor("linear", atlas.counts, atlas.genes, atlas.obs["cell_type"].to_numpy(str))
    spec = {"linear": LinearSpec(), "hill": HillSpec(), "copula": CopulaSpec(donor)}[name]
    start = time.perf_counter()
    made = SIMULATORS[name].at_seed(spec, 1)
    assert time.perf_counter() - start < 180  # sanity on a machine that is busy with other work
    assert made.counts.shape == (1000, 1000)
    assert np.isfinite(made.counts.data).all()
