from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.numpy import load, save
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertModel

from scfm_assets.core.attention import AttentionCollector, AttentionSums, register, stream
from scfm_assets.core.errors import ScfmError
from scfm_assets.core.tokens import Tokens

VOCABULARY, N_PANEL, N_LAYERS, N_HEADS, POSITIONS = 700, 300, 3, 4, 420
CLS, EOS = 2, 3
TOLERANCE = 2e-5


def a_bert(implementation: str, seed: int = 0, spread: float = 0.25) -> BertModel:
    """Weights wide enough that attention is far from even."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        num_hidden_layers=N_LAYERS,
        num_attention_heads=N_HEADS,
        intermediate_size=48,
        max_position_embeddings=POSITIONS,
        initializer_range=spread,
    )
    config._attn_implementation = implementation
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertModel(config, add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return a_bert(register())


@pytest.fixture(scope="module")
def eager() -> BertModel:
    return a_bert("eager")


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    """Every second token from 4 on, in shuffled order; cls and eos are never in the panel."""
    panel = np.full(VOCABULARY, -1, dtype=np.int32)
    genes = np.arange(4, VOCABULARY, 2)[:N_PANEL]
    panel[np.random.default_rng(1).permutation(genes)] = np.arange(N_PANEL)
    return panel


def cells_of(lengths: list[int], seed: int = 0, *, special: bool = False) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    cells = [rng.permutation(np.arange(4, VOCABULARY))[:length] for length in lengths]
    return [np.concatenate([[CLS], cell, [EOS]]) if special else cell for cell in cells]


def ragged(panel_of_token: np.ndarray, *, special: bool) -> list[np.ndarray]:
    """Long and short cells, more than one chunk of panel genes, none, only one, and no token at all."""
    cells = cells_of([400, 5, 130, 60, 257, 2, 90], special=special)
    none = np.flatnonzero(panel_of_token < 0)[4:50]
    one = np.concatenate([np.flatnonzero(panel_of_token == 7), none[:20]])
    single = np.flatnonzero(panel_of_token == 3)
    only = np.flatnonzero(panel_of_token >= 0)[:150]
    empty = np.empty(0, dtype=np.int64)
    return [*cells[:3], none, one, single, only, empty, *cells[3:]]


def naive(
    model: BertModel,
    cells: list[np.ndarray],
    panel_of_token: np.ndarray,
    layers: tuple[int, ...],
    *,
    padded: bool = False,
) -> AttentionSums:
    """Sum transformers' own maps: all heads, all tokens, one pair of genes at a time in float64."""
    sums = AttentionSums.zeros(layers, N_PANEL)
    plain, lifted = sums.plain.astype(np.float64), sums.lifted.astype(np.float64)
    filled = [cell for cell in cells if len(cell)]
    batches = [filled] if padded else [[cell] for cell in filled]
    for batch in batches:
        width = max(len(cell) for cell in batch)
        ids = torch.tensor([[*cell.tolist(), *[0] * (width - len(cell))] for cell in batch])
        mask = torch.tensor([[1] * len(cell) + [0] * (width - len(cell)) for cell in batch])
        with torch.no_grad():
            maps = model(ids, attention_mask=mask if padded else None, output_attentions=True).attentions
        assert len(maps) == N_LAYERS
        for index, cell in enumerate(batch):
            genes = panel_of_token[cell]
            at = np.flatnonzero(genes >= 0)
            where = np.ix_(genes[at], genes[at])
            sums.pairs[where] += 1
            for place, layer in enumerate(layers):
                mean = maps[layer - 1][index].double().mean(0).numpy()[np.ix_(at, at)]
                plain[place][where] += mean
                lifted[place][where] += mean * len(cell)
    return AttentionSums(layers, plain, lifted, sums.pairs, len(cells))


def collected(
    encoder: BertModel, cells: list[np.ndarray], panel_of_token: np.ndarray, layers: tuple[int, ...] = (1, 2, 3)
) -> AttentionSums:
    collector = AttentionCollector(panel_of_token, N_PANEL, layers, np.zeros(len(cells), dtype=np.int32), 1)
    stream(encoder, Tokens.of(cells), collector)
    return collector.blocks[0]


def assert_equal(found: AttentionSums, expected: AttentionSums) -> None:
    assert found.layers == expected.layers
    assert found.n_cells == expected.n_cells
    np.testing.assert_array_equal(found.pairs, expected.pairs)
    assert found.plain.dtype == found.lifted.dtype == np.float32
    assert found.pairs.dtype == np.int32
    seen = expected.pairs > 0
    for ours, theirs in ((found.plain, expected.plain), (found.lifted, expected.lifted)):
        assert not ours[:, ~seen].any()
        np.testing.assert_allclose(ours[:, seen], theirs[:, seen], rtol=TOLERANCE, atol=0)


