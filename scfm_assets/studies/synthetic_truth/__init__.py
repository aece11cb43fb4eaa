"""How methods order themselves where the network is known, over simulators and over cases that mislead."""

from __future__ import annotations

from scfm_assets.studies.inputs import ATLAS, WORKERS
from scfm_assets.studies.study import Controls, Step, Study
from scfm_assets.studies.synthetic_truth import tables
from scfm_assets.studies.synthetic_truth.settings import Settings

STUDY = Study(
    title="Synthetic truth",
    question="Does a method rank true edges better than every gene-level null, whichever simulator made them?",
    settings=Settings,
    steps=(
        Step(tables.SCORES, "scores:measure", reads=(ATLAS, WORKERS), simulated=True, unit="data sets"),
        Step(tables.ORDERINGS, "orderings:orderings", reads=(tables.SCORES,)),
        Step(tables.RANKS, "orderings:ranks", reads=(tables.SCORES,)),
        Step(tables.MASTERS, "masters:masters", simulated=True),
    ),
    families={
        "beats_nulls": "A method is above each gene-level null; one-sided; 0.05 AUROC.",
        "misled": "A case lowers the AUROC of a correlation; one-sided; 0.05 AUROC.",
        "simulators_agree": "Two simulators order methods alike, by signs; one-sided; in 90 % of data sets.",
    },
    tests="hypotheses:hypotheses",
    verdict="hypotheses:verdict",
    figures="figures:figures",
    controls=Controls(positive="controls:one_method_wins", negative="controls:no_method_wins"),
)
