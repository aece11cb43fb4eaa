"""A thousand cells of a thousand genes: each simulator draws them, and says in how many seconds of CPU."""

import time

import numpy as np
import pytest

from scfm_assets.core.simulate.copula import CopulaSpec, Donor
from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.core.simulate.linear import LINEAR, LinearSpec
from scfm_assets.core.simulate.simulators import SIMULATORS


@pytest.mark.long
@pytest.mark.parametrize("name", ["linear", "hill", "copula"])
def test_a_thousand_cells_of_a_thousand_genes_are_drawn(name):
    atlas = LINEAR.at_seed(LinearSpec(), 0)
    donor = Donor("linear", atlas.counts, atlas.genes, atlas.obs["cell_type"].to_numpy(str))
    spec = {"linear": LinearSpec(), "hill": HillSpec(), "copula": CopulaSpec(donor)}[name]
    start = time.process_time()
    made = SIMULATORS[name].at_seed(spec, 1)
    print(f"{name}: {time.process_time() - start:.1f} s of CPU")
    assert made.counts.shape == (1000, 1000)
    assert np.isfinite(made.counts.data).all()
