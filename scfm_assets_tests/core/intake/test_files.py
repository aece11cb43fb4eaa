"""Every format leads to the same atlas; what lies beside genes is said; nothing outside a file is read."""

import json
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from scipy import sparse

from scfm_assets.core.intake import files as atlas_files
from scfm_assets.core.intake.atlas import AtlasSpec, process, read
from scfm_assets.core.intake.file_parts import parts
from scfm_assets.core.intake.files import matrices, memory
from scfm_assets.core.intake.guess import guess_spec
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake import atlas_writers as write
from scfm_assets_tests.core.intake.small_atlas import N_CELLS, N_GENES, log1p_cp10k, small_atlas, small_counts

COUNTS = small_counts()
ROWS = COUNTS.astype(np.float32)
WRITERS = {
    "h5ad": lambda folder: write.write_h5ad(folder / "a.h5ad", small_atlas()),
    "h5ad of cells in columns": lambda folder: write.write_h5ad(
        folder / "a.h5ad", small_atlas(X=sparse.csc_matrix(ROWS))
    ),
    "h5ad, dense": lambda folder: write.write_h5ad(folder / "a.h5ad", small_atlas(X=ROWS), compression="gzip"),
    "zarr 2": lambda folder: write.write_zarr(folder / "a.zarr", small_atlas()),
    "zarr 3": lambda folder: write.write_zarr(folder / "a.zarr", small_atlas(X=sparse.csc_matrix(ROWS)), 3),
    "zarr, dense": lambda folder: write.write_zarr(folder / "a.zarr", small_atlas(X=ROWS)),
    "zarr in a zip": lambda folder: write.write_zarr_zip(folder / "a.zarr.zip", small_atlas()),
    "10x HDF5": lambda folder: write.write_tenx(folder / "a.h5", COUNTS, compression="gzip"),
    "10x HDF5 of Cell Ranger 2": lambda folder: write.write_tenx_2(folder / "a.h5", COUNTS),
    "mtx": lambda folder: write.write_mtx(folder / "m", COUNTS),
    "mtx, plain": lambda folder: write.write_mtx(folder / "m", COUNTS, packed=False),
    "mtx of Cell Ranger 2": lambda folder: write.write_mtx(folder / "m", COUNTS, packed=False, old=True),
    "mtx with a prefix": lambda folder: write.write_mtx(folder / "m", COUNTS, prefix="GSM1_"),
    "mtx of cells x genes": lambda folder: write.write_mtx(folder / "m", COUNTS, turned=True),
    "mtx by its file": lambda folder: write.write_mtx(folder / "m", COUNTS) / "matrix.mtx.gz",
    "loom": lambda folder: write.write_loom(folder / "a.loom", COUNTS),
    "loom in pieces": lambda folder: write.write_loom(folder / "a.loom", ROWS, chunks=(16, 16), compression="gzip"),
}
LABELLED = ("h5ad", "zarr", "loom")


@pytest.mark.parametrize("form", WRITERS)
def test_every_format_leads_to_the_same_counts_ids_and_symbols(tmp_path, form):
    path = WRITERS[form](tmp_path)
    declared = guess_spec(path)
    processed = process(read(declared), declared)
    plain = sparse.csr_matrix(COUNTS)
    for name in ("data", "indices", "indptr"):
        assert np.array_equal(getattr(processed.X, name), getattr(plain, name))
    assert processed.X.dtype == np.int32
    assert processed.var_names.tolist() == write.features(N_GENES)[0]
    assert processed.var["symbol"].tolist() == write.features(N_GENES)[1]
    named = [f"cell{i}" for i in range(N_CELLS)] if form.startswith(LABELLED) else write.barcodes(N_CELLS)
    assert processed.obs_names.tolist() == named
    types = small_atlas().obs["cell_type"].tolist() if form.startswith(LABELLED) else ["unlabelled"] * N_CELLS
    assert processed.obs["cell_type"].astype(str).tolist() == types
    assert declared.cell_type == ("cell_type" if form.startswith(LABELLED) else None)
    assert inspect_file(path, declared).ok


