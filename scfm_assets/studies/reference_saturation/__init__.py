"""Is a scaling failure an artefact of incomplete reference labels? Truth known, labels hidden, cells added."""

from __future__ import annotations

from scfm_assets.studies.reference_saturation.hidden_labels import HIDINGS, Hiding, hide_labels
from scfm_assets.studies.reference_saturation.measured import SCORES, ReferenceSaturationSpec, measure, measure_scores
from scfm_assets.studies.reference_saturation.observed import OBSERVED, counted, observe
from scfm_assets.studies.reference_saturation.slopes import SLOPES, slopes, slopes_over_tfs
from scfm_assets.studies.reference_saturation.verdicts import (
    answer_for_known_edges,
    answer_with_truth,
    hypotheses,
    verdict,
)

__all__ = [
    "HIDINGS",
    "OBSERVED",
    "SCORES",
    "SLOPES",
    "Hiding",
    "ReferenceSaturationSpec",
    "answer_for_known_edges",
    "answer_with_truth",
    "counted",
    "hide_labels",
    "hypotheses",
    "measure",
    "measure_scores",
    "observe",
    "slopes",
    "slopes_over_tfs",
    "verdict",
]