@pytest.mark.parametrize("padded", [False, True], ids=["one by one", "padded batch"])
@pytest.mark.parametrize("special", [False, True], ids=["v1", "v2"])
def test_sums_equal_transformers_own_maps_for_ragged_cells(encoder, eager, panel_of_token, special, padded):
    cells = ragged(panel_of_token, special=special)
    expected = naive(eager, cells, panel_of_token, (1, 2, 3), padded=padded)
    assert (expected.pairs > 1).any()
    assert_equal(collected(encoder, cells, panel_of_token), expected)


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
    collector = AttentionCollector(panel_of_token, N_PANEL, (1, 3), block_of_cell, 4)
    stream(encoder, Tokens.of(cells), collector)
    for block in range(3):
        mine = [cell for cell, number in zip(cells, block_of_cell, strict=True) if number == block]
        assert_equal(collector.blocks[block], naive(eager, mine, panel_of_token, (1, 3)))
    assert collector.blocks[3].n_cells == 0
    assert not collector.blocks[3].plain.any()


def test_only_cells_with_a_panel_gene_are_passed_but_all_are_counted(encoder, panel_of_token):
    cells = ragged(panel_of_token, special=False)
    collector = AttentionCollector(panel_of_token, N_PANEL, (1,), np.zeros(len(cells), dtype=int), 1)
    passes, steps = [], []
    hook = encoder.embeddings.register_forward_hook(lambda *_: passes.append(1))
    stream(encoder, Tokens.of(cells), collector, progress=lambda done, total: steps.append((done, total)))
    hook.remove()
    with_panel = sum(bool((panel_of_token[cell] >= 0).any()) for cell in cells)
    assert with_panel < len(cells)
    assert collector.forwarded == len(passes) == with_panel
    assert collector.blocks[0].n_cells == len(cells)
    assert steps == [(i + 1, len(cells)) for i in range(len(cells))]


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


def test_rows_of_attention_sum_to_one(encoder, panel_of_token):
    cells = ragged(panel_of_token, special=True)
    collector = AttentionCollector(panel_of_token, N_PANEL, (1, 2, 3), np.zeros(len(cells), dtype=int), 1)
    stream(encoder, Tokens.of(cells), collector)
    assert 0 < collector.row_sum_error < 1e-5


@pytest.mark.parametrize("layer", [1, 3])
def test_rows_that_do_not_sum_to_one_are_noticed_in_any_layer(panel_of_token, layer):
    broken = a_bert(register())
    with torch.no_grad():
        broken.encoder.layer[layer - 1].attention.self.key.weight[0, 0] = float("nan")
    collector = AttentionCollector(panel_of_token, N_PANEL, (1, 2, 3), np.zeros(2, dtype=int), 1)
    stream(broken, Tokens.of(cells_of([30, 40])), collector)
    assert collector.row_sum_error == np.inf


def test_no_array_of_tokens_by_tokens_is_ever_made(encoder, panel_of_token):
    largest = 0

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            nonlocal largest
            result = func(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor) and result.is_floating_point():
                largest = max(largest, result.numel() if result.shape[-2:] != (N_PANEL, N_PANEL) else 0)
            return result

    cells = cells_of([400])
    with Watch():
        collected(encoder, cells, panel_of_token)
    assert 0 < largest <= N_HEADS * 128 * 400 < N_HEADS * 400 * 400


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
    collector = AttentionCollector(panel_of_token, N_PANEL, (1,), np.zeros(1, dtype=int), 1)
    collector.begin(0, np.arange(4, 9))
    mask = torch.tensor([[1, 1, 1, 0, 0]])
    ids = torch.arange(4, 9)[None]
    with pytest.raises(ValueError, match="one unpadded cell"), torch.no_grad():
        encoder(input_ids=ids.repeat(2, 1), collector=collector)
    # Our mask function gives no mask whatever is asked; a mask handed to a layer by other means is refused.
    with pytest.raises(ValueError, match="mask"), torch.no_grad():
        encoder.encoder.layer[0](torch.zeros(1, 5, 32), attention_mask=mask[None, None], collector=collector)


def test_sums_survive_safetensors(encoder, panel_of_token):
    sums = collected(encoder, cells_of([30, 50]), panel_of_token, (1, 3))
    back = AttentionSums.from_tensors(load(save(sums.to_tensors("block_0/"))), "block_0/")
    assert (back.layers, back.n_cells) == ((1, 3), 2)
    for name in ("plain", "lifted", "pairs"):
        assert getattr(back, name).tobytes() == getattr(sums, name).tobytes()


def test_sums_of_other_layers_do_not_add():
    with pytest.raises(ValueError, match="layers"):
        AttentionSums.zeros((1, 2), 3) + AttentionSums.zeros((1, 3), 3)
    one = AttentionSums.zeros((1,), 2)
    other = one + one
    other.plain += 1
    assert not one.plain.any()
