"""Tables of the study."""

from __future__ import annotations

from scfm_assets.tables.columns import Column, Table, count, number, share, text

SCORES = Table(
    "scores",
    "One row: one metric of one method on one simulated data set whose network is known.",
    (
        text("simulator", "Simulator that made the cells: linear, hill, copula."),
        text("case", "Adversarial case that misleads, or none."),
        count("seed", "Number of the independent data set, from 0."),
        text("method", "What scores the edges, a gene-level null or not."),
        Column("is_null", "BOOLEAN", "Whether the method is a gene-level null."),
        text("metric", "auroc, auprc, auprc_ratio or epr, over TFs x genes."),
        number("value", "Value of the metric; NULL without edges."),
        number("lo", "Lower end of the interval over TFs and targets; NULL where edges or clusters are few."),
        number("hi", "Upper end of that."),
        count("units", "TFs or targets, the fewer, counted by how alike they are in edges: behind the interval."),
        count("n_pos", "Pairs of a TF and another gene that are edges.", kind="BIGINT"),
        count("n_neg", "Pairs that are not.", kind="BIGINT"),
        text("hardest_null", "The null that the method beats least surely.", nullable=True),
        number("above_null", "Value minus that of the hardest null."),
        share("p", "Largest p over the nulls, paired over the network; 1 where it is not above one.", nullable=True),
        share("p_degrees", "p among networks that keep the degrees of TFs and targets; NULL for nulls.", nullable=True),
        text("verdict", "Against all nulls and those networks, over TFs and targets: see method_verdicts."),
    ),
    key=("simulator", "case", "seed", "method", "metric"),
)

ORDERINGS = Table(
    "orderings",
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
        text("ordered", "The methods by the first mean, highest first."),
        text("ordered_other", "The same by the second."),
    ),
    key=("compared", "metric", "simulator", "case", "simulator_other", "case_other"),
)

RANKS = Table(
    "ranks",
    "One row: where one method stands among the methods of one simulator and case.",
    (
        text("simulator", "Simulator that made the cells."),
        text("case", "Adversarial case, or none."),
        text("metric", "What the methods are ranked by."),
        text("method", "The method; nulls are left out."),
        number("mean", "Mean of the metric over seeds.", nullable=False),
        number("sd", "Standard deviation over seeds."),
        number("rank", "Rank of the mean, 1 the highest; ties share theirs.", nullable=False),
        number("rank_lo", "2.5th percentile of the rank over draws of seeds.", nullable=False),
        number("rank_hi", "97.5th percentile.", nullable=False),
        count("n_seeds", "Data sets."),
    ),
    key=("simulator", "case", "metric", "method"),
)

MASTERS = Table(
    "masters",
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
    ),
    key=("rate",),
)
