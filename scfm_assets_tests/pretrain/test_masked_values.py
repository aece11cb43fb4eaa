"""Binned tokens: which values are masked, the loss of these alone, what a training learns and leaves behind."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets.core.genes.vocabulary import Vocabulary
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets.families.scgpt_encoder import ScgptEncoder
from scfm_assets_pretrain import batches, loop, masked_values
from scfm_assets_pretrain.corpus import Corpus, CorpusCells, tokenized
from scfm_assets_pretrain.objectives import BINNED, OBJECTIVES
from scfm_assets_pretrain.recipe import Recipe
from scfm_assets_pretrain.split import Split, hold_out

N_GENES, N_CELLS = 60, 300
SYMBOLS = [f"GENE{i:02d}" for i in range(N_GENES)]
IDS = [f"ENSG{i:011d}" for i in range(N_GENES)]
RECIPE = Recipe(
    layers=1,
    heads=2,
    hidden=16,
    intermediate=16,
    max_tokens=N_GENES + 1,
    batch_tokens=10 * (N_GENES + 1),
    steps=300,
    learning_rate=0.01,
    masked=BINNED.masked,
)


def two_kinds() -> CorpusCells:
    """Cells of two kinds, each with levels of its own: any few genes of a cell tell about all others."""
    rng = np.random.default_rng(0)
    levels = 3 * np.exp(rng.normal(0, 1.5, (2, N_GENES)))
    counts = sp.csr_matrix(rng.poisson(levels[rng.integers(0, 2, N_CELLS)]).astype(np.int32))
    split = hold_out([f"cell{i}" for i in range(N_CELLS)], ["donor"] * N_CELLS, share=0.1, seed=0)
    return CorpusCells("simulated", counts, IDS, SYMBOLS, split)


@dataclass
class World:
    vocabulary: Vocabulary
    corpus: Corpus
    means: np.ndarray
    masking: masked_values.ValueMasking

    @property
    def held_out(self) -> list[dict[str, torch.Tensor]]:
        return [self.masking.held_out(self.corpus.held_out, 0)]


@pytest.fixture(scope="module")
def world() -> World:
    atlas = two_kinds()
    vocabulary = masked_values.vocabulary_of([atlas])
    corpus = tokenized([atlas], vocabulary, max_tokens=RECIPE.max_tokens, encode=masked_values.encode)
    means = masked_values.mean_bins(corpus.tokens, corpus.training, vocabulary)
    return World(vocabulary, corpus, means, masked_values.ValueMasking(corpus.tokens, vocabulary, RECIPE.masked, 0))


@dataclass
class Trained:
    model: masked_values.MaskedValues
    points: list[loop.Point]


@pytest.fixture(scope="module")
def trained(world: World, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    corpus, model = world.corpus, masked_values.build(RECIPE, world.vocabulary, world.means)
    lengths = corpus.tokens.lengths[corpus.training]
    steps = batches.plan(lengths, RECIPE.steps, batch_tokens=RECIPE.batch_tokens, seed=0)
    task = loop.Task(model, lambda i: world.masking.training(corpus.training[steps[i]], i), world.held_out)
    nothing: Callable[..., None] = lambda *_: None  # noqa: E731
    work = tmp_path_factory.mktemp("work")
    points = loop.train(task, RECIPE, work, evaluate_at={100, 200}, revise=nothing, tell=nothing)
    torch.set_num_threads(threads)
    return Trained(model.eval(), points)


# The vocabulary -----------------------------------------------------------------------------------------------------


def test_a_vocabulary_of_the_atlases_holds_the_symbols_of_training_cells_after_scgpts_special_tokens() -> None:
    counts = sp.csr_matrix([[1, 0, 2, 0, 1], [0, 0, 1, 0, 0], [0, 9, 0, 0, 0]], dtype=np.int32)
    held_out = Split(np.array([False, False, True]), "the last")
    atlas = CorpusCells("one", counts, [f"ID{i}" for i in range(5)], ["ZETA", "HELD", "", "NOWHERE", "<pad>"], held_out)
    other = CorpusCells("two", counts[:2, :1], ["ID0"], ["ALPHA"], Split(np.array([False, False]), "none"))
    made = masked_values.vocabulary_of([atlas, other])
    assert (made.pad, made.cls, made.eos, made.mask) == (0, 1, 2, None)
    assert made.gene_ids.tolist() == ["ALPHA", "ID2", "ZETA"]  # not what only a held-out cell holds
    assert made.token_ids.tolist() == [3, 4, 5]
    assert made.names == "symbol"
    assert made.rows_of(made.names_of(atlas.gene_ids, atlas.symbols)).tolist() == [2, -1, 1, -1, -1]


def test_a_vocab_json_that_misses_special_tokens_gets_them_and_one_with_strange_tokens_is_refused(tmp_path) -> None:
    file = tmp_path / "vocab.json"
    file.write_text(json.dumps({"B": 0, "A": 1}))
    found = masked_values.read_symbols({"vocab": file})
    assert (found.pad, found.cls, found.eos) == (2, 3, 4)
    assert dict(zip(found.gene_ids.tolist(), found.token_ids.tolist(), strict=True)) == {"A": 1, "B": 0}
    file.write_text(json.dumps({"<eos>": 0, "A": 1}))
    with pytest.raises(ScfmError, match="may hold genes only"):
        masked_values.read_symbols({"vocab": file})


def test_cells_of_the_same_genes_with_other_values_are_other_cells() -> None:
    counts = np.array([[1, 2, 3], [3, 2, 1], [1, 2, 3]], dtype=np.int32)
    split = Split(np.array([False, False, True]), "the last")
    atlas = CorpusCells("one", sp.csr_matrix(counts), IDS[:3], SYMBOLS[:3], split)
    vocabulary = masked_values.vocabulary_of([atlas])
    corpus = tokenized([atlas], vocabulary, max_tokens=4, encode=masked_values.encode)
    assert corpus.training.tolist() == [1]  # cell 0 is the held-out one once more


def test_a_cell_with_one_gene_beside_cls_is_left_out() -> None:
    counts = sp.csr_matrix(np.array([[1, 0], [1, 2], [0, 4], [5, 6], [2, 1]], dtype=np.int32))
    atlas = CorpusCells("one", counts, IDS[:2], SYMBOLS[:2], Split(np.array([False] * 4 + [True]), "the last"))
    vocabulary = masked_values.vocabulary_of([atlas])
    corpus = tokenized([atlas], vocabulary, max_tokens=3, encode=masked_values.encode)
    assert corpus.training.tolist() == [1, 3]


# Masks --------------------------------------------------------------------------------------------------------------


def test_the_values_of_a_share_of_the_genes_are_masked_and_nothing_else_is_changed(world: World) -> None:
    cells = world.corpus.training[:20]
    batch = {name: tensor.numpy() for name, tensor in world.masking.training(cells, 3).items()}
    tokens, width = world.corpus.tokens, batch["input_ids"].shape[1]
    ids, values = np.full((20, width), 0), np.full((20, width), -2.0)
    for row, cell in enumerate(cells):
        n = tokens.lengths[cell]
        ids[row, :n], values[row, :n] = tokens.row(cell), tokens.row_values(cell)
    np.testing.assert_array_equal(batch["input_ids"], ids)  # which genes they are stays visible
    np.testing.assert_array_equal(batch["attention_mask"], ids > 0)
    positions = batch["positions"]
    genes = tokens.lengths[cells] - 1
    np.testing.assert_array_equal(np.bincount(positions // width, minlength=20), np.rint(0.4 * genes))
    np.testing.assert_array_equal(batch["labels"], values.ravel()[positions])
    assert batch["labels"].min() >= 1  # bins of genes; never of <cls> or padding
    values.ravel()[positions] = -1
    np.testing.assert_array_equal(batch["values"], values)
    again = world.masking.training(cells, 3)
    assert all(torch.equal(again[name], torch.from_numpy(batch[name])) for name in batch)
    assert not np.array_equal(world.masking.training(cells, 4)["positions"].numpy(), positions)


def test_the_loss_is_the_mean_squared_error_at_masked_places_alone(world: World) -> None:
    model = masked_values.build(RECIPE, world.vocabulary, world.means).eval()
    cells = world.corpus.training[:4]
    batch = world.masking.training(cells, 0)
    width = batch["input_ids"].shape[1]
    squares = []
    with torch.no_grad():
        ours = model(**batch)["loss"].item()
        fc = model.decoder.fc
        for place, label in zip(batch["positions"].tolist(), batch["labels"].tolist(), strict=True):
            row, column = divmod(place, width)
            n = world.corpus.tokens.lengths[cells[row]]  # one cell at a time, without padding
            ids, values = batch["input_ids"][row : row + 1, :n], batch["values"][row : row + 1, :n]
            state = ScgptEncoder.forward(model, ids, values).last_hidden_state[0, column]
            for linear in (fc[0], fc[2]):
                state = linear.weight @ state + linear.bias
                state = torch.where(state > 0, state, 0.01 * state)
            squares.append((fc[4].weight @ state + fc[4].bias - label).item() ** 2)
    assert ours == pytest.approx(np.mean(squares), rel=1e-5)


def test_baselines_are_those_of_plain_counting(world: World) -> None:
    tokens, seen = world.corpus.tokens, {}
    for cell in world.corpus.training:
        for token, value in list(zip(tokens.row(cell).tolist(), tokens.row_values(cell).tolist(), strict=True))[1:]:
            seen.setdefault(token, []).append(value)
    everything = np.mean([value for values in seen.values() for value in values])
    (batch,) = world.held_out
    genes = batch["input_ids"].flatten()[batch["positions"]].tolist()
    labels = batch["labels"].tolist()
    errors = [
        label - (np.mean(seen[gene]) if gene in seen else everything) for gene, label in zip(genes, labels, strict=True)
    ]
    assert masked_values.baselines([batch], world.means) == pytest.approx(
        {"gene_mean": np.mean(np.square(errors)), "mean": np.var(labels)}, rel=1e-9
    )
    assert world.means[world.vocabulary.pad] == pytest.approx(everything, rel=1e-12)


# What is learnt -----------------------------------------------------------------------------------------------------


def test_a_training_begins_near_the_mean_and_ends_far_below_that_of_each_gene(world: World, trained: Trained) -> None:
    known = masked_values.baselines(world.held_out, world.means)
    first = loop.held_out_loss(masked_values.build(RECIPE, world.vocabulary, world.means), world.held_out)
    assert first == pytest.approx(known["mean"], rel=0.1)
    losses = [point.held_out for point in trained.points]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.75 * known["gene_mean"] < 0.75 * known["mean"]


def test_the_folder_opens_as_scgpt_with_the_hidden_states_of_the_trained_model(
    world: World, trained: Trained, tmp_path: Path
) -> None:
    model = trained.model
    masked_values.save_folder(model, world.vocabulary, tmp_path)
    opened = FAMILIES["scgpt"].open(tmp_path, {"expect": {"layers": 1, "hidden": 16, "max_tokens": N_GENES + 1}})
    assert opened.vocabulary.digest == world.vocabulary.digest
    atlas = two_kinds()
    tokens = opened.tokenize(atlas.counts[:7], SYMBOLS)
    assert tokens.digest == masked_values.encode(atlas.counts[:7], SYMBOLS, world.vocabulary, N_GENES + 1).digest
    n_genes = len(opened.vocabulary.gene_ids)
    panel = opened.vocabulary.panel_of_token(opened.vocabulary.gene_ids.tolist())
    states = States(opened.vocabulary.special_ids, opened.vocabulary.cls)
    found = AttentionCollector(panel, n_genes, (1,), np.zeros(7, dtype=int), 1, states=states)
    opened.encode(tokens, collect=found)
    for cell in range(7):
        ids = torch.from_numpy(tokens.row(cell).astype(np.int64))[None]
        values = torch.from_numpy(np.asarray(tokens.row_values(cell)))[None]
        with torch.no_grad():
            expected = ScgptEncoder.forward(model, ids, values).last_hidden_state[0, 0]
        np.testing.assert_allclose(found.embeddings["cls"][cell].ravel(), expected.numpy(), rtol=0, atol=1e-5)


def test_weights_have_the_names_of_scgpts_state_dict(world: World) -> None:
    names = set(masked_values.build(RECIPE, world.vocabulary, world.means).state_dict())
    heads = {name for name in names if name.startswith("decoder.")}
    assert heads == {f"decoder.fc.{i}.{part}" for i in (0, 2, 4) for part in ("weight", "bias")}
    assert {"encoder.embedding.weight", "transformer_encoder.layers.0.self_attn.Wqkv.weight"} < names


def test_the_seed_decides_the_first_weights_and_nothing_else_does(world: World) -> None:
    torch.manual_seed(1)
    one = masked_values.build(RECIPE, world.vocabulary, world.means).state_dict()
    before = torch.get_rng_state()
    two = masked_values.build(RECIPE, world.vocabulary, world.means).state_dict()
    assert torch.equal(torch.get_rng_state(), before)  # the user's own stream goes on as if nothing had been
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_an_objective_refuses_what_it_has_no_use_for() -> None:
    rank = OBJECTIVES["rank"]
    with pytest.raises(ScfmError, match="the encoder of binned tokens has none"):
        BINNED.check(Recipe(dropout=0.1), {})
    rank.check(Recipe(dropout=0.1), {"tokens": Path("t"), "medians": Path("m")})
    with pytest.raises(ScfmError, match="--vocab: is no dictionary of rank tokens"):
        rank.check(Recipe(), {"vocab": Path("v")})
    with pytest.raises(ScfmError, match="--ensembl-mapping: is no dictionary of binned tokens"):
        BINNED.check(Recipe(), {"ensembl_mapping": Path("e")})
