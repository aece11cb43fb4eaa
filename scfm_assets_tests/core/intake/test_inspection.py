"""The inspection says everything at once and agrees with what process does."""

import warnings

import numpy as np
import pytest
import yaml
from scipy import sparse

from scfm_assets.catalog import Atlas
from scfm_assets.core.genes.vocabulary import build_vocabulary
from scfm_assets.core.intake.atlas import AtlasSpec, process, read
from scfm_assets.core.intake.guess import guess_spec
from scfm_assets.core.intake.inspection import inspect_atlas, inspect_file
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_atlas import N_GENES, log1p_cp10k, small_atlas, small_counts

SPEC = AtlasSpec(tissue="lung", donor="donor_id", batch="run", gene_id="ensembl_id", symbol="name")


def vocabulary(gene_ids):
    return build_vocabulary({gene: i for i, gene in enumerate(gene_ids)}, dict.fromkeys(gene_ids, 1.0))


VOCABULARIES = {
    "small": vocabulary([f"ENSG{i:011d}" for i in range(10)]),
    "other": vocabulary(["ENSG00000099999"]),
}


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
    found = inspect_file(path, SPEC, {"small": VOCABULARIES["small"]})
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
    assert f"small: 10 of 30 genes (33.3%), {share:.1%} of counts, {median:.0f} tokens in the median cell" in text
    assert "B cell 13, T cell 14" not in text
    assert "T cell 14, B cell 13, monocyte 13" in text
    assert "donor0 20, donor1 20" in text
    assert "the atlas can be used as declared: 40 cells x 30 genes, 3 cell types" in " ".join(text.split())
    assert "few genes for a model: 30" in text
    assert (found.finding.kind, found.finding.code) == ("few genes", 0)


def test_everything_that_would_be_refused_is_said_at_once():
    counts = small_counts()
    counts[5] = 0
    adata = small_atlas(counts)
    adata.obs["cell_type"] = "k562"
    adata.obs["donor_id"] = [None if i == 3 else "d" for i in range(40)]
    adata.var["ensembl_id"] = [f"ENSG{i % 29:011d}" for i in range(N_GENES)]
    found = inspect_atlas(adata, spec(batch="absent"), VOCABULARIES)
    expected = [
        "one cell type only",
        "obs column 'donor_id' has no value for 1 of 40 cells",
        "obs has no column 'absent'",
        "names 1 genes more than once",
        "1 cells hold no counts (first: cell5)",
    ]
    assert len(found.refusals) == len(expected)
    for problem in expected:
        assert any(problem in refusal.problem for refusal in found.refusals), problem
        assert problem in " ".join(found.text().split())
    assert not found.ok
    assert "refused: " in line_with(found.text(), "Verdict")
    assert found.finding.code == 1
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
    found = inspect_atlas(adata, declared)
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
    found = inspect_atlas(adata, SPEC)
    if found.ok:
        assert change == "none"
        process(adata, SPEC)
    else:
        with pytest.raises(ScfmError) as caught:
            process(adata, SPEC)
        assert str(caught.value) == str(found.refusals[0])


def test_counts_in_disguise_are_pointed_out():
    ones = inspect_atlas(small_atlas((small_counts() > 0).astype(int)), SPEC).text()
    assert "the matrix looks binarised" in ones
    counts = small_counts()
    rounded = np.rint(counts / counts.sum(axis=1, keepdims=True) * 10_000)
    assert "all cells have one library size" in inspect_atlas(small_atlas(rounded), SPEC).text()


def test_an_empty_atlas_is_described_not_crashed_over():
    for adata in (small_atlas()[:0].copy(), small_atlas()[:, :0].copy()):
        found = inspect_atlas(adata, SPEC, VOCABULARIES)
        assert "at least one cell and one gene" in " ".join(found.text().split())


