"""From what people have to the one form of an atlas."""

import json
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, read_h5ad
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from scfm_assets.core.intake.atlas import AtlasSpec, process, read, read_scanpy
from scfm_assets.core.intake.files import matrices
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_atlas import N_CELLS, N_GENES, log1p_cp10k, small_atlas, small_counts

SPEC = AtlasSpec(tissue="lung", donor="donor_id", batch="run", gene_id="ensembl_id", symbol="name")
COUNTS = small_counts()
LOGGED = log1p_cp10k(COUNTS).astype(np.float32)


def spec(**changes):
    return AtlasSpec(**{**SPEC.__dict__, **changes})


def refused(adata, declared=SPEC):
    """The message of the error that process raises."""
    with pytest.raises(ScfmError) as caught:
        process(adata, declared)
    return str(caught.value)


def written(path, adata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(path)
    return path


def repairs(processed):
    return {repair["what"]: repair["n"] for repair in json.loads(processed.uns["scfm"]["repairs"])}


def test_the_processed_form_is_what_everything_downstream_reads():
    processed = process(small_atlas(), SPEC)
    assert sparse.issparse(processed.X)
    assert processed.X.format == "csr"
    assert processed.X.dtype == np.int32
    assert processed.X.has_sorted_indices
    assert np.array_equal(processed.X.toarray(), COUNTS)
    assert processed.obs_names.tolist() == [f"cell{i}" for i in range(N_CELLS)]
    assert processed.obs.columns.tolist() == ["cell_type", "donor", "batch", "n_counts", "n_genes"]
    assert [str(dtype) for dtype in processed.obs.dtypes] == ["category", "category", "category", "int64", "int32"]
    assert processed.obs["cell_type"].astype(str).tolist() == small_atlas().obs["cell_type"].tolist()
    assert processed.obs["batch"].cat.categories.tolist() == ["0", "1", "2", "3"]
    assert processed.obs["n_counts"].tolist() == COUNTS.sum(axis=1).tolist()
    assert processed.obs["n_genes"].tolist() == (COUNTS > 0).sum(axis=1).tolist()
    assert processed.var_names.tolist() == [f"ENSG{i:011d}" for i in range(N_GENES)]
    assert processed.var.columns.tolist() == ["symbol", "mapped"]
    assert processed.var["symbol"].tolist() == [f"GENE{i}" for i in range(N_GENES)]
    assert processed.var["mapped"].dtype == bool
    assert processed.uns["scfm"] == {
        "tissue": "lung",
        "organism": "human",
        "simulated": False,
        "counts_from": "X",
        "repairs": "[]",
    }


def test_the_processed_form_survives_its_own_file_and_is_a_fixed_point(tmp_path):
    processed = process(small_atlas(), SPEC)
    path = written(tmp_path / "atlas.h5ad", processed)
    back = read_h5ad(path)
    assert back.obs.equals(processed.obs)
    assert back.var.equals(processed.var)
    again = process(read(AtlasSpec("lung", path)), AtlasSpec("lung", donor="donor", batch="batch", symbol="symbol"))
    for one in (back, again):
        assert (one.X != processed.X).nnz == 0
        assert one.X.dtype == np.int32
    assert again.obs.equals(processed.obs)
    assert again.var.equals(processed.var)


def test_the_input_is_not_changed():
    adata = small_atlas(X=sparse.csr_matrix(np.pad(COUNTS[:, 1:], ((0, 0), (0, 1))).astype(np.float32)))
    before = adata.copy()
    process(adata, spec(duplicates="sum"))
    assert (adata.X != before.X).nnz == 0
    assert adata.X.dtype == before.X.dtype
    assert adata.obs.equals(before.obs)
    assert adata.var.equals(before.var)


def test_what_is_not_declared_is_unknown_and_unlabelled():
    processed = process(small_atlas(), AtlasSpec("lung", cell_type=None))
    assert {column: processed.obs[column].unique().tolist() for column in ("cell_type", "donor", "batch")} == {
        "cell_type": ["unlabelled"],
        "donor": ["unknown"],
        "batch": ["unknown"],
    }
    assert processed.var_names[0] == "row0"
    assert not processed.var["mapped"].any()


def test_a_simulator_says_that_it_is_one():
    assert process(small_atlas(uns={"scfm": {"simulated": True}}), SPEC).uns["scfm"]["simulated"] is True


FORMS = {"dense": np.asarray, "csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "csr_array": sparse.csr_array}
PLACES = {
    "X": lambda matrix: small_atlas(X=matrix),
    "layers/counts": lambda matrix: small_atlas(X=FORMS["dense"](LOGGED), layers={"counts": matrix}),
    "raw.X": lambda matrix: small_atlas(X=LOGGED, raw={"X": matrix, "var": small_atlas().var}),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("declared", ["auto", "itself"])
@pytest.mark.parametrize("dtype", ["float32", "int64", "float64"])
def test_counts_are_found_in_every_form_and_place(tmp_path, form, place, declared, dtype):
    adata = PLACES[place](FORMS[form](COUNTS.astype(dtype)))
    path = written(tmp_path / "atlas.h5ad", adata)
    where = spec(path=path, counts="auto" if declared == "auto" else place)
    for source in (adata, read(where)):
        processed = process(source, where)
        assert processed.uns["scfm"]["counts_from"] == place
        for name, plain in (("data", sparse.csr_matrix(COUNTS).data), ("indices", sparse.csr_matrix(COUNTS).indices)):
            assert np.array_equal(getattr(processed.X, name), plain)
            assert getattr(processed.X, name).dtype == np.int32


def test_the_first_place_with_counts_is_taken_and_x_goes_before_layers_and_raw(tmp_path):
    others = [small_counts(seed) for seed in (1, 2)]
    raw = {"X": others[1].astype(float), "var": small_atlas().var}
    for x, expected, place in ((COUNTS, COUNTS, "X"), (LOGGED, others[0], "layers/counts")):
        adata = small_atlas(X=x.astype(np.float32), layers={"counts": others[0].astype(float)}, raw=raw)
        path = written(tmp_path / "atlas.h5ad", adata)
        for source in (adata, read(spec(path=path))):
            processed = process(source, SPEC)
            assert processed.uns["scfm"]["counts_from"] == place
            assert np.array_equal(processed.X.toarray(), expected)


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_narrow_indices_are_read(tmp_path, form):
    path = written(tmp_path / "atlas.h5ad", small_atlas(X=FORMS[form](COUNTS.astype(np.float32))))
    with h5py.File(path, "a") as file:  # anndata can be told to write them so
        indices = file["X/indices"][:]
        del file["X/indices"]
        file["X/indices"] = indices.astype(np.uint16)
    assert np.array_equal(process(read(spec(path=path)), SPEC).X.toarray(), COUNTS)


def test_a_dense_file_is_read_in_blocks(tmp_path, monkeypatch):
    path = written(tmp_path / "dense.h5ad", small_atlas(X=COUNTS.astype(np.float32)))
    monkeypatch.setattr(matrices, "BLOCK_BYTES", 7 * N_GENES * 4)
    assert np.array_equal(read(spec(path=path)).X.toarray(), COUNTS)


def test_only_the_matrices_that_it_takes_are_read(tmp_path):
    adata = small_atlas(
        layers={"counts": COUNTS.astype(float), "other": LOGGED}, raw={"X": LOGGED, "var": small_atlas().var}
    )
    path = written(tmp_path / "atlas.h5ad", adata)
    first = read(spec(path=path))
    assert (first.X is None, list(first.layers), first.raw) == (False, [], None)
    layer = read(spec(path=path, counts="layers/counts"))
    assert (layer.X, list(layer.layers), layer.raw) == (None, ["counts"], None)


def test_the_genes_are_those_of_raw_if_the_counts_are_there(tmp_path):
    wide = small_atlas()
    adata = small_atlas(X=LOGGED)[:, :10].copy()
    adata.raw = wide
    path = written(tmp_path / "atlas.h5ad", adata)
    assert process(read(spec(path=path)), spec(path=path)).shape == (N_CELLS, N_GENES)


def test_cells_and_genes_keep_the_order_of_the_file_and_bytes_do_not_depend_on_storage():
    plain = process(small_atlas(), SPEC)
    adata = small_atlas(X=sparse.csc_matrix(COUNTS.astype(np.int64)))
    other = process(adata, SPEC)
    for name in ("data", "indices", "indptr"):
        assert getattr(plain.X, name).tobytes() == getattr(other.X, name).tobytes()
    order = np.random.default_rng(0).permutation(N_CELLS)
    shuffled = process(small_atlas()[order].copy(), SPEC)
    assert shuffled.obs_names.tolist() == plain.obs_names[order].tolist()
    assert (plain.X[order] != shuffled.X).nnz == 0


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10_000),
    names=st.lists(st.sampled_from("abcdef"), min_size=6, max_size=6),
    min_genes=st.integers(0, 3),
    min_cells=st.integers(0, 3),
)
def test_processing_equals_a_plain_dense_computation(seed, names, min_genes, min_cells):
    dense = np.random.default_rng(seed).poisson(0.5, size=(12, 6))
    adata = small_atlas(dense, var=pd.DataFrame(index=names))
    merged = {name: sum(dense[:, j] for j in range(6) if names[j] == name) for name in dict.fromkeys(names)}
    plain = pd.DataFrame(merged, index=adata.obs_names)
    plain = plain[(plain > 0).sum(axis=1) >= min_genes]
    plain = plain.loc[:, (plain > 0).sum(axis=0) >= max(min_cells, 1)]
    plain = plain[plain.sum(axis=1) > 0]
    rules = AtlasSpec("x", duplicates="sum", drop_empty=True, min_genes=min_genes, min_cells=min_cells)
    if len(plain) == 0:
        assert "0 cells remain" in refused(adata, rules)
        return
    processed = process(adata, rules)
    assert processed.to_df().equals(plain.astype(np.int32))
    assert processed.obs["n_counts"].tolist() == plain.sum(axis=1).tolist()


# What is refused, and what is put right.


def test_values_that_are_no_counts_are_counted_and_the_first_is_named():
    values = COUNTS.astype(np.float32)
    values[4, 7], values[9, 9] = 0.5, 2.25
    message = refused(small_atlas(X=values))
    assert "X holds 2 non-integer values (first: 0.5 in cell cell4, gene row7)" in message
    values[4, 7] = -1
    assert "1 negative and 1 non-integer values (first: -1 in cell cell4" in refused(small_atlas(X=values))
    values[4, 7] = np.nan
    assert "1 not finite and 1 non-integer values (first: nan in cell cell4" in refused(small_atlas(X=values))


def test_a_log_normalised_matrix_is_recognised_and_the_place_of_the_counts_is_named(tmp_path):
    for place, adata in (
        ("raw.X", small_atlas(X=LOGGED, raw={"X": COUNTS.astype(float), "var": small_atlas().var})),
        ("layers/spliced", small_atlas(X=LOGGED, layers={"spliced": COUNTS.astype(float)})),
    ):
        path = written(tmp_path / "atlas.h5ad", adata)
        for source in (adata, read(spec(path=path, counts="X"))):
            message = refused(source, spec(path=path, counts="X"))
            assert str(path) in message
            assert "non-integer values" in message
            assert "looks like log1p of counts scaled to 10,000" in message
            assert f"The file also has '{place}', which is integer: write `counts: {place}` for atlas 'lung'" in message


def test_where_only_logarithms_are_left_the_way_to_recover_the_counts_is_named_and_works():
    adata = small_atlas(X=LOGGED)
    assert "write `counts: X` and `recover: log1p_cp10k`" in refused(adata)
    processed = process(adata, spec(counts="X", recover="log1p_cp10k"))
    assert np.array_equal(processed.X.toarray(), COUNTS)
    assert repairs(processed) == {"counts_recovered": np.count_nonzero(COUNTS)}


def test_recovery_needs_a_place_and_something_to_recover():
    assert "not which values it is about" in refused(small_atlas(X=LOGGED), spec(recover="log1p_cp10k"))
    assert "X holds raw counts already" in refused(small_atlas(), spec(counts="X", recover="log1p_cp10k"))
    broken = LOGGED.copy()
    broken[0, 0] *= 1.05
    assert "lung.h5ad: X: " in refused(
        small_atlas(X=broken), spec(path=Path("lung.h5ad"), counts="X", recover="log1p_cp10k")
    )


def test_a_place_that_is_not_there_is_refused_with_those_that_are(tmp_path):
    declared = spec(path=written(tmp_path / "atlas.h5ad", small_atlas()), counts="layers/raw")
    for attempt in (lambda: read(declared), lambda: process(small_atlas(), declared)):
        with pytest.raises(ScfmError, match=r"no matrix of numbers at layers/raw \(it has: X\)"):
            attempt()


def test_an_atlas_without_genes_or_cells_is_refused(tmp_path):
    for adata in (small_atlas()[:, :0].copy(), small_atlas()[:0].copy()):
        path = written(tmp_path / "atlas.h5ad", adata)
        for source in (adata, read(spec(path=path))):
            assert "at least one cell and one gene" in refused(source)


@pytest.mark.parametrize("column", ["cell_type", "donor", "batch"])
def test_a_declared_column_that_is_not_there_is_refused_with_those_that_are(column):
    message = refused(small_atlas(), spec(**{column: "absent"}))
    assert "obs has no column 'absent' (it has: cell_type, donor_id, run)" in message
    assert f"Name one as `{column}` for atlas 'lung'" in message


@pytest.mark.parametrize("column", ["gene_id", "symbol"])
def test_a_declared_column_of_genes_that_is_not_there_is_refused(column):
    message = refused(small_atlas(), spec(**{column: "absent"}))
    assert "var has no column 'absent' (it has: ensembl_id, name)" in message


@pytest.mark.parametrize("missing", [None, np.nan, "NA", ""])
@pytest.mark.parametrize("column", ["cell_type", "donor_id"])
def test_a_label_that_is_missing_is_counted_and_the_first_cell_named(missing, column):
    adata = small_atlas()
    adata.obs[column] = [missing if i in (6, 8) else label for i, label in enumerate(adata.obs[column])]
    message = refused(adata)
    assert f"obs column '{column}' has no value for 2 of 40 cells (first: cell6)" in message
    adata.obs[column] = adata.obs[column].astype("category")
    assert refused(adata) == message


def test_columns_that_are_not_declared_may_hold_anything():
    adata = small_atlas()
    adata.obs["score"] = np.nan
    assert process(adata, SPEC).n_obs == N_CELLS


def test_one_cell_type_alone_is_refused_where_one_is_declared():
    adata = small_atlas()
    adata.obs["cell_type"] = "k562"
    assert "one cell type only, 'k562' for all 40 cells" in refused(adata)
    assert process(adata, spec(cell_type=None)).n_obs == N_CELLS


def test_barcodes_that_occur_twice_are_refused():
    adata = small_atlas(obs=small_atlas().obs.set_axis([f"cell{i % 38}" for i in range(N_CELLS)]))
    assert "2 barcodes more than once (first: cell0, in rows 0 and 38)" in refused(adata)


def test_a_file_of_genes_by_cells_is_refused():
    assert "the file is genes x cells" in refused(
        small_atlas(obs=small_atlas(small_counts(0, 40, 40)).var.set_index("ensembl_id"))
    )


def test_empty_cells_are_refused_unless_the_atlas_says_to_leave_them_out():
    counts = COUNTS.copy()
    counts[[5, 11]] = 0
    adata = small_atlas(counts)
    message = refused(adata)
    assert "2 cells hold no counts (first: cell5)" in message
    assert "Write `drop_empty: true` for atlas 'lung'" in message
    processed = process(adata, spec(drop_empty=True))
    assert processed.obs_names.tolist() == [f"cell{i}" for i in range(N_CELLS) if i not in {5, 11}]
    assert repairs(processed) == {"empty_cells_dropped": 2}


def test_empty_genes_are_left_out_and_reported():
    counts = COUNTS.copy()
    counts[:, [0, 3]] = 0
    counts[:, 1] += 1
    processed = process(small_atlas(counts), SPEC)
    assert "ENSG00000000003" not in processed.var_names
    assert processed.n_vars == N_GENES - 2
    assert repairs(processed) == {"empty_genes_dropped": 2}


def test_thresholds_leave_out_cells_first_and_then_genes():
    counts = np.ones((6, 5), dtype=int)
    counts[0, 1:] = 0  # one gene only
    counts[1:, 4] = 0
    counts[1, 4] = 1  # in one cell
    adata = small_atlas(counts)
    processed = process(adata, AtlasSpec("x", min_genes=2, min_cells=2))
    assert processed.shape == (5, 4)
    assert repairs(processed) == {"cells_below_min_genes": 1, "genes_below_min_cells": 1}


def test_cell_types_that_lost_all_their_cells_are_no_categories():
    counts = COUNTS.copy()
    adata = small_atlas(counts)
    adata.obs["cell_type"] = ["rare" if i == 5 else label for i, label in enumerate(adata.obs["cell_type"])]
    counts[5] = 0
    adata.X = sparse.csr_matrix(counts)
    assert "rare" not in process(adata, spec(drop_empty=True)).obs["cell_type"].cat.categories


def test_fewer_cells_than_will_be_drawn_are_refused():
    message = refused(small_atlas(), spec(max_n_cells=41))
    assert "40 cells remain, fewer than the 41 asked for" in message
    assert "end at 40 or below" in message
    assert process(small_atlas(), spec(max_n_cells=40)).n_obs == 40


def duplicated(*names):
    """An atlas whose genes have these ids, and its counts."""
    counts = small_counts(n_genes=len(names))
    return small_atlas(counts, var=pd.DataFrame(index=list(names))), counts


def test_genes_that_the_file_names_twice_are_refused_unless_the_atlas_says_to_sum_them():
    adata, counts = duplicated("A", "B", "A", "C")
    message = refused(adata, AtlasSpec("lung"))
    assert "the index of var names 1 genes more than once (first: A, in rows 0 and 2" in message
    assert "Write `duplicates: sum` for atlas 'lung'" in message
    processed = process(adata, AtlasSpec("lung", duplicates="sum"))
    assert processed.var_names.tolist() == ["A", "B", "C"]
    assert np.array_equal(
        processed.X.toarray(), np.stack([counts[:, 0] + counts[:, 2], counts[:, 1], counts[:, 3]], axis=1)
    )
    assert repairs(processed) == {"duplicates_summed": 1}


def test_versions_are_stripped_and_what_becomes_equal_follows_the_rule_for_duplicates():
    adata, _ = duplicated("ENSG00000000001.3", "ENSG00000000002.1", "ENSG00000000001.4")
    assert "names 1 genes more than once (first: ENSG00000000001," in refused(adata, AtlasSpec("lung"))
    processed = process(adata, AtlasSpec("lung", duplicates="sum"))
    assert processed.var_names.tolist() == ["ENSG00000000001", "ENSG00000000002"]
    assert repairs(processed) == {"versions_stripped": 3, "duplicates_summed": 1}


@pytest.fixture
def gene_table(tmp_path):
    path = tmp_path / "genes.tsv"
    rows = {"TP53": 1, "P53": 1, "ACTB": 2, "SEPTIN1": 3, "MARCHF2": 4, "MTARC2": 5}
    pd.DataFrame({"gene_name": list(rows), "ensembl_id": [f"ENSG{n:011d}" for n in rows.values()]}).to_csv(
        path, sep="\t", index=False
    )
    return path


def test_symbols_are_repaired_and_synonyms_summed(gene_table):
    adata, counts = duplicated("P53", "ACTB", "TP53", "ENSG00000000002", "OTHER", "1-Sep")
    processed = process(adata, AtlasSpec("lung", gene_table=gene_table))
    assert processed.var_names.tolist() == ["ENSG00000000001", "ENSG00000000002", "OTHER", "ENSG00000000003"]
    assert processed.var["symbol"].tolist() == ["P53", "ACTB", "OTHER", "SEPTIN1"]
    assert processed.var["mapped"].tolist() == [True, True, False, True]
    plain = np.stack([counts[:, [0, 2]].sum(axis=1), counts[:, [1, 3]].sum(axis=1), counts[:, 4], counts[:, 5]], axis=1)
    assert np.array_equal(processed.X.toarray(), plain)
    assert repairs(processed)["synonyms_summed"] == 2
    assert repairs(processed)["dates_to_ensembl"] == 1


def test_genes_that_became_one_date_are_refused_even_where_duplicates_are_summed(gene_table):
    adata, _ = duplicated("2-Mar", "ACTB", "2-Mar")
    message = refused(adata, AtlasSpec("lung", duplicates="sum", gene_table=gene_table))
    assert "first: 2-Mar, in rows 0 and 2" in message
    assert "spreadsheet" in message
    adata, _ = duplicated("2-Mar", "ACTB", "1-Sep")
    assert process(adata, AtlasSpec("lung", gene_table=gene_table)).var_names[0] == "2-Mar"


def test_a_gene_whose_id_is_empty_keeps_its_symbol():
    adata = small_atlas()
    adata.var["ensembl_id"] = ["" if i < 2 else gene_id for i, gene_id in enumerate(adata.var["ensembl_id"])]
    processed = process(adata, SPEC)
    assert processed.var_names[:3].tolist() == ["GENE0", "GENE1", "ENSG00000000002"]
    assert processed.var["mapped"][:3].tolist() == [False, False, True]
    assert repairs(processed) == {"empty_ids": 2}


def test_a_gene_without_any_name_is_refused():
    adata, _ = duplicated("A", "", "C")
    assert "1 genes have neither an id nor a symbol (first: row 1" in refused(adata, AtlasSpec("lung"))


def test_ids_of_another_organism_are_refused():
    adata, _ = duplicated("ENSMUSG00000000001", "ENSMUSG00000000002", "ENSG00000000003")
    assert "2 of 3 gene ids are those of mouse, not human" in refused(adata, AtlasSpec("lung"))
    assert process(adata, AtlasSpec("lung", organism="mouse")).n_vars == 3
    assert process(adata, AtlasSpec("lung", organism="simulated")).n_vars == 3


# Files.


def test_a_file_that_is_none_is_refused(tmp_path):
    def message(path):
        with pytest.raises(ScfmError) as caught:
            read(spec(path=path))
        return str(caught.value)

    (tmp_path / "empty.h5ad").touch()
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    with h5py.File(tmp_path / "10x.h5", "w") as file:
        file.create_group("matrix")
    assert "there is no such file" in message(tmp_path / "absent.h5ad")
    assert "is a folder that holds no atlas" in message(tmp_path)
    assert "is empty" in message(tmp_path / "empty.h5ad")
    assert "is of none of the formats that are read" in message(tmp_path / "text.h5ad")
    assert "is HDF5, but no atlas (it has: 'matrix')" in message(tmp_path / "10x.h5")
    with pytest.raises(ScfmError, match="has no file"):
        read(SPEC)


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    adata = small_atlas(X=sparse.csr_matrix(COUNTS.astype(np.float32)), obsm={"X_pca": np.zeros((N_CELLS, 50))})
    whole = written(tmp_path / "whole.h5ad", adata).read_bytes()
    cut = tmp_path / "cut.h5ad"
    for length in np.linspace(1, len(whole) - 1, 25).astype(int):
        cut.write_bytes(whole[:length])
        with pytest.raises(ScfmError) as caught:
            read(spec(path=cut))
        assert str(cut) in str(caught.value)


@pytest.mark.parametrize("part", ["X/data", "X/indices", "obs/cell_type/codes", "var/name"])
def test_a_file_whose_compressed_bytes_are_damaged_is_refused(tmp_path, part):
    path = tmp_path / "atlas.h5ad"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        small_atlas().write_h5ad(path, compression="gzip")
    with h5py.File(path) as file:
        chunk = file[part].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with pytest.raises(ScfmError, match=rf"atlas\.h5ad: {part}: cannot be read"):
        read(spec(path=path))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("X/indices", lambda values: np.where(np.arange(len(values)) == 7, N_GENES + 1000, values)),
        ("X/indices", lambda values: np.where(np.arange(len(values)) == 7, -1, values)),
        ("X/indptr", lambda values: values[::-1]),
        ("X/data", lambda values: values[:-5]),
    ],
)
@pytest.mark.parametrize("form", ["csr", "csc"])
def test_a_sparse_matrix_that_points_outside_itself_is_refused(tmp_path, part, change, form):
    path = written(tmp_path / "atlas.h5ad", small_atlas(X=FORMS[form](COUNTS.astype(np.float32))))
    with h5py.File(path, "a") as file:
        values = change(file[part][:])
        del file[part]
        file[part] = values
    with pytest.raises(ScfmError, match=r"atlas\.h5ad"):
        read(spec(path=path))


