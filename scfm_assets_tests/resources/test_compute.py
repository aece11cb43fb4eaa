"""Where models run, as a user sets it."""

from __future__ import annotations

import os

import pytest
import torch

from scfm_assets.errors import ScfmError
from scfm_assets.resources.compute import SETTINGS, Compute, bytes_of


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS.values():
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("500MB", 500_000_000), ("1.5 kB", 1500), ("123", 123), ("2TiB", 2**41), (None, None)],
)
def test_sizes_are_read_as_people_write_them(text: str | None, size: int | None) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "8 gigs", "GiB", "-3MB", "0", "1,5GB", "8iB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ScfmError, match="SCFM_MEMORY"):
        bytes_of(text)


def test_nothing_set_means_exact_arithmetic_without_a_limit() -> None:
    found = Compute.from_environment(os.environ)
    assert (found.engine, found.device, found.precision) == ("local", "auto", "fp32")
    assert (found.memory, found.threads) == (None, None)


def test_the_environment_sets_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"engine": "local", "device": "cpu", "precision": "bf16", "memory": "2GiB", "threads": "1"}
    for field, name in SETTINGS.items():
        monkeypatch.setenv(name, given[field])
    machine = Compute.from_environment(os.environ).machine()
    assert (machine.device, machine.precision, machine.memory) == ("cpu", "bf16", 2**31)
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [("engine", "dask"), ("device", "tpu"), ("precision", "fp64"), ("memory", "lots"), ("threads", "0")],
)
def test_a_wrong_setting_names_its_variable_and_the_value(
    monkeypatch: pytest.MonkeyPatch, field: str, value: str
) -> None:
    monkeypatch.setenv(SETTINGS[field], value)
    with pytest.raises(ScfmError, match=SETTINGS[field]) as caught:
        Compute.from_environment(os.environ)
    assert repr(value) in str(caught.value)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_device_that_is_not_there_is_an_error_and_auto_takes_another() -> None:
    with pytest.raises(ScfmError, match="cuda is not there"):
        Compute(device="cuda").machine()
    assert Compute().machine().device in {"cpu", "mps"}
