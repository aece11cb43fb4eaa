"""Small scGPT checkpoints as scGPT writes them, and their arithmetic the plain way, from PyTorch's own layers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn
from torch.nn import functional

N_GENES, HIDDEN, LAYERS, HEADS, INNER, BINS, LONGEST = 60, 32, 3, 4, 24, 51, 64
PAD_VALUE = -2
GENES = [f"GENE{i:03d}" for i in range(N_GENES)]
SPECIAL = ["<pad>", "<cls>", "<eoc>"]
ARGS = {
    "embsize": HIDDEN,
    "nlayers": LAYERS,
    "nheads": HEADS,
    "d_hid": INNER,
    "n_bins": BINS,
    "pad_token": "<pad>",
    "pad_value": PAD_VALUE,
    "mask_value": -1,
    "input_style": "binned",
    "input_emb_style": "continuous",
    "max_seq_len": LONGEST,
    "dropout": 0.2,
    "n_layers_cls": 3,
    "fast_transformer": True,
    "MVC": True,
}


def shapes(*, style: str = "continuous", batch_norm: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a published state dict, flash variant, with some of its heads."""
    found: dict[str, tuple[int, ...]] = {
        "encoder.embedding.weight": (N_GENES + 3, HIDDEN),
        "encoder.enc_norm.weight": (HIDDEN,),
        "encoder.enc_norm.bias": (HIDDEN,),
        "flag_encoder.weight": (2, HIDDEN),
        "decoder.fc.0.weight": (HIDDEN, HIDDEN),
        "decoder.fc.0.bias": (HIDDEN,),
        "mvc_decoder.gene2query.weight": (HIDDEN, HIDDEN),
        "cls_decoder.out_layer.weight": (1, HIDDEN),
    }
    if style == "category":
        found["value_encoder.embedding.weight"] = (BINS + 2, HIDDEN)
        norm = "value_encoder.enc_norm"
    else:
        found |= {"value_encoder.linear1.weight": (HIDDEN, 1), "value_encoder.linear1.bias": (HIDDEN,)}
        found |= {"value_encoder.linear2.weight": (HIDDEN, HIDDEN), "value_encoder.linear2.bias": (HIDDEN,)}
        norm = "value_encoder.norm"
    found |= {f"{norm}.weight": (HIDDEN,), f"{norm}.bias": (HIDDEN,)}
    if batch_norm:
        found |= {f"bn.{part}": (HIDDEN,) for part in ("weight", "bias", "running_mean", "running_var")}
        found["bn.num_batches_tracked"] = ()
    for layer in range(LAYERS):
        of = f"transformer_encoder.layers.{layer}."
        for part, out, into in (
            ("self_attn.Wqkv", 3 * HIDDEN, HIDDEN),
            ("self_attn.out_proj", HIDDEN, HIDDEN),
            ("linear1", INNER, HIDDEN),
            ("linear2", HIDDEN, INNER),
        ):
            found |= {f"{of}{part}.weight": (out, into), f"{of}{part}.bias": (out,)}
        for part in ("norm1", "norm2"):
            found |= {f"{of}{part}.weight": (HIDDEN,), f"{of}{part}.bias": (HIDDEN,)}
    return found


def a_state(seed: int = 0, **kind) -> dict[str, torch.Tensor]:
    """Weights wide enough that attention is far from even and every bias and every norm counts."""
    rng = np.random.default_rng(seed)
    state = {}
    for name, shape in shapes(**kind).items():
        if "num_batches" in name:
            state[name] = torch.tensor(41)
            continue
        spread = 0.3 if len(shape) > 1 else 0.2
        drawn = rng.normal(0, spread, shape) + ("norm" in name and name.endswith("weight"))
        if name == "value_encoder.linear1.bias":
            drawn *= BINS  # so that the ReLUs bend all over the bins
        state[name] = torch.tensor(np.abs(drawn) if name.endswith("running_var") else drawn, dtype=torch.float32)
    return state