@pytest.mark.parametrize("part", ["obs", "var", "obs/_index", "X/indptr", "obs/cell_type"])
def test_a_file_that_lost_a_part_is_refused(tmp_path, part):
    path = written(tmp_path / "atlas.h5ad", small_atlas())
    with h5py.File(path, "a") as file:
        del file[part]
    with pytest.raises(ScfmError, match=r"atlas\.h5ad"):
        process(read(spec(path=path)), spec(path=path))


def test_a_matrix_of_another_shape_than_its_labels_is_refused(tmp_path):
    path = written(tmp_path / "atlas.h5ad", small_atlas(X=COUNTS.astype(np.float32)))
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = COUNTS[:30]
    with pytest.raises(ScfmError, match=r"atlas\.h5ad"):
        read(spec(path=path))


def test_a_layer_of_text_is_no_matrix(tmp_path):
    path = written(tmp_path / "atlas.h5ad", small_atlas())
    with h5py.File(path, "a") as file:
        file["layers/words"] = np.array([[b"a"] * N_GENES] * N_CELLS)
    with pytest.raises(ScfmError, match=r"no matrix of numbers at layers/words \(it has: X\)"):
        read(spec(path=path, counts="layers/words"))


def test_files_from_before_encodings_were_marked_are_read(tmp_path):
    path = tmp_path / "old.h5ad"
    with h5py.File(path, "w") as file:  # the layout of anndata 0.6: compound tables
        file["X"] = COUNTS.astype(np.float32)
        names = np.dtype([("index", "S10"), ("cell_type", "S10")])
        file["obs"] = np.array([(f"cell{i}".encode(), b"AB"[i % 2 : i % 2 + 1]) for i in range(N_CELLS)], dtype=names)
        file["var"] = np.array([(f"G{i}".encode(),) for i in range(N_GENES)], dtype=[("index", "S10")])
    declared = AtlasSpec("lung", path)
    processed = process(read(declared), declared)
    assert np.array_equal(processed.X.toarray(), COUNTS)
    assert processed.obs["cell_type"].cat.categories.tolist() == ["A", "B"]


def test_scanpys_own_atlas_gives_its_counts_back():
    declared = AtlasSpec("pbmc", counts="raw.X", recover="log1p_cp10k", cell_type="bulk_labels")
    adata = read_scanpy("pbmc68k_reduced")
    processed = process(adata, declared)
    assert processed.shape == (700, 765)
    assert processed.X.nnz == 174_400
    assert processed.uns["scfm"]["counts_from"] == "raw.X"
    assert set(processed.obs["donor"]) == {"unknown"}
    stored = adata.raw.X.tocsr()
    for row in (0, 350, 699):  # log1p of counts in units of the smallest, by hand
        values = np.expm1(stored[row].toarray().ravel().astype(float))
        plain = np.rint(values / values[values > 0].min())
        assert np.array_equal(processed.X[row].toarray().ravel(), plain)
    message = refused(adata, AtlasSpec("pbmc", cell_type="bulk_labels"))
    assert "write `counts: raw.X` and `recover: log1p_cp10k`" in message
    with pytest.raises(ScfmError, match="Allowed: pbmc68k_reduced"):
        read_scanpy("pbmc3k")


def test_anndata_itself_is_what_comes_out():
    assert isinstance(process(small_atlas(), SPEC), AnnData)
