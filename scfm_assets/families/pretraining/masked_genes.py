"""The objective: genes of a cell are masked and to be told from the others; logits are made for masked genes only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM

from scfm_assets.core.digest import seed_from
from scfm_assets.families.pretraining import batches

if TYPE_CHECKING:
    from scfm_assets.core.tokens import Tokens
    from scfm_assets.core.vocabulary import Vocabulary
    from scfm_assets.families.pretraining.recipe import Recipe

WORDS = "masked genes: each chosen gene becomes <mask>, in training and held-out cells alike"

WAVE_RMS = 0.05
"""Root mean square of the sine waves that a training begins with; BERT's own embeddings are random ones of 0.02."""

MEDIAN_PLACES = 6000
"""Range of places over which medians are spread before they become waves: a few genes share one."""

Batch = dict[str, torch.Tensor]


class MaskedGenes(BertForMaskedLM):
    """A BertForMaskedLM that gives the loss of chosen positions, and makes logits for no others."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, positions: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Give the mean cross-entropy of the labels.

        Parameters
        ----------
        input_ids, attention_mask
            int64 of shape (cells, longest).
        positions
            int64 of shape (n_masked,): places in ``input_ids.flatten()``.
        labels
            int64 of shape (n_masked,): the tokens that stood there.
        """
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        chosen = hidden.flatten(0, 1).index_select(0, positions)
        return {"loss": cross_entropy(self.cls(chosen).float(), labels)}


def build(recipe: Recipe, vocabulary: Vocabulary, frequencies: np.ndarray) -> MaskedGenes:
    """Build the model that a training begins with.

    Its output bias holds the logarithm of the frequencies: the first loss is the unigram's, and no step is spent on
    learning how common genes are. Its position embeddings are sine waves, and its gene embeddings random ones with sine
    waves of the gene's place among all medians added: near positions, and genes of near medians, look alike from the
    first step. Cells are ranked by count over median, so that neighbours in a cell with the same count have
    neighbouring medians; begun at random, thousands of steps go by before that is found. All else is random.

    Parameters
    ----------
    recipe
        Architecture and seed.
    vocabulary
        Genes; it has a padding token.
    frequencies
        float64 of shape (vocabulary.size,), from `unigram`.
    """
    config = BertConfig(
        vocab_size=vocabulary.size,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=recipe.intermediate,
        max_position_embeddings=recipe.max_tokens,
        hidden_act="relu",
        hidden_dropout_prob=recipe.dropout,
        attention_probs_dropout_prob=0.0,
        pad_token_id=vocabulary.pad,
    )
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_from("weights", recipe.seed))
        model = MaskedGenes(config)
    known = np.where(frequencies > 0, frequencies, frequencies[frequencies > 0].min())
    with torch.no_grad():
        model.cls.predictions.bias.copy_(torch.from_numpy(np.log(known)).float())
        embeddings = model.bert.embeddings
        embeddings.position_embeddings.weight.copy_(_waves(np.arange(recipe.max_tokens), recipe.hidden))
        places = vocabulary.medians.argsort(kind="stable").argsort() * (MEDIAN_PLACES / len(vocabulary.medians))
        embeddings.word_embeddings.weight[vocabulary.token_ids.tolist()] += _waves(places, recipe.hidden)
    return model


def _waves(places: np.ndarray, hidden: int) -> torch.Tensor:
    """Give sine and cosine waves of wavelengths from 2 pi to 20,000 pi, one row per place."""
    rates = 10_000.0 ** (-np.arange(0, hidden, 2) / hidden)
    angles = places[:, None] * rates
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(places), -1)[:, :hidden]
    return torch.from_numpy(waves * 2**0.5 * WAVE_RMS).float()


def unigram(tokens: Tokens, cells: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Give the frequency of every gene token in some cells, one added to each count.

    Returns
    -------
    float64 of shape (vocabulary.size,), sum 1; zero for special tokens.
    """
    counts = np.zeros(vocabulary.size)
    for cell in cells:
        counts[tokens.row(int(cell))] += 1  # a cell holds each gene once
    genes = vocabulary.token_ids
    frequencies = np.zeros(vocabulary.size)
    frequencies[genes] = counts[genes] + 1
    return frequencies / frequencies.sum()


@dataclass(frozen=True, eq=False)
class Masking:
    """Makes batches of masked cells.

    Parameters
    ----------
    tokens
        All cells.
    vocabulary
        Genes and special tokens.
    share
        Of a cell's genes that are to be told.
    seed
        Decides which.
    """

    tokens: Tokens
    vocabulary: Vocabulary
    share: float
    seed: int

    def training(self, cells: np.ndarray, step: int) -> Batch:
        """Mask the cells of a step."""
        return self._batch(cells, np.random.default_rng(seed_from("training masks", self.seed, step)))

    def held_out(self, cells: np.ndarray, index: int) -> Batch:
        """Mask held-out cells, the same way whenever it is asked."""
        return self._batch(cells, np.random.default_rng(seed_from("held-out masks", self.seed, index)))

    def _batch(self, cells: np.ndarray, rng: np.random.Generator) -> Batch:
        known = self.vocabulary
        ids = batches.padded(self.tokens, cells, int(known.pad or 0))
        there = np.arange(ids.shape[1]) < self.tokens.lengths[cells][:, None]
        genes = there & ~np.isin(ids, known.special_ids)
        wanted = np.maximum(1, np.rint(self.share * genes.sum(1))).astype(np.int64)
        draws = np.where(genes, rng.random(ids.shape), 2.0)
        order = draws.argsort(axis=1).argsort(axis=1)
        positions = np.flatnonzero(order < wanted[:, None])
        labels = ids.ravel()[positions]
        ids.ravel()[positions] = known.mask
        made = {"input_ids": ids, "attention_mask": there.astype(np.int64), "positions": positions, "labels": labels}
        return {name: torch.from_numpy(array) for name, array in made.items()}


def baselines(held_out: list[Batch], frequencies: np.ndarray) -> dict[str, float]:
    """Give the cross-entropy per masked gene of knowing how common genes are, in nats.

    Returns
    -------
    ``unigram``: the frequencies of the training cells. ``unigram_unseen``: the same among the genes that the cell does
    not show, since no gene occurs twice in a cell.
    """
    plain: list[np.ndarray] = []
    unseen: list[np.ndarray] = []
    for batch in held_out:
        ids, positions, labels = (batch[name].numpy() for name in ("input_ids", "positions", "labels"))
        shown = frequencies[ids].sum(1)  # special tokens have none
        plain.append(-np.log(frequencies[labels]))
        unseen.append(plain[-1] + np.log1p(-shown[positions // ids.shape[1]]))
    return {"unigram": float(np.concatenate(plain).mean()), "unigram_unseen": float(np.concatenate(unseen).mean())}


def as_bert(model: MaskedGenes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Give configuration and weights of a plain BertForMaskedLM."""
    config = {**model.config.to_dict(), "architectures": ["BertForMaskedLM"], "model_type": "bert"}
    dropped = ("_name_or_path", "_attn_implementation", "transformers_version")
    tied = ("cls.predictions.decoder.",)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith(tied)
    }
    return {name: value for name, value in config.items() if name not in dropped}, weights
