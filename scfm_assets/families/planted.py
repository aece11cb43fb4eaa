"""The planted control: a small BERT whose attention in one layer was built from a network, and its ceiling."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

from scfm_assets.core.base import digest_table
from scfm_assets.core.simulate import PLACE, PlantedSpec, expected_attention, grid_auroc, plant
from scfm_assets.errors import ScfmError
from scfm_assets.families.control_folder import (
    CONFIG_FILE,
    CONTROL_FILE,
    SPECIAL,
    WEIGHTS_FILE,
    bert_weights,
    token_dictionary,
    write_control,
)
from scfm_assets.families.folder import TOKENS_FILE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pyarrow as pa


def architecture(spec: PlantedSpec, n_genes: int) -> dict[str, Any]:
    """Content of config.json of the planted control, and of the random one beside it."""
    return {
        "architectures": ["BertForMaskedLM"],
        "attention_probs_dropout_prob": 0.0,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.0,
        "hidden_size": spec.hidden,
        "initializer_range": spec.other_sd,
        "intermediate_size": spec.intermediate,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": spec.max_position,
        "model_type": "bert",
        "num_attention_heads": spec.heads,
        "num_hidden_layers": spec.layers,
        "pad_token_id": 0,
        "type_vocab_size": 2,
        "vocab_size": n_genes + len(SPECIAL),
    }


def build_planted(
    folder: Path,
    *,
    network: pa.Table,
    genes: Sequence[str],
    medians: Mapping[str, float],
    spec: PlantedSpec | None = None,
) -> None:
    """Make the positive control.

    Queries and keys of `spec.planted_layer` hold the network of all tissues together (see
    `scfm_assets.core.simulate.planting.plant`), the TF as the query. All other weights are random; what the blocks add
    to their input is small, so that genes still have their embeddings when they reach the planted layer.

    Parameters
    ----------
    folder
        Where the checkpoint goes; written beside and renamed, replaced if it exists.
    network
        Columns tf and target; an edge that stands there for several tissues is one edge.
    genes
        The vocabulary. Genes outside the network get random embeddings, and do not change those of the genes before.
    medians
        Non-zero median of each gene.
    spec
        Architecture and difficulty.

    Raises
    ------
    ScfmError
        If the network has no edge, or a gene of it is missing from `genes`, or a gene has no median.
    """
    spec = spec or PlantedSpec()
    tokens = token_dictionary(genes)
    edges, tfs, members = _edge_matrix(network, genes)
    planting = plant(edges, tfs, members, len(genes), spec)
    config = architecture(spec, len(genes))
    layer = f"bert.encoder.layer.{spec.planted_layer - 1}.attention.self"
    planted = {
        "bert.embeddings.word_embeddings.weight": np.r_[np.zeros((len(SPECIAL), spec.hidden)), planting.word],
        "bert.embeddings.position_embeddings.weight": planting.position,
        "bert.embeddings.token_type_embeddings.weight": np.zeros((config["type_vocab_size"], spec.hidden)),
        f"{layer}.query.weight": planting.query,
        f"{layer}.key.weight": planting.key,
    }

    def sd(name: str, shape: tuple[int, ...]) -> float:
        if ".query." in name or ".key." in name:
            return spec.other_sd
        adds = ".output.dense." in name
        return (spec.context if adds else 1.0) / np.sqrt(shape[-1])

    about = {
        "control": "planted",
        "planted_layer": spec.planted_layer,
        "spec": asdict(spec),
        "network": digest_table(network.select(["tf", "target"])),
        "n_tfs": len(tfs),
        "n_edges": int(edges.sum()),
    }
    weights = bert_weights(config, sd, seed=spec.seed, given=planted)
    write_control(folder, config=config, weights=weights, dictionaries=(tokens, medians), about=about)


def _edge_matrix(network: pa.Table, genes: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The network as bool (n_tfs, n_members), with the positions of its rows and columns among the genes."""
    column = {gene: i for i, gene in enumerate(genes)}
    ends = [network[end].to_pylist() for end in ("tf", "target")]
    missing = sorted({*ends[0], *ends[1]} - set(column))
    if missing or not ends[0]:
        problem = f"{len(missing)} genes are not in the vocabulary (first: {missing[0]!r})" if missing else "no edge"
        raise ScfmError(PLACE, problem, "Plant a network of genes of the vocabulary.")
    source, target = (np.array([column[gene] for gene in end]) for end in ends)
    tfs, members = np.unique(source), np.unique(np.r_[source, target])
    edges = np.zeros((len(tfs), len(members)), bool)
    edges[np.searchsorted(tfs, source), np.searchsorted(members, target)] = True
    return edges, tfs, members


