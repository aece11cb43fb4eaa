"""The objective of binned tokens: values of a cell's genes are masked and predicted from the others, as in scGPT."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import save
from torch import nn
from torch.nn.functional import mse_loss

from scfm_assets.core.base import seed_from
from scfm_assets.core.genes import build_vocabulary
from scfm_assets.core.tokens import Binning, tokenize_binned
from scfm_assets.errors import ScfmError
from scfm_assets.families.scgpt_encoder import ScgptConfig, ScgptEncoder
from scfm_assets.families.scgpt_files import ARGS_FILE, SPECIAL, VOCAB_FILE, WEIGHTS, read_vocabulary
from scfm_assets_pretrain import batches, masking
from scfm_assets_pretrain.objectives import Functions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets_pretrain.corpus import CorpusCells
    from scfm_assets_pretrain.masking import Batch
    from scfm_assets_pretrain.recipe import Recipe

N_BINS = 51
"""As the published models have, that of zeros included."""

MASK_VALUE, PAD_VALUE = -1.0, -2.0
"""What stands for a value that is to be predicted, and beside ``<cls>`` and padding: those of the published models."""

GENE_RANGE = 0.1
"""scGPT draws the embeddings of genes evenly from minus this to this."""


class Decoder(nn.Module):
    """A value from a hidden state; tensors have the names of scGPT's ExprDecoder."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(),
            nn.Linear(hidden, 1),
        )

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """One value per state, shape (...,)."""
        return self.fc(states).squeeze(-1)


class MaskedValues(ScgptEncoder):
    """An encoder of scGPT that returns the loss of chosen positions."""

    def __init__(self, config: ScgptConfig) -> None:
        super().__init__(config)
        self.decoder = Decoder(config.hidden_size)

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input_ids: torch.Tensor,
        values: torch.Tensor,
        attention_mask: torch.Tensor,
        positions: torch.Tensor,
        labels: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """Mean squared error of the predicted values.

        Parameters
        ----------
        input_ids, attention_mask
            int64 of shape (cells, longest).
        values
            float32 of the same shape.
        positions
            int64 of shape (n_masked,): places in ``input_ids.flatten()``.
        labels
            float32 of shape (n_masked,): the values that stood there.
        """
        hidden = super().forward(input_ids, values, attention_mask).last_hidden_state
        chosen = hidden.flatten(0, 1).index_select(0, positions)  # pyright: ignore[reportOptionalMemberAccess]
        return {"loss": mse_loss(self.decoder(chosen).float(), labels)}


def build(recipe: Recipe, vocabulary: Vocabulary, means: np.ndarray) -> MaskedValues:
    """Build the model that a training begins with.

    Weights are drawn as scGPT draws them, with two exceptions. The output bias is the mean bin: no step is spent on
    learning it. The first map of the values has its bends all over the bins: begun as PyTorch does, nearly all are
    below two, and the normalisation that follows makes higher bins alike.

    Parameters
    ----------
    recipe
        Architecture and seed.
    vocabulary
        Genes; its ids have no gaps.
    means
        float64 of shape (vocabulary.size,), from `mean_bins`.
    """
    config = ScgptConfig(
        vocab_size=vocabulary.size,
        hidden_size=recipe.hidden,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        intermediate_size=recipe.intermediate,
        max_position_embeddings=recipe.max_tokens,
    )
    config._attn_implementation = "sdpa"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed_from("weights", recipe.seed))
        model = MaskedValues(config)
        for module in model.modules():
            if isinstance(module, nn.Linear):
                module.reset_parameters()
        model.encoder.embedding.weight.uniform_(-GENE_RANGE, GENE_RANGE)
        model.get_parameter("value_encoder.linear1.bias").uniform_(-N_BINS, N_BINS)
        model.get_parameter("decoder.fc.4.bias").fill_(means[vocabulary.special_ids[0]])
    return model


def vocabulary_of(atlases: Sequence[CorpusCells]) -> Vocabulary:
    """Make a vocabulary of the symbols of some atlases: special tokens, then symbols in ascending order.

    Genes that no training cell holds are left out; one without a symbol goes by its id.
    """
    names: set[str] = set()
    for atlas in atlases:
        expressed = np.unique(atlas.counts[~atlas.split.held_out].tocsr().indices)
        names.update(str(atlas.symbols[i] or atlas.gene_ids[i]) for i in expressed.tolist())
    pad, cls, eoc = range(len(SPECIAL))
    genes = {name: i for i, name in enumerate(sorted(names - {*SPECIAL}), len(SPECIAL))}
    tokens = {"<pad>": pad, "<cls>": cls, "<eos>": eoc} | genes
    return build_vocabulary(tokens, dict.fromkeys(genes, 1.0), place="vocabulary of the atlases", names="symbol")


