"""scGPT's cells and its encoder, held against PyTorch's own layers and against themselves in other company."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.passes import IMPLEMENTATION
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.families import FAMILIES, Fingerprint
from scfm_assets.families.scgpt import ScgptModel
from scfm_assets.families.scgpt_encoder import ScgptEncoder
from scfm_assets_tests.families.small_scgpt import (
    BINS,
    GENES,
    HEADS,
    HIDDEN,
    LAYERS,
    LONGEST,
    N_GENES,
    PAD_VALUE,
    a_folder,
    a_state,
    in_proj,
    plain,
    some_counts,
)

SCGPT = FAMILIES["scgpt"]
CLS = N_GENES + 1
N_PANEL = 40
KINDS = [{}, {"batch_norm": True}, {"style": "category"}]
TOLERANCE = 1e-5


@pytest.fixture
def folder(tmp_path) -> Path:
    return a_folder(tmp_path / "checkpoint")


@pytest.fixture
def model(folder) -> ScgptModel:
    return SCGPT.open(folder, {})


def opened(folder: Path, kind: dict) -> tuple[ScgptModel, dict[str, torch.Tensor]]:
    """A model of a kind, and its weights."""
    state = a_state(**kind)
    args = {"input_emb_style": "category", "pad_value": BINS} if kind.get("style") else {}
    return SCGPT.open(a_folder(folder, state, **args), {}), state


def cells_of(tokens: Tokens) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(tokens.row(i), tokens.row_values(i)) for i in range(tokens.n_cells)]


def heard(model: ScgptModel, tokens: Tokens, *, machine: Machine | None = None, **asked) -> AttentionCollector:
    """All layers, heads and hidden states of some cells."""
    panel = model.vocabulary.panel_of_token(GENES[:N_PANEL])
    n_cells = tokens.n_cells
    blocks = np.arange(n_cells)
    states = States(model.vocabulary.special_ids, model.vocabulary.cls)
    heads = [(layer, head) for layer in range(1, LAYERS + 1) for head in range(1, HEADS + 1)]
    everything = {"heads": heads, "states": states} | asked
    layers = tuple(range(1, LAYERS + 1))
    collector = AttentionCollector(panel, N_PANEL, layers, blocks, n_cells, **everything)
    model.encode(tokens, collect=collector, machine=machine)
    return collector


# The encoder --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS, ids=["published", "batch norm", "category"])
@pytest.mark.parametrize("implementation", ["eager", "sdpa"])
def test_hidden_states_and_attention_equal_pytorchs_own_layers_for_padded_batches(tmp_path, kind, implementation):
    model, state = opened(tmp_path, kind)
    cells = cells_of(model.tokenize(some_counts(), GENES))
    expected = plain(state, cells, padding=3)
    model.encoder.config._attn_implementation = implementation
    width = max(expected.lengths) + 3
    ids, values, mask = (
        np.full((len(cells), width), N_GENES),
        np.zeros((len(cells), width)),
        np.zeros((len(cells), width)),
    )
    for i, (tokens, beside) in enumerate(cells):
        ids[i, : len(tokens)], values[i, : len(tokens)], mask[i, : len(tokens)] = tokens, beside, 1
    inputs = (torch.tensor(ids), torch.tensor(values, dtype=torch.float32), torch.tensor(mask))
    with torch.no_grad():
        found = model.encoder(*inputs, output_hidden_states=True, output_attentions=implementation == "eager")
    for i, n in enumerate(expected.lengths):
        states, maps = expected.of(i)
        for mine, theirs in zip(found.hidden_states, states, strict=True):
            np.testing.assert_allclose(mine[i, :n], theirs, rtol=0, atol=TOLERANCE)
        for mine, theirs in zip(found.attentions or (), maps if found.attentions else (), strict=True):
            np.testing.assert_allclose(mine[i, :, :n, :n], theirs, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS, ids=["published", "batch norm", "category"])
@pytest.mark.parametrize("padding", [0, 9])
@pytest.mark.parametrize("packed", [0, 10_000], ids=["one by one", "packed"])
def test_what_is_streamed_equals_pytorchs_own_layers_for_padded_batches(tmp_path, kind, padding, packed):
    """All heads of all layers, hidden states of genes, and the vectors of cells."""
    model, state = opened(tmp_path, kind)
    tokens = model.tokenize(some_counts(), GENES)
    collector = heard(model, tokens, machine=Machine(tokens=packed))
    expected = plain(state, cells_of(tokens), padding=padding)
    panel = model.vocabulary.panel_of_token(GENES[:N_PANEL])
    for cell, sums in enumerate(collector.blocks):
        states, maps = expected.of(cell)
        genes = panel[tokens.row(cell)]
        at = np.flatnonzero(genes >= 0)
        where = np.ix_(genes[at], genes[at])
        for part, (layer, head) in enumerate(sums.parts):
            whole = maps[layer - 1].mean(0) if head is None else maps[layer - 1][head - 1]
            np.testing.assert_allclose(sums.plain[part][where], whole[np.ix_(at, at)], rtol=0, atol=TOLERANCE)
        for layer in range(LAYERS):
            np.testing.assert_allclose(sums.hidden[layer][genes[at]], states[layer + 1][at], rtol=0, atol=TOLERANCE)
            vectors = {name: array[cell, layer] for name, array in collector.embeddings.items()}
            np.testing.assert_allclose(vectors["cls"], states[layer + 1][0], rtol=0, atol=TOLERANCE)
            np.testing.assert_allclose(vectors["mean"], states[layer + 1][1:].mean(0), rtol=0, atol=TOLERANCE)
    assert collector.row_sum_error < 1e-5


def test_the_small_models_attention_is_far_from_even_and_its_values_matter(model, folder):
    state = torch.load(folder / "best_model.pt", weights_only=True)
    cells = cells_of(model.tokenize(some_counts(), GENES))
    expected = plain(state, cells)
    for layer in range(LAYERS):
        assert float(expected.of(0)[1][layer].max()) * expected.lengths[0] > 4
    changed = plain(state, [(ids, np.where(ids == CLS, values, 51 - values)) for ids, values in cells])
    assert np.abs(changed.of(0)[0][-1] - expected.of(0)[0][-1]).max() > 0.5


def test_positions_have_no_meaning(model):
    ids, values = (torch.from_numpy(a)[None] for a in cells_of(model.tokenize(some_counts(), GENES))[0])
    model.encoder.config._attn_implementation = "eager"
    with torch.no_grad():
        places = torch.arange(ids.shape[1])[None]
        one = model.encoder(ids, values, position_ids=places).last_hidden_state
        other = model.encoder(ids, values, position_ids=places.flip(1)).last_hidden_state
    assert torch.equal(one, other)


def bits(collector: AttentionCollector) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in collector.to_tensors().items()}


@pytest.mark.parametrize("kind", KINDS, ids=["published", "batch norm", "category"])
def test_the_names_of_pytorchs_attention_and_of_both_flash_variants_give_the_same_bits(tmp_path, kind):
    model, state = opened(tmp_path / "flash", kind)
    tokens = model.tokenize(some_counts(), GENES)
    args = json.loads((tmp_path / "flash/args.json").read_text())
    wrapped = {name.replace("self_attn.", "self_attn._impl."): tensor for name, tensor in state.items()}
    spread = {f"module.{name}": tensor for name, tensor in in_proj(state).items()}
    for i, variant in enumerate((in_proj(state), wrapped, spread)):
        assert variant.keys() != state.keys()
        other = SCGPT.open(a_folder(tmp_path / str(i), variant, **args), {})
        assert bits(heard(other, tokens)) == bits(heard(model, tokens))
        assert other.fingerprint == model.fingerprint


def test_safetensors_are_read_and_preferred(folder):
    from safetensors.torch import save_file

    save_file(a_state(5), folder / "model.safetensors")
    found = SCGPT.open(folder, {}).encoder.state_dict()
    assert all(torch.equal(tensor, a_state(5)[name]) for name, tensor in found.items())
    assert SCGPT.digest_inputs(folder, {})[1].name == "model.safetensors"


# The fast path that is never taken ----------------------------------------------------------------------------------


def test_pytorchs_fast_path_is_not_taken_where_it_would_be_by_its_own_layers(model):
    """It computes a whole layer from its weights in one call, past every hook and adapter."""
    taken = []
    real = torch._transformer_encoder_layer_fwd

    def spy(*args, **kwargs):
        taken.append(1)
        return real(*args, **kwargs)

    tokens = model.tokenize(some_counts(), GENES)
    layer = torch.nn.TransformerEncoderLayer(HIDDEN, HEADS, 24, batch_first=True).eval()
    with patch.object(torch, "_transformer_encoder_layer_fwd", spy), torch.inference_mode():
        layer(torch.zeros(1, 5, HIDDEN))
        assert taken == [1]
        heard(model, tokens)
        for implementation in ("eager", "sdpa"):
            model.encoder.config._attn_implementation = implementation
            ids, values = (torch.from_numpy(a)[None] for a in cells_of(tokens)[0])
            model.encoder(ids, values)
    assert taken == [1]


@pytest.mark.parametrize("where", ["self_attn.Wqkv", "self_attn.out_proj", "linear1", "linear2", "norm2"])
def test_every_part_of_every_block_passes_through_its_hooks_in_evaluation(model, where):
    """An adapter is such a hook: what it adds must arrive at the end, with and without gradients."""
    tokens = model.tokenize(some_counts(), GENES)
    before = heard(model, tokens).embeddings["cls"]
    for block in range(LAYERS):
        part = model.encoder.get_submodule(f"transformer_encoder.layers.{block}.{where}")
        hook = part.register_forward_hook(lambda _, inputs, output: output + 0.1 * output.roll(1, -1))
        after = heard(model, tokens).embeddings["cls"]
        hook.remove()
        assert np.abs(after[:, LAYERS - 1] - before[:, LAYERS - 1]).max() > 1e-3
        assert np.array_equal(after[:, :block], before[:, :block])


def test_gradients_reach_the_parts_that_adapters_are_put_on(model):
    model.encoder.config._attn_implementation = "sdpa"
    ids, values = (torch.from_numpy(a)[None] for a in cells_of(model.tokenize(some_counts(), GENES))[0])
    model.encoder(ids, values).last_hidden_state.square().sum().backward()
    for name, parameter in model.encoder.named_parameters():
        assert parameter.grad is not None, name
        # A bias of keys adds the same to all scores of a query: softmax takes it out.
        assert parameter.grad.abs().max() > 0, name


# One cell, one vector -----------------------------------------------------------------------------------------------


def test_a_cells_vectors_are_the_same_bits_alone_and_in_any_company(model):
    counts = some_counts(9)
    together = heard(model, model.tokenize(counts, GENES)).embeddings
    for i in range(9):
        alone = heard(model, model.tokenize(counts[[i]], GENES)).embeddings
        assert all(alone[name][0].tobytes() == together[name][i].tobytes() for name in ("cls", "mean"))
    strangers = sp.csr_array(sp.vstack([some_counts(20, seed=9, share=0.9), counts[::-1]]))
    among = heard(model, model.tokenize(strangers, GENES)).embeddings
    assert among["cls"][20:][::-1].tobytes() == together["cls"].tobytes()


def test_a_cells_vectors_are_the_same_with_its_genes_in_another_order_and_when_packed(model):
    counts, order = some_counts(9), np.random.default_rng(0).permutation(N_GENES)
    expected = heard(model, model.tokenize(counts, GENES)).embeddings["cls"]
    other = model.tokenize(counts[:, order], [GENES[i] for i in order])
    assert heard(model, other).embeddings["cls"].tobytes() == expected.tobytes()
    packed = heard(model, other, machine=Machine(tokens=100)).embeddings["cls"]
    np.testing.assert_allclose(packed, expected, rtol=0, atol=TOLERANCE)


def test_a_batch_normalisation_never_looks_at_the_batch(tmp_path):
    model, _ = opened(tmp_path, {"batch_norm": True})
    tokens = model.tokenize(some_counts(), GENES)
    expected = heard(model, tokens).embeddings["cls"]
    recorded = model.encoder.bn.running_mean.clone()
    model.encoder.train()
    model.encoder.config._attn_implementation = "eager"
    ids, values = (torch.from_numpy(a)[None] for a in cells_of(tokens)[0])
    with torch.no_grad():
        found = model.encoder(ids, values).last_hidden_state[0, 0]
    np.testing.assert_allclose(found, expected[0, -1], rtol=0, atol=TOLERANCE)
    assert torch.equal(model.encoder.bn.running_mean, recorded)


def test_half_precision_stays_near(model):
    tokens = model.tokenize(some_counts(), GENES)
    exact, half = (
        heard(model, tokens, machine=machine).embeddings["cls"] for machine in (None, Machine(precision="bf16"))
    )
    # bfloat16 keeps 8 bits, and errors of several layers add up.
    assert 0 < np.abs(half - exact).max() < 0.15
    assert model.encoder.dtype == torch.float32


# Cells --------------------------------------------------------------------------------------------------------------


def test_a_cell_begins_with_cls_beside_the_padding_value_and_goes_on_by_token(model):
    counts = some_counts()
    tokens = model.tokenize(counts, GENES)
    for i in range(tokens.n_cells):
        ids, values = tokens.row(i), tokens.row_values(i)
        assert (ids[0], values[0]) == (CLS, PAD_VALUE)
        assert (np.diff(ids[1:]) > 0).all()
        assert values[1:].min() >= 1
        assert values[1:].max() <= BINS - 1
        assert sorted(ids[1:]) == sorted(N_GENES - 1 - np.flatnonzero(counts[[i]].toarray()[0]))


def test_options_say_how_long_a_cell_is_and_what_happens_beyond(folder):
    counts = some_counts(share=0.9)
    found = {
        (beyond, ties): SCGPT.open(folder, {"max_tokens": 12, "beyond": beyond, "ties": ties}).tokenize(counts, GENES)
        for beyond in ("highest", "content")
        for ties in ("middle", "highest")
    }
    assert all(set(tokens.lengths.tolist()) == {12} for tokens in found.values())
    assert len({tokens.digest for tokens in found.values()}) == 4
    default = SCGPT.open(folder, {"max_tokens": 12}).tokenize(counts, GENES)
    assert default.digest == found["highest", "middle"].digest
    assert SCGPT.open(folder, {}).fingerprint.max_tokens == LONGEST
    assert SCGPT.open(a_folder(folder, max_seq_len=...), {}).fingerprint.max_tokens == 1200


def test_the_fingerprint_says_what_was_loaded(model):
    parameters = sum(tensor.numel() for tensor in model.encoder.state_dict().values())
    expected = Fingerprint("scgpt", LAYERS, HEADS, HIDDEN, parameters, N_GENES + 3, LONGEST, "float32")
    assert model.fingerprint == expected


def test_token_vectors_are_the_normalised_gene_embeddings(model):
    expected = model.encoder.encoder(torch.arange(N_GENES + 3)).detach().numpy()
    found = model.token_vectors()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(a_state()["encoder.enc_norm.bias"], model.encoder.encoder.enc_norm.bias.detach())


def test_the_vocabulary_is_read_without_weights(folder, model):
    (folder / "best_model.pt").unlink()
    vocabulary = SCGPT.vocabulary(folder, {})
    assert vocabulary.digest == model.vocabulary.digest
    assert vocabulary.names == "symbol"
    assert (vocabulary.pad, vocabulary.cls, vocabulary.eos) == (N_GENES, CLS, N_GENES + 2)
    assert vocabulary.rows_of(["GENE007", "gene007", "Gene007"]).tolist() == [7, -1, -1]


def test_an_attention_pass_ends_at_the_last_layer_asked_for(model):
    ended = []
    for number, block in enumerate(model.encoder.transformer_encoder.layers, start=1):
        block.register_forward_hook(lambda *_, number=number: ended.append(number))
    tokens = model.tokenize(some_counts(2), GENES)
    panel = model.vocabulary.panel_of_token(GENES)
    collector = AttentionCollector(panel, N_GENES, (1, 2), np.zeros(2, int), 1)
    model.encode(tokens, collect=collector)
    assert ended == [1, 1]


IN_A_FRESH_PROCESS = """
import pickle, sys
from pathlib import Path
from scfm_assets_tests.families.test_scgpt import bits, heard
folder = Path(sys.argv[1])
model, tokens = pickle.loads((folder / "sent").read_bytes())
(folder / "back").write_bytes(pickle.dumps(bits(heard(model, tokens))))
"""


@pytest.mark.parametrize(
    "kind",
    [KINDS[0], *(pytest.param(kind, marks=pytest.mark.long) for kind in KINDS[1:])],
    ids=["published", "batch norm", "category"],
)
def test_a_model_sent_to_another_process_computes_the_same_bits(tmp_path, kind):
    model, _ = opened(tmp_path / "checkpoint", kind)
    tokens = model.tokenize(some_counts(), GENES)
    (tmp_path / "sent").write_bytes(pickle.dumps((model, tokens)))
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, str(tmp_path)], check=True)
    assert pickle.loads((tmp_path / "back").read_bytes()) == bits(heard(model, tokens))


FOREIGN = (
    "anndata",
    "scanpy",
    "dagster",
    "numba",
    "h5py",
    "zarr",
    "sklearn",
    "duckdb",
    "pydantic",
    "matplotlib",
)


@pytest.mark.long
def test_the_family_runs_where_only_its_own_packages_are_installed(folder):
    program = textwrap.dedent(f"""
        import sys
        from importlib.machinery import PathFinder

        class Installed(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                return None if name.split(".")[0] in {FOREIGN!r} else super().find_spec(name, path, target)

        sys.meta_path = [finder for finder in sys.meta_path if finder is not PathFinder] + [Installed]
        from pathlib import Path
        import numpy as np, scipy.sparse as sp
        from scfm_assets.families import FAMILIES
        folder, genes = Path(sys.argv[1]), {GENES!r}
        FAMILIES["scgpt"].digest_inputs(folder, {{}})
        heavy = {{"torch", "transformers", "pandas"}} & set(sys.modules)
        assert not heavy, heavy
        model = FAMILIES["scgpt"].open(folder, {{}})
        counts = sp.csr_array(np.random.default_rng(0).integers(0, 3, (2, {N_GENES})))
        from scfm_assets.core.attention import AttentionCollector
        panel = model.vocabulary.panel_of_token(genes[:9])
        collector = AttentionCollector(panel, 9, (1, 2), np.zeros(2, dtype=int), 1)
        model.encode(model.tokenize(counts, genes), collect=collector)
        print(collector.forwarded, *sorted(set({FOREIGN!r}) & set(sys.modules)))
    """)
    ran = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["2"]


# The random control -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS[::2], ids=["published", "category"])
def test_a_random_control_has_the_same_architecture_vocabulary_and_tokens(tmp_path, kind):
    model, _ = opened(tmp_path / "like", kind)
    SCGPT.random(tmp_path / "one", tmp_path / "like", {}, 3)
    SCGPT.random(tmp_path / "two", tmp_path / "like/args.json", {"vocab": str(tmp_path / "like/vocab.json")}, 3)
    SCGPT.random(tmp_path / "other", tmp_path / "like", {}, 4)
    one, two, other = (SCGPT.open(tmp_path / name, {}) for name in ("one", "two", "other"))
    assert one.fingerprint == model.fingerprint
    assert one.vocabulary.digest == model.vocabulary.digest
    counts = some_counts()
    assert one.tokenize(counts, GENES).digest == model.tokenize(counts, GENES).digest
    same, different = (m.encoder.state_dict() for m in (two, other))
    assert all(torch.equal(tensor, same[name]) for name, tensor in one.encoder.state_dict().items())
    assert any(not torch.equal(tensor, different[name]) for name, tensor in one.encoder.state_dict().items())
    assert not one.encoder.config.batch_norm


def test_a_random_controls_attention_is_neither_even_nor_sharp_and_hears_the_values(tmp_path, folder):
    args = {"embsize": 128, "d_hid": 128, "nheads": 4, "nlayers": 3}
    a_folder(folder, **args)
    SCGPT.random(tmp_path / "random", folder, {}, 0)
    model = SCGPT.open(tmp_path / "random", {})
    cell = model.tokenize(some_counts(1, share=0.9), GENES)
    model.encoder.config._attn_implementation = "eager"
    ids, values = (torch.from_numpy(a)[None] for a in cells_of(cell)[0])
    with torch.no_grad():
        found = model.encoder(ids, values, output_attentions=True, output_hidden_states=True)
        other = model.encoder(ids, BINS - values, output_hidden_states=True)
    for maps in found.attentions:
        logits = maps.clamp(min=1e-30).log()
        within = (logits - logits.mean(-1, keepdim=True)).std()
        assert 0.7 < within < 1.9
    assert (found.hidden_states[0] - other.hidden_states[0]).abs().mean() > 0.2


def test_opening_and_making_controls_leaves_the_global_random_stream_alone(folder, tmp_path):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    SCGPT.open(folder, {})
    SCGPT.random(tmp_path / "random", folder, {}, 0)
    assert torch.equal(torch.rand(3), expected)


def test_the_encoder_is_ours_alone():
    """No module of PyTorch that has a fast path, and attention through the implementation that is registered."""
    with torch.device("meta"):
        encoder = ScgptEncoder(ScgptEncoder.config_class(vocab_size=10, num_hidden_layers=1))
    refused = (torch.nn.TransformerEncoderLayer, torch.nn.TransformerEncoder, torch.nn.MultiheadAttention)
    assert not [module for module in encoder.modules() if isinstance(module, refused)]
    assert IMPLEMENTATION == "scfm_collect"
