"""The gene panel depends on the atlas's content alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from scfm_assets.core.sampling.panel import gene_panel
from scfm_assets.errors import ScfmError

COUNTS = csr_matrix(np.array([[1, 0, 3, 0], [2, 1, 0, 0], [0, 4, 1, 5]]))
IDS = ["G3", "G2", "G1", "G4"]


def test_genes_come_by_detection_then_mean_then_id() -> None:
    panel = gene_panel(COUNTS, IDS, IDS, size=4)
    # G2 has the highest mean of those in two cells; G1 (4/3) comes before G3 (1); G4 is in one cell.
    assert panel["gene_id"].to_pylist() == ["G2", "G1", "G3", "G4"]
    assert panel["detection"].to_pylist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 1 / 3])


def test_moments_are_those_of_the_raw_counts() -> None:
    panel = gene_panel(COUNTS, IDS, IDS, size=4)
    dense = COUNTS.toarray()[:, [IDS.index(g) for g in panel["gene_id"].to_pylist()]]
    assert panel["mean"].to_pylist() == pytest.approx(dense.mean(axis=0))
    assert panel["variance"].to_pylist() == pytest.approx(dense.var(axis=0))


def test_the_order_of_columns_does_not_matter() -> None:
    order = [2, 0, 3, 1]
    shuffled = gene_panel(COUNTS[:, order].tocsr(), [IDS[i] for i in order], [IDS[i] for i in order], size=3)
    assert shuffled.equals(gene_panel(COUNTS, IDS, IDS, size=3))


def test_a_panel_larger_than_the_atlas_is_refused() -> None:
    with pytest.raises(ScfmError, match="4 genes hold counts, fewer than the panel's 5"):
        gene_panel(COUNTS, IDS, IDS, size=5)
