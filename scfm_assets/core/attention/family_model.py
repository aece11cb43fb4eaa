"""What the engine asks of an opened checkpoint, whatever its family."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import scipy.sparse as sp

    from scfm_assets.core.attention.collector import AttentionCollector
    from scfm_assets.core.attention.machine import Machine
    from scfm_assets.core.base import Fingerprint
    from scfm_assets.core.genes import Vocabulary
    from scfm_assets.core.tokens import Tokens


class FamilyModel(Protocol):
    """An opened checkpoint with its tokenizer. It crosses process borders (pickle), for workers on other machines."""

    @property
    def fingerprint(self) -> Fingerprint:
        """What was loaded."""
        ...

    @property
    def vocabulary(self) -> Vocabulary:
        """Genes it knows."""
        ...

    def tokenize(self, counts: sp.csr_matrix | sp.csr_array, names: Sequence[str]) -> Tokens:
        """Encode raw counts, cells x genes; `names` of the genes are those that `vocabulary.names_of` chooses.

        A cell's tokens depend on its own counts alone, whatever its companions and the order of genes.
        """
        ...

    def encode(
        self,
        tokens: Tokens,
        *,
        collect: AttentionCollector,
        machine: Machine | None = None,
        start: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Pass cells, from `start` on, through the model into a collector: `core.attention.passes.stream`."""
        ...

    def token_vectors(self) -> np.ndarray:
        """Static embedding of every token, float32 of shape (vocabulary, hidden)."""
        ...