def in_proj(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The names that PyTorch's own attention gives the same tensors."""
    return {name.replace("Wqkv.", "in_proj_"): tensor for name, tensor in state.items()}


def a_folder(folder: Path, state: dict[str, torch.Tensor] | None = None, **args: object) -> Path:
    """A checkpoint folder; an argument of `...` is left out of args.json."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(a_state() if state is None else state, folder / "best_model.pt")
    tokens = {name: i for i, name in enumerate([*GENES[::-1], *SPECIAL])}
    (folder / "vocab.json").write_text(json.dumps(tokens))
    written = {name: value for name, value in {**ARGS, **args}.items() if value is not ...}
    (folder / "args.json").write_text(json.dumps(written))
    return folder


def some_counts(n_cells: int = 7, seed: int = 1, share: float = 0.5) -> sp.csr_array:
    rng = np.random.default_rng(seed)
    dense = rng.geometric(0.3, (n_cells, N_GENES)) * (rng.random((n_cells, N_GENES)) < share)
    return sp.csr_array(dense.astype(np.int32))


# The same arithmetic, plainly ----------------------------------------------------------------------------------------


@dataclass
class Plain:
    """What a batch of padded cells gives: states of embeddings and layers, attention of layers, and the mask."""

    states: list[torch.Tensor]
    attention: list[torch.Tensor]
    lengths: list[int]

    def of(self, cell: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """States (n_tokens, hidden) and attention (heads, n_tokens, n_tokens) of one cell, padding taken off."""
        n = self.lengths[cell]
        return [s[cell, :n].numpy() for s in self.states], [a[cell, :, :n, :n].numpy() for a in self.attention]


def plain(state: dict[str, torch.Tensor], cells: Sequence[tuple[np.ndarray, np.ndarray]], *, padding: int = 0) -> Plain:
    """Encode cells by nn.TransformerEncoder, one layer after the other, in one batch padded to the longest and more.

    Attention maps are worked out from the states that enter a layer, by hand.
    """
    lengths = [len(ids) for ids, _ in cells]
    width = max(lengths) + padding
    ids = torch.full((len(cells), width), N_GENES)  # <pad>
    values = torch.full((len(cells), width), float(PAD_VALUE))
    for i, (tokens, beside) in enumerate(cells):
        ids[i, : len(tokens)], values[i, : len(tokens)] = torch.tensor(tokens), torch.tensor(beside)
    mask = torch.arange(width)[None] >= torch.tensor(lengths)[:, None]

    x = functional.embedding(ids, state["encoder.embedding.weight"])
    x = normed(x, state, "encoder.enc_norm")
    if "value_encoder.embedding.weight" in state:
        v = functional.embedding(values.long().clamp(min=0), state["value_encoder.embedding.weight"])
        x = x + normed(v, state, "value_encoder.enc_norm")
    else:
        v = linear(values[..., None].clamp(max=512), state, "value_encoder.linear1").relu()
        x = x + normed(linear(v, state, "value_encoder.linear2"), state, "value_encoder.norm")
    if "bn.weight" in state:
        batch_norm = nn.BatchNorm1d(HIDDEN, eps=6.1e-5)
        batch_norm.load_state_dict({n.removeprefix("bn."): t for n, t in state.items() if n.startswith("bn.")})
        x = batch_norm.eval()(x.permute(0, 2, 1)).permute(0, 2, 1).detach()

    layer = nn.TransformerEncoderLayer(HIDDEN, HEADS, INNER, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False)
    of_encoder = {n.removeprefix("transformer_encoder."): t for n, t in in_proj(state).items()}
    encoder.load_state_dict({n: t for n, t in of_encoder.items() if n.startswith("layers.")})
    encoder.train()  # without dropout the same, and by no fast path
    found = Plain([x], [], lengths)
    with torch.no_grad():
        for number, block in enumerate(encoder.layers):
            found.attention.append(maps(x, state, number, mask))
            x = block(x, src_key_padding_mask=mask)
            found.states.append(x)
        whole = encoder(found.states[0], src_key_padding_mask=mask)
    assert torch.equal(whole, x)
    return found


def maps(x: torch.Tensor, state: dict[str, torch.Tensor], layer: int, mask: torch.Tensor) -> torch.Tensor:
    """Attention of a layer, (n_cells, heads, n_tokens, n_tokens)."""
    both = linear(x, state, f"transformer_encoder.layers.{layer}.self_attn.Wqkv")
    query, key, _ = (part.unflatten(-1, (HEADS, -1)).transpose(1, 2) for part in both.chunk(3, -1))
    scores = query @ key.transpose(-1, -2) / (HIDDEN / HEADS) ** 0.5
    return scores.masked_fill(mask[:, None, None], -torch.inf).softmax(-1)


def linear(x: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])


def normed(x: torch.Tensor, state: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    return functional.layer_norm(x, (HIDDEN,), state[f"{name}.weight"], state[f"{name}.bias"], 1e-5)