@pytest.mark.parametrize("form", ["h5ad of cells in columns", "h5ad, dense", "zarr, dense", "loom", "zarr 3"])
def test_matrices_are_turned_in_blocks(tmp_path, monkeypatch, form):
    path = WRITERS[form](tmp_path)
    monkeypatch.setattr(matrices, "BLOCK_BYTES", 320)
    assert np.array_equal(read(guess_spec(path)).X.toarray(), COUNTS)


def test_a_format_is_known_by_what_it_holds_not_by_its_name(tmp_path):
    for number, form in enumerate(("h5ad", "10x HDF5", "loom")):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = WRITERS[form](folder).rename(folder / "download")
        assert read(guess_spec(path)).shape == (N_CELLS, N_GENES)
    gz = write.write_mtx(tmp_path / "m", COUNTS) / "matrix.mtx.gz"
    assert atlas_files.notes_of(read(guess_spec(gz))).format == "10x text (matrix.mtx)"


@pytest.mark.parametrize("form", ["h5", "mtx"])
def test_features_that_are_no_genes_are_left_out_and_counted(tmp_path, form):
    types = ["Antibody Capture" if i >= 27 else "Gene Expression" for i in range(N_GENES)]
    path = tmp_path / "a"
    (write.write_tenx if form == "h5" else write.write_mtx)(path, COUNTS, types=types)
    declared = guess_spec(path)
    processed = process(read(declared), declared)
    assert np.array_equal(processed.X.toarray(), COUNTS[:, :27])
    (repair,) = json.loads(processed.uns["scfm"]["repairs"])
    assert (repair["what"], repair["n"]) == ("other_features_left_out", 3)
    assert "3 'Antibody Capture'; first: ENSG00000000027" in repair["example"]
    assert "3 other features left out" in inspect_file(path, declared).text()


def test_libraries_of_one_10x_file_are_guessed_to_be_batches(tmp_path):
    assert guess_spec(write.write_tenx(tmp_path / "two.h5", COUNTS, groups=2)).batch == "gem_group"
    assert guess_spec(write.write_tenx(tmp_path / "one.h5", COUNTS)).batch is None


def test_counts_in_a_layer_of_a_loom_file_are_found(tmp_path):
    path = write.write_loom(tmp_path / "a.loom", log1p_cp10k(COUNTS), layers={"counts": COUNTS})
    declared = guess_spec(path)
    adata = read(declared)
    assert adata.X is None  # the matrix that holds none is not kept in memory
    processed = process(adata, declared)
    assert processed.uns["scfm"]["counts_from"] == "layers/counts"
    assert "non-integer values (first:" in inspect_file(path, declared).text()


def message(path, **changes):
    with pytest.raises(ScfmError) as caught:
        read(replace(guess_spec(path), **changes))
    return str(caught.value)


def test_several_matrices_or_genomes_are_refused_by_name(tmp_path):
    write.write_mtx(tmp_path / "m", COUNTS, prefix="a_")
    write.write_mtx(tmp_path / "m", COUNTS, prefix="b_")
    assert "holds 2 matrices (a_matrix.mtx.gz, b_matrix.mtx.gz)" in message(tmp_path / "m")
    assert read(guess_spec(tmp_path / "m" / "b_matrix.mtx.gz")).n_obs == N_CELLS
    assert "2 genomes ('hg19', 'mm10')" in message(write.write_tenx_2(tmp_path / "a.h5", COUNTS, ("hg19", "mm10")))


def test_a_missing_part_is_named(tmp_path):
    write.write_mtx(tmp_path / "m", COUNTS)
    (tmp_path / "m" / "features.tsv.gz").unlink()
    assert "has no features beside it" in message(tmp_path / "m")


