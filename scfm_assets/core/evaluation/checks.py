"""What must hold for the outputs of the platform: each check takes a value, and says whether it passed and what it saw.

Checks look at what was made, not at how: they also find what a later change of the code breaks.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from scfm_assets.core.metrics import CandidatePairs
from scfm_assets.core.sampling import members
from scfm_assets.core.scores import EdgeScores
from scfm_assets.core.statistics import Permuted, permutation_test, permuted_anywhere
from scfm_assets.core.universes import TF_GRID, candidates, edges_in_panel, positives

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from scfm_assets.core.attention import AttentionSums
    from scfm_assets.core.base import Passed
    from scfm_assets.core.networks import NetworkTable
    from scfm_assets.core.scores import Direction, ScoreKey

LEAST_OVERLAP = 0.1
"""Share of an atlas's genes that a model must know: below it, ids of another kind have met by chance."""
LEAST_POSITIVES = 30
LEAST_COVERAGE = 0.5
PERMUTATIONS = 50
"""Of the labels of each ranking."""
LEAST_ERRORS = 4.0
"""Standard errors by which permuted labels may always miss 0.5."""
FALSE_ALARMS = 1e-6
"""Chance that permuted labels of a sound ranking fail somewhere in one slice."""


# Tables -----------------------------------------------------------------------------------------------------------


def panel_is_complete(panel: pa.Table, size: int) -> Passed:
    """Hold the panel against the size that the catalog asks for; each of its genes is in some cell."""
    silent = pc.sum(pc.equal(panel["detection"], 0)).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue] - made at import
    words = f"{panel.num_rows:,} genes of {size:,} asked for"
    words += f", {silent:,} of them without a count in any cell" if silent else ", each with counts"
    return panel.num_rows == size and not silent, words


def genes_are_distinct(panel: pa.Table) -> Passed:
    """Make sure that no gene stands twice in the panel: its pairs would be scored twice."""
    twice = [gene for gene, n in Counter(panel["gene_id"].to_pylist()).items() if n > 1]
    words = f"{panel.num_rows:,} genes, "
    return not twice, words + (f"{len(twice)} ids twice, such as {twice[0]}" if twice else "each id once")


def panel_holds_tfs(regulators: pa.Table) -> Passed:
    """Ask whether any panel gene is a TF: without one nothing can be evaluated."""
    return regulators.num_rows > 0, f"{regulators.num_rows:,} genes of the panel are TFs of some network"


def repeats_hold_their_cells(cell_sets: pa.Table, n_cells: int, repeats: int) -> Passed:
    """Count the distinct cells of each repeat."""
    distinct = {repeat: len(np.unique(cells)) for repeat, cells in members(cell_sets, n_cells).items()}
    wrong = {repeat: n for repeat, n in distinct.items() if n != n_cells}
    if len(distinct) != repeats:
        return False, f"{len(distinct)} repeats instead of {repeats}"
    words = ", ".join(f"repeat {repeat} holds {n:,}" for repeat, n in wrong.items())
    return not wrong, f"{words} distinct cells instead of {n_cells:,}" if wrong else (
        f"each of {repeats} repeats holds {n_cells:,} distinct cells"
    )


def network_has_edges(network: pa.Table) -> Passed:
    """Count edges between two genes; those of a gene to itself are kept, and stand in no universe."""
    self_edges = pc.sum(pc.equal(network["tf"], network["target"])).as_py() or 0  # pyright: ignore[reportAttributeAccessIssue]
    edges = network.num_rows - self_edges
    return edges > 0, f"{edges:,} edges between two genes, {self_edges:,} of a gene to itself, which no universe holds"


def enough_positives(metrics: pa.Table, least: int = LEAST_POSITIVES) -> Passed:
    """Ask whether every number rests on enough positives; the words name network, universe and tissue where not."""
    smallest = _smallest(metrics, "n_pos")
    few = {key: n for key, n in smallest.items() if n < least}
    if few:
        listed = "; ".join(f"{n:,.0f} positives of {network} in {key}" for (network, key), n in few.items())
        return False, f"{listed}: intervals are wide, and one edge more or less moves them"
    return True, f"at least {min(smallest.values(), default=0):,.0f} positives" if smallest else "no metrics to check"


