"""Geneformer: rank-value encoded cells through a BERT encoder, first and second generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from scfm_assets.core.tokens import tokenize
from scfm_assets.families.dictionaries import read_mapping, read_medians, read_tokens
from scfm_assets.families.family import Family
from scfm_assets.families.folder import config_file, weights_file
from scfm_assets.families.geneformer_files import (
    OPTIONS,
    check_fits,
    check_official,
    files_of,
    generation_of,
    vocabulary_of,
)
from scfm_assets.families.opened import OpenedModel, fingerprint_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    import scipy.sparse as sp
    from transformers import BertConfig, BertModel

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets.families.geneformer_files import Generation


@dataclass(frozen=True, eq=False)
class GeneformerModel(OpenedModel):
    """An opened Geneformer checkpoint.

    Parameters
    ----------
    generation
        How cells are written.
    """

    encoder: BertModel
    generation: Generation

    @staticmethod
    def new_encoder(config: BertConfig) -> BertModel:
        """Make an encoder with our attention and weights of no meaning."""
        from scfm_assets.families.checkpoint import new_bert

        return new_bert(config)

    def tokenize(self, counts: sp.csr_matrix | sp.csr_array, names: Sequence[str]) -> Tokens:
        """Encode raw counts, cells x genes; see :func:`scfm_assets.core.tokens.encode.tokenize`."""
        special, longest = self.generation.special, self.fingerprint.max_tokens
        return tokenize(counts, names, self.vocabulary, max_tokens=longest, special=special)

    def token_vectors(self) -> np.ndarray:
        """The word embeddings, float32 of shape (vocabulary, hidden)."""
        return self.encoder.embeddings.word_embeddings.weight.detach().cpu().numpy()


def open_checkpoint(folder: Path, options: Mapping[str, Any]) -> GeneformerModel:
    """Load a checkpoint folder with the dictionaries that belong to it.

    Parameters
    ----------
    folder
        Holds config.json and model.safetensors or pytorch_model.bin of a BertForMaskedLM or BertModel.
    options
        As `OPTIONS`, and `expect`: the declared fingerprint. Without one, a folder of a published name must hold the
        published model.

    Raises
    ------
    ScfmError
        Unknown options, unreadable files; dictionaries, generation, weights or declared fingerprint that do not fit.
    """
    FAMILY.check_options(options)
    config_file(folder)
    files = files_of(folder, options)
    vocabulary = vocabulary_of(files)
    generation = generation_of(files, vocabulary)

    from scfm_assets.families.checkpoint import load_bert

    encoder, dtype = load_bert(folder)
    max_tokens = min(generation.max_tokens, encoder.config.max_position_embeddings)
    fingerprint = fingerprint_of("geneformer", encoder, max_tokens=max_tokens, dtype=dtype)
    if expected := options.get("expect"):
        fingerprint.check(expected, place=str(folder))
    check_fits(folder, files, vocabulary)
    if not expected:
        check_official(folder, fingerprint)
    return GeneformerModel(encoder, vocabulary, fingerprint, generation)


def digest_inputs(folder: Path, options: Mapping[str, Any]) -> list[Path]:
    """List the files that decide what the model computes, not the logs and notes that lie beside them."""
    FAMILY.check_options(options)
    return [config_file(folder), weights_file(folder), *files_of(folder, options).paths]


def read_vocabulary(folder: Path, options: Mapping[str, Any]) -> Vocabulary:
    """Read the genes of a checkpoint from its dictionaries alone."""
    FAMILY.check_options(options)
    return vocabulary_of(files_of(folder, options))


def _random(folder: Path, like: Path, options: Mapping[str, Any], seed: int) -> None:
    """Write the architecture of `like` with random weights, and the dictionaries with it that no option names."""
    from scfm_assets.families.controls import RandomSpec, build_random

    spec = RandomSpec(seed=seed)
    if options.get("tokens") or not like.is_dir():
        build_random(folder, like=like, spec=spec)
        return
    files = files_of(like, options)
    mapping = read_mapping(files.ensembl_mapping) if files.ensembl_mapping else None
    tokens, medians = read_tokens(files.tokens), read_medians(files.medians)
    build_random(folder, like=like, tokens=tokens, medians=medians, mapping=mapping, spec=spec)


FAMILY = Family(
    name="geneformer",
    doc="Geneformer V1 and V2: genes ranked by expression over their corpus median, BERT encoder.",
    open=open_checkpoint,
    digest_inputs=digest_inputs,
    vocabulary=read_vocabulary,
    options=OPTIONS,
    random=_random,
)
