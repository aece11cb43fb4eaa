"""Nested is independent, and what was stopped goes on: both to the bit."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load, load_file, save, save_file
from transformers import BertModel

from scfm_assets.core.attention.collector import AttentionCollector, CellGroups, States
from scfm_assets.core.attention.machine import Machine
from scfm_assets.core.attention.passes import stream
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    a_panel,
    bits,
    cells_of,
    heard,
    listener,
    ours,
    ragged,
)

TFS = np.array([0, 3, 7, 150, 299])


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


def everything(n_cells: int, *, n_blocks: int = 3) -> dict:
    """Several blocks (the last without cells), groups, states, chosen heads."""
    return {
        "heads": [(1, 2), (3, 4)],
        "groups": CellGroups(np.arange(n_cells) % 4, 5, TFS),
        "states": States((CLS, EOS), CLS),
        "block_of_cell": np.arange(n_cells) % (n_blocks - 1),
        "n_blocks": n_blocks,
    }


def nothing_more(n_cells: int) -> dict:
    return {}


@pytest.mark.parametrize("asked", [nothing_more, everything])
@pytest.mark.parametrize("form", ["open", "fused"])
@pytest.mark.parametrize("aggregation", ["mean", "max"])
def test_the_first_cells_of_a_longer_pass_are_an_independent_pass_over_them(
    encoder, panel_of_token, asked, form, aggregation
):
    cells = ragged(panel_of_token, special=True)
    how = {"form": form, "aggregation": aggregation} | asked(len(cells))
    on_the_way = {}
    collector = listener(len(cells), panel_of_token, **how)
    stream(
        encoder,
        Tokens.of(cells),
        collector,
        progress=lambda done, _: on_the_way.update({done: bits(collector)}),
    )
    assert list(on_the_way) == sorted(on_the_way)
    assert len(on_the_way) >= len(cells) - 2
    for done, found in on_the_way.items():
        alone = listener(len(cells), panel_of_token, **how)
        stream(encoder, Tokens.of(cells[:done]), alone)
        assert bits(alone) == found


def test_a_cells_sums_do_not_depend_on_its_neighbours(encoder, panel_of_token):
    """One cell at a time, each in its own block: the same bits in any order of cells."""
    cells = cells_of([80, 200, 33, 150])
    order = np.array([2, 0, 3, 1])
    forwards = heard(encoder, cells, panel_of_token, block_of_cell=np.arange(4), n_blocks=4)
    mixed = heard(encoder, [cells[i] for i in order], panel_of_token, block_of_cell=order, n_blocks=4)
    for one, other in zip(forwards.blocks, mixed.blocks, strict=True):
        assert one.plain.tobytes() == other.plain.tobytes()
        assert one.lifted.tobytes() == other.lifted.tobytes()


class Killed(Exception):
    pass


def stopped(encoder: BertModel, cells: list[np.ndarray], collector: AttentionCollector, at: int, **how) -> bytes:
    """What is on disk of a pass that was killed after `at` cells."""
    kept: list[bytes] = []

    def save_and_die(done: int, _: int) -> None:
        if done == at:
            kept.append(save(collector.to_tensors()))
            raise Killed

    with pytest.raises(Killed):
        stream(encoder, Tokens.of(cells), collector, progress=save_and_die, **how)
    return kept[0]


def boundaries(encoder: BertModel, cells: list[np.ndarray], collector: AttentionCollector, **how) -> list[int]:
    """Numbers of cells done that a pass reports."""
    found: list[int] = []
    stream(encoder, Tokens.of(cells), collector, progress=lambda done, _: found.append(done), **how)
    return found


@pytest.mark.parametrize("asked", [nothing_more, everything])
@pytest.mark.parametrize(
    "machine", [Machine(), Machine(tokens=300), Machine(tokens=10_000)], ids=["one by one", "packed", "all at once"]
)
def test_a_pass_goes_on_from_every_boundary_to_the_same_bits(encoder, panel_of_token, asked, machine):
    cells = [*ragged(panel_of_token, special=True), np.empty(0, np.int64)]
    whole = listener(len(cells), panel_of_token, **asked(len(cells)))
    found = boundaries(encoder, cells, whole, machine=machine)
    assert found[-1] == len(cells)
    for at in found:
        begun, goes_on = (listener(len(cells), panel_of_token, **asked(len(cells))) for _ in range(2))
        left = load(stopped(encoder, cells, begun, at, machine=machine))
        goes_on.go_on_from(left)
        stream(encoder, Tokens.of(cells), goes_on, machine=machine, start=at)
        assert bits(goes_on) == bits(whole)
        assert goes_on.row_sum_error == whole.row_sum_error > 0
        assert goes_on.forwarded == whole.forwarded


def test_a_pass_that_is_stopped_again_and_again_gives_the_same_bits(encoder, panel_of_token, tmp_path):
    cells, path = cells_of([40, 90, 20, 60, 75]), tmp_path / "halfway.safetensors"
    whole = heard(encoder, cells, panel_of_token, **everything(5))
    for at in range(1, 6):
        collector = listener(5, panel_of_token, **everything(5))
        if path.exists():
            collector.go_on_from(load_file(path))
        stream(encoder, Tokens.of(cells[:at]), collector, start=at - 1)
        save_file(collector.to_tensors(), path)
    assert bits(collector) == bits(whole)


def test_going_on_from_the_start_or_after_the_end_is_no_special_case(encoder, panel_of_token):
    cells = cells_of([40, 90])
    whole = heard(encoder, cells, panel_of_token, **everything(2))
    fresh, done = (listener(2, panel_of_token, **everything(2)) for _ in range(2))
    fresh.go_on_from(load(save(listener(2, panel_of_token, **everything(2)).to_tensors())))
    stream(encoder, Tokens.of(cells), fresh)
    done.go_on_from(load(save(whole.to_tensors())))
    stream(encoder, Tokens.of(cells), done, start=2)
    assert bits(fresh) == bits(done) == bits(whole)


def test_what_was_left_is_not_changed_by_going_on(encoder, panel_of_token):
    cells = cells_of([40, 90])
    begun, goes_on = (listener(2, panel_of_token, **everything(2)) for _ in range(2))
    stream(encoder, Tokens.of(cells[:1]), begun)
    left = {name: array.copy() for name, array in begun.to_tensors().items()}
    before = {name: array.tobytes() for name, array in left.items()}
    goes_on.go_on_from(left)
    stream(encoder, Tokens.of(cells), goes_on, start=1)
    assert {name: array.tobytes() for name, array in left.items()} == before


@pytest.mark.parametrize(
    "other",
    [{"layers": (1, 2)}, {"heads": [(1, 1)]}, {"n_blocks": 2}, {"n_panel": 299}, {"aggregation": "max"}],
    ids=lambda other: next(iter(other)),
)
def test_what_was_left_by_another_question_is_refused(encoder, panel_of_token, other):
    left = heard(encoder, cells_of([40]), panel_of_token).to_tensors()
    small = np.where(panel_of_token < 299, panel_of_token, -1)
    with pytest.raises(ValueError, match="left"):
        listener(1, small, **other).go_on_from(left)
    with pytest.raises(ValueError, match="left"):
        listener(1, panel_of_token).go_on_from(heard(encoder, cells_of([40]), small, **other).to_tensors())
