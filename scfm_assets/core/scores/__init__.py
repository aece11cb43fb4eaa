"""What scores an edge: attention, embeddings, correlation, further methods, and nulls of single genes."""

from scfm_assets.core.scores.baselines import (
    METHODS,
    MODEL,
    BaselineMethod,
    cells_of,
    columns_of,
    pearson,
    score,
    spearman,
)
from scfm_assets.core.scores.edges import EdgeScores, attention_methods, edge_table, from_attention
from scfm_assets.core.scores.group_scores import MeansOverCells, ScoresOfGroups
from scfm_assets.core.scores.left_out import IS_LIFTED, LeftOut, left_out_of_attention
from scfm_assets.core.scores.methods.choice import chosen_methods, method_names
from scfm_assets.core.scores.score_keys import DIRECTIONS, SYMMETRIC, TF_QUERIES, Direction, ScoreKey
from scfm_assets.core.scores.scores_of_cells import ScoresOfCells

__all__ = [
    "DIRECTIONS",
    "IS_LIFTED",
    "METHODS",
    "MODEL",
    "SYMMETRIC",
    "TF_QUERIES",
    "BaselineMethod",
    "Direction",
    "EdgeScores",
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
    "left_out_of_attention",
    "method_names",
    "pearson",
    "score",
    "spearman",
]
