"""When memory runs out, at whatever point of a pass: nothing is lost, nothing is counted twice."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertModel

from scfm_assets.core.attention import machine as machines
from scfm_assets.core.attention.collector import AttentionCollector, CellGroups, States
from scfm_assets.core.attention.machine import Machine, Need
from scfm_assets.core.attention.passes import stream
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    N_PANEL,
    VOCABULARY,
    a_panel,
    assert_equal,
    cells_of,
    collected,
    heard,
    listener,
    ours,
)

PACKED = Machine(tokens=100_000)
PACKING = 1e-5
"""Relative: a cell in another batch goes through matrix products of other shapes."""

TFS = np.array([0, 3, 150, 299])


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


def everything(n_cells: int) -> dict:
    """Two blocks, groups, chosen heads, states."""
    return {
        "heads": [(1, 2), (3, 4)],
        "groups": CellGroups(np.arange(n_cells) % 2, 2, TFS),
        "states": States((CLS, EOS), CLS),
        "block_of_cell": np.arange(n_cells) // 2 % 2,
        "n_blocks": 2,
    }


def attention_alone(n_cells: int) -> dict:
    return {}


def assert_same(found: AttentionCollector, expected: AttentionCollector) -> None:
    """All that was collected, within the tolerance of packing."""
    assert found.forwarded == expected.forwarded
    assert not found._cells
    for mine, right in zip(found.blocks, expected.blocks, strict=True):
        assert_equal(mine, right, PACKING)
        if right.groups is not None:
            np.testing.assert_array_equal(mine.groups.pairs, right.groups.pairs)
            np.testing.assert_array_equal(mine.groups.n_cells, right.groups.n_cells)
            for name in ("plain", "lifted"):
                np.testing.assert_allclose(getattr(mine.groups, name), getattr(right.groups, name), rtol=PACKING)
    assert found.embeddings.keys() == expected.embeddings.keys()
    for name, vectors in expected.embeddings.items():
        largest = np.nan_to_num(np.abs(vectors)).max()
        np.testing.assert_allclose(found.embeddings[name], vectors, rtol=0, atol=PACKING * largest, equal_nan=True)


# Where it may happen ------------------------------------------------------------------------------------------------


class RunsOut(TorchDispatchMode):
    """Fails at the given operations of PyTorch, before they do anything, counted from an encoder's first call on.

    Views are not counted: they take no memory.
    """

    def __init__(self, *at: int, error: Callable[[], Exception] = torch.OutOfMemoryError) -> None:
        super().__init__()
        self.at, self.error, self.begun, self.seen, self.failed = set(at), error, False, 0, 0

    def begin(self, *_: object) -> None:
        self.begun = True

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        views = any(found.alias_info and not found.alias_info.is_write for found in func._schema.returns)
        if self.begun and not views:
            self.seen += 1
            if self.seen in self.at:
                self.failed += 1
                raise self.error()
        return func(*args, **(kwargs or {}))


@contextmanager
def at_most(encoder: BertModel, tokens: int, layer: int) -> Iterator[list[int]]:
    """Memory runs out in a layer of every pass of more than so many tokens; gives the sizes of all passes."""
    sizes: list[int] = []

    def look(_: torch.nn.Module, args: tuple[torch.Tensor, ...]) -> None:
        sizes.append(args[0].shape[1])
        if sizes[-1] > tokens:
            raise torch.OutOfMemoryError

    hook = encoder.encoder.layer[layer - 1].register_forward_pre_hook(look)
    try:
        yield sizes
    finally:
        hook.remove()


@pytest.mark.parametrize("asked", [attention_alone, everything])
@pytest.mark.parametrize("layer", [1, 2, 3])
def test_batches_are_halved_until_they_fit(encoder, panel_of_token, caplog, layer, asked):
    """From the second layer on a part of the sums was already added when memory ran out."""
    cells = cells_of([50, 60, 70, 80, 90, 100, 40])
    expected = heard(encoder, cells, panel_of_token, machine=PACKED, **asked(7))
    with at_most(encoder, 160, layer) as sizes, caplog.at_level(logging.WARNING):
        found = heard(encoder, cells, panel_of_token, machine=PACKED, **asked(7))
    assert sizes == [490, 180, 50, 130, 310, 170, 80, 90, 140]
    assert_same(found, expected)
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == sum(size > 160 for size in sizes)
    assert "memory ran out with 7 cells in one pass" in warned[0]


GENES = np.argsort(np.where(a_panel() < 0, VOCABULARY, a_panel()))[:30]
"""Tokens of the first thirty genes of the panel."""

FEW = [np.concatenate([[CLS], GENES[genes], [5, 7]]) for genes in (np.arange(20), np.arange(18, 23), np.arange(6, 25))]


def in_one_batch(encoder: BertModel, form: str, fails: RunsOut) -> AttentionCollector:
    """Three cells, two chunks of rows, all that can be asked."""
    groups = CellGroups(np.array([0, 1, 0]), 2, np.array([0, 9, 19]))
    asked = {"heads": [(3, 4)], "groups": groups, "states": States((CLS, EOS), CLS), "n_panel": 30, "form": form}
    panel_of_token = np.where(a_panel() < 30, a_panel(), -1)
    collector = listener(3, panel_of_token, (1, 3), block_of_cell=np.array([0, 1, 0]), n_blocks=2, **asked)
    hook = encoder.register_forward_pre_hook(fails.begin)
    try:
        with fails:
            stream(encoder, Tokens.of(FEW), collector, machine=PACKED)
    finally:
        hook.remove()
    return collector


@pytest.mark.parametrize(("form", "step"), [("open", 7), ("fused", 11)])
def test_memory_may_run_out_at_any_operation_of_a_pass(encoder, monkeypatch, form, step):
    """Those that add, and all before, between and after; every step-th of them here, to save time: 1 passes as well."""
    monkeypatch.setattr(machines, "ROWS_ON_CPU", 16)
    never = RunsOut()
    expected = in_one_batch(encoder, form, never)
    assert never.seen > 200
    for at in range(1, never.seen + 1, step):
        fails = RunsOut(at)
        assert_same(in_one_batch(encoder, form, fails), expected)
        assert fails.failed == 1


@pytest.mark.parametrize(("form", "seed"), [("open", 0), ("fused", 1)])
def test_memory_may_run_out_again_while_the_halves_pass(encoder, monkeypatch, form, seed):
    """A cell that alone does not pass is an error; in all other cases the sums are right."""
    monkeypatch.setattr(machines, "ROWS_ON_CPU", 16)
    never = RunsOut()
    expected, rng, right = in_one_batch(encoder, form, never), np.random.default_rng(seed), 0
    for at in rng.integers(1, never.seen, (30, 2)):
        fails = RunsOut(at[0], at.sum())
        found = None
        with suppress(ScfmError):
            found = in_one_batch(encoder, form, fails)
        if found is not None:
            assert_same(found, expected)
            right += fails.failed == 2
    assert right >= 5


@pytest.mark.parametrize(
    "error",
    [
        MemoryError,
        lambda: RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 bytes"),
        lambda: RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
    ],
    ids=["numpy", "cpu", "mps"],
)
def test_every_device_says_in_its_own_way_that_memory_ran_out(encoder, error):
    expected = in_one_batch(encoder, "open", RunsOut())
    assert_same(in_one_batch(encoder, "open", RunsOut(40, error=error)), expected)


def test_pytorch_says_it_on_a_cpu_in_these_words():
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        torch.empty(2**60, dtype=torch.uint8)


def test_another_error_is_not_taken_for_want_of_memory(encoder):
    with pytest.raises(RuntimeError, match="shapes"):
        in_one_batch(encoder, "open", RunsOut(40, error=lambda: RuntimeError("shapes do not match")))


def test_a_cell_that_does_not_fit_alone_is_named_with_the_budget_it_needs(encoder, panel_of_token):
    cells = cells_of([30, 210, 50])
    need = Need.of(
        encoder.config,
        longest=210,
        fixed=listener(3, panel_of_token).bytes,
        n_panel=N_PANEL,
        precision="fp32",
        states=False,
    )
    with at_most(encoder, 200, 2), pytest.raises(ScfmError, match="single cell of 210 tokens") as caught:
        collected(encoder, cells, panel_of_token)
    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)
    (named,) = re.findall(r"(\d+) MiB", str(caught.value.remedy))
    assert int(named) == -(-need.least // 2**20)
