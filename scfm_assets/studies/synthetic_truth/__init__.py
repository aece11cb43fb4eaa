"""Study: how methods order themselves where the network is known, over simulators and over cases that mislead."""

from __future__ import annotations

from scfm_assets.studies.synthetic_truth.hypotheses import STUDY, hypotheses, verdict
from scfm_assets.studies.synthetic_truth.masters import MASTERS, master_regulators
from scfm_assets.studies.synthetic_truth.orderings import ORDERINGS, RANKS, orderings, ranks
from scfm_assets.studies.synthetic_truth.scores import SCORES, measure
from scfm_assets.studies.synthetic_truth.spec import SyntheticTruthSpec

__all__ = [
    "MASTERS",
    "ORDERINGS",
    "RANKS",
    "SCORES",
    "STUDY",
    "SyntheticTruthSpec",
    "hypotheses",
    "master_regulators",
    "measure",
    "orderings",
    "ranks",
    "verdict",
]
