"""The objective: genes of a cell are masked and predicted from the others; logits are made for masked genes only."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import save
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM

from scfm_assets.core.base import seed_from
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import MAPPING_FILE, MEDIANS_FILE, TOKENS_FILE, WEIGHTS
from scfm_assets_pretrain import batches, corpus, masking
from scfm_assets_pretrain.objectives import Functions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets_pretrain.masking import Batch
    from scfm_assets_pretrain.recipe import Recipe

WAVE_RMS = 0.05
"""Root mean square of the sine waves that a training begins with; BERT's own embeddings are random ones of 0.02."""

MEDIAN_PLACES = 6000
"""Range of places over which medians are spread before they become waves: a few genes share one."""


class MaskedGenes(BertForMaskedLM):
    """A BertForMaskedLM that returns the loss of chosen positions, and makes logits for no others."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, positions: torch.Tensor, labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Mean cross-entropy of the labels.

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
    neighbouring medians; begun at random, hundreds of steps go by before that is learnt. All else is random.

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
    """Sine and cosine waves of wavelengths from 2 pi to 20,000 pi, one row per place."""
    rates = 10_000.0 ** (-np.arange(0, hidden, 2) / hidden)
    angles = places[:, None] * rates
    waves = np.stack([np.sin(angles), np.cos(angles)], axis=2).reshape(len(places), -1)[:, :hidden]
    return torch.from_numpy(waves * 2**0.5 * WAVE_RMS).float()


def unigram(tokens: Tokens, cells: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Frequency of every gene token in some cells, one added to each count.

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


class GeneMasking(masking.Masking):
    """Makes batches of cells with masked genes."""

    def _batch(self, cells: np.ndarray, rng: np.random.Generator) -> Batch:
        known = self.vocabulary
        ids = batches.padded(self.tokens, cells, int(known.pad or 0))
        is_token, positions = self._chosen(cells, ids, rng)
        labels = ids.ravel()[positions]
        ids.ravel()[positions] = known.mask
        made = {"input_ids": ids, "attention_mask": is_token.astype(np.int64), "positions": positions, "labels": labels}
        return {name: torch.from_numpy(array) for name, array in made.items()}


def baselines(held_out: list[Batch], frequencies: np.ndarray) -> dict[str, float]:
    """Cross-entropy per masked gene of knowing how common genes are, in nats.

    Returns
    -------
    ``unigram``: the frequencies of the training cells. ``unigram_unseen``: the same among the genes that the cell does
    not show, since no gene occurs twice in a cell.
    """
    plain: list[np.ndarray] = []
    unseen: list[np.ndarray] = []
    for batch in held_out:
        ids, positions, labels = (batch[name].numpy() for name in ("input_ids", "positions", "labels"))
        seen_share = frequencies[ids].sum(1)  # special tokens have none
        plain.append(-np.log(frequencies[labels]))
        unseen.append(plain[-1] + np.log1p(-seen_share[positions // ids.shape[1]]))
    return {"unigram": float(np.concatenate(plain).mean()), "unigram_unseen": float(np.concatenate(unseen).mean())}


def as_bert(model: MaskedGenes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Configuration and weights of a plain BertForMaskedLM."""
    config = {**model.config.to_dict(), "architectures": ["BertForMaskedLM"], "model_type": "bert"}
    dropped = ("_name_or_path", "_attn_implementation", "transformers_version")
    tied = ("cls.predictions.decoder.",)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in model.state_dict().items()
        if not name.startswith(tied)
    }
    return {name: value for name, value in config.items() if name not in dropped}, weights


def read_vocabulary(dictionaries: Mapping[str, Path]) -> Vocabulary:
    """Read the dictionaries that are named.

    Raises
    ------
    ScfmError
        If one cannot be read, has no padding or mask, or its ids have gaps.
    """
    from scfm_assets.families.dictionaries import read_tokens
    from scfm_assets.families.geneformer import FAMILY

    file = dictionaries["tokens"]
    generation = "v2" if "<cls>" in read_tokens(file) else "v1"
    options = {**{kind: str(path) for kind, path in dictionaries.items()}, "generation": generation}
    vocabulary, place = FAMILY.vocabulary(Path(), options), str(file)
    if vocabulary.pad is None or vocabulary.mask is None:
        raise ScfmError(place, "has no <pad> or no <mask>", "Both are needed to train.")
    if vocabulary.size != vocabulary.n_tokens:
        problem = f"{vocabulary.n_tokens} tokens with ids up to {vocabulary.size - 1}"
        raise ScfmError(place, problem, "Number the tokens from 0 without gaps.")
    return vocabulary


def dictionaries_of(vocabulary: Vocabulary) -> tuple[dict[str, int], dict[str, float]]:
    """Token ids and medians as a Geneformer folder has them."""
    special = {"<pad>": vocabulary.pad, "<mask>": vocabulary.mask, "<cls>": vocabulary.cls, "<eos>": vocabulary.eos}
    genes = vocabulary.gene_ids.tolist()
    tokens = {name: token for name, token in special.items() if token is not None}
    tokens |= dict(zip(genes, vocabulary.token_ids.tolist(), strict=True))
    return tokens, dict(zip(genes, vocabulary.medians.tolist(), strict=True))


def save_folder(model: MaskedGenes, vocabulary: Vocabulary, folder: Path) -> None:
    """Write configuration, weights and dictionaries."""
    config, weights = as_bert(model)
    (folder / WEIGHTS[0]).write_bytes(save(weights, metadata={"format": "pt"}))
    tokens, medians = dictionaries_of(vocabulary)
    written: dict[str, Any] = {"config.json": config, TOKENS_FILE: tokens, MEDIANS_FILE: medians}
    if vocabulary.aliases:
        written[MAPPING_FILE] = dict(vocabulary.aliases)
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def options(vocabulary: Vocabulary) -> dict[str, str]:
    """Options by which the family geneformer opens the model."""
    generation = {"generation": "v1" if vocabulary.cls is None else "v2"}
    return generation | ({"ensembl_mapping": MAPPING_FILE} if vocabulary.aliases else {})


FUNCTIONS = Functions(
    vocabulary_of=corpus.vocabulary_of,
    read_vocabulary=read_vocabulary,
    encode=corpus.by_rank,
    known=unigram,
    build=build,
    masking=GeneMasking,
    baselines=baselines,
    save=save_folder,
    options=options,
)