def test_links_out_of_a_file_are_not_followed(tmp_path):
    other = write.write_h5ad(tmp_path / "other.h5ad", small_atlas())
    for link in (h5py.ExternalLink(str(other), "/X"), h5py.SoftLink("/layers/counts")):
        path = write.write_h5ad(tmp_path / "a.h5ad", small_atlas(layers={"counts": ROWS}))
        with h5py.File(path, "a") as file:
            del file["X"]
            file["X"] = link
        assert "link to elsewhere, which is not followed" in message(path)
    secret = tmp_path / "secret"
    secret.write_bytes(bytes(4 * N_CELLS * N_GENES))
    with h5py.File(path, "a") as file:
        del file["X"]
        file.create_dataset("X", (N_CELLS, N_GENES), "i4", external=[(str(secret), 0, 4 * N_CELLS * N_GENES)])
    assert "in another file" in message(path)
    store = write.write_zarr(tmp_path / "a.zarr", small_atlas())
    (store / "X" / "data" / "0").unlink()
    (store / "X" / "data" / "0").symlink_to(secret)
    assert "link to elsewhere" in message(store)
    folder = write.write_mtx(tmp_path / "m", COUNTS, packed=False)
    (folder / "barcodes.tsv").rename(tmp_path / "barcodes.tsv")
    (folder / "barcodes.tsv").symlink_to(tmp_path / "barcodes.tsv")
    assert "link to elsewhere" in message(folder)


def test_a_zarr_store_cannot_ask_to_be_unpickled(tmp_path):
    store = write.write_zarr(tmp_path / "a.zarr", small_atlas())
    metadata = store / "obs" / "_index" / ".zarray"
    declared = json.loads(metadata.read_text())
    metadata.write_text(json.dumps({**declared, "filters": [{"id": "pickle"}]}))
    assert "pickle" in message(store)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_a_piece_that_was_cut_short_is_refused_and_never_filled_from_other_memory(tmp_path, zarr_format):
    store = write.write_blosc_zarr(tmp_path / "a.zarr", small_atlas(), zarr_format)
    declared = guess_spec(store)
    pieces = [file for file in (store / "X" / "data").rglob("*") if file.name.isdigit()]
    for n_kept in (15, pieces[0].stat().st_size - 1):
        pieces[0].write_bytes(pieces[0].read_bytes()[:n_kept])
        with pytest.raises(ScfmError) as caught:
            read(declared)
        said = str(caught.value)
        assert f"X/data: has {n_kept:,} of the " in said
        assert f"bytes of its piece {pieces[0].relative_to(store / 'X' / 'data')}" in said
        shutil.rmtree(store)
        write.write_blosc_zarr(store, small_atlas(), zarr_format)
    (store / "X" / "data" / ".DS_Store").write_bytes(bytes(12) + b"\xff" * 4)  # no piece, whatever it holds
    assert np.array_equal(read(declared).X.toarray(), COUNTS)


@pytest.mark.parametrize("claim", ["X/data", "obs/_index", "X/indptr"])
def test_what_a_file_claims_beyond_what_it_holds_is_refused_before_memory_is_taken(tmp_path, claim):
    path = write.write_h5ad(tmp_path / "a.h5ad", small_atlas())
    with h5py.File(path, "a") as file:
        kind = file[claim].dtype
        attributes = dict(file[claim].attrs)
        del file[claim]
        file.create_dataset(claim, (10**12,), kind, chunks=(1000,)).attrs.update(attributes)
    assert f"a.h5ad: {claim}: claims" in message(path)


def test_a_matrix_larger_than_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 2**20)
    big = sparse.random(400, 1000, 0.5, "csr", random_state=0)
    path = write.write_h5ad(tmp_path / "a.h5ad", small_atlas(np.ones((400, 1000)), X=big))
    assert "claims 2 MiB of memory, and 1 MiB are free" in message(path)


