"""Files that appear whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from scfm_assets.core.base import hidden_beside, replacing


def test_a_file_is_the_old_one_until_it_is_wholly_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    for text in ("old", "new"):
        before = path.read_text() if path.exists() else None
        with replacing(path) as hidden:
            hidden.write_text(text)
            assert (path.read_text() if path.exists() else None) == before
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]


def test_after_an_error_nothing_of_it_is_left(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as hidden:
            hidden.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("file.json", "old")]


def test_hidden_names_are_hidden_differ_and_keep_the_suffix(tmp_path: Path) -> None:
    names = {hidden_beside(tmp_path / "cells.safetensors").name for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith(".cells.") and name.endswith(".safetensors") for name in names)
