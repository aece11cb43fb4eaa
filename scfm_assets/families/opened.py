"""What all opened checkpoints have in common: an encoder whose attention is heard, and that crosses process borders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from scfm_assets.core.base import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from transformers import PretrainedConfig, PreTrainedModel

    from scfm_assets.core.attention import AttentionCollector, Machine
    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens


@dataclass(frozen=True, eq=False)
class OpenedModel(ABC):
    """An opened checkpoint; a family adds how cells are written.

    Parameters
    ----------
    encoder
        float32, in evaluation mode, with our attention.
    vocabulary
        Genes it knows.
    fingerprint
        What was loaded.
    """

    encoder: PreTrainedModel
    vocabulary: Vocabulary
    fingerprint: Fingerprint

    @staticmethod
    @abstractmethod
    def new_encoder(config: Any) -> PreTrainedModel:
        """Make an encoder with our attention and weights of no meaning."""

    def encode(
        self,
        tokens: Tokens,
        *,
        collect: AttentionCollector,
        machine: Machine | None = None,
        start: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Pass the cells through the encoder; see :func:`scfm_assets.core.attention.passes.stream`."""
        from scfm_assets.core.attention import stream

        stream(self.encoder, tokens, collect, machine=machine, start=start, progress=progress)

    def __reduce__(self) -> tuple[Callable[..., OpenedModel], tuple[Any, ...]]:
        """Cross a process border as weights, of which the encoder is built anew.

        transformers notes in an encoder's constructor what its passes can record: one that was merely unpickled gives
        no hidden states in a fresh process.
        """
        others = {part.name: getattr(self, part.name) for part in fields(self) if part.name != "encoder"}
        return _rebuilt, (type(self), self.encoder.config, self.encoder.state_dict(), others)


def _rebuilt(
    kind: type[OpenedModel], config: PretrainedConfig, state: Mapping[str, Any], others: Mapping[str, Any]
) -> OpenedModel:
    from scfm_assets.families.weights import built

    return kind(encoder=built(partial(kind.new_encoder, config), state), **others)


def fingerprint_of(family: str, encoder: PreTrainedModel, *, max_tokens: int, dtype: str) -> Fingerprint:
    """Say what a loaded encoder is.

    Parameters
    ----------
    family
        Name of its family.
    encoder
        Without heads.
    max_tokens
        Longest cell it takes.
    dtype
        Type its weights are stored in.
    """
    config = encoder.config
    return Fingerprint(
        family=family,
        layers=config.num_hidden_layers,
        heads=config.num_attention_heads,
        hidden=config.hidden_size,
        parameters=sum(parameter.numel() for parameter in encoder.parameters()),
        vocabulary=config.vocab_size,
        max_tokens=max_tokens,
        dtype=dtype,
    )
