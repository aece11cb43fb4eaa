"""Tables of how well scores rank the edges of networks, over cells and over checkpoints."""

from __future__ import annotations

from scfm_assets.tables.columns import (
    COUNTED,
    DIFFERENCE,
    DIFFERS,
    DONORS,
    MEASURED,
    METHOD,
    N_CELLS,
    NETWORK,
    REPEAT,
    SCORED_BY,
    SIMULATED,
    TISSUE,
    UNIVERSE,
    Column,
    Table,
    count,
    number,
    one_of,
    pick,
    share,
    text,
)

METRICS = Table(
    "metrics",
    "One row: how well one method ranks one network's edges in one slice, with its interval and its universe.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *SCORED_BY,
        *MEASURED,
        number("value", "Value of the metric; NULL where it has no positives or no negatives.", check='"value" >= 0'),
        number(
            "lo",
            "Lower end of the interval; NULL with one unit, if nothing varies, and for all but AUROC with fewer than "
            "30 edges, or 10 TFs or targets.",
            check='"lo" <= "hi"',
        ),
        number("hi", "Upper end of the interval."),
        one_of(
            "interval",
            "What varies: network, TFs and targets at once, which claims rest on; tfs or targets alone; cells, in "
            "groups; donors, with all their cells; pairs, as if they had nothing in common.",
            "network",
            "tfs",
            "targets",
            "cells",
            "donors",
            "pairs",
        ),
        count(
            "resamples",
            "Independent units behind the interval: of TFs or of targets, the fewer by how alike they are in edges "
            "(network); TFs, targets, groups of cells, donors or edges.",
        ),
        DONORS,
        *COUNTED,
        Column(
            "base_rate",
            "DOUBLE",
            "n_pos / (n_pos + n_neg): the precision of a random ranking.",
            nullable=True,
            check='abs("base_rate" * ("n_pos" + "n_neg") - "n_pos") <= 1e-6 * ("n_pos" + "n_neg")',
        ),
        share("pair_coverage", "Share of candidate pairs seen together in at least one cell.", nullable=True),
        share("positive_coverage", "Share of positives seen together in at least one cell.", nullable=True),
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "method", "layer", "head", "direction"),
        *("network", "network_version", "universe", "metric", "interval"),
    ),
    files_by=("model", "checkpoint"),
)

SCALING_CURVES = Table(
    "scaling_curves",
    "One row: one form fitted to one scaling curve, a metric against the number of cells.",
    (
        TISSUE,
        *METHOD,
        NETWORK[0],
        UNIVERSE,
        text("metric", "Metric on the vertical axis."),
        one_of(
            "weighting", "Weights of the points: none, or variance (the inverse of each point's).", "none", "variance"
        ),
        text("form", "Name of the curve's form."),
        text("formula", "The form as people write it."),
        Column(
            "parameters",
            "VARCHAR",
            "JSON: parameter -> value, lo, hi (95 %).",
            check="case when json_valid(parameters) then json_type(parameters) = 'OBJECT' else false end",
        ),
        count("n_points", "Points fitted: repeats times cell counts."),
        number("r2", "Coefficient of determination.", check='"r2" <= 1'),
        number("aicc", "Akaike's criterion for small samples; comparable within one curve and weighting."),
        share("weight", "Akaike weight among the forms of this curve.", nullable=True),
        number("loo_rmse", "Root mean square error of leaving one cell count out.", check='"loo_rmse" >= 0'),
        number("asymptote", "Value at infinitely many cells; NULL where the form has none."),
        number("asymptote_lo", "Lower end of its 95 % interval."),
        number("asymptote_hi", "Upper end of its 95 % interval."),
        number("characteristic_n", "Cells at which the form has made a stated share of its rise."),
        text("verdict", "What the points say about the form: best, indistinguishable, degenerate, ..."),
        number("ceiling", "Best value that a planted control can reach; NULL where no truth is known."),
        SIMULATED,
    ),
    key=(
        *("tissue", "model", "checkpoint", "method", "layer", "direction", "network", "universe", "metric"),
        *("weighting", "form"),
    ),
    files_by=("model", "checkpoint"),
)

CHECKPOINT_COMPARISON = Table(
    "checkpoint_comparison",
    "One row: how one metric of one slice changed from one checkpoint of a model to the next, over the same cells.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        text("model", "Model of the catalog."),
        text("checkpoint", "First 12 hex digits of the digest of the new checkpoint's files."),
        text("checkpoint_before", "The same of the checkpoint that the model had before."),
        *pick(SCORED_BY, "method", "layer", "head", "direction"),
        *MEASURED,
        number("value", "Value of the metric with the new checkpoint.", check='"value" >= 0', nullable=False),
        number("value_before", "With the one before.", check='"value_before" >= 0', nullable=False),
        number("difference", "value - value_before.", nullable=False),
        *DIFFERENCE,
        one_of(
            "interval",
            "What varies for both at once: network (TFs and targets), tfs or targets alone, cells in groups, donors.",
            "network",
            "tfs",
            "targets",
            "cells",
            "donors",
        ),
        count("resamples", "Independent units behind the interval, as in metrics."),
        *COUNTED,
        DIFFERS,
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "checkpoint_before", "method", "layer", "head"),
        *("direction", "network", "network_version", "universe", "metric", "interval"),
    ),
    files_by=("model", "checkpoint"),
)
