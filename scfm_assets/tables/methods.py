"""Tables that say what methods are worth: against the nulls, against random weights, and where a layer was chosen."""

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
OF_DEGREES = (
    share(
        "p_degrees",
        "p of the method's value among networks in which every TF and target keeps its degree: one-sided, by "
        "permutation. NULL for metrics that are not judged.",
        nullable=True,
    ),
    number("mean_degrees", "Mean of its values among them."),
    number("spread_degrees", "Their standard deviation.", check='"spread_degrees" >= 0'),
)
OF_CLAIM = (
    *OF_DEGREES,
    share(
        "power",
        "Chance that the method would beat all nulls by all kinds of intervals, and those networks, if it were the "
        "smallest effect that matters above the highest null: 0.05 AUROC, a factor of 1.22 of auprc_ratio. NULL for a "
        "null, for metrics that are not judged, and where some error is not known.",
        nullable=True,
    ),
    number("mde", "Smallest difference to the highest null for which that chance is 0.8.", check='"mde" >= 0'),
)

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
        one_of(
            "interval",
            "What varies for both at once: network (TFs and targets); cells in groups; or donors with all their cells.",
            "network",
            "cells",
            "donors",
        ),
        number("value", "Value of the metric.", check='"value" >= 0', nullable=False),
        number("value_lo", "Lower end of its interval, made on the metric's own scale.", check='"value_lo" >= 0'),
        number("value_hi", "Upper end of its interval."),
        number("value_reference", "Value of the reference.", check='"value_reference" >= 0', nullable=False),
        number("difference", "value - value_reference.", nullable=False),
        *DIFFERENCE,
        number("error", "Standard error of the difference; NULL where nothing varies.", check='"error" >= 0'),
        share("p", "Two-sided p of Student's t for the difference; NULL without an error.", nullable=True),
        number("effect", "Difference over its spread among the units: Cohen's d of a paired test."),
        count("units", "Independent units: of TFs or of targets, the fewer; groups of cells; donors."),
        DONORS,
        number(
            "correlation",
            "Spearman correlation of both scores over the pairs; NULL where one is constant.",
            check='abs("correlation") <= 1',
        ),
        *COUNTED,
        PAIR_SHARE,
        N_REPEATS,
        DIFFERS,
        *OF_CLAIM,
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
        number("network_lo", "Lower end of its interval over TFs and targets.", check='"network_lo" <= "network_hi"'),
        number("network_hi", "Upper end of its interval over TFs and targets."),
        number("cells_lo", "Lower end of its interval over cells, or donors.", check='"cells_lo" <= "cells_hi"'),
        number("cells_hi", "Upper end; NULL where the scores without a group of cells are not known."),
        *COUNTED,
        PAIR_SHARE,
        N_REPEATS,
        text("highest_null", "Null with the highest value, see `docs/trust.md`; NULL for a null.", nullable=True),
        number("highest_null_value", "Its value."),
        text(
            "rests_on",
            "What the verdict rests on: 'network, donors', 'network, cells', 'network, cells of these donors' (fewer "
            "than 5: it says nothing of others), or 'network' alone.",
        ),
        share(
            "p",
            "Largest p over all nulls, kinds of intervals and p_degrees, 1 where the method is not above a null: "
            "p of beating every null. NULL where a comparison could not be tested.",
            nullable=True,
        ),
        text("decided_by", "What this p is of: a null and a kind of interval, or 'degrees'.", nullable=True),
        number("effect", "Smallest Cohen's d of its differences to the nulls by the first kind in rests_on."),
        count("units", "Independent units of that kind.", nullable=True),
        *OF_CLAIM,
        one_of(
            "verdict",
            "beats the nulls: better than each, over the network and over cells or donors, and p_degrees <= 0.05. "
            "worse than a null: so by both. does not beat the nulls: neither, with power 0.8. underpowered: with less, "
            "or unknown.",
            "beats the nulls",
            "does not beat the nulls",
            "worse than a null",
            "underpowered",
            "null",
        ),
        text("control", "Random control of the same family, options and layer; NULL without one.", nullable=True),
        number("value_random", "AUROC of the method on its random weights."),
        number("random_lo", "Lower end of its interval: the wider one of network and cells or donors."),
        number("random_hi", "Upper end of its interval."),
        text(
            "confounding",
            "confounded where that interval excludes 0.5, clean where it holds it and lies within 0.05 of it, unknown "
            "where it is wider or there is none.",
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
    "One row: how far one method at one number of cells lies from where it is at the largest, over one network.",
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
        count("units", "Of TFs or of targets, the fewer: both vary at once. Cells do not, as cell sets are nested."),
        *COUNTED,
        N_REPEATS,
        DIFFERS,
        SIMULATED,
    ),
    key=(*OF_METHOD, *RANKED),
    files_by=("model", "checkpoint"),
)
