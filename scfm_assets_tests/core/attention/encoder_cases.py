"""Cases that hypothesis draws for the attention engine: cells, panels and what is asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from unittest.mock import patch

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from transformers import BertModel

from scfm_assets.core.attention import machine as machines
from scfm_assets.core.attention.collector import States
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.sums import AttentionSums
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    HIDDEN,
    N_HEADS,
    a_bert,
    heard,
    listener,
    naive,
    ours,
)

TOKENS = np.arange(4, 80)
"""Few, so that cells share many pairs of genes."""

SEEDS = st.integers(0, 2**32 - 1)
EVERY_EXAMPLE = settings(deadline=None, derandomize=True, database=None)


@dataclass(frozen=True)
class Case:
    """Cells and what is asked of them."""

    cells: list[np.ndarray]
    panel_of_token: np.ndarray
    n_panel: int
    layers: tuple[int, ...]
    heads: tuple[tuple[int, int], ...]
    aggregation: str
    form: str
    machine: Machine
    rows: int
    states: States | None

    def heard(self, **changed):
        asked = {name: getattr(self, name) for name in ("n_panel", "heads", "aggregation", "form", "states", "machine")}
        with patch.object(machines, "ROWS_ON_CPU", self.rows):
            return heard(encoder(), self.cells, self.panel_of_token, self.layers, **(asked | changed))

    def naive(self, model: BertModel) -> AttentionSums:
        asked = {name: getattr(self, name) for name in ("n_panel", "heads", "aggregation")}
        return naive(model, self.cells, self.panel_of_token, self.layers, **asked)


@cache
def encoder() -> BertModel:
    return ours()


@cache
def eager(*, double: bool = False) -> BertModel:
    return a_bert("eager").double() if double else a_bert("eager")


# Hypothesis likes the first of several values best: those that tell most stand first, not the smallest.


@st.composite
def cells(draw) -> list[np.ndarray]:
    """Of 0 to 60 genes, special tokens anywhere in some of them."""
    rng = np.random.default_rng(draw(SEEDS))
    lengths = draw(st.lists(st.sampled_from([40, 60, 27, 13, 2, 1, 0]), min_size=1, max_size=6))
    found = [rng.permutation(TOKENS)[:length] for length in lengths]
    for token in draw(st.sampled_from([(CLS, EOS), (), (CLS,)])):
        found = [np.insert(cell, rng.integers(len(cell) + 1), token) if rng.random() < 0.8 else cell for cell in found]
    return found


@st.composite
def panels(draw) -> tuple[np.ndarray, int]:
    """Genes in any order, from one to more than there are tokens; some of them no token stands for."""
    rng = np.random.default_rng(draw(SEEDS))
    n_panel, share = draw(st.sampled_from([60, 90, 30, 5, 1])), draw(st.sampled_from([0.8, 1, 0.3, 0]))
    known = rng.permutation(TOKENS)[: round(share * min(n_panel, len(TOKENS)))]
    panel_of_token = np.full(TOKENS[-1] + 1, -1, np.int32)
    panel_of_token[known] = rng.permutation(n_panel)[: len(known)]
    return panel_of_token, n_panel


@st.composite
def cases(draw) -> Case:
    found = draw(cells())
    panel_of_token, n_panel = draw(panels())
    layers = draw(st.sampled_from([(1, 2, 3), (1, 3), (2,), (2, 3), (3,), (1,)]))
    heads = draw(st.sets(st.tuples(st.sampled_from(layers), st.integers(1, N_HEADS)), max_size=3))
    case = Case(
        found,
        panel_of_token,
        n_panel,
        layers,
        tuple(sorted(heads)),
        draw(st.sampled_from(["mean", "max"])),
        draw(st.sampled_from(["open", "fused"])),
        Machine(tokens=draw(st.sampled_from([None, 100, 10_000, 30, 1, 0]))),
        draw(st.sampled_from([16, 3, 128, 1])),
        draw(st.sampled_from([None, States((CLS, EOS), CLS)])),
    )
    if not draw(st.booleans()):
        return case
    spare = draw(st.integers(0, 300_000))
    return Case(**(vars(case) | {"machine": Machine(tokens=case.machine.tokens, memory=least_memory(case) + spare)}))


def least_memory(case: Case) -> int:
    """The smallest budget that the longest cell passes in."""
    asked = {"n_panel": case.n_panel, "heads": case.heads, "states": case.states}
    collector = listener(len(case.cells), case.panel_of_token, case.layers, **asked)
    collector.prepare(HIDDEN)
    need = machines.Need.of(
        encoder().config,
        longest=max(len(cell) for cell in case.cells),
        fixed=collector.bytes,
        n_panel=case.n_panel,
        precision="fp32",
        states=case.states is not None,
    )
    return need.least
