"""What scores an edge: attention, embeddings, correlation, further methods, and nulls of single genes."""

from scfm_assets.core.scores.baselines import (
    MODEL,
    BaselineMethod,
    cells_of,
    columns_of,
    pearson,
    score,
    spearman,
)
from scfm_assets.core.scores.choice import chosen_methods
from scfm_assets.core.scores.edges import EdgeScores, attention_methods, edge_table, from_attention
from scfm_assets.core.scores.gene_levels import GENE_NULLS, STATISTICS, GeneNull, gene_statistics
from scfm_assets.core.scores.group_scores import MeansOverCells, ScoresOfGroups
from scfm_assets.core.scores.left_out import IS_LIFTED, LeftOut, left_out_of_attention
from scfm_assets.core.scores.methods import METHODS, NULLS, method_names
from scfm_assets.core.scores.score_keys import DIRECTIONS, SYMMETRIC, TF_QUERIES, Direction, ScoreKey
from scfm_assets.core.scores.scores_of_cells import ScoresOfCells

__all__ = [
    "DIRECTIONS",
    "GENE_NULLS",
    "IS_LIFTED",
    "METHODS",
    "MODEL",
    "NULLS",
    "STATISTICS",
    "SYMMETRIC",
    "TF_QUERIES",
    "BaselineMethod",
    "Direction",
    "EdgeScores",
    "GeneNull",
    "LeftOut",
    "MeansOverCells",
    "ScoreKey",
    "ScoresOfCells",
    "ScoresOfGroups",
    "attention_methods",
    "cells_of",
    "chosen_methods",
    "columns_of",
    "edge_table",
    "from_attention",
    "gene_statistics",
    "left_out_of_attention",
    "method_names",
    "pearson",
    "score",
    "spearman",
]
