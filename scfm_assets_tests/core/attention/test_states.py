"""Hidden states of the panel's genes and of whole cells, in the order of the model and not of the pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from transformers import BertModel

from scfm_assets.core.attention.collector import States
from scfm_assets.core.attention.machine import Machine
from scfm_assets_tests.core.attention.encoder_cases import EVERY_EXAMPLE, Case, cases
from scfm_assets_tests.core.attention.encoder_cases import eager as cached_eager
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    HIDDEN,
    N_PANEL,
    TOLERANCE,
    a_bert,
    a_panel,
    assert_equal,
    cells_of,
    heard,
    naive,
    ours,
    ragged,
)

ASKED = States((CLS, EOS), CLS)


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def eager() -> BertModel:
    return a_bert("eager")


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


def vectors(
    model: BertModel, cells: list[np.ndarray], layers: tuple[int, ...], states: States
) -> dict[str, np.ndarray]:
    """Mean over the genes, and what stands at cls, of transformers' own hidden states; NaN where there is none."""
    found = {name: np.full((len(cells), len(layers), HIDDEN), np.nan) for name in ("mean", "cls")}
    for number, cell in enumerate(cells):
        if not len(cell):
            continue
        with torch.no_grad():
            hidden = model(torch.from_numpy(cell)[None], output_hidden_states=True).hidden_states
        genes = [place for place, token in enumerate(cell) if token not in states.special]
        for place, layer in enumerate(layers):
            state = hidden[layer][0].double().numpy()
            if genes:
                found["mean"][number, place] = state[genes].mean(0)
            if states.cls in cell:
                found["cls"][number, place] = state[list(cell).index(states.cls)]
    return found if states.cls is not None else {"mean": found["mean"]}


def assert_vectors(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, mine in found.items():
        assert mine.dtype == np.float32
        largest = np.nanmax(np.abs(expected[name]), initial=0)
        np.testing.assert_allclose(mine, expected[name], rtol=0, atol=TOLERANCE * largest, equal_nan=True)


@pytest.mark.parametrize("layers", [(1, 2, 3), (2,), (3,), (1, 3)])
@pytest.mark.parametrize("special", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("tokens", [0, 600], ids=["one by one", "packed"])
def test_hidden_states_and_embeddings_are_transformers_own(encoder, eager, panel_of_token, special, layers, tokens):
    cells = ragged(panel_of_token, special=special)
    machine = Machine(tokens=tokens)
    collector = heard(encoder, cells, panel_of_token, layers, states=ASKED, machine=machine)
    expected = naive(eager, cells, panel_of_token, layers)
    (sums,) = collector.blocks
    assert sums.hidden.shape == (len(layers), N_PANEL, HIDDEN)
    assert_equal(sums, expected)
    assert_vectors(collector.embeddings, vectors(eager, cells, layers, ASKED))


@settings(EVERY_EXAMPLE, max_examples=60)
@given(cases())
def test_embeddings_are_transformers_own_whatever_the_cells(case: Case):
    case = Case(**(vars(case) | {"states": ASKED, "machine": Machine(tokens=case.machine.tokens)}))
    assert_vectors(case.heard().embeddings, vectors(cached_eager(), case.cells, case.layers, ASKED))


def test_a_model_without_cls_gives_only_the_mean(encoder, eager, panel_of_token):
    cells, asked = cells_of([30, 12]), States()
    collector = heard(encoder, cells, panel_of_token, states=asked)
    assert_vectors(collector.embeddings, vectors(eager, cells, (1, 2, 3), asked))


def test_a_cell_without_a_panel_gene_has_an_embedding_and_an_empty_one_has_not(encoder, panel_of_token):
    outside = np.flatnonzero(panel_of_token < 0)[10:30]
    cells = [outside, np.empty(0, np.int64), cells_of([20])[0]]
    collector = heard(encoder, cells, panel_of_token, states=ASKED)
    mean = collector.embeddings["mean"]
    assert np.isfinite(mean[[0, 2]]).all()
    assert np.isnan(mean[1]).all()
    assert collector.forwarded == 2
    assert collector.blocks[0].n_cells == 3


def test_a_cell_of_special_tokens_alone_has_no_mean(encoder, panel_of_token):
    collector = heard(encoder, [np.array([CLS, EOS])], panel_of_token, states=ASKED)
    assert np.isnan(collector.embeddings["mean"]).all()
    assert np.isfinite(collector.embeddings["cls"]).all()


@pytest.mark.parametrize("machine", [Machine(), Machine(tokens=300)])
def test_attention_is_the_same_to_the_bit_with_and_without_states(encoder, panel_of_token, machine):
    cells = cells_of([50, 90, 30], special=True)
    with_states, without = (
        heard(encoder, cells, panel_of_token, (1, 2), states=asked, machine=machine).blocks[0]
        for asked in (ASKED, None)
    )
    for name in ("plain", "lifted", "pairs"):
        assert getattr(with_states, name).tobytes() == getattr(without, name).tobytes()
    assert without.hidden is None


def test_no_cell_anywhere_still_gives_states_of_the_asked_shape(encoder, panel_of_token):
    """A block, or an increment, of empty cells is summed with others: it has zeros, not nothing."""
    cells = [np.empty(0, np.int64)] * 2
    collector = heard(encoder, cells, panel_of_token, (1, 3), states=ASKED, n_blocks=2)
    for sums in collector.blocks:
        assert sums.hidden.shape == (2, N_PANEL, HIDDEN)
        assert not sums.hidden.any()
    assert {name: found.shape for name, found in collector.embeddings.items()} == {
        "mean": (2, 2, HIDDEN),
        "cls": (2, 2, HIDDEN),
    }
    assert all(np.isnan(found).all() for found in collector.embeddings.values())


def test_a_block_without_a_cell_adds_to_one_with_cells(encoder, panel_of_token):
    first, second = heard(encoder, cells_of([30]), panel_of_token, states=ASKED, n_blocks=2).blocks
    assert second.n_cells == 0
    np.testing.assert_array_equal((first + second).hidden, first.hidden)
    np.testing.assert_array_equal((second + first).hidden, first.hidden)


def test_the_sums_say_beforehand_how_large_they_will_be(encoder, panel_of_token):
    """The memory budget counts on it: hidden states of large models are larger than their attention."""
    collector = heard(encoder, cells_of([30]), panel_of_token, states=ASKED, n_blocks=3)
    kept = sum(array.nbytes for sums in collector.blocks for array in sums.to_tensors().values())
    assert collector.bytes >= kept