def read_symbols(dictionaries: Mapping[str, Path]) -> Vocabulary:
    """Read the vocab.json that is named.

    Raises
    ------
    ScfmError
        If it cannot be read, or one of its tokens is neither a gene nor special to scGPT.
    """
    path = dictionaries["vocab"]
    vocabulary = read_vocabulary(path)
    if vocabulary.size != vocabulary.n_tokens:
        problem = f"{vocabulary.n_tokens} tokens with ids up to {vocabulary.size - 1}"
        raise ScfmError(str(path), problem, f"Beside {', '.join(SPECIAL)} it may hold genes only.")
    return vocabulary


def encode(counts: sp.csr_matrix, names: Sequence[str], vocabulary: Vocabulary, max_tokens: int) -> Tokens:
    """Encode cells as the family scgpt does if nothing else is asked for."""
    return tokenize_binned(counts, names, vocabulary, Binning(N_BINS, max_tokens, cls_value=PAD_VALUE))


def mean_bins(tokens: Tokens, cells: np.ndarray, vocabulary: Vocabulary) -> np.ndarray:
    """Mean bin of every gene in some cells, where it is expressed.

    Returns
    -------
    float64 of shape (vocabulary.size,). Special tokens, and genes that these cells do not hold, have the mean of all.
    """
    some = tokens.take(cells)
    genes = ~np.isin(some.ids, vocabulary.special_ids)
    ids, values = some.ids[genes], np.asarray(some.values, dtype=np.float64)[genes]
    times = np.bincount(ids, minlength=vocabulary.size)
    sums = np.bincount(ids, weights=values, minlength=vocabulary.size)
    return np.where(times > 0, sums / np.maximum(times, 1), values.mean())


class ValueMasking(masking.Masking):
    """Makes batches of cells with masked values."""

    def _batch(self, cells: np.ndarray, rng: np.random.Generator) -> Batch:
        ids = batches.padded(self.tokens, cells, int(self.vocabulary.pad or 0))
        is_token, positions = self._chosen(cells, ids, rng)
        values = np.full(ids.shape, PAD_VALUE, dtype=np.float32)
        values[is_token] = np.asarray(self.tokens.take(cells).values)
        labels = values.ravel()[positions]
        values.ravel()[positions] = MASK_VALUE
        made = {
            "input_ids": ids,
            "values": values,
            "attention_mask": is_token.astype(np.int64),
            "positions": positions,
            "labels": labels,
        }
        return {name: torch.from_numpy(array) for name, array in made.items()}


def baselines(held_out: list[Batch], means: np.ndarray) -> dict[str, float]:
    """Mean squared error of knowing the genes' usual bins.

    Returns
    -------
    ``gene_mean``: the mean bin of the gene over training cells. ``mean``: one bin for all, the mean of the masked ones
    themselves, below which no single one comes.
    """
    ids = np.concatenate([batch["input_ids"].numpy().ravel()[batch["positions"].numpy()] for batch in held_out])
    bins = np.concatenate([batch["labels"].numpy() for batch in held_out]).astype(np.float64)
    return {"gene_mean": float(np.square(bins - means[ids]).mean()), "mean": float(bins.var())}


def save_folder(model: MaskedValues, vocabulary: Vocabulary, folder: Path) -> None:
    """Write args.json, weights and vocab.json; the decoder is among the weights, under the name scGPT has for it."""
    config = model.config
    args = {
        "embsize": config.hidden_size,
        "nlayers": config.num_hidden_layers,
        "nheads": config.num_attention_heads,
        "d_hid": config.intermediate_size,
        "n_bins": N_BINS,
        "pad_token": SPECIAL[0],
        "pad_value": int(PAD_VALUE),
        "mask_value": int(MASK_VALUE),
        "input_style": "binned",
        "input_emb_style": config.value_style,
        "max_seq_len": config.max_position_embeddings,
    }
    special = dict(
        zip((*SPECIAL, "<mask>"), (vocabulary.pad, vocabulary.cls, vocabulary.eos, vocabulary.mask), strict=True)
    )
    tokens = {name: token for name, token in special.items() if token is not None}
    tokens |= dict(zip(vocabulary.gene_ids.tolist(), vocabulary.token_ids.tolist(), strict=True))
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    (folder / WEIGHTS[0]).write_bytes(save(weights, metadata={"format": "pt"}))
    for name, content in ((ARGS_FILE, args), (VOCAB_FILE, tokens)):
        (folder / name).write_text(json.dumps(content, indent=1) + "\n")


def options(_: Vocabulary) -> dict[str, str]:
    """Options by which the family scgpt opens the model: none."""
    return {}


FUNCTIONS = Functions(
    vocabulary_of=vocabulary_of,
    read_vocabulary=read_symbols,
    encode=encode,
    known=mean_bins,
    build=build,
    masking=ValueMasking,
    baselines=baselines,
    save=save_folder,
    options=options,
)