def seen_together(metrics: pa.Table, least: float = LEAST_COVERAGE) -> Passed:
    """Ask whether the cells showed the positives at all: pairs that no cell holds tie at score 0."""
    smallest = _smallest(metrics, "positive_coverage")
    dark = {key: share for key, share in smallest.items() if share < least}
    if dark:
        listed = "; ".join(
            f"{share:.0%} of the positives of {network} in {key}" for (network, key), share in dark.items()
        )
        return False, f"only {listed} were ever seen together: the others tie at score 0"
    words = f"at least {min(smallest.values(), default=0):.0%} of the positives were seen together"
    return True, words if smallest else "no metrics to check"


def _smallest(metrics: pa.Table, column: str) -> dict[tuple[str, str], float]:
    """Smallest value of a column by network and, in words, place."""
    keys = ["network", "tissue", "n_cells", "universe"]
    minima = metrics.group_by(keys).aggregate([(column, "min")]).sort_by([(key, "ascending") for key in keys])
    return {
        (row["network"], f"{row['tissue']} ({row['universe']}, {row['n_cells']:,} cells)"): row[f"{column}_min"]
        for row in minima.to_pylist()
        if row[f"{column}_min"] is not None
    }


# Models -----------------------------------------------------------------------------------------------------------


def vocabulary_covers(known: np.ndarray, least: float = LEAST_OVERLAP) -> Passed:
    """Ask whether a model knows the atlas's genes.

    Parameters
    ----------
    known
        Whether it knows each gene, boolean (n_genes,).
    least
        Smallest share that can be right.
    """
    share = float(np.mean(known)) if len(known) else 0.0
    words = f"{np.count_nonzero(known):,} of {len(known):,} genes ({share:.1%}) are in the model's vocabulary"
    return share >= least, f"{words}; at least {least:.0%} are needed"


def fingerprint_is_declared(found: Mapping[str, Any], declared: Mapping[str, Any]) -> Passed:
    """Hold what was loaded against what the catalog expects of the model."""
    listed = ", ".join(f"{name} {value}" for name, value in found.items())
    if not declared:
        return True, f"the catalog expects nothing; found {listed}"
    wrong = [f"{name} declared {declared[name]}, found {found.get(name)}" for name in declared]
    wrong = [words for name, words in zip(declared, wrong, strict=True) if found.get(name) != declared[name]]
    return not wrong, "; ".join(wrong) if wrong else f"{', '.join(declared)} as declared; found {listed}"


def sums_hold_their_cells(sums_of_repeat: Mapping[int, AttentionSums], n_cells: int, repeats: int) -> Passed:
    """Count the cells behind the sums of each repeat, those of its groups too: each cell once."""
    if len(sums_of_repeat) != repeats:
        return False, f"sums of {len(sums_of_repeat)} repeats instead of {repeats}"
    wrong = []
    for repeat, sums in sums_of_repeat.items():
        counted = {"": sums.n_cells} | ({} if sums.groups is None else {" in groups": int(sums.groups.n_cells.sum())})
        wrong += [f"repeat {repeat} sums {n:,} cells{where}" for where, n in counted.items() if n != n_cells]
        if sums.pairs.max(initial=0) > n_cells:
            wrong.append(f"repeat {repeat} has a pair in {sums.pairs.max():,} cells")
    return not wrong, f"{', '.join(wrong)} instead of {n_cells:,}" if wrong else (
        f"the sums of each of {repeats} repeats hold {n_cells:,} cells"
    )


def are_finite(arrays: Mapping[str, np.ndarray]) -> Passed:
    """Look for NaN and infinity."""
    wrong = {name: int(np.count_nonzero(~np.isfinite(array))) for name, array in arrays.items()}
    wrong = {name: n for name, n in wrong.items() if n}
    if wrong:
        first, n = next(iter(wrong.items()))
        return False, f"{len(wrong)} of {len(arrays)} arrays hold NaN or infinity (first: {first}, {n:,} values)"
    return True, f"{sum(array.size for array in arrays.values()):,} values in {len(arrays)} arrays, all finite"


