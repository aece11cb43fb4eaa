"""Counts on disk give the tokens that they give in memory, within a budget, or an error that names the file."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import zarr

from scfm_assets.core.disk_tokens import matrix_rows
from scfm_assets.core.disk_tokens.count_rows import open_counts
from scfm_assets.core.tokens import ranking
from scfm_assets.core.tokens.encode import Tokens, tokenize, tokenize_rows
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_counts import a_vocabulary, some_counts

N_CELLS, N_GENES = 60, 83
VOCABULARY = a_vocabulary(80, 3, levels=3, special=True)
GENES = [*VOCABULARY.gene_ids.tolist(), "unknown", "other", "another"]
COUNTS = some_counts(N_CELLS, N_GENES, 4)
COUNTS.data[COUNTS.indptr[7] : COUNTS.indptr[8]] = 0  # a cell of stored zeros
COUNTS = sp.csr_matrix(COUNTS)
OPTIONS = {"max_tokens": 25, "special": True}
EXPECTED = tokenize(COUNTS, GENES, VOCABULARY, **OPTIONS)


def an_atlas(matrix: sp.csr_matrix | np.ndarray) -> anndata.AnnData:
    """The matrix at three places; what lies beside it at the places is something else."""
    var = pd.DataFrame({"gene_id": pd.Categorical(GENES)}, index=[f"symbol{i}" for i in range(N_GENES)])
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(N_CELLS)])
    adata = anndata.AnnData(matrix, obs=obs, var=var, layers={"counts": matrix, "columns": sp.csc_matrix(matrix)})
    adata.raw = adata.copy()
    return adata


def write(adata: anndata.AnnData, path: Path, **options) -> Path:
    if path.suffix == ".h5ad":
        adata.write_h5ad(path, **options)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which format of zarr is the default, now and later
            adata.write_zarr(path, **options)
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Files that must not be changed: sparse and dense, as .h5ad and as .zarr."""
    folder = tmp_path_factory.mktemp("files")
    forms = {"sparse": COUNTS.astype(np.float32), "dense": COUNTS.toarray()}
    return {
        f"{form}{kind}": write(an_atlas(matrix), folder / f"{form}{kind}")
        for form, matrix in forms.items()
        for kind in (".h5ad", ".zarr")
    }


@pytest.fixture
def copy(files, tmp_path):
    """A copy of a sparse file that may be damaged."""

    def make(kind: str) -> Path:
        source, target = files[f"sparse{kind}"], tmp_path / f"copy{kind}"
        shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
        return target

    return make


def tokens_of(path: Path, place: str = "X", **options) -> Tokens:
    with open_counts(path, place) as rows:
        blocks = list(tokenize_rows(rows, GENES, VOCABULARY, **OPTIONS, **options))
    return Tokens.of([block.row(i) for block in blocks for i in range(block.n_cells)])


# Disk is memory -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["X", "layers/counts", "raw.X"])
@pytest.mark.parametrize("file", ["sparse.h5ad", "dense.h5ad", "sparse.zarr", "dense.zarr"])
def test_tokens_of_a_file_equal_those_of_the_same_counts_in_memory(files, file, place):
    assert tokens_of(files[file], place).digest == EXPECTED.digest


