"""Tables that say what methods are worth: against the nulls, against random weights, and where a layer was chosen."""

from __future__ import annotations

from scfm_assets.tables.columns import (
    COUNTED,
    DIFFERENCE,
    DIFFERS,
    MEASURED,
    METHOD,
    N_CELLS,
    NETWORK,
    REPEAT,
    SIMULATED,
    TISSUE,
    Table,
    count,
    number,
    one_of,
    pick,
    share,
    text,
)

OF_METHOD = ("tissue", "n_cells", "model", "checkpoint", "method", "layer", "direction")
RANKED = ("network", "network_version", "universe", "metric")
ROLE = one_of(
    "role",
    "What the method is: null and baseline score from counts alone, planted and random are controls.",
    "planted",
    "random",
    "model",
    "baseline",
    "null",
)
PAIR_SHARE = share(
    "pair_share", "Share of the pairs of tf_grid that are ranked; of 'common', those that all methods can score."
)
N_REPEATS = count("n_repeats", "Repeats that were merged: values, limits and errors are means.", least=1)

METHOD_COMPARISON = Table(
    "method_comparison",
    "One row: how one method differs from one null, or from its random control, over the same pairs of one slice.",
    (
        TISSUE,
        N_CELLS,
        *METHOD,
        ROLE,
        text("reference_model", "Model of the reference; 'baselines' for a null that is made of counts."),
        text(
            "reference",
            "Method of the reference: the same on random weights, or a null. A null is a statistic of single genes at "
            "either end or of both, expression_alone (a model of all, told neither gene of a pair), target_popularity "
            "in other networks, or uniform_attention.",
        ),
        one_of("reference_role", "What the reference is.", "null", "random"),
        *MEASURED,
        one_of("interval", "What is left out of both at once: tfs one by one, cells in groups.", "tfs", "cells"),
        number("value", "Value of the metric.", check='"value" >= 0', nullable=False),
        number("value_lo", "Lower end of its interval, made on the metric's own scale.", check='"value_lo" >= 0'),
        number("value_hi", "Upper end of its interval."),
        number("value_reference", "Value of the reference.", check='"value_reference" >= 0', nullable=False),
        number("difference", "value - value_reference.", nullable=False),
        *DIFFERENCE,
        number("error", "Standard error of the difference (jackknife).", check='"error" >= 0'),
        share("p", "Two-sided p of Student's t for the difference; NULL without an error.", nullable=True),
        number("effect", "Difference over its spread among the units: Cohen's d of a paired test."),
        count("units", "Independent units: TFs with an edge, groups of cells."),
        number(
            "correlation",
            "Spearman correlation of both scores over the pairs; NULL where one is constant.",
            check='abs("correlation") <= 1',
        ),
        *COUNTED,
        PAIR_SHARE,
        N_REPEATS,
        DIFFERS,
        SIMULATED,
    ),
    key=(*OF_METHOD, "reference_model", "reference", *RANKED, "interval"),
    files_by=("model", "checkpoint"),
)

METHOD_VERDICTS = Table(
    "method_verdicts",
    "One row: whether one method ranks one network's edges better than expression alone does, in one slice.",
    (
        TISSUE,
        N_CELLS,
        *METHOD,
        ROLE,
        *MEASURED,
        number("value", "Value of the metric.", check='"value" >= 0', nullable=False),
        number("tfs_lo", "Lower end of its interval over TFs.", check='"tfs_lo" <= "tfs_hi"'),
        number("tfs_hi", "Upper end of its interval over TFs."),
        number("cells_lo", "Lower end of its interval over cells.", check='"cells_lo" <= "cells_hi"'),
        number("cells_hi", "Upper end; NULL where the scores without a group of cells are not known."),
        *COUNTED,
        PAIR_SHARE,
        N_REPEATS,
        text("best_null", "Null with the highest value, see `docs/trust.md`; NULL for a null.", nullable=True),
        number("best_null_value", "Its value."),
        text("rests_on", "Kinds of intervals that the verdict rests on: 'tfs, cells', or 'tfs' alone."),
        share(
            "p",
            "Largest p over all nulls and kinds of intervals, 1 where the method is not above a null: "
            "p of beating every null. NULL where a comparison could not be tested.",
            nullable=True,
        ),
        number("effect", "Effect of the comparison that this p is of."),
        count("units", "Its independent units.", nullable=True),
        share("power", "Power, at most, to tell an AUROC 0.05 above the nulls; NULL for ratios.", nullable=True),
        number("mde", "Smallest difference to the nulls that is told with power 0.8.", check='"mde" >= 0'),
        one_of(
            "verdict",
            "beats the nulls: better than each, over TFs and over cells. worse than a null: so by both. underpowered: "
            "neither, and power is below 0.8.",
            "beats the nulls",
            "does not beat the nulls",
            "worse than a null",
            "underpowered",
            "null",
        ),
        text("control", "Random control of the same family, options and layer; NULL without one.", nullable=True),
        number("value_random", "AUROC of the method on its random weights."),
        number("random_lo", "Lower end of its interval: the wider one of TFs and cells."),
        number("random_hi", "Upper end of its interval."),
        text(
            "confounding",
            "confounded where that interval excludes 0.5, clean where it holds it, unknown without one.",
            nullable=True,
        ),
        text("explained_by", "Null that the scores on random weights are most like, by 0.1 or more.", nullable=True),
        SIMULATED,
    ),
    key=(*OF_METHOD, *RANKED),
    files_by=("model", "checkpoint"),
)