def test_the_usual_names_of_columns_are_guessed(tmp_path):
    path = written(tmp_path / "lung.h5ad", small_atlas())
    guessed = guess_spec(path, tissue="lung")
    assert (guessed.cell_type, guessed.donor, guessed.batch) == ("cell_type", "donor_id", None)
    assert (guessed.gene_id, guessed.symbol) == ("ensembl_id", "name")
    assert process(read(guessed), guessed).n_obs == 40


def test_a_file_that_cannot_be_read_is_an_error_and_no_inspection(tmp_path):
    for ask in (lambda path: inspect_file(path, SPEC), guess_spec):
        with pytest.raises(ScfmError, match="there is no such file"):
            ask(tmp_path / "absent.h5ad")


def test_no_line_is_wider_than_a_terminal():
    adata = small_atlas()
    adata.obs["cell_type"] = [f"a rather long name of a cell type number {i}" for i in range(40)]
    assert max(map(len, inspect_atlas(adata, spec(donor="absent"), VOCABULARIES).text().splitlines())) <= 120


# Guesses and verdicts.


def text_of(found):
    return " ".join(found.text().split())


def test_the_inspection_says_which_column_was_taken_for_what_and_how_to_declare_it(tmp_path):
    adata = small_atlas()
    adata.obs["cell_type_fine"] = [f"fine{i % 5}" for i in range(40)]
    adata.obs["annotation"] = "NA"
    adata.obs["tissue"] = "lung"
    path = written(tmp_path / "my lung: 2.h5ad", adata)
    declared = guess_spec(path)
    found = inspect_file(path, declared, guessed=True)
    text = text_of(found)
    assert "cell_type: 'cell_type' (3 values); 'cell_type_fine' (5 values) would fit, too" in text
    assert "not 'annotation': it has no value for any of 40 cells" in text
    assert "tissue: 'tissue' (one value), not taken" in text
    entry = yaml.safe_load("\n".join(found.entry))
    (name,) = entry
    assert name == "my_lung_2"
    again = Atlas.model_validate({**entry[name], "file": entry[name]["file"]}, context={"folder": tmp_path})
    assert again.file == path
    for field in ("cell_type", "donor", "batch", "gene_id", "symbol", "organism"):
        assert getattr(again, field) == getattr(declared, field)


def test_labels_that_stand_for_none_mean_unlabelled(tmp_path):
    adata = small_atlas()
    adata.obs["cell_type"] = ["unknown"] * 30 + ["T cell"] * 10
    path = written(tmp_path / "a.h5ad", adata)
    declared = guess_spec(path)
    assert declared.cell_type is None
    found = inspect_file(path, declared, guessed=True)
    assert "unlabelled" in found.finding.kind
    assert "it has no value for 30 of 40 cells" in text_of(found)
    assert found.finding.code == 0


def test_a_mouse_file_is_told_apart_whether_guessed_or_declared_human(tmp_path):
    adata = small_atlas()
    adata.var["ensembl_id"] = [f"ENSMUSG{i:011d}" for i in range(N_GENES)]
    path = written(tmp_path / "a.h5ad", adata)
    guessed = inspect_file(path, guess_spec(path), VOCABULARIES, guessed=True)
    assert guessed.finding.kind == "mouse, few genes, unknown to all models"
    assert guessed.finding.code == 1
    assert "mouse, not human: it needs models and networks of mouse" in guessed.finding.words
    declared = inspect_file(path, spec(batch=None))
    assert declared.finding.kind == "refused, mouse, few genes"
    assert inspect_file(path, spec(batch=None, organism="mouse")).finding.kind == "few genes"


def test_a_model_of_another_organism_is_said_to_be_one(tmp_path):
    adata = small_atlas()
    adata.var["ensembl_id"] = [f"ENSMUSG{i:011d}" for i in range(N_GENES)]
    aliases = {f"ENSMUSG{i:011d}": f"ENSG{i:011d}" for i in range(N_GENES)}
    genes = [f"ENSG{i:011d}" for i in range(N_GENES)]
    human = build_vocabulary({gene: i for i, gene in enumerate(genes)}, dict.fromkeys(genes, 1.0), aliases)
    found = inspect_atlas(adata, spec(organism="mouse"), {"human_model": human})
    assert "human_model: a model of human, by shared names only: 30 of 30 genes" in text_of(found)


