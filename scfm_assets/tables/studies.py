"""Tables of the studies: ``<study>_<what>``, the hypotheses and tests of all studies, and their verdicts."""

from __future__ import annotations

from scfm_assets.tables.columns import SCORED_BY, SIMULATED, TISSUE, Column, Table, count, number, one_of, share, text

TESTED = (
    text("study", "Study that declares the test."),
    text("family", "Family inside which the study controls false discoveries, declared before a p value is seen."),
    text("hypothesis", "What would be supported, as a sentence."),
    text("statistic", "What was computed."),
    number("value", "Its value; NULL where it could not be computed."),
    share("p", "Chance of a value as extreme without the effect; NULL where it could not be tested.", nullable=True),
    count("n", "Independent units; NULL if there is no such number.", nullable=True, kind="BIGINT"),
    number("effect", "Effect size."),
    share("power", "Chance of detecting the smallest effect that the study is interested in.", nullable=True),
    number("mde", "Smallest effect that is detected with a power of 0.8.", check='"mde" >= 0'),
)

HYPOTHESES = Table(
    "hypotheses",
    "One row: one hypothesis of one study and what the data say of it, before any adjustment.",
    TESTED,
    key=("study", "family", "hypothesis", "statistic"),
    files_by=("study",),
)

TESTS = Table(
    "tests",
    "One row: one hypothesis of one study, adjusted for all others by Benjamini and Hochberg.",
    (
        *TESTED,
        share("q_family", "p adjusted inside its family; NULL where p is.", nullable=True),
        share("q_global", "p adjusted over all rows of the table; NULL where p is.", nullable=True),
        one_of(
            "verdict",
            "supported (q_family <= 0.05), not supported, or underpowered: then the lack of an effect means nothing.",
            "supported",
            "not supported",
            "underpowered",
        ),
    ),
    key=HYPOTHESES.key,
)

VERDICTS = Table(
    "verdicts",
    "One row: what a study asks, and what its numbers answer by thresholds that it states.",
    (
        text("study", "The study."),
        text("question", "What it asks."),
        text("answer", "The answer in a word or two: yes, no, underpowered, ..."),
        text("sentence", "The answer with the numbers that it rests on."),
        Column("holds", "BOOLEAN", "Whether it came out as a sound method would; NULL if neither.", nullable=True),
        SIMULATED,
    ),
    key=("study",),
    files_by=("study",),
)

SYNTHETIC_TRUTH_SCORES = Table(
    "synthetic_truth_scores",
    "One row: one metric of one method on one simulated data set whose network is known.",
    (
        text("simulator", "Simulator that made the cells: linear, hill, copula."),
        text("case", "Adversarial case that misleads, or none."),
        count("seed", "Number of the independent data set, from 0."),
        text("method", "What scores the edges, a gene-level null or not."),
        Column("is_null", "BOOLEAN", "Whether the method is a gene-level null."),
        text("metric", "auroc, auprc, auprc_ratio or epr, over TFs x genes."),
        number("value", "Value of the metric; NULL without edges."),
        number("lo", "Lower end of the interval over TFs (jackknife)."),
        number("hi", "Upper end of the interval over TFs."),
        count("units", "TFs with an edge, the units behind the interval."),
        count("n_pos", "Pairs of a TF and another gene that are edges.", kind="BIGINT"),
        count("n_neg", "Pairs that are not.", kind="BIGINT"),
        text("hardest_null", "The null that the method beats least surely.", nullable=True),
        number("above_null", "Value minus that of the hardest null."),
        share("p", "Largest p over the nulls, paired over TFs; 1 where it is not above one.", nullable=True),
        text("verdict", "Against all nulls on this data set, by TFs; underpowered for AUROC only."),
        SIMULATED,
    ),
    key=("simulator", "case", "seed", "method", "metric"),
)

