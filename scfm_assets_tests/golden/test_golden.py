"""No number moves unawares: a small catalog with both controls, all universes and its studies, against kept tables."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
import yaml

from scfm_assets.engine.declare import STUDY
from scfm_assets_tests.golden.golden_tables import CATALOG, MACHINE, differences, kept_tables, machine, stored_tables
from scfm_assets_tests.platforms import open_home

pytestmark = pytest.mark.slow

EXACT = 1e-12
"""On a processor of the kind that the tables were kept on."""
ELSEWHERE = 1e-5
"""Other kernels round otherwise: scores move by this at most, ranks of what is nearly tied may change places."""
MAY_CHANGE_PLACES = 0.02
"""Share of a column's values that may differ by more on another kind of processor."""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, pd.DataFrame]]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("golden")
        patch.setenv("SCFM_HOME", str(folder))
        with open_home(folder, yaml.safe_load(CATALOG.read_text())) as home:
            for select in (None, f"tag:{STUDY}"):
                outcome = home.run(**({"select": select} if select else {}))
                assert outcome.success, outcome.failed
            yield stored_tables(folder)


def test_the_tables_are_those_that_were_kept(tables: dict[str, pd.DataFrame]) -> None:
    assert list(tables) == list(kept_tables())


@pytest.mark.parametrize("name", list(kept_tables()))
def test_no_number_of_a_table_has_moved(tables: dict[str, pd.DataFrame], name: str) -> None:
    kept, now = kept_tables()[name], tables[name]
    assert list(now.columns) == list(kept.columns)
    assert len(now) == len(kept)
    same_machine = json.loads(MACHINE.read_text()) == machine()
    for column, difference in differences(kept, now).items():
        if same_machine:
            assert difference.max(initial=0) <= EXACT, column
        else:
            assert np.mean(difference > ELSEWHERE) <= MAY_CHANGE_PLACES, column


def test_a_number_that_moved_would_be_seen() -> None:
    kept = kept_tables()["metrics"]
    moved = kept.assign(value=kept["value"] + 1e-9)
    assert differences(kept, kept)["value"].max() == 0
    assert differences(kept, moved)["value"].max() > EXACT
    assert np.isinf(differences(kept, kept.assign(value=np.nan))["value"]).any()


def test_a_number_within_a_list_that_moved_would_be_seen() -> None:
    kept = pd.DataFrame({"parts": [np.zeros(2000), np.array([1.0, np.nan]), None]})
    moved = kept["parts"].copy()
    moved[0] = np.where(np.arange(2000) == 1000, 1e-9, 0.0)
    assert list(differences(kept, kept)["parts"]) == [0, 0, 0]
    assert differences(kept, kept.assign(parts=moved))["parts"][0] == 1e-9
    shorter = pd.Series([np.zeros(1999), np.array([1.0, 2.0]), np.zeros(1)])
    assert np.isinf(differences(kept, kept.assign(parts=shorter))["parts"]).all()