@pytest.mark.parametrize("rows", [1, 7, 59])
@pytest.mark.parametrize("file", ["sparse.h5ad", "dense.h5ad", "sparse.zarr", "dense.zarr"])
def test_tokens_of_a_file_do_not_depend_on_blocks(files, file, rows, monkeypatch):
    monkeypatch.setattr(matrix_rows, "MOST_ROWS", rows)
    done = []
    found = tokens_of(files[file], progress=lambda *cells: done.append(cells))
    assert found.digest == EXPECTED.digest
    assert done == [(min(i, N_CELLS), N_CELLS) for i in range(rows, N_CELLS + rows, rows)]


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_tokens_do_not_depend_on_how_a_file_is_chunked_compressed_and_typed(tmp_path, kind, compression):
    path = tmp_path / f"atlas{kind}"
    root = h5py.File(path, "w") if kind == ".h5ad" else zarr.open_group(path, mode="w")
    group = root.create_group("X")
    group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [N_CELLS, N_GENES]})
    for name, array in (("data", COUNTS.data), ("indices", COUNTS.indices), ("indptr", COUNTS.indptr)):
        typed = array.astype({"data": np.float64, "indices": np.uint16, "indptr": np.uint64}[name])
        if kind == ".h5ad":
            group.create_dataset(name, data=typed, chunks=(17,), compression=compression)
        else:
            compressors = "auto" if compression else None
            group.create_array(name, data=typed, chunks=(17,), shards=(51,), compressors=compressors)
    if kind == ".h5ad":
        root.close()
    assert tokens_of(path).digest == EXPECTED.digest


def test_without_numba_the_tokens_of_a_file_are_the_same(files, monkeypatch):
    monkeypatch.setattr(ranking, "has_numba", lambda: False)
    assert tokens_of(files["sparse.h5ad"]).digest == EXPECTED.digest


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
@pytest.mark.parametrize("n_cells", [0, 3])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix])
def test_cells_without_any_count_and_files_without_any_cell_keep_their_places(tmp_path, kind, n_cells, form):
    empty = form(np.zeros((n_cells, N_GENES), dtype=np.float32))
    path = write(anndata.AnnData(empty), tmp_path / f"empty{kind}")
    found = tokens_of(path)
    assert [found.row(i).tolist() for i in range(found.n_cells)] == [[2, 3]] * n_cells


@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
def test_counts_of_the_first_gene_alone_are_no_missing_chunk(tmp_path, kind):
    """Indices that are all zero are not written by zarr."""
    counts = np.zeros((4, N_GENES), dtype=np.float32)
    counts[:, 0] = 3
    path = write(anndata.AnnData(sp.csr_matrix(counts)), tmp_path / f"one{kind}")
    assert tokens_of(path).digest == tokenize(sp.csr_matrix(counts), GENES, VOCABULARY, **OPTIONS).digest


@pytest.mark.parametrize("file", ["sparse.h5ad", "dense.zarr"])
def test_the_names_of_the_columns_are_read_from_var_or_from_that_of_raw(files, file):
    for place in ("X", "raw.X"):
        with open_counts(files[file], place) as rows:
            assert (rows.n_cells, rows.n_genes) == (N_CELLS, N_GENES)
            assert rows.gene_ids() == [f"symbol{i}" for i in range(N_GENES)]
            assert rows.gene_ids("gene_id") == GENES
            with pytest.raises(ScfmError, match=rf"{file}: .*var: there is no column 'id'\n.*gene_id"):
                rows.gene_ids("id")


# Memory -------------------------------------------------------------------------------------------------------------


def test_a_budget_that_a_single_cell_does_not_fit_is_refused_with_the_one_that_it_needs(files, monkeypatch):
    monkeypatch.setattr(matrix_rows, "HDF5_CACHE", 0)
    monkeypatch.setattr(matrix_rows, "MOST_ROWS", 1)
    for file, what in (("sparse.h5ad", r"row \d+ with its \d+ counts takes"), ("dense.h5ad", "a row takes")):
        with pytest.raises(ScfmError, match=f"{file}: X: {what}") as caught:
            tokens_of(files[file], budget=2500)
        needed = int(str(caught.value.remedy).split("of ")[1].split(" bytes")[0].replace(",", ""))
        assert needed > 2500
        if file == "dense.h5ad":
            with pytest.raises(ScfmError, match="a row takes"):
                tokens_of(files[file], budget=needed - 1)
            assert tokens_of(files[file], budget=needed).digest == EXPECTED.digest
        else:  # the first row that does not fit is named, and others may be larger
            assert tokens_of(files[file], budget=2 * needed).digest == EXPECTED.digest
    with pytest.raises(ScfmError, match=r"sparse.h5ad: X: the index of its 60 rows takes 732 bytes"):
        tokens_of(files["sparse.h5ad"], budget=700)


