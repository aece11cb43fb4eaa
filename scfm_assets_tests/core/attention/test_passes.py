from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertModel

from scfm_assets.core.attention.passes import Pass, register, stream
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    POSITIONS,
    a_bert,
    a_panel,
    assert_equal,
    cells_of,
    collected,
    heard,
    listener,
    naive,
    ours,
    ragged,
)


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def eager() -> BertModel:
    return a_bert("eager")


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


@pytest.mark.parametrize("padded", [False, True], ids=["one by one", "padded batch"])
@pytest.mark.parametrize("special", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("form", ["open", "fused"])
def test_sums_equal_transformers_own_maps_for_ragged_cells(encoder, eager, panel_of_token, special, padded, form):
    cells = ragged(panel_of_token, special=special)
    expected = naive(eager, cells, panel_of_token, (1, 2, 3), in_one_batch=padded)
    assert (expected.pairs > 1).any()
    assert_equal(collected(encoder, cells, panel_of_token, form=form), expected)


def test_the_test_models_attention_is_far_from_even(eager):
    with torch.no_grad():
        maps = eager(torch.from_numpy(cells_of([200])[0])[None], output_attentions=True).attentions
    assert all(float(layer.mean(1).amax()) * 200 > 4 for layer in maps)


def test_sharp_attention_is_as_close_to_float64_as_transformers_own_maps_are(panel_of_token):
    cells = cells_of([300, 150])
    encoder, eager = (a_bert(implementation, spread=0.7) for implementation in (register(), "eager"))
    ours, theirs = collected(encoder, cells, panel_of_token), naive(eager, cells, panel_of_token, (1, 2, 3))
    exact = naive(eager.double(), cells, panel_of_token, (1, 2, 3))
    # Most attention is next to nothing here, so both are held against the layer's largest sums.
    largest = exact.plain.max((1, 2))
    our_error, their_error = (np.abs(sums.plain - exact.plain).max((1, 2)) / largest for sums in (ours, theirs))
    assert (our_error <= 3 * their_error + 1e-7).all()


@pytest.mark.parametrize("layers", [(1,), (2,), (3,), (1, 3), (2, 3)])
def test_any_subset_of_layers_equals_the_same_layers_of_all(encoder, eager, panel_of_token, layers):
    cells = cells_of([150, 40])
    assert_equal(collected(encoder, cells, panel_of_token, layers), naive(eager, cells, panel_of_token, layers))


def test_a_pass_ends_at_the_last_layer_asked_for(encoder, panel_of_token):
    ended = []
    hooks = [
        layer.register_forward_hook(lambda *_, number=number: ended.append(number))
        for number, layer in enumerate(encoder.encoder.layer, start=1)
    ]
    collected(encoder, cells_of([50]), panel_of_token, (1, 2))
    for hook in hooks:
        hook.remove()
    assert ended == [1]


def test_each_cell_goes_into_its_own_block(encoder, eager, panel_of_token):
    cells = ragged(panel_of_token, special=True)
    block_of_cell = np.arange(len(cells)) % 3
    collector = heard(encoder, cells, panel_of_token, (1, 3), block_of_cell=block_of_cell, n_blocks=4)
    for block in range(3):
        mine = [cell for cell, number in zip(cells, block_of_cell, strict=True) if number == block]
        assert_equal(collector.blocks[block], naive(eager, mine, panel_of_token, (1, 3)))
    assert collector.blocks[3].n_cells == 0
    assert not collector.blocks[3].plain.any()


def test_only_cells_with_a_panel_gene_are_passed_but_all_are_counted(encoder, panel_of_token):
    cells = ragged(panel_of_token, special=False)
    collector = listener(len(cells), panel_of_token, (1,))
    passes, steps = [], []
    hook = encoder.embeddings.register_forward_hook(lambda *_: passes.append(1))
    stream(encoder, Tokens.of(cells), collector, progress=lambda done, total: steps.append((done, total)))
    hook.remove()
    with_panel = sum(bool((panel_of_token[cell] >= 0).any()) for cell in cells)
    assert with_panel < len(cells)
    assert collector.forwarded == len(passes) == with_panel
    assert collector.blocks[0].n_cells == len(cells)
    done = [done for done, _ in steps]
    assert len(done) == with_panel
    assert done == sorted(set(done))
    assert steps[-1] == (len(cells), len(cells))


def test_the_sum_of_increments_equals_one_pass_over_all_cells(encoder, panel_of_token):
    cells = cells_of([80, 200, 33, 150, 61])
    whole = collected(encoder, cells, panel_of_token)
    parts = collected(encoder, cells[:2], panel_of_token) + collected(encoder, cells[2:], panel_of_token)
    assert_equal(parts, whole)


def test_the_same_cells_give_the_same_bits(encoder, panel_of_token):
    cells = cells_of([80, 200])
    first, second = (collected(encoder, cells, panel_of_token) for _ in range(2))
    assert first.plain.tobytes() == second.plain.tobytes()
    assert first.lifted.tobytes() == second.lifted.tobytes()


@pytest.mark.parametrize("special", [False, True])
def test_lifted_attention_is_attention_times_the_keys_of_the_cell(encoder, panel_of_token, special):
    (cell,) = cells_of([123], special=special)
    sums = collected(encoder, [cell], panel_of_token)
    np.testing.assert_allclose(sums.lifted, sums.plain * len(cell), rtol=3e-7)
    assert len(cell) == 123 + 2 * special


def test_even_attention_has_lift_one_in_cells_of_any_length(panel_of_token):
    encoder = a_bert(register())
    for layer in encoder.encoder.layer:
        torch.nn.init.zeros_(layer.attention.self.query.weight)
        torch.nn.init.zeros_(layer.attention.self.query.bias)
    sums = collected(encoder, cells_of([50, 200, 3]), panel_of_token)
    seen = sums.pairs > 0
    np.testing.assert_allclose(sums.lifted[:, seen], np.broadcast_to(sums.pairs[seen], (3, seen.sum())), rtol=1e-6)


def test_attention_to_special_tokens_is_kept_out_of_the_panel_but_in_the_softmax(encoder, panel_of_token):
    panel_only = np.flatnonzero(panel_of_token >= 0)[:60]
    bare = collected(encoder, [panel_only], panel_of_token, (1,)).plain[0].sum(1)
    cell = np.concatenate([[CLS], panel_only, [EOS]])
    with_special = collected(encoder, [cell], panel_of_token, (1,)).plain[0].sum(1)
    held = panel_of_token[panel_only]
    np.testing.assert_allclose(bare[held], 1.0, rtol=1e-5)
    assert (with_special[held] < 1 - 1e-4).all()


@pytest.mark.parametrize("form", ["open", "fused"])
def test_rows_of_attention_sum_to_one(encoder, panel_of_token, form):
    cells = ragged(panel_of_token, special=True)
    collector = heard(encoder, cells, panel_of_token, form=form)
    assert 0 < collector.row_sum_error < 1e-5


@pytest.mark.parametrize("form", ["open", "fused"])
@pytest.mark.parametrize("layer", [1, 3])
def test_rows_that_do_not_sum_to_one_are_noticed_in_any_layer(panel_of_token, layer, form):
    broken = a_bert(register())
    with torch.no_grad():
        broken.encoder.layer[layer - 1].attention.self.key.weight[0, 0] = float("nan")
    collector = heard(broken, cells_of([30, 40]), panel_of_token, form=form)
    assert collector.row_sum_error == np.inf


def test_a_gene_twice_in_a_cell_is_refused(encoder, panel_of_token):
    cell = cells_of([20])[0]
    for token in (cell[panel_of_token[cell] >= 0][0], cell[panel_of_token[cell] < 0][0]):
        with pytest.raises(ScfmError, match=f"token {token} stands twice in cell 1"):
            collected(encoder, [cell, np.append(cell, token)], panel_of_token)


def test_two_tokens_for_one_panel_gene_are_refused(encoder, panel_of_token):
    doubled = panel_of_token.copy()
    doubled[[4, 5]] = 0
    with pytest.raises(ValueError, match="one gene of the panel"):
        collected(encoder, [np.array([4, 5, 6])], doubled)


def test_heads_the_model_does_not_have_are_refused(encoder, panel_of_token):
    with pytest.raises(ScfmError, match="head 5 is asked for, the layers of the model have 4"):
        collected(encoder, cells_of([9]), panel_of_token, heads=[(1, 5)])
    for head in ((1, 0), (2, 1)):
        with pytest.raises(ValueError, match="heads"):
            collected(encoder, cells_of([9]), panel_of_token, (1, 3), heads=[head])


def test_layers_the_model_does_not_have_are_refused(encoder, panel_of_token):
    with pytest.raises(ScfmError, match="layer 4 is asked for, the model has 3"):
        collected(encoder, cells_of([9]), panel_of_token, (1, 4))
    with pytest.raises(ValueError, match="counted from 1"):
        collected(encoder, cells_of([9]), panel_of_token, (0, 1))


def test_a_cell_longer_than_the_models_positions_is_refused(encoder, panel_of_token):
    with pytest.raises(ScfmError, match=f"a cell has {POSITIONS + 1} tokens, the model has {POSITIONS} positions"):
        collected(encoder, cells_of([POSITIONS + 1]), panel_of_token)


def test_a_token_without_embedding_is_refused(encoder, panel_of_token):
    with pytest.raises(ScfmError, match="token id 700 is beyond the model's 700 embeddings"):
        collected(encoder, [np.array([4, 700])], panel_of_token)


def test_an_encoder_with_another_attention_or_precision_is_a_bug_of_the_caller(eager, panel_of_token):
    with pytest.raises(ValueError, match=r"'eager' in torch\.float32"):
        collected(eager, cells_of([9]), panel_of_token)
    with pytest.raises(ValueError, match=r"in torch\.float16"):
        collected(a_bert(register()).half(), cells_of([9]), panel_of_token)


def test_a_padded_batch_is_never_taken_for_one_cell(encoder, panel_of_token):
    collector = listener(1, panel_of_token, (1,))
    ids = np.arange(4, 9)
    collector.begin(0, ids)
    passing = Pass.of(collector, [(0, ids, np.arange(5), None)])
    with pytest.raises(ValueError, match="one row of unpadded cells"), torch.no_grad():
        encoder(input_ids=torch.from_numpy(ids)[None].repeat(2, 1), passing=passing)
    # Our mask function gives no mask whatever is asked; a mask handed to a layer by other means is refused.
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    with pytest.raises(ValueError, match="mask"), torch.no_grad():
        encoder.encoder.layer[0](torch.zeros(1, 5, 32), attention_mask=mask[None, None], passing=passing)
