"""Is a scaling failure an artefact of incomplete reference labels? Truth known, labels hidden, cells added."""

from __future__ import annotations

from scfm_assets.studies.inputs import CONTENDERS, UNIVERSES
from scfm_assets.studies.reference_saturation import tables
from scfm_assets.studies.reference_saturation.settings import Settings
from scfm_assets.studies.study import Controls, Step, Study

STUDY = Study(
    title="Reference saturation",
    question="Does an incomplete reference network explain that scores get no better with more cells?",
    settings=Settings,
    steps=(
        Step(tables.SCORES, "measured:measure", simulated=True, unit="tissues"),
        Step(tables.SLOPES, "slopes:slopes", reads=(tables.SCORES,)),
        Step(tables.OBSERVED, "observed:observe", reads=(CONTENDERS, UNIVERSES), per="tissue"),
    ),
    families={
        "labels_explain": "The rise of a metric shrinks as labels are hidden; one-sided; the whole rise.",
        "beyond_prediction": "Labels hidden at random change slopes other than expected; two-sided; the whole rise.",
        "growth_of_noise": "AUROC falls with cells though every edge is labelled; one-sided; the whole rise.",
    },
    tests="verdicts:hypotheses",
    verdict="verdicts:verdict",
    figures="figures:figures",
    controls=Controls(positive="controls:labels_explain", negative="controls:labels_do_not"),
)
