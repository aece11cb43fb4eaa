"""Gene names and their repair."""

import pandas as pd
import pytest

from scfm_assets.core.genes.date_names import is_date, renamed, undate
from scfm_assets.core.genes.identifiers import (
    GeneTable,
    is_ensembl,
    name_genes,
    organism_of,
    read_gene_table,
    texts,
    unversioned,
)
from scfm_assets.errors import ScfmError

TP53, SEPTIN1, MARCHF2, MTARC2, ACTB = (f"ENSG{n:011d}" for n in (141510, 180096, 99785, 117791, 75624))
TABLE = GeneTable(
    id_of={
        "TP53": TP53,
        "P53": TP53,
        "SEPTIN1": SEPTIN1,
        "MARCHF2": MARCHF2,
        "MTARC2": MTARC2,
        "C1orf112": "ENSG00000000460",
    },
    name_of={SEPTIN1: "SEPTIN1", ACTB: "ACTB"},
    ambiguous={"TEC"},
)


@pytest.mark.parametrize(
    "date",
    [
        "1-Sep",
        "01-Sep",
        "1-SEP",
        "1-Sept",
        "Sep-01",
        "SEP-01",
        "1-Sep-19",
        "1-Sep-2019",
        "2001-09-01 00:00:00",
        "2019-09-01",
        "1/Sep",
        "1 September",
        "2-Mar",
        "10-Mar",
        "Mar-10",
        "1-Dec",
        "Oct-04",
        "1-Jan",
        "4-Oct",
    ],
)
def test_dates_of_spreadsheets_are_seen(date):
    assert is_date(date)


@pytest.mark.parametrize(
    "name",
    [
        "SEPT1",
        "SEPTIN1",
        "MARCH1",
        "MARCHF2",
        "DEC1",
        "Oct-4",
        "TP53",
        "NKX2-1",
        "HLA-A",
        "7SK",
        "1-MEBCAD",
        "2610017G09RIK",
        "0-Sep",
        "32-Sep",
        "Sep-00",
        "2001-13-01",
        "Marcks-01",
        "RP11-206L10.2",
        "",
        "5S_rRNA",
    ],
)
def test_gene_names_are_no_dates(name):
    assert not is_date(name)


@pytest.mark.parametrize(
    ("date", "genes"),
    [
        ("1-Sep", ("SEPT1",)),
        ("Sep-01", ("SEPT1",)),
        ("2-Mar", ("MARCH2", "MARC2")),
        ("10-Mar", ("MARCH10",)),
        ("1-Dec", ("DEC1",)),
        ("5-Dec", ()),
        ("1-Jun", ()),
        ("2001-09-01 00:00:00", ("SEPT1",)),
        ("2019-09-07", ("SEPT7",)),
        ("2007-09-01", ("SEPT1", "SEPT7")),
        ("TP53", ()),
    ],
)
def test_a_date_gives_the_genes_that_it_may_have_been(date, genes):
    assert undate(date) == genes


def test_former_names_of_renamed_families_give_the_present_ones():
    assert [renamed(name) for name in ("SEPT9", "MARCH1", "MARC1", "DEC1")] == [
        "SEPTIN9",
        "MARCHF1",
        "MTARC1",
        "DELEC1",
    ]
    assert [renamed(name) for name in ("SEPTIN9", "MARCKS", "MARCO", "SEPT", "SEPT9-DT")] == [None] * 5


def test_versions_are_stripped_from_ensembl_ids_only():
    given = [
        f"{TP53}.17",
        TP53,
        "ENSMUSG00000059552.14",
        "FBgn0000014",
        "AC000003.2",
        "RP11-206L10.2",
        "ENSG00000182378.14_PAR_Y",
    ]
    assert [unversioned(name) for name in given] == [TP53, TP53, "ENSMUSG00000059552", *given[3:]]
    assert [is_ensembl(name) for name in given] == [True, True, True, True, False, False, False]
    assert [organism_of(name) for name in given] == ["human", "human", "mouse", "fly", None, None, None]


def test_missing_values_of_every_kind_are_empty_texts():
    values = [None, float("nan"), pd.NA, pd.NaT, "NA", " nan ", "", "None", "Natural killer", 7, "N"]
    assert texts(values).tolist() == [""] * 8 + ["Natural killer", "7", "N"]
    assert texts(pd.Series(["a", None], dtype="category")).tolist() == ["a", ""]


