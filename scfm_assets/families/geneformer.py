"""Geneformer: rank-value encoded cells through a BERT encoder, first and second generation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.core.errors import ScfmError
from scfm_assets.core.tokens import build_vocabulary, tokenize
from scfm_assets.families.dictionaries import has_medians, read_mapping, read_medians, read_tokens
from scfm_assets.families.family import Family, Fingerprint
from scfm_assets.families.folder import config_file, weights_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy as np
    import scipy.sparse as sp
    from transformers import BertConfig, BertModel

    from scfm_assets.core.attention import Collector
    from scfm_assets.core.machine import Machine
    from scfm_assets.core.tokens import Tokens, Vocabulary

TOKENS_FILE = "token_dictionary.json"
MEDIANS_FILE = "gene_median.json"


@dataclass(frozen=True)
class Generation:
    """How one generation of Geneformer writes a cell.

    Parameters
    ----------
    name
        As the catalog writes it.
    max_tokens
        Longest cell, special tokens included.
    special
        Whether a cell starts with ``<cls>`` and ends with ``<eos>``.
    """

    name: str
    max_tokens: int
    special: bool


GENERATIONS = {
    generation.name: generation
    for generation in (Generation("v1", 2048, special=False), Generation("v2", 4096, special=True))
}

PLACE = "geneformer options"

OPTIONS = ("generation", "tokens", "medians", "ensembl_mapping", "expect")
"""Options a catalog may give: generation ('v1' by default), three dictionaries, expected fingerprint."""


@dataclass(frozen=True, eq=False)
class GeneformerModel:
    """An opened Geneformer checkpoint.

    Parameters
    ----------
    encoder
        float32, in evaluation mode, with our attention.
    generation
        How cells are written.
    vocabulary
        Genes it knows.
    fingerprint
        What was loaded.
    """

    encoder: BertModel
    generation: Generation
    vocabulary: Vocabulary
    fingerprint: Fingerprint

    def tokenize(self, counts: sp.csr_matrix | sp.csr_array, gene_ids: Sequence[str]) -> Tokens:
        """Encode raw counts, cells x genes; see :func:`scfm_assets.core.tokens.tokenize`."""
        return tokenize(
            counts,
            gene_ids,
            self.vocabulary,
            max_tokens=self.fingerprint.max_tokens,
            special=self.generation.special,
        )

    def encode(
        self,
        tokens: Tokens,
        *,
        collect: Collector,
        machine: Machine | None = None,
        start: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Pass the cells through the encoder; see :func:`scfm_assets.core.attention.stream`."""
        from scfm_assets.core.attention import stream

        stream(self.encoder, tokens, collect, machine=machine, start=start, progress=progress)

    def token_vectors(self) -> np.ndarray:
        """Give the word embeddings, float32 of shape (vocabulary, hidden)."""
        return self.encoder.embeddings.word_embeddings.weight.detach().cpu().numpy()

    def __reduce__(self) -> tuple[Callable[..., GeneformerModel], tuple[Any, ...]]:
        """Cross a process border as weights, of which the encoder is built anew.

        transformers notes in an encoder's constructor what its passes can record: one that was merely unpickled gives
        no hidden states in a fresh process.
        """
        return _rebuilt, (
            self.encoder.config,
            self.encoder.state_dict(),
            self.generation,
            self.vocabulary,
            self.fingerprint,
        )


def _rebuilt(
    config: BertConfig, state: Mapping[str, Any], generation: Generation, vocabulary: Vocabulary, found: Fingerprint
) -> GeneformerModel:
    from scfm_assets.families.checkpoint import build_bert

    return GeneformerModel(build_bert(config, state), generation, vocabulary, found)


