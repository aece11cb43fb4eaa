"""What is held out, how cells become batches, and the loss of masked genes alone."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch.nn.functional import cross_entropy
from transformers import BertForMaskedLM

from scfm_assets.core.genes import build_vocabulary
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.errors import ScfmError
from scfm_assets_pretrain import batches, masked_genes
from scfm_assets_pretrain.corpus import CorpusCells, tokenized, vocabulary_of
from scfm_assets_pretrain.recipe import Recipe, evenly
from scfm_assets_pretrain.split import Split, hold_out

GENES = [f"ENSG{i:011d}" for i in range(50)]


@pytest.fixture
def vocabulary():
    names = ["<pad>", "<mask>", *GENES]
    return build_vocabulary({name: i for i, name in enumerate(names)}, dict.fromkeys(GENES, 1.0))


@pytest.fixture
def tokens() -> Tokens:
    rng = np.random.default_rng(0)
    return Tokens.of([rng.permutation(np.arange(2, 52))[: rng.integers(2, 41)] for _ in range(300)])


# Held out -----------------------------------------------------------------------------------------------------------


def test_whole_donors_are_held_out_where_they_are_small_enough() -> None:
    donors = np.repeat([f"d{i}" for i in range(20)], 10)
    barcodes = [f"c{i}" for i in range(200)]
    split = hold_out(barcodes, donors, share=0.1, seed=0)
    assert len(split.donors) == 2
    assert set(donors[split.held_out]) == set(split.donors)
    assert not set(donors[~split.held_out]) & set(split.donors)
    assert split.rule.startswith("whole donors")
    others = [hold_out(barcodes, donors, share=0.1, seed=seed).donors for seed in range(5)]
    assert len(set(others)) > 1


@pytest.mark.parametrize("donors", [["only"] * 500, ["large", "other"] * 250])
def test_cells_are_held_out_by_their_barcode_where_donors_are_too_few(donors: list[str]) -> None:
    barcodes = [f"cell{i}" for i in range(500)]
    split = hold_out(barcodes, donors, share=0.1, seed=0)
    assert split.donors == ()
    assert 25 <= split.held_out.sum() <= 75  # 50 expected, sd 6.7
    back = hold_out(barcodes[::-1], donors, share=0.1, seed=0)
    np.testing.assert_array_equal(back.held_out[::-1], split.held_out)  # whatever the order and the companions
    few = hold_out(barcodes[:100], donors[:100], share=0.1, seed=0)
    np.testing.assert_array_equal(few.held_out, split.held_out[:100])


def an_atlas(tissue: str, seed: int, n_cells: int = 60) -> CorpusCells:
    rng = np.random.default_rng(seed)
    counts = sp.csr_matrix(rng.poisson(0.6, (n_cells, len(GENES))).astype(np.int32))
    barcodes = [f"{tissue}{i}" for i in range(n_cells)]
    return CorpusCells(tissue, counts, GENES, GENES, hold_out(barcodes, ["d"] * n_cells, share=0.2, seed=0))


def test_a_cell_that_stands_in_two_atlases_is_never_on_both_sides(vocabulary) -> None:
    one = an_atlas("one", 1)
    twin = CorpusCells("two", one.counts, GENES, GENES, Split(~one.split.held_out, "the other way round"))
    with pytest.raises(ScfmError, match="0 cells to train on"):
        tokenized([one, twin], vocabulary, max_tokens=40)
    corpus = tokenized([one, an_atlas("two", 2)], vocabulary, max_tokens=40)
    rows = [corpus.tokens.row(i).tobytes() for i in range(corpus.tokens.n_cells)]
    assert not {rows[i] for i in corpus.training} & {rows[i] for i in corpus.held_out}
    assert set(corpus.tissue[corpus.held_out]) == {"one", "two"}


def test_an_atlas_without_a_known_gene_is_refused_by_name(vocabulary) -> None:
    found = an_atlas("liver", 1)
    other = CorpusCells("liver", found.counts, [f"G{i}" for i in range(50)], [""] * 50, found.split)
    with pytest.raises(ScfmError, match=r"atlas 'liver': none of its 50 genes \(such as 'G0'\)"):
        tokenized([other], vocabulary, max_tokens=40)


def test_medians_of_a_vocabulary_of_the_atlases_are_those_of_training_cells() -> None:
    atlases = [an_atlas("one", 1), an_atlas("two", 2)]
    made = vocabulary_of(atlases)
    dense = np.concatenate([atlas.counts.toarray()[~atlas.split.held_out] for atlas in atlases]).astype(float)
    scaled = dense / dense.sum(1, keepdims=True) * 10_000
    expected = [np.median(column[column > 0]) for column in scaled.T]
    np.testing.assert_allclose(made.medians, expected, rtol=1e-12)
    assert made.gene_ids.tolist() == GENES
    assert (made.pad, made.mask, made.cls) == (0, 1, None)


# Batches ------------------------------------------------------------------------------------------------------------


def test_every_epoch_sees_each_cell_once_in_batches_within_the_budget(tokens: Tokens) -> None:
    epoch = len(batches.plan(tokens.lengths, 1, batch_tokens=200, seed=0))
    planned = batches.plan(tokens.lengths, 500, batch_tokens=200, seed=0)
    assert epoch == 1
    assert len(planned) == 500
    seen: list[int] = []
    per_epoch = 0
    for cells in planned:
        assert len(cells) * tokens.lengths[cells].max() <= 200
        seen += cells.tolist()
        per_epoch += 1
        if len(seen) == 300:
            break
    assert sorted(seen) == list(range(300))
    filled = tokens.lengths.sum() / sum(len(c) * tokens.lengths[c].max() for c in planned[:per_epoch])
    assert filled > 0.9  # neighbours in length share a batch
    again = batches.plan(tokens.lengths, 60, batch_tokens=200, seed=0)
    assert all((one == other).all() for one, other in zip(planned, again, strict=False))
    other = batches.plan(tokens.lengths, 60, batch_tokens=200, seed=1)
    assert any(one.tolist() != two.tolist() for one, two in zip(planned, other, strict=False))


def test_masks_take_a_share_of_each_cells_genes_and_depend_on_the_step_alone(tokens: Tokens, vocabulary) -> None:
    masking = masked_genes.GeneMasking(tokens, vocabulary, 0.15, 0)
    cells = np.arange(40)
    batch = masking.training(cells, 3)
    ids, positions = batch["input_ids"].numpy(), batch["positions"].numpy()
    plain = batches.padded(tokens, cells, 0)
    width = ids.shape[1]
    counts = np.bincount(positions // width, minlength=40)
    np.testing.assert_array_equal(counts, np.maximum(1, np.rint(0.15 * tokens.lengths[:40])))
    np.testing.assert_array_equal(batch["labels"].numpy(), plain.ravel()[positions])
    untouched = np.setdiff1d(np.arange(ids.size), positions)
    np.testing.assert_array_equal(ids.ravel()[untouched], plain.ravel()[untouched])
    assert set(ids.ravel()[positions].tolist()) == {1}
    again = masking.training(cells, 3)
    assert all(torch.equal(batch[name], again[name]) for name in batch)
    assert not torch.equal(masking.held_out(cells, 3)["positions"], batch["positions"])


# The loss -----------------------------------------------------------------------------------------------------------


def test_the_loss_of_masked_places_alone_is_that_of_all_logits(tokens: Tokens, vocabulary) -> None:
    recipe = Recipe(layers=2, heads=2, hidden=16, intermediate=32, max_tokens=40, batch_tokens=400)
    model = masked_genes.build(recipe, vocabulary, masked_genes.unigram(tokens, np.arange(300), vocabulary)).eval()
    batch = masked_genes.GeneMasking(tokens, vocabulary, 0.15, 0).training(np.arange(12), 0)
    labels = torch.full(batch["input_ids"].shape, -100)
    labels.view(-1)[batch["positions"]] = batch["labels"]
    plain = BertForMaskedLM(model.config).eval()
    plain.load_state_dict(model.state_dict())
    with torch.no_grad():
        ours = model(**batch)["loss"]
        logits = plain(batch["input_ids"], batch["attention_mask"]).logits
    theirs = cross_entropy(logits.flatten(0, 1), labels.flatten())
    assert abs(ours.item() - theirs.item()) < 1e-6


def test_the_unigram_and_its_baseline_are_those_of_plain_counting(tokens: Tokens, vocabulary) -> None:
    training = np.arange(200)
    counts = dict.fromkeys(range(2, 52), 1)  # one is added to each
    for cell in training:
        for token in tokens.row(cell).tolist():
            counts[token] += 1
    total = sum(counts.values())
    frequencies = masked_genes.unigram(tokens, training, vocabulary)
    np.testing.assert_allclose(frequencies[2:], [counts[token] / total for token in range(2, 52)], rtol=1e-12)
    masking = masked_genes.GeneMasking(tokens, vocabulary, 0.15, 0)
    held_out = [masking.held_out(np.arange(200, 260), 0), masking.held_out(np.arange(260, 300), 1)]
    plain, unseen = [], []
    for batch in held_out:
        width = batch["input_ids"].shape[1]
        for place, label in zip(batch["positions"].tolist(), batch["labels"].tolist(), strict=True):
            shown = {t for t in batch["input_ids"][place // width].tolist() if t > 1}
            plain.append(-np.log(counts[label] / total))
            unseen.append(-np.log(counts[label] / sum(n for token, n in counts.items() if token not in shown)))
    found = masked_genes.baselines(held_out, frequencies)
    assert found == pytest.approx({"unigram": np.mean(plain), "unigram_unseen": np.mean(unseen)}, rel=1e-9)


def test_a_training_begins_near_the_unigram(tokens: Tokens, vocabulary) -> None:
    recipe = Recipe(layers=1, heads=2, hidden=16, intermediate=32, max_tokens=40, batch_tokens=400)
    frequencies = masked_genes.unigram(tokens, np.arange(300), vocabulary)
    model = masked_genes.build(recipe, vocabulary, frequencies).eval()
    batch = masked_genes.GeneMasking(tokens, vocabulary, 0.15, 0).held_out(np.arange(300), 0)
    with torch.no_grad():
        first = model(**batch)["loss"].item()
    known = masked_genes.baselines([batch], frequencies)["unigram"]
    assert first == pytest.approx(known, abs=0.1)  # waves and random weights move each logit a little


# The recipe ---------------------------------------------------------------------------------------------------------


def test_recipes_that_cannot_be_trained_are_refused() -> None:
    with pytest.raises(ScfmError, match="hidden size 10 is not a multiple of 4 heads"):
        Recipe(hidden=10)
    with pytest.raises(ScfmError, match="does not hold a cell of 5000"):
        Recipe(max_tokens=5000)
    with pytest.raises(ScfmError, match="0 of the genes masked"):
        Recipe(masked=0)


def test_revisions_are_spread_evenly_and_end_at_the_end() -> None:
    assert evenly(4, 100) == (25, 50, 75, 100)
    assert evenly(4, 3) == (1, 2, 3)
    assert evenly(1, 7) == (7,)
