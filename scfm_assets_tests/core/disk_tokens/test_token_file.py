"""Tokens that are written block by block come back the same, whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file

from scfm_assets.core.disk_tokens.token_file import write_tokens
from scfm_assets.core.tokens.encode import Tokens


def some_tokens(n_cells: int, seed: int = 0) -> Tokens:
    rng = np.random.default_rng(seed)
    return Tokens.of([rng.integers(0, 1000, length).astype(np.int32) for length in rng.integers(0, 9, n_cells)])


def read_back(path) -> Tokens:
    loaded = load_file(path)
    return Tokens(loaded["ids"], loaded["offsets"])


def in_blocks(tokens: Tokens, *stops: int) -> list[Tokens]:
    return [tokens.take(range(a, b)) for a, b in zip((0, *stops), (*stops, tokens.n_cells), strict=True)]


@pytest.mark.parametrize("stops", [(), (5,), (1, 1, 17), (20,)])
def test_tokens_written_in_blocks_come_back_as_they_were(tmp_path, stops):
    tokens, path = some_tokens(20), tmp_path / "tokens.safetensors"
    write_tokens(path, in_blocks(tokens, *stops), n_cells=20)
    found = read_back(path)
    assert found.digest == tokens.digest
    assert (found.ids.dtype, found.offsets.dtype) == (np.int32, np.int64)
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.safetensors"]


@pytest.mark.parametrize("n_cells", [0, 4])
def test_cells_without_tokens_and_no_cells_at_all_can_be_written(tmp_path, n_cells):
    tokens, path = Tokens.of([np.empty(0, np.int32)] * n_cells), tmp_path / "tokens.safetensors"
    write_tokens(path, [tokens] if n_cells else [], n_cells=n_cells)
    found = read_back(path)
    assert found.lengths.tolist() == [0] * n_cells
    assert found.digest == tokens.digest


def test_a_file_is_replaced_only_by_a_whole_one(tmp_path):
    tokens, path = some_tokens(20), tmp_path / "tokens.safetensors"
    write_tokens(path, [tokens], n_cells=20)

    def breaks_off():
        yield tokens
        message = "the disk of the atlas is gone"
        raise OSError(message)

    with pytest.raises(OSError, match="is gone"):
        write_tokens(path, breaks_off(), n_cells=40)
    for n_cells in (19, 21):
        with pytest.raises(ValueError, match=f"more or fewer than {n_cells} cells"):
            write_tokens(path, [tokens], n_cells=n_cells)
    assert read_back(path).digest == tokens.digest
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.safetensors"]


def test_a_killed_writer_leaves_only_hidden_files(tmp_path):
    program = """
        import os, signal, sys
        from pathlib import Path
        import numpy as np
        from scfm_assets.core.disk_tokens.token_file import write_tokens
        from scfm_assets.core.tokens import Tokens

        def blocks():
            yield Tokens.of([np.arange(5)] * 3)
            os.kill(os.getpid(), signal.SIGKILL)

        write_tokens(Path(sys.argv[1]), blocks(), n_cells=9)
    """
    path = tmp_path / "tokens.safetensors"
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program), str(path)], check=False)
    assert ran.returncode == -9
    left = [file.name for file in tmp_path.iterdir()]
    assert len(left) == 1
    assert left[0].startswith(".tokens.")
    with pytest.raises(SafetensorError):
        load_file(tmp_path / left[0])
