"""Columns of obs are known by name and by content."""

import numpy as np
import pandas as pd
import pytest

from scfm_assets.core.intake.obs_columns import ORGANISM_NAMES, ROLES, best, fits, organisms_said, role_named

N = 60


def frame(**columns):
    return pd.DataFrame({name.replace("__", " "): values for name, values in columns.items()}, index=range(N))


TYPES = ["T cell", "B cell", "NK"] * (N // 3)


@pytest.mark.parametrize(
    ("role", "name"),
    [
        *(("cell_type", name) for name in ("cell_type", "CellType", "cell.type", "Cell_Types", "author_cell_type")),
        *(
            ("cell_type", name)
            for name in ("predicted.celltype.l2", "cell_type_ontology_term_id", "cell_ontology_class")
        ),
        *(("donor", name) for name in ("donor_id", "Donor", "patient", "individual")),
        *(("batch", name) for name in ("batch", "orig.ident", "sample_id", "Sample", "library")),
        *(("assay", name) for name in ("assay", "assay_ontology_term_id", "Technology")),
    ],
)
def test_a_column_is_known_by_its_name_however_it_is_written(role, name):
    assert best(pd.DataFrame({name: TYPES, "other": TYPES}), role_named(role)) == name


def test_the_most_telling_name_goes_first():
    obs = pd.DataFrame(dict.fromkeys(["cell_type_ontology_term_id", "cell_type_coarse", "cell_type"], TYPES))
    assert [fit.column for fit in fits(obs, role_named("cell_type"))] == [
        "cell_type",
        "cell_type_ontology_term_id",
        "cell_type_coarse",
    ]


@pytest.mark.parametrize(
    ("values", "objection"),
    [
        (["NA"] * N, "it has no value for any of 60 cells"),
        ([None] * N, "it has no value for any of 60 cells"),
        (["unknown"] * N, "it has no value for any of 60 cells"),
        (["Unassigned"] * 40 + ["T", "B"] * 10, "it has no value for 40 of 60 cells"),
        (["k562"] * N, "it says 'k562' of every cell"),
        (np.arange(N) % 4, "it holds numbers"),
        (np.linspace(0, 1, N), "it holds numbers"),
        ([f"type{i}" for i in range(N)], "it has 60 different values for 60 cells"),
    ],
)
@pytest.mark.parametrize("kind", ["plain", "category"])
def test_what_a_column_holds_can_speak_against_it(values, objection, kind):
    column = pd.Series(values, dtype="category" if kind == "category" and objection != "it holds numbers" else None)
    (fit,) = fits(pd.DataFrame({"cell_type": column}), role_named("cell_type"))
    assert fit.objection == objection
    assert best(pd.DataFrame({"cell_type": column, "annotation": TYPES}), role_named("cell_type")) == "annotation"


def test_one_donor_is_a_donor_and_one_cell_type_is_no_label():
    obs = pd.DataFrame({"donor_id": ["d1"] * N, "cell_type": ["T"] * N})
    assert best(obs, role_named("donor")) == "donor_id"
    assert best(obs, role_named("cell_type")) is None


@pytest.mark.parametrize(("name", "said"), [(name, theirs[1]) for name, theirs in ORGANISM_NAMES.items()])
def test_organisms_are_understood_by_their_names(name, said):
    assert organisms_said(pd.DataFrame({"organism": [said.title()] * 3})) == ("organism", (name,))


def test_ids_of_organisms_and_several_of_them_are_understood():
    terms = pd.DataFrame({"organism_ontology_term_id": ["NCBITaxon:9606", "NCBITaxon:10090"]})
    assert organisms_said(terms) == ("organism_ontology_term_id", ("human", "mouse"))
    assert organisms_said(pd.DataFrame({"species": ["axolotl"]})) is None
    assert organisms_said(pd.DataFrame({"x": ["human"]})) is None


def test_roles_are_told_apart_by_name():
    assert len({role.name for role in ROLES}) == len(ROLES)