SYNTHETIC_TRUTH_ORDERINGS = Table(
    "synthetic_truth_orderings",
    "One row: how far two simulators, two cases or the seeds of one put the methods into the same order.",
    (
        text("compared", "What is compared: simulators, cases (of one simulator), seeds (of one of both)."),
        text("metric", "Metric whose mean over seeds gives the order."),
        text("simulator", "Simulator of the first order."),
        text("case", "Its case."),
        text("simulator_other", "Simulator of the second order."),
        text("case_other", "Its case."),
        number("tau", "Kendall's tau of the two orders; of seeds the mean over all pairs of them.", nullable=False),
        number("lo", "Lower end of the interval of tau, over seeds."),
        number("hi", "Upper end."),
        text("interval", "How it was made: bootstrap over seeds (percentiles), or jackknife."),
        number("spearman", "Spearman's correlation of the two orders; of seeds the mean over pairs.", nullable=False),
        count("n_methods", "Methods that were scored on both sides."),
        count("n_seeds", "Data sets on each side."),
        text("ordered", "The methods by the first mean, best first."),
        text("ordered_other", "The same by the second."),
        SIMULATED,
    ),
    key=("compared", "metric", "simulator", "case", "simulator_other", "case_other"),
)

SYNTHETIC_TRUTH_RANKS = Table(
    "synthetic_truth_ranks",
    "One row: where one method stands among the methods of one simulator and case.",
    (
        text("simulator", "Simulator that made the cells."),
        text("case", "Adversarial case, or none."),
        text("metric", "What the methods are ranked by."),
        text("method", "The method; nulls are left out."),
        number("mean", "Mean of the metric over seeds.", nullable=False),
        number("sd", "Standard deviation over seeds."),
        number("rank", "Rank of the mean, 1 the best; ties share theirs.", nullable=False),
        number("rank_lo", "2.5th percentile of the rank over draws of seeds.", nullable=False),
        number("rank_hi", "97.5th percentile.", nullable=False),
        count("n_seeds", "Data sets."),
        SIMULATED,
    ),
    key=("simulator", "case", "metric", "method"),
)

SYNTHETIC_TRUTH_MASTERS = Table(
    "synthetic_truth_masters",
    "One row: a master regulator of the Hill simulator, simulated beside its stationary law.",
    (
        number("rate", "Production rate of the master regulator.", nullable=False),
        number("dt", "Time step.", nullable=False),
        count("n_cells", "Cells, each from a run of its own."),
        number("mean", "Mean expression of the cells.", nullable=False),
        number("mean_expected", "Mean of the stationary law, in continuous time.", nullable=False),
        number("mean_error", "Standard error of the mean.", nullable=False),
        number("step_bias", "By how much time steps may lower the mean near zero, at most.", nullable=False),
        number("variance", "Variance of the cells.", nullable=False),
        number("variance_expected", "Variance of the stationary law, in steps: over 1 - decay dt / 2.", nullable=False),
        number("variance_error", "Standard error of the variance, from the fourth moment.", nullable=False),
        SIMULATED,
    ),
    key=("rate",),
)

REFERENCE_SATURATION_SCORES = Table(
    "reference_saturation_scores",
    "One row: how well one score from n cells ranks the edges that are labelled, where all edges are known.",
    (
        share("density", "Edges asked for, as a share of all ordered pairs of genes."),
        number(
            "noise_growth",
            "Growth of the standard deviation of the noise on the scores with every cell; 0 without a planted fault.",
            nullable=False,
        ),
        text("method", "What scores the edges; it does not know the number of cells."),
        text(
            "hiding",
            "How edges lose their labels: random, degree (well studied genes keep theirs), circular (a control).",
        ),
        share("completeness", "Share of the edges that are labelled."),
        count("n_cells", "Cells that the scores are made of.", kind="BIGINT"),
        count(
            "seed", "Number of the independent simulated tissue, which also decides noise and labels.", kind="BIGINT"
        ),
        share("auroc", "AUROC of the labelled edges, mean over draws of labels.", nullable=True),
        share("auprc", "Their average precision, mean over draws.", nullable=True),
        share(
            "predicted_auroc",
            "AUROC that hidden edges among the negatives lead to, from the ranking of all edges.",
            nullable=True,
        ),
        share("predicted_auprc", "The same of average precision.", nullable=True),
        count("n_edges", "True edges among the pairs.", kind="BIGINT"),
        count("n_pos", "Labelled edges.", kind="BIGINT"),
        count("n_neg", "All other pairs, hidden edges among them.", kind="BIGINT"),
        SIMULATED,
    ),
    key=("density", "noise_growth", "method", "hiding", "completeness", "n_cells", "seed"),
)