SELECTION = Table(
    "selection",
    "One row: what the best layer or head of one half of TFs or cells scores on the half that did not choose it.",
    (
        TISSUE,
        N_CELLS,
        REPEAT,
        *pick(METHOD, "model", "checkpoint", "method", "direction"),
        *MEASURED,
        one_of("options", "What is chosen among.", "layers", "heads"),
        count("n_options", "Number of layers or heads.", least=2),
        one_of("halves_of", "What is halved: tfs, or groups of cells.", "tfs", "cells"),
        share("held_out", "Value on the half that did not choose, mean over splits: to be reported.", nullable=True),
        number("held_out_lo", "Lower end of its interval.", check='"held_out_lo" <= "held_out_hi"'),
        number("held_out_hi", "Upper end of its interval."),
        share("on_same", "Value on the half that chose.", nullable=True),
        number("optimism", "on_same - held_out: what choosing and reporting on the same data adds."),
        number("lo", "Lower end of the optimism's interval.", check='"lo" <= "hi"'),
        number("hi", "Upper end of the optimism's interval."),
        count("best_layer", "Layer that all units would choose.", least=1, nullable=True),
        count("best_head", "Its head, where heads are chosen.", least=1, nullable=True),
        share("value_of_best", "Its value on all units: what is published where nothing is held out.", nullable=True),
        count("chosen_layer", "Layer that halves chose most often.", least=1, nullable=True),
        count("chosen_head", "Its head, where heads are chosen.", least=1, nullable=True),
        share("share", "Share of the halves that chose it.", nullable=True),
        count("splits", "Splits, each of which chooses twice.", least=1),
        count("units", "TFs with an edge, or groups of cells.", least=2),
        SIMULATED,
    ),
    key=(
        *("tissue", "n_cells", "repeat", "model", "checkpoint", "method", "direction"),
        *RANKED,
        *("options", "halves_of"),
    ),
    files_by=("model", "checkpoint"),
)

DEGREE_MATCHED = Table(
    "degree_matched",
    "One row: by how much one method ranks a network's edges better than those of random networks with its degrees.",
    (
        TISSUE,
        N_CELLS,
        *METHOD,
        ROLE,
        *NETWORK,
        text("metric", "auroc, over tf_grid."),
        share("value", "Value on the network's edges, the mean over repeats."),
        share("expected", "Mean value on the edges of the random networks: what degrees alone give the method."),
        number("spread", "Standard deviation over the random networks.", check='"spread" >= 0'),
        number("difference", "value - expected: what the method knows beyond degrees.", nullable=False),
        share("p", "Share of the random networks, the real one counted, on which it does as well or better."),
        count("draws", "Random networks: every TF keeps its number of targets, every target its number of TFs."),
        share("shared_edges", "Share of the real edges that a random network holds too, the mean."),
        share("perfect", "Mean value on the random networks of a method that knows every real edge."),
        *COUNTED,
        N_REPEATS,
        SIMULATED,
    ),
    key=(*OF_METHOD, "network", "network_version", "metric"),
    files_by=("model", "checkpoint"),
)

CELL_COUNT_COMPARISON = Table(
    "cell_count_comparison",
    "One row: how far one method at one number of cells lies from where it is at the largest, over the same TFs.",
    (
        TISSUE,
        N_CELLS,
        count("n_cells_largest", "Largest number of cells that it is compared with.", least=2),
        *METHOD,
        ROLE,
        *MEASURED,
        number("value", "Value of the metric at n_cells.", check='"value" >= 0', nullable=False),
        number("value_largest", "Value at the largest.", check='"value_largest" >= 0', nullable=False),
        number("difference", "value - value_largest.", nullable=False),
        *pick(METHOD_COMPARISON.columns, "lo", "hi", "error", "p", "effect"),
        count("units", "TFs with an edge: each is left out of both at once. Cells are not, as cell sets are nested."),
        *COUNTED,
        N_REPEATS,
        DIFFERS,
        SIMULATED,
    ),
    key=(*OF_METHOD, *RANKED),
    files_by=("model", "checkpoint"),
)
