"""Files of scGPT's folders but the weights: args.json and vocab.json. Needs no torch, so a sensor may ask."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scfm_assets.core.genes import Vocabulary, build_vocabulary
from scfm_assets.core.tokens import FEWEST_BINS, MOST_BINS
from scfm_assets.errors import ScfmError
from scfm_assets.families.folder import read_json
from scfm_assets.families.symbol_aliases import aliases_of

ARGS_FILE, VOCAB_FILE = "args.json", "vocab.json"

WEIGHTS = ("model.safetensors", "best_model.pt")
"""Files that may hold the weights, the preferred one first."""

SIZES = ("embsize", "nlayers", "nheads", "d_hid", "n_bins")
"""Entries of args.json without which no encoder can be built, whole numbers above zero."""

LARGEST_SIZE = 2**20
"""No model is near it."""

MAX_TOKENS = 1200
"""Longest cell where args.json does not say: what scGPT's own embedding function takes."""

LARGEST_PAD_VALUE = 2**24
"""Beyond, float32 does not hold every whole number."""

SPECIAL = ("<pad>", "<cls>", "<eoc>")
"""Tokens that scGPT appends, in this order, to a vocabulary that lacks them."""


@dataclass(frozen=True)
class Args:
    """What args.json says of the model.

    Its names are those of the file.

    Attributes
    ----------
    embsize, nlayers, nheads, d_hid
        Hidden size, blocks, attention heads per block, intermediate size.
    n_bins
        Bins of values, that of zeros included.
    pad_token
        Token of padding.
    pad_value
        Value of padding, and of ``<cls>``.
    input_style
        How values are made: in bins.
    input_emb_style
        'continuous' or 'category': how values enter.
    max_seq_len
        Longest cell it was trained with.
    """

    embsize: int
    nlayers: int
    nheads: int
    d_hid: int
    n_bins: int
    pad_token: str
    pad_value: float
    input_style: str
    input_emb_style: str
    max_seq_len: int


def read_args(path: Path) -> Args:
    """Read args.json; entries that say how the model was trained do not matter.

    Raises
    ------
    ScfmError
        File missing or unreadable; an entry missing, of another kind, or one that asks for a model that this is not.
    """
    raw = _read_json(path)
    for name in SIZES:
        if type(raw.get(name)) is not int or not 1 <= raw[name] <= LARGEST_SIZE:
            remedy = f"It must be a whole number from 1 to {LARGEST_SIZE}."
            raise ScfmError(str(path), f"{name} is {raw.get(name)!r}", remedy)
    if raw["embsize"] % raw["nheads"]:
        raise ScfmError(str(path), f"embsize {raw['embsize']} is not a multiple of nheads {raw['nheads']}")
    if not FEWEST_BINS <= raw["n_bins"] <= MOST_BINS:
        raise ScfmError(str(path), f"n_bins is {raw['n_bins']}", f"{FEWEST_BINS} to {MOST_BINS} bins make sense.")
    for name, allowed in (("input_style", ("binned",)), ("input_emb_style", ("continuous", "category"))):
        if raw.get(name) not in allowed:
            problem = f"{name} is {raw.get(name)!r}"
            raise ScfmError(str(path), problem, f"Only {' or '.join(map(repr, allowed))} is supported.")
    if raw.get("pre_norm"):
        problem = "pre_norm is set"
        raise ScfmError(str(path), problem, "Only blocks that normalise afterwards are supported, as published.")
    max_tokens, pad_token = raw.get("max_seq_len") or MAX_TOKENS, raw.get("pad_token", SPECIAL[0])
    if type(max_tokens) is not int or max_tokens < 1:
        raise ScfmError(str(path), f"max_seq_len is {max_tokens!r}", "It must be a whole number above zero.")
    if not isinstance(pad_token, str):
        raise ScfmError(str(path), f"pad_token is {pad_token!r}", "It must be a name in the vocabulary.")
    styles = {name: raw[name] for name in ("input_style", "input_emb_style")}
    pad_value = _pad_value(path, raw.get("pad_value"), raw["input_emb_style"])
    sizes = {name: raw[name] for name in SIZES}
    return Args(**sizes, **styles, pad_token=pad_token, pad_value=pad_value, max_seq_len=max_tokens)


def _pad_value(path: Path, value: Any, style: str) -> float:
    """Check the value beside <cls>: a number, and the place of a row where values are rows of an embedding."""
    if type(value) in {int, float} and abs(value) <= LARGEST_PAD_VALUE:
        number = float(value)
        if style != "category" or (number >= 0 and number.is_integer()):
            return number
    remedy = "It must be a number (it stands beside <cls>), a whole one above or at zero if values are categories."
    raise ScfmError(str(path), f"pad_value is {value!r}", remedy)


def read_tokens(path: Path, pad_token: str = SPECIAL[0]) -> dict[str, int]:
    """Read vocab.json as scGPT does: special tokens that it lacks are appended.

    Raises
    ------
    ScfmError
        File missing or unreadable, or its ids are not 0, 1, 2 and so on.
    """
    raw = _read_json(path)
    bad = next((name for name, token in raw.items() if type(token) is not int), None)
    if bad is not None:
        raise ScfmError(str(path), f"token of {bad!r} is {raw[bad]!r}", "A vocabulary maps symbols to whole numbers.")
    if sorted(raw.values()) != list(range(len(raw))):
        problem = f"its {len(raw):,} ids are not 0 to {len(raw) - 1:,}, each once"
        raise ScfmError(str(path), problem, "Copy the vocab.json that belongs to the checkpoint again.")
    for name in (pad_token, *SPECIAL[1:]):
        raw.setdefault(name, len(raw))
    return raw


def read_vocabulary(path: Path, gene_table: Path | None = None, pad_token: str = SPECIAL[0]) -> Vocabulary:
    """Read vocab.json as a vocabulary of symbols; the end of a cell (``<eoc>``) takes the place of ``<eos>``.

    Parameters
    ----------
    path
        The vocabulary.
    gene_table
        Leads other names to its symbols; see `scfm_assets.families.symbol_aliases.aliases_of`.
    pad_token
        Its token of padding.

    Raises
    ------
    ScfmError
        A file is missing or unreadable, or the vocabulary has no gene.
    """
    tokens = read_tokens(path, pad_token)
    special = {"<pad>": tokens[pad_token], "<cls>": tokens["<cls>"], "<eos>": tokens["<eoc>"]}
    genes = {name: token for name, token in tokens.items() if name not in {pad_token, *SPECIAL}}
    ones, aliases = dict.fromkeys(genes, 1.0), aliases_of(genes, gene_table)
    return build_vocabulary(genes | special, ones, aliases, place=str(path), names="symbol")


def _read_json(path: Path) -> dict[str, Any]:
    remedy = f"An scGPT checkpoint is a folder with {ARGS_FILE}, {VOCAB_FILE} and {WEIGHTS[1]}."
    if not path.is_file():
        raise ScfmError(str(path), "no such file", remedy)
    raw = read_json(path, remedy)
    if not isinstance(raw, dict):
        raise ScfmError(str(path), f"holds a {type(raw).__name__}, not names with values", remedy)
    return raw
