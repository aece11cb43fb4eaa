"""Case tells whose symbols these are, and is changed only where the atlas says so."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from scfm_assets.core.genes.symbol_case import as_written_by, look_at
from scfm_assets.core.intake.atlas import AtlasSpec, process
from scfm_assets.core.intake.inspection import inspect_atlas
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake.small_atlas import small_atlas, small_counts

HUMAN = ["GAPDH", "ACTB", "C1orf112", "HLA-A", "MT-ND1", "SEPTIN1", *(f"ABC{i}" for i in range(114))]
MOUSE = ["Gapdh", "Actb", "H2-K1", "mt-Nd1", "1700001C02Rik", "Gm1992", *(f"Abc{i}" for i in range(114))]


def atlas_of(names, **obs):
    counts = small_counts(n_genes=len(names))
    adata = small_atlas(counts, var=pd.DataFrame(index=list(names)))
    for name, value in obs.items():
        adata.obs[name] = value
    return adata


def refused(names, spec, **obs):
    with pytest.raises(ScfmError) as caught:
        process(atlas_of(names, **obs), spec)
    return str(caught.value)


@pytest.mark.parametrize(
    ("names", "written"), [(HUMAN, "human"), (MOUSE, "mouse"), ([name.lower() for name in HUMAN], "lower")]
)
def test_the_way_of_writing_is_seen(names, written):
    assert look_at(names).written == written
    assert look_at(names[:50]).written is None  # too few to tell
    assert look_at([*names, *(f"ENSG{i:011d}" for i in range(500)), "1-Sep"]) == look_at(names)


def test_names_that_one_organism_alone_has_say_more_than_case():
    shouted = [f"GM{i}" for i in range(1000, 1010)] + [name.upper() for name in MOUSE]
    assert look_at(shouted).written == "human"
    assert look_at(shouted).organism == "mouse"
    quiet = [f"Znf{i}" for i in range(10)] + [name.capitalize() for name in HUMAN]
    assert (look_at(quiet).written, look_at(quiet).organism) == ("mouse", "human")


@pytest.mark.parametrize(("organism", "names"), [("human", HUMAN), ("mouse", MOUSE)])
def test_symbols_are_written_as_the_organism_writes_them(organism, names):
    for change in (str.upper, str.lower, str.capitalize, str):
        assert [as_written_by(organism, change(name)) for name in names] == names
    assert as_written_by(organism, "ENSG00000000001") == "ENSG00000000001"
    assert as_written_by(organism, "1-Sep") == "1-Sep"


def test_symbols_of_another_case_are_refused_with_both_ways_out():
    said = refused(MOUSE, AtlasSpec("lung"))
    assert "100% of 119 gene symbols are written as those of mouse are, not as human's (as Gapdh)" in said
    assert "`organism: mouse` if it is mouse" in said
    assert "`symbol_case: organism`, which writes Gapdh as GAPDH" in said
    lowered = refused([name.lower() for name in HUMAN], AtlasSpec("lung"))
    assert "written in lower case" in lowered
    assert "organism: mouse" not in lowered


def test_symbols_are_recased_where_the_atlas_says_so_and_every_one_is_counted():
    quiet = [name.capitalize() for name in HUMAN]
    processed = process(atlas_of(quiet), AtlasSpec("lung", symbol_case="organism"))
    assert processed.var_names.tolist() == HUMAN
    assert processed.var["symbol"].tolist() == HUMAN
    (repair,) = json.loads(processed.uns["scfm"]["repairs"])
    n_changed = sum(a != b for a, b in zip(quiet, HUMAN, strict=True))
    assert (repair["what"], repair["n"], repair["example"]) == ("symbols_recased", n_changed, "Gapdh -> GAPDH")


def test_what_becomes_equal_by_case_follows_the_rule_for_duplicates():
    names = ["Gapdh", *HUMAN]
    said = refused(names, AtlasSpec("lung", symbol_case="organism"))
    assert "names 1 genes more than once (first: GAPDH" in said
    summed = process(atlas_of(names), AtlasSpec("lung", symbol_case="organism", duplicates="sum"))
    assert summed.n_vars == len(HUMAN)


def test_other_organisms_have_no_known_case():
    assert "is not known here" in refused(HUMAN, AtlasSpec("lung", organism="fly", symbol_case="organism"))


def test_a_table_says_which_symbols_it_knows_only_in_another_case(tmp_path):
    path = tmp_path / "genes.tsv"
    rows = {"gene_name": ["GAPDH", "ACTB"], "ensembl_id": ["ENSG00000111640", "ENSG00000075624"]}
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    spec = AtlasSpec("lung", gene_table=path)
    text = " ".join(inspect_atlas(atlas_of(["Gapdh", "ACTB", "X1"]), spec).text().split())
    assert "knows 1 of 3 symbols as they are, 1 more only in another case (Gapdh as GAPDH)" in text
    recased = replace(spec, symbol_case="organism")
    assert process(atlas_of(["Gapdh", "ACTB", "X1"]), recased).var["mapped"].tolist() == [True, True, False]


def test_what_obs_says_of_the_organism_is_compared():
    said = refused(["A", "B"], AtlasSpec("lung"), species="Mus musculus")
    assert "obs column 'species' says mouse, not human" in said
    assert "`organism: mouse`" in said
    mixed = ["human" if i % 2 else "mouse" for i in range(40)]
    assert "where: {species: [...]}" in refused(["A", "B"], AtlasSpec("lung"), species=mixed)
    chosen = process(
        atlas_of(["A", "B"], species=mixed), AtlasSpec("lung", where={"species": ["human"]}, drop_empty=True)
    )
    assert np.isin(chosen.obs_names, [f"cell{i}" for i in range(1, 40, 2)]).all()