def open_checkpoint(folder: Path, options: Mapping[str, Any]) -> GeneformerModel:
    """Load a checkpoint folder with the dictionaries that belong to it.

    Parameters
    ----------
    folder
        Holds config.json and model.safetensors or pytorch_model.bin of a BertForMaskedLM or BertModel.
    options
        `generation`: 'v1' (default) or 'v2'. `tokens`, `medians`, `ensembl_mapping`: dictionaries (parquet, JSON or
        Geneformer's pickles); without `tokens` the folder's own token_dictionary.json and gene_median.json are read;
        a parquet table of tokens brings its medians along. `expect`: declared fingerprint.

    Raises
    ------
    ScfmError
        Unknown options, unreadable files; dictionaries, generation, weights or declared fingerprint that do not fit.
    """
    generation, paths = _read_options(folder, options)
    vocabulary = _read_vocabulary(paths)
    _check_special(paths["tokens"], vocabulary, generation)

    from scfm_assets.families.checkpoint import load_bert

    encoder, dtype = load_bert(folder)
    config = encoder.config
    fingerprint = Fingerprint(
        family="geneformer",
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        hidden=config.hidden_size,
        parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        vocabulary=config.vocab_size,
        max_tokens=min(generation.max_tokens, config.max_position_embeddings),
        dtype=dtype,
    )
    fingerprint.check(options.get("expect") or {}, place=str(folder))
    if max(vocabulary.size, vocabulary.n_tokens) != config.vocab_size or vocabulary.size != vocabulary.n_tokens:
        problem = (
            f"{vocabulary.n_tokens} tokens with ids up to {vocabulary.size - 1}, "
            f"but the model in {folder} has {config.vocab_size} token embeddings"
        )
        raise ScfmError(str(paths["tokens"]), problem, "Name the token dictionary that the model was trained with.")
    return GeneformerModel(encoder, generation, vocabulary, fingerprint)


def digest_inputs(folder: Path, options: Mapping[str, Any]) -> list[Path]:
    """List the files that decide what the model computes, not the logs and notes that lie beside them."""
    _, paths = _read_options(folder, options)
    return [config_file(folder), weights_file(folder), *dict.fromkeys(path for path in paths.values() if path)]


def _read_options(folder: Path, options: Mapping[str, Any]) -> tuple[Generation, dict[str, Path | None]]:
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise ScfmError(PLACE, f"{unknown[0]!r} is not known", f"Options are {', '.join(OPTIONS)}.")
    generation = GENERATIONS.get(options.get("generation") or "v1")
    if generation is None:
        problem = f"generation {options['generation']!r} is not known"
        raise ScfmError(PLACE, problem, f"Generations are {', '.join(GENERATIONS)}.")
    paths = {name: Path(options[name]) if options.get(name) else None for name in OPTIONS[1:4]}
    if paths["tokens"] is None:
        paths["tokens"] = folder / TOKENS_FILE
        paths["medians"] = paths["medians"] or folder / MEDIANS_FILE
    elif paths["medians"] is None:
        if not has_medians(paths["tokens"]):
            problem = "tokens are given without medians, and they are not a parquet table with both"
            raise ScfmError(PLACE, problem, "Name the median dictionary under `medians`.")
        paths["medians"] = paths["tokens"]
    return generation, paths


def _read_vocabulary(paths: Mapping[str, Path | None]) -> Vocabulary:
    tokens, medians, mapping = (paths[name] for name in ("tokens", "medians", "ensembl_mapping"))
    if tokens is None or medians is None:
        message = "options were not resolved"
        raise ValueError(message)
    return build_vocabulary(
        read_tokens(tokens),
        read_medians(medians),
        read_mapping(mapping) if mapping else None,
        place=str(tokens),
    )


def _check_special(path: Path | None, vocabulary: Vocabulary, generation: Generation) -> None:
    has = vocabulary.cls is not None and vocabulary.eos is not None
    has_any = vocabulary.cls is not None or vocabulary.eos is not None
    if (generation.special and not has) or (not generation.special and has_any):
        problem = (
            f"the dictionary has {'both or one of' if has_any else 'neither of'} <cls> and <eos>, "
            f"generation {generation.name!r} needs {'both' if generation.special else 'neither'}"
        )
        raise ScfmError(str(path), problem, "Set `generation`, or name the dictionary of that generation.")


FAMILY = Family(
    name="geneformer",
    open=open_checkpoint,
    digest_inputs=digest_inputs,
    doc="Geneformer V1 and V2: genes ranked by expression over their corpus median, BERT encoder.",
)
