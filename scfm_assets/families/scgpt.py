"""scGPT: expressed genes with binned values through an encoder without positions.

Where scGPT draws random numbers, this does not: a value on several quantiles goes to a bin by rule, and so do the
genes that stand for a cell with more than fit (see `core.tokens.value_bins`). A cell therefore gives the same
tokens and the same vector whatever cells are computed beside it. What scGPT's own functions do differently from each
other is decided as follows. Genes that are not expressed are left out, as in its cell embedding; its attention notebook
passes them. A batch normalisation that a fine-tuned checkpoint holds is applied with the statistics recorded in
training, as in its model; its cell embedding ignores such tensors. The published pretrained checkpoints hold none.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.core.tokens import BEYOND, TIES, Binning, tokenize_binned
from scfm_assets.errors import ScfmError
from scfm_assets.families.family import Family, Option
from scfm_assets.families.folder import weights_file
from scfm_assets.families.opened import OpenedModel, fingerprint_of
from scfm_assets.families.scgpt_files import ARGS_FILE, VOCAB_FILE, WEIGHTS, Args, read_args, read_vocabulary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import scipy.sparse as sp

    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens
    from scfm_assets.families.scgpt_encoder import ScgptConfig, ScgptEncoder

PLACE = "scgpt options"

OPTIONS = (
    Option("gene_table", "file", "Table of gene_name and ensembl_id that leads other names to symbols; else none."),
    Option("vocab", "file", "JSON, symbol -> token; else vocab.json of the folder."),
    Option("max_tokens", "count", "Longest cell, <cls> included; else max_seq_len of args.json, else 1200."),
    Option(
        "beyond",
        "choice",
        "Genes kept of a longer cell: those with the highest counts, or a sample seeded by the cell's own content; "
        "else highest.",
        choices=BEYOND,
    ),
    Option(
        "ties",
        "choice",
        "Bin of a value that several quantiles equal: the middle one or the highest; else middle.",
        choices=TIES,
    ),
)


@dataclass(frozen=True, eq=False)
class ScgptModel(OpenedModel):
    """An opened scGPT checkpoint.

    Parameters
    ----------
    binning
        How cells are written.
    """

    encoder: ScgptEncoder
    binning: Binning

    @staticmethod
    def new_encoder(config: ScgptConfig) -> ScgptEncoder:
        """Make an encoder with our attention and weights of no meaning."""
        from scfm_assets.families.scgpt_checkpoint import new_scgpt

        return new_scgpt(config)

    def tokenize(self, counts: sp.csr_matrix | sp.csr_array, names: Sequence[str]) -> Tokens:
        """Encode raw counts, cells x genes; see :func:`scfm_assets.core.tokens.value_bins.tokenize_binned`."""
        return tokenize_binned(counts, names, self.vocabulary, self.binning)

    def token_vectors(self) -> np.ndarray:
        """The gene embeddings after their normalisation, float32 of shape (vocabulary, hidden).

        scGPT's tutorial on gene networks (Tutorial_GRN) takes the same, what ``model.encoder`` gives.
        """
        import torch

        genes = self.encoder.encoder
        with torch.inference_mode():
            return genes.enc_norm(genes.embedding.weight).cpu().numpy()


@dataclass(frozen=True)
class ScgptFiles:
    """Where the parts of a checkpoint lie."""

    args: Path
    vocab: Path
    gene_table: Path | None

    @classmethod
    def of(cls, folder: Path, options: Mapping[str, Any]) -> ScgptFiles:
        """Find them: in the folder, or where the options say."""
        FAMILY.check_options(options)
        if not folder.is_dir():
            remedy = f"An scGPT checkpoint is a folder with {ARGS_FILE}, {VOCAB_FILE} and {WEIGHTS[1]}."
            raise ScfmError(str(folder), "no such folder", remedy)
        table = options.get("gene_table")
        vocab = Path(options["vocab"]) if options.get("vocab") else folder / VOCAB_FILE
        return cls(folder / ARGS_FILE, vocab, Path(table) if table else None)


def open_checkpoint(folder: Path, options: Mapping[str, Any]) -> ScgptModel:
    """Load a checkpoint folder as scGPT publishes it.

    Parameters
    ----------
    folder
        Holds args.json, vocab.json and best_model.pt or model.safetensors.
    options
        See `OPTIONS`. `expect`: declared fingerprint.

    Raises
    ------
    ScfmError
        Unknown options, unreadable files; args.json, vocabulary, weights or declared fingerprint that do not fit.
    """
    files = ScgptFiles.of(folder, options)
    args = read_args(files.args)
    binning = _binning(args, options)
    vocabulary = _vocabulary(files, args)

    from scfm_assets.families.scgpt_checkpoint import load_encoder

    encoder, dtype = load_encoder(folder, args, vocabulary.n_tokens, binning.max_tokens)
    fingerprint = fingerprint_of("scgpt", encoder, max_tokens=binning.max_tokens, dtype=dtype)
    fingerprint.check(options.get("expect") or {}, place=str(folder))
    return ScgptModel(encoder, vocabulary, fingerprint, binning)


def digest_inputs(folder: Path, options: Mapping[str, Any]) -> list[Path]:
    """List the files that decide what the model computes, not the logs and notes that lie beside them."""
    files = ScgptFiles.of(folder, options)
    table = [] if files.gene_table is None else [files.gene_table]
    return [files.args, weights_file(folder, WEIGHTS), files.vocab, *table]


def vocabulary_of(folder: Path, options: Mapping[str, Any]) -> Vocabulary:
    """Read the symbols of a checkpoint and the names that lead to them, without its weights."""
    files = ScgptFiles.of(folder, options)
    return _vocabulary(files, read_args(files.args))


def _vocabulary(files: ScgptFiles, args: Args) -> Vocabulary:
    return read_vocabulary(files.vocab, files.gene_table, args.pad_token)


def _binning(args: Args, options: Mapping[str, Any]) -> Binning:
    max_tokens = options.get("max_tokens") or args.max_seq_len
    ties, beyond = options.get("ties") or TIES[0], options.get("beyond") or BEYOND[0]
    for name, value, allowed in (("ties", ties, TIES), ("beyond", beyond, BEYOND)):
        if value not in allowed:
            raise ScfmError(PLACE, f"{name} {value!r} is not known", f"It may be {' or '.join(allowed)}.")
    if type(max_tokens) is not int or max_tokens < 2:
        problem = f"max_tokens is {max_tokens!r}"
        raise ScfmError(PLACE, problem, "It must be a whole number: <cls> and at least one gene.")
    return Binning(args.n_bins, max_tokens, ties, beyond, args.pad_value)


def _random(folder: Path, like: Path, options: Mapping[str, Any], seed: int) -> None:
    from scfm_assets.families.scgpt_control import build_random

    vocab = options.get("vocab")
    build_random(folder, like=like, vocab=Path(vocab) if vocab else None, seed=seed)


FAMILY = Family(
    name="scgpt",
    doc="scGPT: expressed genes with values in quantile bins, an encoder without positions.",
    open=open_checkpoint,
    digest_inputs=digest_inputs,
    vocabulary=vocabulary_of,
    options=OPTIONS,
    random=_random,
)