def ceiling(folder: Path, *, network: pa.Table, panel: Sequence[str], detection: Mapping[str, float]) -> float:
    r"""AUROC on ``tf_grid`` that infinitely many cells would give the planted layer, from its weights alone.

    LayerNorm turns the embedding :math:`e_g` of a gene into
    :math:`x_g = \gamma (e_g - \bar e_g) / \sqrt{\mathrm{var}(e_g) + \overline{\mathrm{var}(p)}} + \beta` plus a part
    that depends on its position only, because positions lie in a subspace of their own. With
    :math:`q^h_i = W^h_Q x_i + b^h_Q` and :math:`k^h_j` alike, the logit of head :math:`h` is
    :math:`\ell^h_{ij} + \nu^h(r_i, r_j)` with :math:`\ell^h_{ij} = q^h_i \cdot k^h_j / \sqrt d` and a noise
    :math:`\nu` of the two ranks, which change from cell to cell. Over infinitely many cells its factor
    :math:`\mathbb{E}\, e^{\nu}` stands in the numerator and in every term of the softmax's denominator, and cancels:

    .. math::
        \bar a_{ij} = \frac{1}{H} \sum_h \frac{e^{\ell^h_{ij}}}{\sum_g \pi_g e^{\ell^h_{ig}}},

    where :math:`\pi_g` is the share of cells that hold gene :math:`g`. The ceiling is the AUROC of
    :math:`\bar a_{ij}` over the network's TFs in the panel x the panel, self-pairs left out. Neglected: that pairs of
    rare genes meet in larger cells, fluctuations of the denominator, and the small context that earlier blocks add.

    Parameters
    ----------
    folder
        A planted control.
    network
        The network of one tissue: columns tf and target.
    panel
        Genes of the panel; those outside the vocabulary are left out.
    detection
        Share of the tissue's cells that hold each gene, for all genes of the atlas.

    Raises
    ------
    ScfmError
        If the folder holds no planted control, or no edge of the network lies in the panel.
    """
    file = folder / CONTROL_FILE
    control = json.loads(file.read_text()) if file.is_file() else {}
    if control.get("control") != "planted":
        problem = "not a planted control"
        raise ScfmError(str(folder), problem, "Only a planted control has a known ceiling.")
    heads = json.loads((folder / CONFIG_FILE).read_text())["num_attention_heads"]
    tokens = json.loads((folder / TOKENS_FILE).read_text())
    queries, keys = _static_queries_and_keys(load_file(folder / WEIGHTS_FILE), control["planted_layer"], heads)
    presence = np.zeros(len(tokens))
    known = {tokens[gene]: rate for gene, rate in detection.items() if gene in tokens}
    presence[list(known)] = list(known.values())
    attention = expected_attention(queries, keys, presence)

    columns = [gene for gene in dict.fromkeys(panel) if gene in tokens]
    column = {gene: j for j, gene in enumerate(columns)}
    tfs = [gene for gene in dict.fromkeys(network["tf"].to_pylist()) if gene in column]
    row = {tf: i for i, tf in enumerate(tfs)}
    edges = np.zeros((len(tfs), len(columns)), bool)
    for tf, target in zip(network["tf"].to_pylist(), network["target"].to_pylist(), strict=True):
        if tf in row and target in column:
            edges[row[tf], column[target]] = True
    scores = attention[np.ix_([tokens[tf] for tf in tfs], [tokens[gene] for gene in columns])]
    return grid_auroc(scores, edges, np.array([column[tf] for tf in tfs], int))


def _static_queries_and_keys(
    weights: Mapping[str, np.ndarray], layer: int, heads: int
) -> tuple[np.ndarray, np.ndarray]:
    """Queries and keys of every token without its position, float64 (heads, n_tokens, head size) each."""
    tensors = {name.removeprefix("bert."): tensor.astype(np.float64) for name, tensor in weights.items()}
    embedding = {name.removeprefix("embeddings."): tensor for name, tensor in tensors.items()}
    words = embedding["word_embeddings.weight"] + embedding["token_type_embeddings.weight"][0]
    sd = np.sqrt(words.var(1, keepdims=True) + embedding["position_embeddings.weight"].var(1).mean())
    states = (words - words.mean(1, keepdims=True)) / sd * embedding["LayerNorm.weight"] + embedding["LayerNorm.bias"]
    projections = []
    for part in ("query", "key"):
        name = f"encoder.layer.{layer - 1}.attention.self.{part}"
        projected = states @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
        projections.append(projected.reshape(len(states), heads, -1).transpose(1, 0, 2))
    return projections[0], projections[1]
