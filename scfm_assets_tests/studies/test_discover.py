"""Studies of other packages: found by their entry points, and warned of where they are broken."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from scfm_assets import studies
from scfm_assets.studies import GROUP, discover
from scfm_assets.tables.platform import TABLES
from scfm_assets_tests.studies.fixture_studies import loaded, scaffolded


def offered(monkeypatch: pytest.MonkeyPatch, **packages: str) -> None:
    entries = [EntryPoint(name, value, GROUP) for name, value in packages.items()]
    monkeypatch.setattr(studies, "entry_points", lambda group: [e for e in entries if e.group == group])


def test_a_study_of_another_package_stands_behind_those_of_this_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offered(monkeypatch, made_up="other_package.made_up")
    with loaded(scaffolded(tmp_path)):
        found = discover.__wrapped__()
        assert list(found) == [*discover(), "made_up"]
        assert found["made_up"].folder == tmp_path / "other_package" / "made_up"
        assert "made_up_scores" in TABLES


@pytest.mark.parametrize(
    ("package", "said"),
    [("no_such_package.at_all", "No module named 'no_such_package'"), ("json", "holds no study")],
)
def test_a_broken_study_is_warned_of_and_concerns_no_other(
    monkeypatch: pytest.MonkeyPatch, package: str, said: str
) -> None:
    offered(monkeypatch, broken=package)
    with pytest.warns(UserWarning, match=said) as told:
        found = discover.__wrapped__()
    assert found == discover()
    assert "study broken" in str(told[0].message)


def test_a_study_whose_name_is_taken_is_left_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    name = next(iter(discover()))
    folder = scaffolded(tmp_path)
    folder.rename(folder.with_name(name))
    for file in folder.with_name(name).glob("*.py"):
        file.write_text(file.read_text().replace("other_package.made_up", f"other_package.{name}"))
    monkeypatch.syspath_prepend(str(tmp_path))
    offered(monkeypatch, **{name: f"other_package.{name}"})
    with pytest.warns(UserWarning, match="there is one of this name"):
        assert discover.__wrapped__() == discover()
