from __future__ import annotations

import io
import json
import time

import numpy as np
import pytest

from scfm_assets_bench import machine
from scfm_assets_bench.measure import interleaved, once, peak_above, peak_so_far
from scfm_assets_bench.processes import DiedError, Process, in_fresh_process
from scfm_assets_bench.record import Result, table
from scfm_assets_tests.bench.tiny import silent

FIELDS = [
    "bench",
    "case",
    "baseline",
    "ratio",
    "seconds",
    "baseline_seconds",
    "error",
    "peak_bytes",
    "baseline_peak_bytes",
    "roofline_share",
]


def test_a_line_has_exactly_the_demanded_fields_and_null_where_one_does_not_apply():
    line = json.loads(Result("curve", "a case", "typical", ratio=2.0, peak_bytes=5).to_json())
    assert list(line) == FIELDS
    assert line == {**dict.fromkeys(FIELDS), **line}
    assert (line["ratio"], line["peak_bytes"], line["error"]) == (2.0, 5, None)
    with pytest.raises(ValueError, match="JSON"):
        Result("curve", "a case", "typical", ratio=float("nan")).to_json()


def test_a_table_names_the_baseline_of_every_ratio():
    from rich.console import Console

    console = Console(width=160, file=io.StringIO())
    console.print(table([Result("b", "cells", "careful", 1.5, 2.0, 3.0, 1e-6, 10**6, 40 * 10**6, 0.8)], title="t"))
    text = console.file.getvalue()
    assert all(word in text for word in ("cells", "careful", "1.5x", "1.0e-06", "1 MB", "40 MB", "80%"))


def test_sides_take_turns_and_their_medians_are_told_apart():
    order = []

    def side(name):
        def run():
            order.append(name)
            time.sleep(0.01 if name == "slow" else 0)
            return len(order)

        return run

    timed = interleaved({"fast": side("fast"), "slow": side("slow")}, repeats=3, tell=silent, what="")
    assert order == ["fast", "slow", "slow", "fast", "fast", "slow"]
    assert timed["slow"].wall > 0.009 > timed["fast"].wall
    assert timed["slow"].cpu < 0.009
    assert (timed["fast"].value, timed["slow"].value) == (5, 6)


def test_cpu_time_counts_work_and_not_waiting():
    worked, waited = once(lambda: sum(range(2_000_000))), once(lambda: time.sleep(0.05))
    assert worked.value == 1999999000000
    assert worked.cpu > 0
    assert waited.cpu < 0.04 < waited.wall


def fill(n_bytes: int) -> int:
    return int(np.ones(n_bytes, np.uint8).sum())


def peak_of_filling(n_bytes: int) -> tuple[int, int, int]:
    fill(1000)
    before = peak_above(lambda: fill(4 * n_bytes)), peak_above(lambda: fill(n_bytes))
    return *before, peak_so_far()


def fail(message: str) -> None:
    raise ValueError(message)


def die() -> None:
    import os

    os._exit(9)


def test_peaks_are_those_of_the_work_alone_whatever_was_held_before():
    n_bytes = 40_000_000
    large, small, ever = in_fresh_process(peak_of_filling, n_bytes, threads=1)
    assert 3.9 * n_bytes <= large <= 5 * n_bytes
    if machine.free_memory() is not None:  # Linux: the high-water mark can be reset
        assert 0.9 * n_bytes <= small <= 2 * n_bytes
        assert ever >= n_bytes


def test_errors_of_a_process_are_raised_here_and_its_death_is_told():
    with Process(1) as process:
        process.start(fill, 7)
        assert process.result() == 7
        process.start(fail, "no such thing")
        with pytest.raises(ValueError, match="no such thing"):
            process.result()
        process.start(die)
        with pytest.raises(DiedError, match="exit code 9"):
            process.result()


def test_the_machine_is_described_in_one_line():
    words = machine.facts(2)
    assert words.startswith("2 threads of ")
    assert "torch " in words
    assert "load " in words
    assert "\n" not in words