REFERENCE_SATURATION_SLOPES = Table(
    "reference_saturation_slopes",
    "One row: how fast a metric grows with the cells at one completeness of labels, or how that depends on it.",
    (
        share("density", "Edges asked for, as a share of all ordered pairs of genes."),
        number(
            "noise_growth",
            "Growth of the standard deviation of the noise on the scores with every cell; 0 without a planted fault.",
            nullable=False,
        ),
        text("method", "What scores the edges; it does not know the number of cells."),
        text(
            "hiding",
            "How edges lose their labels: random, degree (well studied genes keep theirs), circular (a control).",
        ),
        text("metric", "auroc, auprc_ratio (over base rate) or log_auprc_ratio."),
        text(
            "term",
            "slope (per doubling of cells) or interaction (by how much it grows with completeness, from 0 to 1).",
        ),
        share("completeness", "Share of the edges that are labelled.", nullable=True),
        number("value", "The slope or the interaction."),
        number("lo", "Lower end of its interval."),
        number("hi", "Upper end."),
        number("error", "Its standard error."),
        share("p", "Chance of a value as far from 0, two-sided.", nullable=True),
        number("predicted", "What labels hidden at random are expected to lead to."),
        number("excess", "value - predicted."),
        number("excess_lo", "Lower end of its interval; NULL over TFs."),
        number("excess_hi", "Upper end."),
        share("excess_p", "Chance of an excess as far from 0, two-sided.", nullable=True),
        text("unit", "What intervals are over: seeds (independent tissues) or tfs."),
        count("units", "How many there are.", kind="BIGINT"),
        SIMULATED,
    ),
    key=("density", "noise_growth", "method", "hiding", "metric", "term", "completeness"),
)

REFERENCE_SATURATION_OBSERVED = Table(
    "reference_saturation_observed",
    "One row: how one method's metric grows with the cells of a tissue when labels of a reference network are hidden.",
    (
        TISSUE,
        *(column for column in SCORED_BY if column.name != "head"),
        text("role", "What the model is: planted, random, model, baseline."),
        text("network", "Reference network whose edges lose their labels."),
        text("network_version", "Version that the catalog or the source gives, or a digest of the edges."),
        count("n_cells_least", "Smallest number of cells of the curve.", least=1),
        count("n_cells_most", "Largest number of cells.", least=1),
        count("n_repeats", "Independent draws of cells whose estimates are merged.", least=1),
        *(
            column
            for column in REFERENCE_SATURATION_SLOPES.columns
            if column.name in {"hiding", "metric", "term", "completeness", "value", "lo", "hi", "error", "p"}
        ),
        *(column for column in REFERENCE_SATURATION_SLOPES.columns if column.name in {"unit", "units"}),
        text("answer", "Do missing labels explain it: no failure, no, yes or underpowered, by AUROC at this hiding."),
        SIMULATED,
    ),
    key=(
        "tissue",
        "model",
        "checkpoint",
        "method",
        "layer",
        "direction",
        "network",
        "hiding",
        "metric",
        "term",
        "completeness",
    ),
    files_by=("model", "checkpoint"),
)

STUDY_TABLES: tuple[Table, ...] = (
    HYPOTHESES,
    TESTS,
    VERDICTS,
    SYNTHETIC_TRUTH_SCORES,
    SYNTHETIC_TRUTH_ORDERINGS,
    SYNTHETIC_TRUTH_RANKS,
    SYNTHETIC_TRUTH_MASTERS,
    REFERENCE_SATURATION_SCORES,
    REFERENCE_SATURATION_SLOPES,
    REFERENCE_SATURATION_OBSERVED,
)
