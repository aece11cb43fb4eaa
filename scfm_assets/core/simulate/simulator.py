"""One interface for simulators: cells whose network is known, and the record that makes them."""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from scfm_assets.core.base import digest_arrays, seed_from
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd
    from scipy import sparse

EDGE = np.dtype([("source", np.int64), ("target", np.int64), ("sign", np.int8)])
"""An edge: positions of the TF and of its target among the genes; 1 activates, -1 represses."""


@dataclass(frozen=True, eq=False)
class Simulated:
    """Simulated cells, and what is true about them.

    Attributes
    ----------
    counts
        Raw counts, CSR int32 (n_cells, n_genes); sorted indices, no empty cell.
    obs
        One row per cell: cell_type, donor, batch; the index holds barcodes.
    genes
        Names of the columns.
    tfs
        int (n_tfs,), positions of the regulators among the genes, ascending.
    edges
        The true network, of dtype `EDGE`, sorted by source, then target; no self-pairs.
    provenance
        Can be written as JSON: simulator, version, spec, seed, simulated (always true), truth (what the edges mean)
        and what else the simulator has to say.
    """

    counts: sparse.csr_matrix
    obs: pd.DataFrame
    genes: tuple[str, ...]
    tfs: np.ndarray
    edges: np.ndarray
    provenance: dict[str, Any]

    def signed_network(self) -> np.ndarray:
        """The network as a matrix, int8 (n_genes, n_genes): 1, -1 or 0, row TF, column target."""
        return signed_matrix(len(self.genes), self.edges["source"], self.edges["target"], self.edges["sign"])

    def tf_grid(self) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of a TF and another gene, and the edges among them, boolean (n_tfs, n_genes); rows are TFs."""
        candidates = np.ones((len(self.tfs), len(self.genes)), bool)
        candidates[np.arange(len(self.tfs)), self.tfs] = False
        return candidates, (self.signed_network()[self.tfs] != 0) & candidates

    def network_table(self) -> pa.Table:
        """The network as a reference network: columns tf, target, sign and confidence (null), a row per edge."""
        return reference_network(self.genes, self.edges["source"], self.edges["target"], self.edges["sign"])


@dataclass(frozen=True)
class Simulator:
    """One way to simulate cells: `simulate(spec, rng)` draws from `rng` only, so the same state gives the same cells.

    Attributes
    ----------
    name, version
        What provenance says; another version may draw other cells from the same seed.
    doc
        What it simulates, in one sentence.
    spec_type
        The dataclass that decides a simulation.
    function
        spec, rng -> simulated cells.
    """

    name: str
    version: str
    doc: str
    spec_type: type
    function: Callable[[Any, np.random.Generator], Simulated]

    def simulate(self, spec: Any, rng: np.random.Generator) -> Simulated:
        """Simulate the cells that a spec describes.

        Raises
        ------
        ScfmError
            If `spec` is not a spec of this simulator, or describes what cannot be simulated.
        """
        if not isinstance(spec, self.spec_type):
            place, problem = f"simulator {self.name!r}", f"got a {type(spec).__name__}"
            raise ScfmError(place, problem, f"It takes a {self.spec_type.__name__}.")
        made = self.function(spec, rng)
        head = {"simulator": self.name, "version": self.version, "spec": described(spec), "seed": None}
        return replace(made, provenance=head | {"simulated": True} | made.provenance)

    def at_seed(self, spec: Any, seed: int) -> Simulated:
        """Simulate with a generator that name, version, spec and seed decide; the seed goes into provenance."""
        parts = (self.name, self.version, repr(described(spec)), seed)
        made = self.simulate(spec, np.random.default_rng(seed_from("simulator", *parts)))
        return replace(made, provenance=made.provenance | {"seed": seed})


def described(value: Any) -> Any:
    """What a spec holds, as values that can be written as JSON; arrays by their digest."""
    if is_dataclass(value) and not isinstance(value, type):
        describe = getattr(value, "described", None)
        if describe is not None:
            return describe()
        return {field.name: described(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, np.ndarray):
        return digest_arrays(value)
    if isinstance(value, tuple):
        return [described(part) for part in value]
    return value


def check_rules(place: str, spec: Any, rules: Mapping[str, tuple[bool, str]]) -> None:
    """Refuse a spec one of whose fields breaks its rule: field to (whether it holds, what is allowed)."""
    for name, (holds, allowed) in rules.items():
        if not holds:
            raise ScfmError(place, f"{name} is {getattr(spec, name)!r}", f"{name} must be {allowed}.")


def signed_matrix(n_genes: int, source: np.ndarray, target: np.ndarray, sign: np.ndarray) -> np.ndarray:
    """Edges as a matrix, int8 (n_genes, n_genes): their sign, or 0, row source, column target."""
    matrix = np.zeros((n_genes, n_genes), np.int8)
    matrix[source, target] = sign
    return matrix


def reference_network(genes: tuple[str, ...], source: np.ndarray, target: np.ndarray, sign: np.ndarray) -> pa.Table:
    """Edges as a reference network: columns tf, target, sign and confidence (null), a row per edge."""
    tf, regulated = (pa.array(np.array(genes)[end].tolist(), pa.string()) for end in (source, target))
    confidence = pa.nulls(len(sign), pa.string())
    return pa.table({"tf": tf, "target": regulated, "sign": pa.array(sign, pa.int8()), "confidence": confidence})


def even_types(n_cells: int, n_types: int) -> np.ndarray:
    """Type of each cell, int (n_cells,), in blocks of equal size (up to one cell)."""
    return np.sort(np.arange(n_cells) % n_types)


def cell_frame(cell_type: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Describe cells of types (n_cells,), numbers or names; two donors and two batches are drawn and mean nothing."""
    import pandas as pd

    n_cells = len(cell_type)
    names = cell_type if cell_type.dtype.kind in "UO" else np.char.add("sim_type_", (cell_type + 1).astype(str))
    return pd.DataFrame(
        {
            "cell_type": names.astype(object),
            "donor": np.array(["sim_donor_1", "sim_donor_2"], object)[rng.integers(0, 2, n_cells)],
            "batch": np.array(["sim_batch_1", "sim_batch_2"], object)[rng.integers(0, 2, n_cells)],
        },
        index=pd.Index([f"sim_cell_{i + 1:05d}" for i in range(n_cells)], name="barcode"),
    )


def gene_names(n_genes: int) -> tuple[str, ...]:
    """Name simulated genes: SIM0001 and so on."""
    return tuple(f"SIM{g + 1:04d}" for g in range(n_genes))
