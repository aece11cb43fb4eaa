"""SERGIO's input files: interactions of the targets, and production rates of the master regulators."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from scfm_assets.core.simulate.hill_network import HillNetwork
from scfm_assets.errors import ScfmError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_sergio(targets: Path, masters: Path, *, coefficient: float | None = None) -> HillNetwork:
    """Read a network in the layout of SERGIO's files (comma-separated, no header).

    A line of `targets` is a target's id, its number n of regulators, n regulator ids, n strengths K (negative =
    repression) and n Hill coefficients. A line of `masters` is a master regulator's id and its production rate in each
    bin (cell type). Genes come out in the order of their ids.

    Parameters
    ----------
    targets, masters
        The two files.
    coefficient
        One Hill coefficient for all interactions; those of the file may then be absent and are not looked at.

    Raises
    ------
    ScfmError
        If a line is malformed, a gene stands twice, or a regulator is neither a target nor a master regulator.
    """
    rates = _read_masters(masters)
    edges: dict[tuple[int, int], tuple[float, float]] = {}
    seen: set[int] = set()
    for number, values in _lines(targets):
        target, found = _read_target(targets, number, values, coefficient)
        if target in seen or target in rates:
            where = "the file of master regulators" if target in rates else "an earlier line"
            _refuse(targets, number, f"gene {target} stands in {where}, too", "A gene has one line, in one file.")
        seen.add(target)
        edges |= found
    ids = sorted(seen | rates.keys())
    position = {gene: i for i, gene in enumerate(ids)}
    unknown = sorted({regulator for regulator, _ in edges} - position.keys())
    if unknown:
        problem = f"regulator {unknown[0]} (of {len(unknown)} such) is neither a target nor a master regulator"
        raise ScfmError(str(targets), problem, f"Give it a line here, or its production rates in {masters}.")
    basal = np.zeros((len(ids), len(next(iter(rates.values())))))
    for gene, rate in rates.items():
        basal[position[gene]] = rate
    return HillNetwork.of_edges(
        tuple(f"gene_{gene}" for gene in ids),
        np.array([(position[source], position[target]) for source, target in edges], np.int64).reshape(-1, 2),
        np.array(list(edges.values()), np.float64).reshape(-1, 2),
        basal,
    )


def _read_masters(path: Path) -> dict[int, list[float]]:
    rates: dict[int, list[float]] = {}
    n_bins = 0
    for number, values in _lines(path):
        gene, rate = _whole(path, number, values[0], "a gene id"), values[1:]
        n_bins = n_bins or len(rate)
        if gene in rates:
            _refuse(path, number, f"gene {gene} stands in an earlier line, too", "A master regulator has one line.")
        if not rate or len(rate) != n_bins:
            problem = f"{len(rate)} production rates, the first line has {n_bins}"
            _refuse(path, number, problem, "Give a master regulator's id and its rate in each bin.")
        if min(rate) < 0:
            _refuse(path, number, f"production rate {min(rate)}", "Production rates are 0 or more.")
        rates[gene] = rate
    if not rates:
        raise ScfmError(str(path), "holds no master regulator", "Give one line per gene without regulators.")
    return rates


def _read_target(
    path: Path, number: int, values: list[float], coefficient: float | None
) -> tuple[int, dict[tuple[int, int], tuple[float, float]]]:
    """Give a target and its edges: (regulator, target) to (K, Hill coefficient)."""
    target = _whole(path, number, values[0], "a gene id")
    n = _whole(path, number, values[1], "a number of regulators") if len(values) > 1 else 0
    allowed = {2 + 3 * n} if coefficient is None else {2 + 2 * n, 2 + 3 * n}
    if n < 1 or len(values) not in allowed:
        problem = f"{len(values)} values for gene {target} with {n} regulators, not {max(allowed)}"
        _refuse(path, number, problem, "Give id, n (1 or more), n regulator ids, n strengths, n Hill coefficients.")
    regulators = [_whole(path, number, value, "a regulator id") for value in values[2 : 2 + n]]
    strengths = values[2 + n : 2 + 2 * n]
    coefficients = values[2 + 2 * n :] if coefficient is None else [coefficient] * n
    if target in regulators or len(set(regulators)) < n:
        problem = f"gene {target} regulates itself" if target in regulators else "a regulator stands twice"
        _refuse(path, number, problem, "Each regulator stands once, and no gene regulates itself.")
    if 0 in strengths or min(coefficients) <= 0:
        problem = "a strength of 0" if 0 in strengths else f"Hill coefficient {min(coefficients)}"
        _refuse(path, number, problem, "Strengths are not 0, Hill coefficients are above 0.")
    return target, {
        (regulator, target): (strength, power)
        for regulator, strength, power in zip(regulators, strengths, coefficients, strict=True)
    }


def _lines(path: Path) -> Iterator[tuple[int, list[float]]]:
    """Give each line that is not empty: its number and its values."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ScfmError(str(path), f"cannot be read: {error}", "Give a comma-separated text file.") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values = [float(word) for word in line.split(",")]
        except ValueError as error:
            _refuse(path, number, str(error), "All values are numbers, separated by commas.")
        if not np.isfinite(values).all():
            _refuse(path, number, "a value is not finite", "All values are numbers, separated by commas.")
        yield number, values


def _whole(path: Path, number: int, value: float, what: str) -> int:
    if value < 0 or value != int(value):
        _refuse(path, number, f"{value} where {what} should be", "Ids and numbers are whole and 0 or more.")
    return int(value)


def _refuse(path: Path, number: int, problem: str, remedy: str) -> NoReturn:
    place = f"{path}: line {number}"
    raise ScfmError(place, problem, remedy)
