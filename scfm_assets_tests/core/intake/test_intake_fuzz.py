"""Whatever a file holds: a proper atlas comes out, or an error that names the file and the place."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from scfm_assets_tests.core.intake.intake_fuzz import BASES

PROCESSES = 2


@pytest.mark.slow
@pytest.mark.parametrize("n_cases", [120, pytest.param(1200, marks=pytest.mark.long)])
def test_no_mutated_file_gets_more_than_an_error_that_names_it(n_cases):
    command = [sys.executable, "-m", "scfm_assets_tests.core.intake.intake_fuzz"]
    children = [
        subprocess.Popen(
            [*command, str(first), str(PROCESSES), str(n_cases)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for first in range(PROCESSES)
    ]
    lines = []
    for child in children:
        said, complained = child.communicate(timeout=n_cases)
        told = [json.loads(line) for line in said.splitlines()]
        # A library that crashes, or a case that hangs, ends the process: the last line says which case it was.
        assert child.returncode == 0, f"{told[-1:]} ended the process: {complained[-3000:]}"
        assert complained == ""
        lines += [line for line in told if "outcome" in line]
    assert len({line["case"] for line in lines}) == n_cases
    broken = [line for line in lines if line["outcome"] == "broken"]
    assert not broken, f"{len(broken)} of {n_cases}: " + "\n".join(
        f"{b['case']} {b['base']}: {b['why']}" for b in broken[:5]
    )
    by_base = {base: Counter(line["outcome"] for line in lines if line["base"] == base) for base in BASES}
    for base, outcomes in by_base.items():  # mutations that break nothing, or everything, would show nothing
        assert outcomes["used"] >= n_cases / 120, (base, outcomes)
        assert outcomes["refused"] + outcomes["unreadable"] >= n_cases / 40, (base, outcomes)
