from __future__ import annotations

from pathlib import Path

import pytest

from scfm_assets.families.symbol_aliases import aliases_of


def a_table(folder: Path, *pairs: tuple[str, str]) -> Path:
    path = folder / "genes.csv"
    path.write_text("\n".join(["gene_name,ensembl_id", *(",".join(pair) for pair in pairs)]) + "\n")
    return path


def ensg(number: int) -> str:
    return f"ENSG{number:011d}"


@pytest.mark.parametrize(
    ("symbol", "others"),
    [
        ("SEPTIN9", {"SEPT9", "9-Sep", "Sep-09"}),
        ("SEPT9", {"SEPTIN9", "9-Sep", "Sep-09"}),
        ("MARCHF8", {"MARCH8", "8-Mar", "Mar-08"}),
        ("MTARC1", {"MARC1"}),  # 1-Mar may also have been MARCH1
        ("C1orf112", {"C1ORF112"}),
        ("CXorf38", {"CXORF38"}),
        ("POU5F1", set()),
        ("OCT4", {"4-Oct", "Oct-04"}),
        ("MARCO", set()),
        ("7SK_ENSG00000260682", {"ENSG00000260682"}),
        ("ENSG00000283675.1", {"ENSG00000283675"}),
        ("ENSG00000283675", set()),
        ("SEPTIN", set()),
    ],
)
def test_old_new_and_spoilt_names_lead_to_the_symbol(symbol, others):
    assert aliases_of([symbol]) == dict.fromkeys(others, symbol)


def test_names_in_the_vocabulary_are_never_other_names():
    assert aliases_of(["SEPTIN9", "SEPT9", "C1orf112", "C1ORF112"]) == {"9-Sep": "SEPT9", "Sep-09": "SEPT9"}


def test_a_table_leads_ids_and_other_names_to_the_one_symbol_of_their_gene(tmp_path):
    table = a_table(
        tmp_path,
        ("TP53", ensg(1) + ".7"),
        ("P53", ensg(1)),
        ("CLAUDIN", ensg(2)),
        ("CLDN1", ensg(2)),
        ("CLDN2", ensg(2)),  # a gene with two names in the vocabulary
        ("SHARED", ensg(1)),
        ("SHARED", ensg(3)),
        ("MYC", ensg(3)),  # SHARED may be TP53 or MYC
        ("PAR", ensg(4)),
        ("PAR", ensg(5)),  # two ids of one symbol
        ("SEPT9", ensg(6)),
        ("NOBODY", ensg(7)),
    )
    found = aliases_of(["TP53", "CLDN1", "CLDN2", "MYC", "PAR", "SEPTIN9"], table)
    spelled = {"SEPT9": "SEPTIN9", "9-Sep": "SEPTIN9", "Sep-09": "SEPTIN9"}
    of_table = {ensg(1): "TP53", "P53": "TP53", ensg(3): "MYC", ensg(4): "PAR", ensg(5): "PAR", ensg(6): "SEPTIN9"}
    assert found == spelled | of_table


def test_an_id_that_a_name_holds_is_that_of_no_other_name(tmp_path):
    table = a_table(tmp_path, ("7SK", ensg(1)), ("7SK", ensg(2)))
    symbols = ["7SK", f"7SK_{ensg(2)}"]
    assert aliases_of(symbols, table) == {ensg(1): "7SK", ensg(2): f"7SK_{ensg(2)}"}


def test_genes_of_another_organism_are_not_those_of_the_vocabulary(tmp_path):
    table = a_table(
        tmp_path, ("H19", ensg(1)), ("GAPDH", ensg(2)), ("H19", "ENSMUSG00000000031"), ("Gapdh", "ENSMUSG00000057666")
    )
    assert aliases_of(["H19", "GAPDH"], table) == {ensg(1): "H19", ensg(2): "GAPDH"}
    assert aliases_of(["H19", "Gapdh"], table)["ENSMUSG00000057666"] == "Gapdh"
