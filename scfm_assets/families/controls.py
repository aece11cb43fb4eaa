"""Controls: checkpoints whose right answer is known, made here as genuine BERT folders.

They load through the same door as any checkpoint: ``FAMILIES["geneformer"].open(folder, {"generation": "v1"})``.
A new control is one function and its entry in `CONTROLS`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scfm_assets.core.simulate import PlantedSpec
from scfm_assets.errors import ScfmError
from scfm_assets.families.control_folder import bert_weights, read_config, token_dictionary, write_control
from scfm_assets.families.folder import MEDIANS_FILE, TOKENS_FILE
from scfm_assets.families.planted import architecture, build_planted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa


@dataclass(frozen=True)
class RandomSpec:
    """What decides the weights of a random control beside its architecture.

    Parameters
    ----------
    logit_sd
        Standard deviation of the attention logits of every layer (natural log units), reached by the scale of query
        and key weights. BERT's own initialisation gives less than 0.1: attention that is even and says nothing.
    sd
        Standard deviation of all other weights, BERT's own. Much larger ones would make all genes alike after some
        layers, and their attention even again.
    seed
        Seed of all weights.
    """

    logit_sd: float = 1.2
    sd: float = 0.02
    seed: int = 0


def build_random(
    folder: Path,
    *,
    like: Path | Mapping[str, Any],
    tokens: Mapping[str, int] | None = None,
    medians: Mapping[str, float] | None = None,
    mapping: Mapping[str, str] | None = None,
    spec: RandomSpec | None = None,
) -> None:
    """Make the negative control: any BERT architecture with random weights.

    Parameters
    ----------
    folder
        Where the checkpoint goes; written beside and renamed, replaced if it exists.
    like
        Architecture: a checkpoint folder (whose own dictionaries are taken over), a config.json, or its content.
    tokens, medians, mapping
        Dictionaries to write into the folder; none if the family is told where others are.
    spec
        Scale and seed of the weights.

    Raises
    ------
    ScfmError
        If there is no BERT configuration, or dictionary and configuration differ in size.
    """
    spec = spec or RandomSpec()
    config = read_config(like)
    # A layer-normalised input of variance 1 gives queries and keys of variance hidden * sd^2 per dimension.
    sd_attention = (spec.logit_sd / config["hidden_size"]) ** 0.5

    def sd(name: str, _: tuple[int, ...]) -> float:
        return sd_attention if ".query." in name or ".key." in name else spec.sd

    if isinstance(like, Path) and tokens is None and (like / TOKENS_FILE).is_file():
        tokens, medians = (json.loads((like / name).read_bytes()) for name in (TOKENS_FILE, MEDIANS_FILE))
    write_control(
        folder,
        config=config,
        weights=bert_weights(config, sd, seed=spec.seed),
        dictionaries=None if tokens is None else (tokens, medians or {}),
        about={"control": "random", "spec": asdict(spec)},
        mapping=mapping,
    )


@dataclass(frozen=True)
class ControlInputs:
    """What a control may be built from; each takes what it needs.

    Parameters
    ----------
    genes
        The vocabulary, in order of token ids.
    medians
        Non-zero median of each gene.
    network
        The network to plant: columns tf and target, all tissues together.
    seed
        Seed of all weights.
    """

    genes: Sequence[str] = ()
    medians: Mapping[str, float] = field(default_factory=dict)
    network: pa.Table | None = None
    seed: int = 0


def _planted(folder: Path, inputs: ControlInputs) -> None:
    """A small BERT whose queries and keys of one layer hold the network.

    That layer approaches its ceiling, the others score 0.5.
    """
    if inputs.network is None:
        raise ScfmError("control", "no network to plant", "Declare a simulated network in the catalog.")
    spec = PlantedSpec(seed=inputs.seed)
    build_planted(folder, network=inputs.network, genes=inputs.genes, medians=inputs.medians, spec=spec)


def _random(folder: Path, inputs: ControlInputs) -> None:
    """The same architecture with random weights: all layers score 0.5."""
    tokens = token_dictionary(inputs.genes)
    like = architecture(PlantedSpec(), len(inputs.genes))
    build_random(folder, like=like, tokens=tokens, medians=inputs.medians, spec=RandomSpec(seed=inputs.seed))


CONTROLS: dict[str, Callable[[Path, ControlInputs], None]] = {"planted": _planted, "random": _random}
"""Name of a control, as the catalog writes it -> what writes its folder."""