PROGRAM = """
    import sys
    from pathlib import Path
    if sys.argv[4] == "no":
        sys.modules["numba"] = None
    from scfm_assets.core.disk_tokens.count_rows import open_counts
    from scfm_assets.core.disk_tokens.token_file import write_tokens
    from scfm_assets.core.genes import build_vocabulary
    from scfm_assets.core.tokens.encode import tokenize_rows

    def bytes_of(field):
        status = Path("/proc/self/status").read_text()
        return int(status.split(field + ":")[1].split()[0]) * 1024

    def run(path, budget):
        with open_counts(path) as rows:
            blocks = tokenize_rows(rows, genes, vocabulary, max_tokens=9999, special=False, budget=budget)
            write_tokens(path.with_suffix(".safetensors"), blocks, n_cells=rows.n_cells)

    small, large, budget = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    genes = [f"G{i:05d}" for i in range(1000)]
    vocabulary = build_vocabulary(dict(zip(genes, range(1000))), dict.fromkeys(genes, 1.0))
    run(small, budget)  # what is loaded and compiled at the first call is no part of the budget
    before = bytes_of("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    run(large, budget)
    assert ("numba.core" in sys.modules) == (sys.argv[4] == "yes")
    peak = bytes_of("VmHWM") - before
    from safetensors import safe_open
    with safe_open(large.with_suffix(".safetensors"), "numpy") as written:
        print(peak, written.get_slice("ids").get_shape()[0])
"""


def write_large(path: Path, n_cells: int, form: str) -> None:
    """An atlas of 1000 genes, half of them in every cell, in chunks of 200 kB."""
    root = h5py.File(path, "w") if path.suffix == ".h5ad" else zarr.open_group(path, mode="w")
    group = root if form == "dense" else root.create_group("X")
    create = group.create_dataset if path.suffix == ".h5ad" else group.create_array
    if form == "dense":
        block = np.random.default_rng(0).integers(0, 2, (200, 1000)).astype(np.float32)
        stored = create("X", shape=(n_cells, 1000), dtype="f4", chunks=(50, 1000))
        for start in range(0, n_cells, 200):
            stored[start : start + 200] = block
    else:
        group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": [n_cells, 1000]})
        create("data", data=np.ones(n_cells * 500, np.float32), chunks=(50_000,))
        create("indices", data=np.tile(np.arange(0, 1000, 2, dtype=np.int32), n_cells), chunks=(50_000,))
        create("indptr", data=np.arange(n_cells + 1) * 500, chunks=(n_cells + 1,))
    if path.suffix == ".h5ad":
        root.close()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from /proc")
@pytest.mark.parametrize(
    ("form", "kind", "numba"),
    [("csr", ".h5ad", "yes"), ("csr", ".h5ad", "no"), ("csr", ".zarr", "yes"), ("dense", ".h5ad", "yes")],
)
def test_the_peak_of_memory_stays_within_the_budget_however_large_the_atlas(tmp_path, form, kind, numba):
    """Five times the budget on disk; a process of its own, as only the whole process can be measured."""
    budget = 16 * 2**20
    paths = [tmp_path / f"{name}{kind}" for name in ("small", "large")]
    for path, n_cells in zip(paths, (200, 20_000), strict=True):
        write_large(path, n_cells, form)
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *map(str, paths), str(budget), numba]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    peak, n_tokens = map(int, ran.stdout.split())
    assert n_tokens == pytest.approx(20_000 * 500, rel=0.05)
    assert peak < budget


# What cannot be read ------------------------------------------------------------------------------------------------