def test_ids_and_symbols_are_repaired_with_the_table_and_every_repair_is_counted():
    ids = [f"{TP53}.17", "", "P53", "", "UNKNOWN1", "TEC", ACTB, "SEPT1", "C1ORF112"]
    symbols = ["TP53", "TP53", "", "1-Sep", "unknown-1", "TEC", "", "SEPT1", "C1ORF112"]
    names = name_genes(ids, symbols, TABLE)
    assert names.ids.tolist() == [TP53, TP53, TP53, SEPTIN1, "UNKNOWN1", "TEC", ACTB, SEPTIN1, "ENSG00000000460"]
    assert names.symbols.tolist() == ["TP53", "TP53", TP53, "SEPTIN1", "unknown-1", "TEC", "ACTB", "SEPT1", "C1ORF112"]
    assert names.mapped.tolist() == [True, True, True, True, False, False, True, True, True]
    assert names.given.tolist() == [TP53, "TP53", "P53", "1-Sep", "UNKNOWN1", "TEC", ACTB, "SEPT1", "C1ORF112"]
    assert {repair.what: repair.n for repair in names.repairs} == {
        "versions_stripped": 1,
        "empty_ids": 2,
        "symbols_to_ensembl": 4,
        "dates_to_ensembl": 1,
        "ambiguous_kept": 1,
        "symbols_from_table": 2,
    }


def test_without_a_table_names_stay_as_they_are():
    names = name_genes(["", TP53, "7157"], ["ACTB", "TP53", "TP53"])
    assert names.ids.tolist() == ["ACTB", TP53, "7157"]
    assert names.mapped.tolist() == [False, True, False]


def test_a_date_that_two_genes_may_have_become_is_kept_and_reported():
    names = name_genes(["2-Mar"], ["2-Mar"], TABLE)
    assert names.ids.tolist() == ["2-Mar"]
    assert not names.mapped[0]
    assert names.repairs[0].what == "dates_kept"
    assert "MARCH2 or MARC2" in names.repairs[0].example


def test_case_tells_organisms_apart():
    assert TABLE.find("Tp53") is None


@pytest.fixture
def rows():
    return pd.DataFrame(
        {
            "gene_name": ["TP53", "P53", "ACTB", "TWO", "TWO", "H19", "", TP53],
            "ensembl_id": [f"{TP53}.3", TP53, ACTB, ACTB, TP53, "ENSMUSG00000000031", ACTB, TP53],
        }
    )


@pytest.mark.parametrize("suffix", [".parquet", ".tsv", ".csv"])
def test_a_table_is_read_from_parquet_and_text(tmp_path, rows, suffix):
    path = tmp_path / f"genes{suffix}"
    rows.to_parquet(path) if suffix == ".parquet" else rows.to_csv(
        path, sep="," if suffix == ".csv" else "\t", index=False
    )
    table = read_gene_table(path, "human")
    assert table.id_of == {"TP53": TP53, "P53": TP53, "ACTB": ACTB, TP53: TP53}
    assert table.ambiguous == {"TWO"}
    assert table.name_of == {}  # TP53, P53 and TWO for one, ACTB and TWO for the other
    assert "H19" in read_gene_table(path).id_of
    assert read_gene_table(path, "mouse").name_of == {"ENSMUSG00000000031": "H19"}


def test_a_table_that_cannot_be_used_is_refused(tmp_path, rows):
    with pytest.raises(ScfmError, match="no such gene table"):
        read_gene_table(tmp_path / "absent.tsv")
    rows.rename(columns={"gene_name": "symbol"}).to_csv(tmp_path / "other.tsv", sep="\t", index=False)
    with pytest.raises(ScfmError, match=r"no column 'gene_name' \(it has: symbol, ensembl_id\)"):
        read_gene_table(tmp_path / "other.tsv")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(ScfmError, match="cannot be read as a gene table"):
        read_gene_table(tmp_path / "broken.parquet")
    (tmp_path / "binary.tsv").write_bytes(bytes(range(128, 256)))
    with pytest.raises(ScfmError, match="cannot be read as a gene table"):
        read_gene_table(tmp_path / "binary.tsv")
    rows.to_csv(tmp_path / "genes.tsv", sep="\t", index=False)
    with pytest.raises(ScfmError, match="no gene id of the organism 'fly'"):
        read_gene_table(tmp_path / "genes.tsv", "fly")
