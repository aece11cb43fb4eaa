"""The choice of methods: what is asked for, and the nulls in any case."""

import sys

import numpy as np

from scfm_assets.core.scores import methods
from scfm_assets.core.scores.choice import chosen_methods
from scfm_assets.core.scores.methods import method_names
from scfm_assets_tests.core.scores.methods.small_cells import small_cells

NULLS = ["mean_product", "detection_product", "variance_product", "uniform_attention"]
TFS = np.array([1, 3, 9])


def names(*asked: str, tfs: np.ndarray = TFS) -> list[str]:
    return [method.name for method in chosen_methods(asked, tfs)]


def test_nulls_come_unasked_behind_what_is_asked_for_in_an_order_of_their_own():
    assert names("spearman", "pearson") == ["pearson", "spearman", *NULLS]
    assert names("mutual_information", "partial_correlation") == ["mutual_information", "partial_correlation", *NULLS]
    assert names("grnboost", "pearson") == ["pearson", "grnboost", *NULLS]


def test_every_method_that_a_catalog_may_name_is_known():
    assert sorted(names(*method_names())) == sorted([*method_names(), *NULLS])


def test_without_tfs_there_is_nothing_to_boost():
    assert names("grnboost", "pearson", tfs=np.array([], np.int64)) == ["pearson", *NULLS]


def test_boosting_tells_of_the_targets_of_all_repeats_and_is_the_only_expensive_method():
    told = []
    chosen = chosen_methods(["grnboost"], TFS, progress=lambda *both: told.append(both), times=2)
    assert [method.name for method in chosen if method.expensive] == ["grnboost"]
    cells = small_cells(40)
    first, second = (chosen[0].function(cells, slice(None)) for _ in range(2))
    assert np.array_equal(first, second)
    assert told == [(done, 24) for done in range(1, 25)]


def test_a_method_is_one_file_and_its_name_that_of_its_record(monkeypatch, tmp_path):
    (tmp_path / "distance.py").write_text(
        "from scfm_assets.core.scores.baselines import BaselineMethod, pearson\n"
        'METHOD = BaselineMethod("distance", pearson, null=False)\n'
    )
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    monkeypatch.setitem(sys.modules, f"{methods.__name__}.distance", None)
    monkeypatch.delitem(sys.modules, f"{methods.__name__}.distance")
    known = [method.name for method in methods.declared()]
    assert known == ["mutual_information", "partial_correlation", "distance", "grnboost"]
    assert {*known, "pearson"} - {"distance"} <= {*methods.method_names()}
    assert all(method.doc for method in methods.METHODS.values())
