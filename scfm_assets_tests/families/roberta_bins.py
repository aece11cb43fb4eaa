"""A third family, as a stranger would add one: RoBERTa over genes whose counts stand beside them in bins.

A cell is the set of its expressed genes. Each gene adds the embedding of its bin, the logarithm of its count; there are
no positions. This file is all that the platform needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file
from transformers import RobertaConfig, RobertaModel

from scfm_assets.core.attention.passes import register, stream
from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.families import Family, Fingerprint, Option

FILES = ("config.json", "model.safetensors", "genes.json")


class BinnedRoberta(RobertaModel):
    def __init__(self, config: RobertaConfig) -> None:
        super().__init__(config, add_pooling_layer=False)
        self.bins = torch.nn.Embedding(config.n_bins, config.hidden_size)

    def forward(self, input_ids, values, position_ids=None, **passed):
        genes = self.embeddings.word_embeddings(input_ids) + self.bins(values.long())
        nowhere = torch.full_like(input_ids, self.config.pad_token_id)
        return super().forward(inputs_embeds=genes, position_ids=nowhere, **passed)


@dataclass(frozen=True, eq=False)
class RobertaBins:
    encoder: BinnedRoberta
    vocabulary: Vocabulary
    fingerprint: Fingerprint

    def tokenize(self, counts: sp.csr_matrix, names: Sequence[str]) -> Tokens:
        rows = self.vocabulary.rows_of(names)
        token_of_column = np.where(rows >= 0, self.vocabulary.token_ids[rows], -1)
        known = sp.csc_matrix(counts)[:, token_of_column >= 0].tocoo()
        tokens = token_of_column[token_of_column >= 0][known.col]
        shape = (counts.shape[0], self.vocabulary.size)
        summed = sp.csr_matrix((known.data, (known.row, tokens)), shape)  # columns of one gene are added, and sorted
        bins = np.minimum(np.log2(summed.data).astype(np.float32) + 1, self.encoder.config.n_bins - 1)
        return Tokens(summed.indices.astype(np.int32), summed.indptr.astype(np.int64), np.floor(bins))

    def encode(self, tokens, *, collect, machine=None, start=0, progress=None) -> None:
        stream(self.encoder, tokens, collect, machine=machine, start=start, progress=progress)

    def token_vectors(self) -> np.ndarray:
        return self.encoder.embeddings.word_embeddings.weight.detach().numpy()


def read_vocabulary(folder: Path, _: Mapping[str, Any]) -> Vocabulary:
    genes = json.loads((folder / "genes.json").read_text())
    return build_vocabulary(genes, dict.fromkeys(genes, 1.0), place=str(folder / "genes.json"))


def open_checkpoint(folder: Path, options: Mapping[str, Any]) -> RobertaBins:
    config = RobertaConfig(**json.loads((folder / "config.json").read_text()))
    config._attn_implementation = register()
    encoder = BinnedRoberta(config).eval()
    encoder.load_state_dict(load_file(folder / "model.safetensors"))
    sizes = (config.num_hidden_layers, config.num_attention_heads, config.hidden_size, encoder.num_parameters())
    found = Fingerprint("roberta_bins", *sizes, config.vocab_size, config.max_position_embeddings, "float32")
    found.check(options.get("expect") or {}, place=str(folder))
    return RobertaBins(encoder, read_vocabulary(folder, options), found)


def write_random(folder: Path, like: Path, _: Mapping[str, Any], seed: int) -> None:
    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    for name in ("config.json", "genes.json"):
        (folder / name).write_bytes((like / name).read_bytes())
    config = RobertaConfig(**json.loads((like / "config.json").read_text()))
    save_file(BinnedRoberta(config).state_dict(), folder / "model.safetensors")


FAMILY = Family(
    name="roberta_bins",
    doc="RoBERTa over genes and their counts in bins.",
    open=open_checkpoint,
    digest_inputs=lambda folder, _: [folder / name for name in FILES],
    vocabulary=read_vocabulary,
    options=(Option("note", "text", "Anything."),),
    random=write_random,
)