def test_the_free_memory_is_read_from_the_machine():
    free = memory.available()
    assert free is None or 2**20 < free < 2**50
    assert (memory.size(900), memory.size(3 * 2**30)) == ("900 bytes", "3.0 GiB")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f["X"].attrs.__setitem__("shape", [10**12, N_GENES]), "cells x 30 genes, with labels of 40 and 30"),
        (lambda f: f["X"].attrs.__setitem__("shape", [-1, N_GENES]), "no shape of a matrix"),
        (lambda f: f["obs/cell_type/codes"].__setitem__(3, 7), "has code 7 in row 3, and 3 categories"),
        (lambda f: f["obs"].attrs.__setitem__("column-order", ["cell_type", "gone"]), "has no 'gone'"),
        (lambda f: f["obs/cell_type"].__delitem__("categories"), "has no 'categories'"),
    ],
)
def test_the_place_of_a_damage_is_named(tmp_path, change, problem):
    path = write.write_h5ad(tmp_path / "a.h5ad", small_atlas())
    with h5py.File(path, "a") as file:
        change(file)
    said = message(path, cell_type="cell_type")
    assert problem in said
    assert said.startswith(f"{path}: ")


def test_columns_of_every_encoding_are_read_as_anndata_reads_them(tmp_path):
    adata = small_atlas()
    adata.obs["whole"] = pd.array([None if i == 2 else i for i in range(N_CELLS)], dtype="Int64")
    adata.obs["flag"] = pd.array([None if i == 4 else i % 2 == 0 for i in range(N_CELLS)], dtype="boolean")
    adata.obs["half"] = np.linspace(0, 1, N_CELLS)
    adata.obs["yes"] = [i % 3 == 0 for i in range(N_CELLS)]
    adata.obs["kind"] = pd.Categorical([None if i == 1 else f"k{i % 2}" for i in range(N_CELLS)])
    adata.obs["numbers"] = pd.Categorical([i % 3 for i in range(N_CELLS)])
    for path in (write.write_h5ad(tmp_path / "a.h5ad", adata), write.write_zarr(tmp_path / "a.zarr", adata, 3)):
        obs, _ = atlas_files.labels(path)
        assert obs.columns.tolist() == adata.obs.columns.tolist()
        for name in adata.obs:
            for ours, theirs in zip(obs[name].tolist(), adata.obs[name].tolist(), strict=True):
                assert ours == theirs or (pd.isna(ours) and pd.isna(theirs))


def test_categories_of_anndata_before_07_are_read(tmp_path):
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        matrix = sparse.csr_matrix(ROWS)
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", ROWS.shape
        group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        kinds = np.dtype([("index", "S10"), ("cell_type", "i1")])
        file["obs"] = np.array([(f"cell{i}".encode(), i % 2) for i in range(N_CELLS)], dtype=kinds)
        file["var"] = np.array([(f"G{i}".encode(),) for i in range(N_GENES)], dtype=[("index", "S10")])
        file["uns/cell_type_categories"] = np.array([b"A", b"B"])
    processed = process(read(AtlasSpec("a", path)), AtlasSpec("a", path))
    assert processed.obs["cell_type"].tolist()[:3] == ["A", "B", "A"]
    assert np.array_equal(processed.X.toarray(), COUNTS)


def test_the_parts_of_an_atlas_are_the_files_it_is_read_from(tmp_path):
    file = WRITERS["h5ad"](tmp_path)
    assert parts(file) == {"a.h5ad": file}
    folder = WRITERS["mtx"](tmp_path)
    (folder / "web_summary.html").write_text("not read")
    assert list(parts(folder)) == ["matrix.mtx.gz", "features.tsv.gz", "barcodes.tsv.gz"]
    assert parts(folder / "matrix.mtx.gz") == parts(folder)
    store = WRITERS["zarr 3"](tmp_path)
    assert len(parts(store)) == sum(each.is_file() for each in store.rglob("*"))
    copied = shutil.copytree(store, tmp_path / "copy.zarr")
    assert list(parts(copied)) == list(parts(store))


def test_a_store_of_zarr_that_is_no_atlas_says_what_it_has(tmp_path):
    zarr.create_group(tmp_path / "a.zarr").create_group("images")
    assert "is zarr, but no atlas (it has: 'images')" in message(tmp_path / "a.zarr")