def test_a_model_that_is_asked_by_symbol_is_asked_by_symbol():
    names = [f"GENE{i}" for i in range(12)]
    symbols = build_vocabulary(
        {name: i for i, name in enumerate(names)}, dict.fromkeys(names, 1.0), place="vocab.json", names="symbol"
    )
    found = inspect_atlas(small_atlas(), SPEC, {"scgpt": symbols}, absent={"gone": "no such folder"})
    assert "scgpt: 12 of 30 genes (40.0%)" in text_of(found)
    assert "gone: not asked (no such folder)" in text_of(found)
    assert found.ok


def test_columns_that_one_token_stands_for_are_one_token():
    counts = small_counts()
    known = [f"ENSG{i:011d}" for i in range(5)]
    aliases = {f"ENSG{i + 5:011d}": known[i] for i in range(5)}
    vocabulary = build_vocabulary({gene: i for i, gene in enumerate(known)}, dict.fromkeys(known, 1.0), aliases)
    tokens = np.median(((counts[:, :5] + counts[:, 5:10]) > 0).sum(axis=1))
    text = text_of(inspect_atlas(small_atlas(), SPEC, {"small": vocabulary}))
    assert (
        f"small: 10 of 30 genes (33.3%), {counts[:, :10].sum() / counts.sum():.1%} of counts, {tokens:.0f} tokens"
        in text
    )


def test_batches_of_one_cell_type_are_pointed_out():
    adata = small_atlas()
    adata.obs["run"] = adata.obs["cell_type"]
    assert "every batch holds cells of one type only" in text_of(inspect_atlas(adata, SPEC))


def test_cells_without_a_label_are_left_out_where_the_atlas_says_so():
    adata = small_atlas()
    adata.obs["cell_type"] = [None if i in {3, 5} else label for i, label in enumerate(adata.obs["cell_type"])]
    assert "`drop_unlabelled: true`" in str(inspect_atlas(adata, SPEC).refusals[0])
    declared = spec(drop_unlabelled=True)
    processed = process(adata, declared)
    assert processed.obs_names.tolist() == [f"cell{i}" for i in range(40) if i not in {3, 5}]
    assert inspect_atlas(adata, declared).repairs[0].what == "unlabelled_cells_dropped"


def test_cells_are_chosen_by_what_columns_say():
    declared = spec(where={"run": ["0", "1"], "donor_id": ["donor0"]}, drop_empty=True, assay="run")
    processed = process(small_atlas(), declared)
    assert processed.obs_names.tolist() == [f"cell{i}" for i in range(0, 40, 4)]
    assert processed.obs["assay"].astype(str).unique().tolist() == ["0"]
    found = inspect_atlas(small_atlas(), declared)
    assert found.ok
    assert [(repair.what, repair.n) for repair in found.repairs[:2]] == [
        ("cells_not_asked_for", 20),
        ("cells_not_asked_for", 10),
    ]
    absent = inspect_atlas(small_atlas(), spec(where={"run": ["9"]}))
    assert "no cell has 'run' of '9' (values: 0, 1, 2, 3)" in absent.refusals[0].problem


def test_names_cannot_do_anything_to_a_terminal():
    adata = small_atlas()
    adata.obs["cell_type"] = [f"T\x1b[2J{i % 3}" for i in range(40)]
    adata.obs["other\x07column"] = 1
    found = inspect_atlas(adata, SPEC)
    assert "characters that cannot be shown" in found.refusals[0].problem
    assert not any(ord(char) < 32 for char in found.text().replace("\n", ""))
    assert "T\\x1b[2J" in found.text()