def test_a_file_that_is_none_is_refused_by_name(tmp_path):
    for name, content in (("text.h5ad", b"barcode,gene\n"), ("empty.h5ad", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ScfmError, match=rf"{name}: is (no HDF5 file|empty)"), open_counts(tmp_path / name):
            pass
    with pytest.raises(ScfmError, match=r"absent.h5ad: there is no such file"), open_counts(tmp_path / "absent.h5ad"):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(ScfmError, match=r"folder: cannot be read"), open_counts(tmp_path / "folder"):
        pass


@pytest.mark.parametrize("file", ["sparse.h5ad", "sparse.zarr"])
def test_a_place_that_is_not_there_is_refused_with_those_that_are(files, file):
    expected = rf"{file}: layers/spliced: there is no such matrix\nIt has: X, layers/columns, layers/counts, raw.X"
    with pytest.raises(ScfmError, match=expected), open_counts(files[file], "layers/spliced"):
        pass


@pytest.mark.parametrize("file", ["sparse.h5ad", "sparse.zarr"])
def test_counts_that_are_stored_by_columns_are_refused_with_a_way_out(files, file):
    with pytest.raises(ScfmError, match=rf"{file}: layers/columns: .*CSC.*\n.*tocsr"):
        tokens_of(files[file], "layers/columns")


@pytest.mark.parametrize("place", ["obs", "var/gene_id", "X/data"])
def test_what_is_no_matrix_is_refused(files, place):
    with pytest.raises(ScfmError, match=rf"sparse.h5ad: {place}: is no CSR matrix"):
        tokens_of(files["sparse.h5ad"], place)


@pytest.mark.parametrize("share", [0.2, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused_by_name(copy, share):
    path = copy(".h5ad")
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ScfmError, match=r"copy.h5ad: .*truncated or damaged|copy.h5ad: .*\n.*truncated or damaged"):
        tokens_of(path)


def replace(path: Path, part: str, array: np.ndarray | None) -> None:
    """Put something else at X/<part>, or nothing."""
    root = h5py.File(path, "r+") if path.suffix == ".h5ad" else zarr.open_group(path, mode="r+")
    del root[f"X/{part}"]
    if array is not None and path.suffix == ".h5ad":
        root["X"].create_dataset(part, data=array)
    elif array is not None:
        root["X"].create_array(part, data=array)
    if path.suffix == ".h5ad":
        root.close()


def changed(array: np.ndarray, place: int, value: float) -> np.ndarray:
    array = array.copy()
    array[place] = value
    return array


DAMAGES = {
    "no indptr": ("indptr", None, "cannot be read"),
    "no data": ("data", None, "cannot be read"),
    "short indptr": ("indptr", COUNTS.indptr[:-1], "need an indptr of 61 values, not 60"),
    "indptr that falls": ("indptr", changed(COUNTS.indptr, 5, 0), "does not begin at 0 or falls"),
    "indptr that begins late": ("indptr", changed(COUNTS.indptr, 0, 1), "does not begin at 0 or falls"),
    "indptr beyond the data": ("indptr", changed(COUNTS.indptr, -1, 10**6), "ends at 1,000,000, but it has"),
    "indptr of fractions": ("indptr", COUNTS.indptr + 0.5, "its indptr is no list of whole numbers"),
    "less data": ("data", COUNTS.data[:-3], "but it has"),
    "fewer indices": ("indices", COUNTS.indices[:-3], "but it has"),
    "data in two dimensions": ("data", np.ones((3, 3)), "its data is no list of numbers"),
    "data of words": ("data", np.array([b"one", b"two"]), "its data is no list of numbers"),
    "index beyond the columns": ("indices", changed(COUNTS.indices, COUNTS.indptr[30], N_GENES), "row 30 .* column 83"),
    "index below zero": ("indices", changed(COUNTS.indices, COUNTS.indptr[31] - 1, -1), "row 30 .* column -1 of 83"),
    "index far away": ("indices", changed(COUNTS.indices.astype(np.int64), 0, 2**32), "row 0 .* 4,294,967,296 of 83"),
    "count below zero": ("data", changed(COUNTS.data, COUNTS.indptr[59], -4), r"first: -4 in row 59;"),
    "part of a count": ("data", changed(COUNTS.data.astype(float), 0, 0.5), r"first: 0.5 in row 0;"),
}


@pytest.mark.parametrize("rows", [1 << 16, 11])
@pytest.mark.parametrize("kind", [".h5ad", ".zarr"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_matrix_is_refused_by_file_place_and_row(copy, kind, damage, rows, monkeypatch):
    monkeypatch.setattr(matrix_rows, "MOST_ROWS", rows)
    part, array, problem = DAMAGES[damage]
    path = copy(kind)
    replace(path, part, array)
    with pytest.raises(ScfmError, match=rf"copy{kind}: X: .*{problem}"):
        tokens_of(path)


@pytest.mark.parametrize("part", ["data", "indices"])
def test_a_zarr_store_with_a_missing_chunk_is_refused_and_not_read_as_zeros(copy, part):
    path = copy(".zarr")
    chunks = [
        file for file in (path / "X" / part).rglob("*") if file.is_file() and not file.name.startswith((".", "z"))
    ]
    assert len(chunks) == 1
    chunks[0].unlink()
    with pytest.raises(ScfmError, match=rf"copy.zarr: X: chunks of its {part} are missing"):
        tokens_of(path)


def test_a_zarr_store_with_a_damaged_chunk_is_refused_by_name(copy):
    path = copy(".zarr")
    chunk = next(f for f in (path / "X/data").rglob("*") if f.is_file() and not f.name.startswith((".", "z")))
    chunk.write_bytes(chunk.read_bytes()[:20])
    with pytest.raises(ScfmError, match=r"copy.zarr: X: has 20 of the 2,457 bytes of its piece"):
        tokens_of(path)


@pytest.mark.parametrize("shape", [[60], [60, -1], "sixty", [59, 83]])
def test_a_shape_that_does_not_fit_is_refused(copy, shape):
    path = copy(".zarr")
    zarr.open_group(path, mode="r+")["X"].attrs["shape"] = shape
    with pytest.raises(ScfmError, match=r"copy.zarr: X: .*(shape|cannot be read|need an indptr)"):
        tokens_of(path)


def test_gene_ids_that_do_not_belong_to_the_columns_are_a_bug_of_the_caller(files):
    with open_counts(files["sparse.h5ad"]) as rows, pytest.raises(ValueError, match="83 columns"):
        tokenize_rows(rows, GENES[:5], VOCABULARY, **OPTIONS)


def test_counts_without_any_known_gene_are_refused_before_anything_is_read(files):
    names = [f"TP{i}" for i in range(N_GENES)]
    with open_counts(files["sparse.h5ad"]) as rows, pytest.raises(ScfmError, match=r"sparse.h5ad: X: none of the 83"):
        tokenize_rows(rows, names, VOCABULARY, **OPTIONS)


@pytest.mark.parametrize("link", ["soft", "external"])
def test_a_link_out_of_a_file_is_not_followed(copy, files, link):
    path = copy(".h5ad")
    with h5py.File(path, "r+") as file:
        del file["X"]
        file["X"] = h5py.SoftLink("/raw/X") if link == "soft" else h5py.ExternalLink(files["sparse.h5ad"], "/X")
    with pytest.raises(ScfmError, match=r"copy.h5ad: X: .*link to elsewhere"):
        tokens_of(path)


def test_a_link_out_of_a_store_is_not_followed(copy, files):
    path = copy(".zarr")
    (path / "layers_elsewhere").symlink_to(files["sparse.h5ad"])
    with pytest.raises(ScfmError, match="link to elsewhere"):
        tokens_of(path)


def test_a_codec_that_runs_what_the_file_says_is_refused(copy):
    path = copy(".zarr")
    [described] = [*(path / "X/data").glob(".zarray"), *(path / "X/data").glob("zarr.json")]
    said = json.loads(described.read_text())
    said |= {"filters": [{"id": "pickle"}]} if described.name == ".zarray" else {}
    said |= {} if described.name == ".zarray" else {"codecs": [{"name": "numcodecs.pickle", "configuration": {}}]}
    described.write_text(json.dumps(said))
    with pytest.raises(ScfmError, match=r"copy.zarr: X"):
        tokens_of(path)
