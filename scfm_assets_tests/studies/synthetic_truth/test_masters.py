"""Master regulators of the Hill simulator against their stationary law."""

import numpy as np

from scfm_assets.core.simulate.hill import HillSpec
from scfm_assets.studies.synthetic_truth.masters import master_regulators
from scfm_assets.studies.synthetic_truth.tables import MASTERS


def test_mean_and_variance_are_those_of_the_stationary_law():
    """Within four standard errors; the mean may lie lower by what steps that stop at zero take off."""
    found = master_regulators(HillSpec(dt=0.05), n_cells=3000)
    assert found.schema == MASTERS.schema
    own = {name: found[name].to_numpy() for name in found.column_names}
    above = own["mean"] - own["mean_expected"]
    assert (above < 4 * own["mean_error"]).all()
    assert (above > -own["step_bias"] - 4 * own["mean_error"]).all()
    near = own["rate"] < 2  # there, steps of 0.05 change the variance too, by up to a tenth
    slack = 4 * own["variance_error"] + np.where(near, 0.1, 0.0) * own["variance_expected"]
    assert (np.abs(own["variance"] - own["variance_expected"]) < slack).all()


def test_a_seed_decides_the_cells():
    spec = HillSpec(dt=0.05)
    one, again, other = (master_regulators(spec, n_cells=50, seed=seed) for seed in (1, 1, 2))
    assert one.equals(again)
    assert not one.equals(other)
