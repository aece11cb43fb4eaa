"""An increment in parts is the increment in one pass, whoever makes the parts and whenever they are done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pytest
from safetensors.numpy import load, save

from scfm_assets.core.attention.increment_parts import attend_in_parts, parts_of
from scfm_assets.core.attention.increments import AttentionIncrement, TokenizedCells, Wanted, attend
from scfm_assets.core.base import Fingerprint
from scfm_assets.core.genes import Vocabulary
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets_tests.core.attention.small_encoder import CLS, EOS, N_PANEL, VOCABULARY, a_panel, ours, ragged

TOLERANCE = 1e-6
"""Of sums in another order, relative to the largest sum."""

PANEL = pa.table({name: [f"g{i}" for i in range(N_PANEL)] for name in ("gene_id", "symbol")})
WANTED = Wanted(heads=((1, 2),), states=True, tfs=(0, 3, 7, 150), n_groups=3)


@dataclass(frozen=True)
class SmallModel:
    """As much of a model as increments ask for."""

    encoder: object
    fingerprint: Fingerprint
    vocabulary: Vocabulary

    def encode(self, tokens, *, collect, machine=None, start=0, progress=None) -> None:
        from scfm_assets.core.attention.passes import stream

        stream(self.encoder, tokens, collect, machine=machine, start=start, progress=progress)


class OfPanel:
    """The vocabulary of the small encoder."""

    special_ids, cls = (CLS, EOS), CLS

    def names_of(self, gene_ids: Sequence[str], symbols: Sequence[str]) -> list[str]:
        assert len(gene_ids) == len(symbols)
        return list(gene_ids)

    def panel_of_token(self, gene_ids: Sequence[str]) -> np.ndarray:
        assert len(gene_ids) == N_PANEL
        return a_panel()


@pytest.fixture(scope="module")
def model() -> SmallModel:
    return SmallModel(ours(), Fingerprint("small", 3, 4, 32, 1, VOCABULARY, 420, "float32"), OfPanel())


@pytest.fixture(scope="module")
def cells() -> TokenizedCells:
    """Two blocks of mixed cells, and one that no cell is in."""
    found = ragged(a_panel(), special=True)
    n = len(found)
    return TokenizedCells(
        tokens=Tokens.of(found),
        cells=np.arange(100, 100 + n),
        blocks=(((0, 20),), ((1, 20),), ((0, 20), (1, 40))),
        block_of_cell=(np.arange(n) % 2 * 2).astype(np.int32),
        group_of_cell=(np.arange(n) % 3).astype(np.int32),
        base=10,
    )


def bits(increment: AttentionIncrement) -> object:
    tensors, words = increment.to_tensors()
    return {name: (array.dtype, array.shape, array.tobytes()) for name, array in tensors.items()}, words


def here(model: SmallModel, parts: Sequence[TokenizedCells]) -> Iterator[AttentionIncrement]:
    for part in parts:
        yield attend(model, part, PANEL, WANTED)


@pytest.fixture(scope="module")
def whole(model: SmallModel, cells: TokenizedCells) -> AttentionIncrement:
    return attend(model, cells, PANEL, WANTED)


def test_blocks_that_are_one_part_have_the_same_bits(model, cells, whole) -> None:
    assert bits(attend_in_parts(cells, lambda parts: here(model, parts))) == bits(whole)


def test_blocks_of_several_parts_differ_by_rounding_alone(model, cells, whole) -> None:
    found = attend_in_parts(cells, lambda parts: here(model, parts), size=2)
    (tensors, words), (expected, expected_words) = found.to_tensors(), whole.to_tensors()
    assert (sorted(tensors), words) == (sorted(expected), expected_words)
    for name, array in expected.items():
        if array.dtype == np.float32:
            largest = np.nanmax(np.abs(array), initial=1e-30)
            np.testing.assert_allclose(tensors[name], array, rtol=0, atol=TOLERANCE * largest, err_msg=name)
        else:
            np.testing.assert_array_equal(tensors[name], array, err_msg=name)
    for name, vectors in whole.embeddings.items():
        np.testing.assert_array_equal(found.embeddings[name], vectors)


def test_parts_hold_every_cell_once_in_its_own_block(cells) -> None:
    parts = parts_of(cells, 2)
    rows = np.concatenate([part.rows for part in parts])
    assert sorted(rows) == list(range(cells.tokens.n_cells))
    assert {part.block for part in parts} == {0, 1, 2}
    assert max(len(part.rows) for part in parts) == 2
    for part in parts:
        assert (cells.block_of_cell[part.rows] == part.block).all()
        assert part.cells.blocks == (cells.blocks[part.block],)
        assert part.cells.cells.tolist() == cells.cells[part.rows].tolist()
        assert [part.cells.tokens.row(i).tolist() for i in range(len(part.rows))] == [
            cells.tokens.row(int(i)).tolist() for i in part.rows
        ]


def test_an_increment_without_cells_has_no_parts(model, cells) -> None:
    nothing = replace(
        cells, tokens=Tokens.of([]), cells=cells.cells[:0], blocks=(), block_of_cell=cells.block_of_cell[:0]
    )
    found = attend_in_parts(nothing, lambda parts: here(model, parts))
    assert (found.sums, found.base, len(found.cells)) == ((), 10, 0)


class Left:
    """What a killed pass left, as it would lie on disk."""

    def __init__(self) -> None:
        self.file: bytes | None = None

    def load(self) -> Mapping[str, np.ndarray] | None:
        return None if self.file is None else load(self.file)

    def save(self, arrays) -> None:
        self.file = save({name: np.ascontiguousarray(array) for name, array in arrays().items()})


def test_a_killed_pass_goes_on_after_its_last_part_to_the_same_bits(model, cells) -> None:
    expected = attend_in_parts(cells, lambda parts: here(model, parts), size=2)
    for done in range(1, len(parts_of(cells, 2))):
        left, asked = Left(), []

        def killed(parts, done=done):
            yield from islice(here(model, parts), done)
            raise KeyboardInterrupt

        def again(parts, asked=asked):
            asked += parts
            return here(model, parts)

        with pytest.raises(KeyboardInterrupt):
            attend_in_parts(cells, killed, size=2, halfway=left)
        assert bits(attend_in_parts(cells, again, size=2, halfway=left)) == bits(expected)
        assert len(asked) == len(parts_of(cells, 2)) - done


def test_what_the_other_kind_of_pass_left_is_not_gone_on_from(model, cells, whole) -> None:
    in_parts, in_one = Left(), Left()
    attend_in_parts(cells, lambda parts: here(model, parts), size=2, halfway=in_parts)
    attend(model, cells, PANEL, WANTED, halfway=in_one)
    assert None not in {in_parts.file, in_one.file}
    assert bits(attend(model, cells, PANEL, WANTED, halfway=in_parts)) == bits(whole)
    assert bits(attend_in_parts(cells, lambda parts: here(model, parts), halfway=in_one)) == bits(whole)


def test_progress_counts_cells(model, cells) -> None:
    told = []
    attend_in_parts(cells, lambda parts: here(model, parts), size=3, progress=lambda *done: told.append(done))
    assert told == sorted(told)
    assert told[-1] == (cells.tokens.n_cells, cells.tokens.n_cells)