def scores_are_finite(scores: EdgeScores) -> Passed:
    """Look for NaN and infinity among edge scores."""
    return are_finite({name_of(key): matrix for key, matrix in zip(scores.keys, scores.scores, strict=True)})


def name_of(key: ScoreKey) -> str:
    """Name a matrix of scores in words."""
    parts = {"layer": key.layer, "head": key.head, "repeat": key.repeat}
    return " ".join([key.method, *(f"{name} {number}" for name, number in parts.items() if number is not None)])


# Rankings ---------------------------------------------------------------------------------------------------------


def matrix_of_layer(scores: EdgeScores, methods: Sequence[str], layer: int | None) -> EdgeScores | None:
    """Keep the first repeat's matrix of the first of some methods that is there, at a layer (None: at any)."""
    first = min((key.repeat for key in scores.keys), default=0)
    for method in methods:
        for key, matrix in zip(scores.keys, scores.scores, strict=True):
            if (key.repeat, key.method, key.head) == (first, method, None) and layer in (None, key.layer):
                return EdgeScores(scores.gene_ids, scores.symbols, (key,), matrix[None], scores.pairs)
    return None


def permuted_labels_score_half(
    scores_of_model: Mapping[str, EdgeScores], networks: Sequence[NetworkTable], tissue: str, direction: Direction
) -> Passed:
    """Shuffle the labels of the TF grid: whatever is ranked, and by whatever code, must then score 0.5.

    Parameters
    ----------
    scores_of_model
        One matrix of each model, from `matrix_of_layer`.
    networks, tissue
        What it is ranked against.
    direction
        How a matrix that has a direction is read.

    Returns
    -------
    Passed if every mean AUROC is within a number of standard errors of 0.5: four, or more where so many rankings are
    asked that one of a million sound slices would fail. Permutations are the same every time.
    """
    nulls: dict[str, Permuted] = {}
    for model, scores in scores_of_model.items():
        (key,), pairs = scores.keys, scores.pairs[scores.keys[0].repeat]
        (turn,) = key.directions((direction,))
        for network in networks:
            edges = edges_in_panel(network, scores.gene_ids, scores.symbols, tissue=tissue)
            ranked = CandidatePairs.of_masks(*(mark(TF_GRID, edges, pairs) for mark in (candidates, positives)))
            if ranked.n_pos and ranked.n_neg:
                (null,) = permutation_test(
                    ranked.of(turn.orient(scores.scores[0]))[None],
                    ranked,
                    labels=permuted_anywhere(ranked, permutations=PERMUTATIONS, seed=0),
                )
                nulls[f"{model} against {network.name}"] = null["auroc"]
    if not nulls:
        return True, "no ranking whose labels could be permuted"
    limit = _errors_allowed(len(nulls), PERMUTATIONS)
    wrong = {name: null for name, null in nulls.items() if not is_half(null, errors=limit)}
    worst, null = max((wrong or nulls).items(), key=lambda item: abs(item[1].expected - 0.5))
    words = f"permuted labels of {len(nulls)} rankings: furthest from 0.5 is {worst} with {null.expected:.4f}"
    return not wrong, f"{words} (standard error {null.standard_error:.4f}, {limit:.1f} of them allowed)"


def is_half(null: Permuted, *, errors: float) -> bool:
    """Say whether the mean of permuted values is within some standard errors of 0.5."""
    return abs(null.expected - 0.5) <= errors * null.standard_error + 1e-9


def _errors_allowed(rankings: int, permutations: int) -> float:
    """Standard errors, themselves estimated, that a sound ranking passes with the chance of a false alarm."""
    from scipy.special import stdtrit

    return max(LEAST_ERRORS, float(stdtrit(permutations - 1, 1 - FALSE_ALARMS / (2 * rankings))))
