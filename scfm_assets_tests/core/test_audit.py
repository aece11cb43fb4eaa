"""The audit says everything at once and agrees with what process does."""

import warnings

import numpy as np
import pytest
from scipy import sparse

from scfm_assets.core.atlas import AtlasSpec, process, read
from scfm_assets.core.audit import audit, audit_file, guess_spec
from scfm_assets.core.errors import ScfmError
from scfm_assets_tests.core.small_atlas import N_GENES, log1p_cp10k, small_atlas, small_counts

SPEC = AtlasSpec(tissue="lung", donor="donor_id", batch="run", gene_id="ensembl_id", symbol="name")
VOCABULARIES = {"small": [f"ENSG{i:011d}" for i in range(10)], "other": ["ENSG00000099999"]}


def spec(**changes):
    return AtlasSpec(**{**SPEC.__dict__, **changes})


def written(path, adata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(path)
    return path


def line_with(text, words):
    return next(line for line in text.splitlines() if words in line)


def test_a_good_file_is_described_and_accepted(tmp_path):
    path = written(tmp_path / "lung.h5ad", small_atlas())
    found = audit_file(path, SPEC, {"small": VOCABULARIES["small"]})
    text = found.text()
    counts = small_counts()
    assert found.ok
    assert text.startswith(f"{path}\n")
    assert "X: 40 cells x 30 genes of float32" in text
    assert f"X holds {np.count_nonzero(counts):,} integer values" in text
    totals, genes = counts.sum(axis=1), (counts > 0).sum(axis=1)
    assert f"counts per cell: {totals.min()} to {totals.max()}, median {np.median(totals):.0f}" in text
    assert f"genes per cell: {genes.min()} to {genes.max()}, median {np.median(genes):.0f}" in text
    assert "30 of 30 genes (100.0%) have an Ensembl id" in text
    share = counts[:, :10].sum() / counts.sum()
    median = np.median((counts[:, :10] > 0).sum(axis=1))
    assert f"small: 10 of 30 genes (33.3%), {share:.1%} of counts, {median:.0f} genes in the median cell" in text
    assert "B cell 13, T cell 14" not in text
    assert "T cell 14, B cell 13, monocyte 13" in text
    assert "donor0 20, donor1 20" in text
    assert "the atlas can be used as declared" in text


def test_everything_that_would_be_refused_is_said_at_once():
    counts = small_counts()
    counts[5] = 0
    adata = small_atlas(counts)
    adata.obs["cell_type"] = "k562"
    adata.obs["donor_id"] = [None if i == 3 else "d" for i in range(40)]
    adata.var["ensembl_id"] = [f"ENSG{i % 29:011d}" for i in range(N_GENES)]
    found = audit(adata, spec(batch="absent"), VOCABULARIES)
    expected = [
        "one cell type only",
        "obs column 'donor_id' has no value for 1 of 40 cells",
        "obs has no column 'absent'",
        "no gene of the atlas is in the vocabulary of other",
        "names 1 genes more than once",
        "1 cells hold no counts (first: cell5)",
    ]
    assert len(found.refusals) == len(expected)
    for problem in expected:
        assert any(problem in refusal.problem for refusal in found.refusals), problem
        assert problem in " ".join(found.text().split())
    assert not found.ok
    assert "cannot be used as declared" in found.text()
    assert "1 cells have no value" in found.text()


def test_what_would_be_put_right_is_what_process_puts_right():
    counts = small_counts()
    counts[5] = 0
    counts[:, 2] = 0
    counts[:, 3] += 1
    counts[5] = 0
    adata = small_atlas(counts)
    adata.var["ensembl_id"] = [f"ENSG{max(i, 1):011d}.2" for i in range(N_GENES)]
    declared = spec(duplicates="sum", drop_empty=True)
    found = audit(adata, declared)
    assert found.ok
    processed = process(adata, declared)
    assert {repair.what for repair in found.repairs} == {
        "versions_stripped",
        "duplicates_summed",
        "empty_cells_dropped",
        "empty_genes_dropped",
    }
    for repair in found.repairs:
        assert f'{{"what": "{repair.what}", "n": {repair.n},' in processed.uns["scfm"]["repairs"]
        assert f"{repair.n:,} {repair.what.replace('_', ' ')}" in found.text()


@pytest.mark.parametrize("change", ["none", "fraction", "logged", "zeros", "no donor", "twice"])
def test_the_verdict_agrees_with_process(change):
    adata = small_atlas()
    if change == "fraction":
        adata.X = sparse.csr_matrix(small_counts() + 0.5)
    if change == "logged":
        adata.X = sparse.csr_matrix(log1p_cp10k(small_counts()))
    if change == "zeros":
        adata.X = sparse.csr_matrix(adata.shape)
    if change == "no donor":
        del adata.obs["donor_id"]
    if change == "twice":
        adata.obs_names = ["same"] * 2 + adata.obs_names[2:].tolist()
    found = audit(adata, SPEC)
    if found.ok:
        assert change == "none"
        process(adata, SPEC)
    else:
        with pytest.raises(ScfmError) as caught:
            process(adata, SPEC)
        assert str(caught.value) == str(found.refusals[0])


def test_counts_in_disguise_are_pointed_out():
    ones = audit(small_atlas((small_counts() > 0).astype(int)), SPEC).text()
    assert "the matrix looks binarised" in ones
    counts = small_counts()
    rounded = np.rint(counts / counts.sum(axis=1, keepdims=True) * 10_000)
    assert "all cells have one library size" in audit(small_atlas(rounded), SPEC).text()


def test_an_empty_atlas_is_described_not_crashed_over():
    for adata in (small_atlas()[:0].copy(), small_atlas()[:, :0].copy()):
        found = audit(adata, SPEC, VOCABULARIES)
        assert "at least one cell and one gene" in " ".join(found.text().split())


def test_the_usual_names_of_columns_are_guessed(tmp_path):
    path = written(tmp_path / "lung.h5ad", small_atlas())
    guessed = guess_spec(path, tissue="lung")
    assert (guessed.cell_type, guessed.donor, guessed.batch) == ("cell_type", "donor_id", None)
    assert (guessed.gene_id, guessed.symbol) == ("ensembl_id", None)
    assert process(read(guessed), guessed).n_obs == 40


def test_a_file_that_cannot_be_read_is_an_error_and_no_audit(tmp_path):
    for ask in (lambda path: audit_file(path, SPEC), guess_spec):
        with pytest.raises(ScfmError, match="there is no such file"):
            ask(tmp_path / "absent.h5ad")


def test_no_line_is_wider_than_a_terminal():
    adata = small_atlas()
    adata.obs["cell_type"] = [f"a rather long name of a cell type number {i}" for i in range(40)]
    assert max(map(len, audit(adata, spec(donor="absent"), VOCABULARIES).text().splitlines())) <= 120
