"""How much memory a pass takes: no map of tokens x tokens, and not more than the plan says."""

from __future__ import annotations

import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertModel

from scfm_assets.core.attention import machine as machines
from scfm_assets.core.attention.collector import CellGroups, States
from scfm_assets.core.attention.machine import FEWEST_ROWS, Machine, Need, plan
from scfm_assets.core.attention.passes import stream
from scfm_assets.core.tokens.encode import Tokens
from scfm_assets_tests.core.attention.small_encoder import (
    CLS,
    EOS,
    N_HEADS,
    N_PANEL,
    VOCABULARY,
    a_panel,
    cells_of,
    collected,
    listener,
    ours,
)


@pytest.fixture(scope="module")
def encoder() -> BertModel:
    return ours()


@pytest.fixture(scope="module")
def panel_of_token() -> np.ndarray:
    return a_panel()


class Watch(TorchDispatchMode):
    """Sees every tensor that an operation of PyTorch makes: the largest of floats, and the most bytes alive at once.

    Sums over the panel, whose last axes have the given shape, are not counted among the largest. What a fused kernel
    takes inside is not seen.
    """

    def __init__(self, *sums: tuple[int, ...]) -> None:
        super().__init__()
        self.sums, self.largest, self.alive, self.most = set(sums), 0, 0, 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        # What is there already, weights above all, is not made by the operation.
        given = {a.untyped_storage().data_ptr() for a in args if isinstance(a, torch.Tensor)}
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, list | tuple) else [result]:
            if isinstance(tensor, torch.Tensor) and tensor.untyped_storage().data_ptr() not in given:
                self._made(tensor)
        return result

    def _made(self, tensor: torch.Tensor) -> None:
        if tensor.is_floating_point() and tuple(tensor.shape[-2:]) not in self.sums:
            self.largest = max(self.largest, tensor.numel())
        storage = tensor.untyped_storage()
        address, size = storage.data_ptr(), storage.nbytes()
        if size and address not in self._known:
            self._known.add(address)
            self.alive += size
            self.most = max(self.most, self.alive)
            weakref.finalize(storage, self._freed, address, size)

    def _freed(self, address: int, size: int) -> None:
        self._known.discard(address)
        self.alive -= size


def test_the_watch_sees_what_is_alive_and_what_is_not():
    with Watch() as watch:
        first = torch.zeros(1000)
        first.add_(1)
        first.view(10, 100)
        for _ in range(5):
            second = torch.ones(500)
            del second
    assert (watch.largest, watch.most, watch.alive) == (1000, 6000, 4000)


@pytest.mark.parametrize("form", ["open", "fused"])
@pytest.mark.parametrize("aggregation", ["mean", "max"])
@pytest.mark.parametrize("heads", [(), ((1, 1), (3, 4))], ids=["", "heads apart"])
@pytest.mark.parametrize("rows", [FEWEST_ROWS, 64])
def test_no_array_of_tokens_by_tokens_is_ever_made(
    encoder, panel_of_token, monkeypatch, form, aggregation, heads, rows
):
    """Nor one of more query rows, over all heads and keys, than go at once."""
    monkeypatch.setattr(machines, "ROWS_ON_CPU", rows)
    cells, watch = cells_of([400]), Watch((N_PANEL, N_PANEL))
    panel_genes = int((panel_of_token[cells[0]] >= 0).sum())
    assert panel_genes > 2 * rows
    with watch:
        collected(encoder, cells, panel_of_token, form=form, aggregation=aggregation, heads=heads)
    assert N_HEADS * rows * panel_genes <= watch.largest <= N_HEADS * rows * 400 < 400 * 400


EVERY_TOKEN = np.where(np.arange(VOCABULARY) < 4, -1, np.arange(VOCABULARY) - 4)
"""A panel of all genes: where its pairs lie takes more than the activations."""


@pytest.mark.parametrize("form", ["open", "fused"])
@pytest.mark.parametrize("everything", [False, True], ids=["attention", "all that can be asked"])
@pytest.mark.parametrize("panel", [a_panel(), EVERY_TOKEN], ids=["half the genes", "all genes"])
@pytest.mark.parametrize(("spare", "packed"), [(0, 0), (100_000, 0), (400_000, 1000), (5_000_000, 100_000)])
def test_a_pass_keeps_within_its_budget(encoder, form, everything, panel, spare, packed):
    """What is alive beside the model, sums included, is at no time more than the budget that the plan was made for."""
    cells = cells_of([400, 390, 20, 380, 395], special=True)
    asked = {"form": form, "n_panel": int(panel.max()) + 1}
    if everything:
        groups = CellGroups(np.arange(5) % 2, 2, np.arange(0, N_PANEL, 10))
        asked |= {"states": States((CLS, EOS), CLS), "heads": [(1, 1), (3, 4)], "groups": groups}
    collector = listener(5, panel, **asked)
    collector.prepare(encoder.config.hidden_size)
    need = Need.of(
        encoder.config,
        longest=402,
        fixed=collector.bytes,
        n_panel=collector.n_panel,
        precision="fp32",
        states=collector.states is not None,
    )
    machine = Machine(memory=need.least + spare, tokens=packed)
    assert plan(machine, need, place="here").tokens <= packed
    with Watch() as watch:
        stream(encoder, Tokens.of(cells), collector, machine=machine)
    # On a CPU the sums are NumPy's memory, which is not watched.
    assert 0 < watch.most <= machine.memory - collector.bytes
