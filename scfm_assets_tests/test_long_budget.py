"""Which long tests CI runs, and that it ends in time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scfm_assets_tests import long_budget
from scfm_assets_tests.long_budget import Outcome, Session, in_parts, long_files, measured, order, touched_by

FILES = long_files()


def names(tests: list[str]) -> set[str]:
    return {Path(test).name for test in tests}


def test_long_files_are_found_and_those_with_seconds_exist() -> None:
    assert {"test_overnight.py", "test_demo.py", "test_ray.py"} <= names(FILES)
    assert set(measured()) <= set(FILES)


def test_a_changed_room_selects_its_tests_and_those_of_rooms_that_import_it() -> None:
    of_curves = names(touched_by({"scfm_assets/core/curves/fit.py"}, FILES))
    assert "test_demo.py" in of_curves  # it imports the forms of curves
    assert of_curves & {"test_overnight.py", "test_ray.py", "test_simulator_speed.py"} == set()
    assert "test_interval_study.py" in names(touched_by({"scfm_assets/core/universes/universe.py"}, FILES))
    assert {"test_overnight.py", "test_killing.py"} <= names(touched_by({"scfm_assets/resources/store.py"}, FILES))


def test_a_changed_test_selects_itself_and_a_changed_helper_those_that_import_it() -> None:
    assert touched_by({"scfm_assets_tests/engine/test_killing.py"}, FILES) == [
        "scfm_assets_tests/engine/test_killing.py"
    ]
    of_helper = names(touched_by({"scfm_assets_tests/served.py"}, FILES))
    assert "test_overnight.py" in of_helper
    assert "test_demo.py" not in of_helper


def test_docs_select_their_test_and_dependencies_everything() -> None:
    assert names(touched_by({"docs/trust.md"}, FILES)) == {"test_docs.py"}
    assert touched_by({"constraints.txt"}, FILES) == FILES
    assert touched_by({"LICENSE"}, FILES) == []


def test_what_changed_comes_first_and_the_rest_rotates_with_the_commit() -> None:
    changed = {"scfm_assets_tests/test_demo.py"}
    orders = [list(order(FILES, changed, f"commit {i}")) for i in range(600)]
    assert all(chosen[0].endswith("test_demo.py") for chosen in orders)
    assert all(set(chosen) == set(FILES) for chosen in orders)
    assert {chosen[1] for chosen in orders} == set(FILES) - changed
    assert orders[0] == list(order(FILES, changed, "commit 0"))


def test_files_that_take_long_are_run_in_parts_that_change_with_them() -> None:
    worlds = "scfm_assets_tests/core/evaluation/test_null_worlds.py"
    parts = in_parts({worlds: 1500.0, "scfm_assets_tests/engine/test_killing.py": 1500.0, FILES[0]: 99.0})
    assert parts == {
        **{f"{worlds} {i}/3": 500.0 for i in (1, 2, 3)},
        "scfm_assets_tests/engine/test_killing.py": 1500.0,  # one test
        FILES[0]: 99.0,
    }
    assert set(order(parts, {worlds}, "").items()) >= {(f"{worlds} {i}/3", "changed") for i in (1, 2, 3)}


def test_parts_make_up_the_whole(tmp_path: Path) -> None:
    file = tmp_path / "test_many.py"
    file.write_text(
        "import pytest\n\npytestmark = pytest.mark.long\n\n@pytest.fixture(scope='module', params='abc')\n"
        "def world(request): print('made', request.param); return request.param\n\n"
        "def test_one(world): print('one', world)\n\ndef test_other(world): print('other', world)\n\n"
        "def test_alone(): print('alone')\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    outputs = []
    for part in ("1/2", "2/2", "9/9"):
        outcome = long_budget.run_file(f"{file} {part}", 60)
        assert outcome.status == "passed", outcome.output
        outputs.append(re.search(r"\d+ passed|no tests ran|\d+ deselected", outcome.output))
    assert [found and found[0] for found in outputs] == ["4 passed", "3 passed", "7 deselected"]


def test_without_history_everything_counts_as_changed() -> None:
    assert set(order(FILES, None, "").values()) == {"no history to compare with"}


def test_a_history_that_is_too_short_is_no_history(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {("rev-parse", "HEAD"): "abc", ("merge-base", "HEAD", "origin/main"): "abc"}
    monkeypatch.setattr(long_budget, "_git", lambda *arguments: known.get(arguments))
    assert long_budget.changed_files() is None
    known["rev-parse", "--verify", "--quiet", "HEAD~24"] = "old"
    known["diff", "--name-only", "old", "HEAD"] = "a.py\nb.py"
    assert long_budget.changed_files() == {"a.py", "b.py"}
    known["merge-base", "HEAD", "origin/main"] = "fork"
    known["diff", "--name-only", "fork", "HEAD"] = "c.py"
    assert long_budget.changed_files() == {"c.py"}


class Machine:
    """A clock, and files that take their usual seconds times a factor; those called `hangs` never end."""

    def __init__(self, usual: dict[str, float], factor: float) -> None:
        self.now, self.usual, self.factor = 0.0, usual, factor

    def run(self, test: str, longest: float) -> Outcome:
        seconds = float("inf") if test == "hangs" else self.usual[test] * self.factor
        self.now += min(seconds, longest)
        status = "stopped" if seconds > longest else "failed" if test == "fails" else "passed"
        return Outcome(status, min(seconds, longest))


def session(usual: dict[str, float], budget: float, factor: float = 1.0) -> Session:
    machine = Machine(usual, factor)
    ran = Session(budget, usual, machine.run, clock=lambda: machine.now)
    for test in usual:
        ran.attempt(test)
    return ran


def test_no_file_is_started_that_no_longer_fits_but_a_shorter_one_is() -> None:
    ran = session({"a": 100, "b": 900, "c": 150}, 300)
    assert list(ran.outcomes) == ["a", "c"]
    assert ran.left_out == ["b"]


def test_a_slow_machine_starts_fewer_files() -> None:
    ran = session({"a": 100, "b": 100, "c": 100}, 500, factor=2.5)
    assert ran.pace() == 2.5
    assert list(ran.outcomes) == ["a", "b"]
    assert ran.left_out == ["c"]


def test_a_file_that_hangs_is_stopped_and_fails() -> None:
    ran = session({"hangs": 100, "a": 100}, 1200)
    assert ran.outcomes["hangs"].status == "failed"
    assert ran.outcomes["hangs"].seconds == 600
    assert ran.outcomes["a"].status == "passed"


def test_what_still_runs_long_after_the_budget_is_stopped_but_did_not_fail() -> None:
    ran = session({"a": 1000}, 1000, factor=2.5)
    assert ran.outcomes["a"].status == "stopped"
    assert ran.outcomes["a"].seconds == 1000 + long_budget.GRACE


@pytest.mark.parametrize(("body", "status"), [("pass", "passed"), ("assert False", "failed"), ("wait(60)", "stopped")])
def test_a_file_is_run_in_a_process_of_its_own(body: str, status: str, tmp_path: Path) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(f"import pytest\nfrom time import sleep as wait\n\n@pytest.mark.long\ndef test_it(): {body}\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = long\n")
    outcome = long_budget.run_file(str(file), 4 if status == "stopped" else 60)
    assert outcome.status == status, outcome.output


def test_the_exit_code_says_whether_a_file_failed(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("CI_LONG_BUDGET", "60")
    for status, code in (("passed", 0), ("failed", 1)):
        monkeypatch.setattr(long_budget, "run_file", lambda test, longest, status=status: Outcome(status, 1.0))
        monkeypatch.setattr(long_budget.Session, "pace", lambda self: 1.0)
        assert long_budget.main([]) == code
        assert "60 minutes" in capsys.readouterr().out
    monkeypatch.setenv("CI_LONG_BUDGET", "0.01")
    assert long_budget.main([]) == 0
    left_out = re.findall(r"left out, no time: (\S+)", capsys.readouterr().out)
    assert set(left_out) == set(FILES)
