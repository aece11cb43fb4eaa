"""Reference networks: every format read into one form, and every way in which a file can be spoiled."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from scfm_assets.core.networks.files import FORMATS
from scfm_assets.core.networks.table import EDGES, NetworkSpec, network_of_rows, read_network, tidy_network
from scfm_assets.errors import ScfmError
from scfm_assets.tables.networks import NETWORKS

TRRUST = """\
tf\ttarget\tmode\tpmids
MYC\tTERT\tActivation\t1
MYC\tTERT\tActivation\t2
MYC\tCDKN1A\tRepression\t3
MYC\tCDKN1A\tActivation\t4
MYC\tNA\tUnknown\t5
JUN\tFOS\tUnknown\t6
JUN\tFOS\tRepression\t7
JUN\tJUN\tActivation\t8
"""


def written(folder: Path, name: str, text: str) -> Path:
    """Write a file and give its path."""
    path = folder / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def edges_of(table: pa.Table) -> list[tuple]:
    """(tf, target, sign) of each row."""
    return list(zip(*(table[name].to_pylist() for name in ("tf", "target", "sign")), strict=True))


def refusal(spec: NetworkSpec) -> str:
    """Say how a network is refused."""
    with pytest.raises(ScfmError) as caught:
        read_network(spec)
    return str(caught.value)


def test_repeated_edges_are_kept_once_and_contradicting_signs_become_unknown(tmp_path):
    network = read_network(NetworkSpec("trrust", written(tmp_path, "trrust.tsv", TRRUST), format="trrust"))
    assert edges_of(network.table) == [
        ("JUN", "FOS", -1),  # a known sign beats an unknown one
        ("JUN", "JUN", 1),
        ("MYC", "CDKN1A", 0),  # both signs
        ("MYC", "NA", 0),  # a gene, not a missing value
        ("MYC", "TERT", 1),
    ]
    assert network.table.schema == EDGES.schema
    assert network.report.as_dict() == {
        "rows": 8, "filtered": 0, "dates_repaired": 0, "dates_dropped": 0, "named_by_table": 0,
        "duplicates": 3, "conflicts": 1, "self_edges": 1, "edges": 5, "tfs": 2, "targets": 5,
    }  # fmt: skip


@pytest.mark.parametrize("name", ["t.tsv", "t.txt", "t.csv", "t.tsv.gz", "t.csv.gz", "t.parquet"])
def test_a_network_is_the_same_whatever_file_it_comes_in(tmp_path, name):
    if name == "t.parquet":
        columns = zip(*(line.split("\t") for line in TRRUST.splitlines()), strict=True)
        path = tmp_path / name
        pq.write_table(pa.table({column: list(values) for column, *values in columns}), path)
    else:
        path = written(tmp_path, name, TRRUST.replace("\t", ",") if "csv" in name else TRRUST)
    network = read_network(NetworkSpec("n", path, format="trrust"))
    usual = read_network(NetworkSpec("n", written(tmp_path, "usual.tsv", TRRUST), format="trrust"))
    assert network.table.equals(usual.table)
    assert network.digest == usual.digest


def test_the_raw_trrust_file_has_no_header(tmp_path):
    bare = "".join(TRRUST.splitlines(keepends=True)[1:])
    network = read_network(NetworkSpec("n", written(tmp_path, "raw.tsv", bare), format="trrust"))
    assert network.report.rows == 8
    assert ("MYC", "TERT", 1) in edges_of(network.table)


def test_without_a_declared_version_the_content_is_the_version(tmp_path):
    lines = TRRUST.splitlines(keepends=True)
    same = read_network(
        NetworkSpec("n", written(tmp_path, "a.tsv", "".join([lines[0], *lines[:0:-1]])), format="trrust")
    )
    plain = read_network(NetworkSpec("n", written(tmp_path, "b.tsv", TRRUST), format="trrust"))
    less = read_network(NetworkSpec("n", written(tmp_path, "c.tsv", "".join(lines[:-1])), format="trrust"))
    named = read_network(NetworkSpec("n", written(tmp_path, "d.tsv", TRRUST), format="trrust", version="2.0"))
    assert same.version == plain.version == plain.digest[:12]
    assert less.version != plain.version
    assert (named.version, named.digest) == ("2.0", plain.digest)


def test_confidence_is_filtered_and_the_best_letter_of_an_edge_is_kept(tmp_path):
    text = "tf,confidence,target,mor\nA,B,X,1.0\nA,A,X,1\nA,E,Y,-1\nB,C,X,-0.5\n"
    spec = NetworkSpec("d", written(tmp_path, "d.csv", text), format="dorothea", confidence=("A", "B", "C"))
    network = read_network(spec)
    assert edges_of(network.table) == [("A", "X", 1), ("B", "X", -1)]
    assert network.table["confidence"].to_pylist() == ["A", "C"]
    assert (network.report.filtered, network.report.duplicates) == (1, 1)
    everything = read_network(NetworkSpec("d", spec.path, format="dorothea"))
    assert everything.report.edges == 3


def test_a_level_of_confidence_that_does_not_occur_is_refused_with_those_that_do(tmp_path):
    path = written(tmp_path, "d.csv", "tf,confidence,target,mor\nA,B,X,1\nA,D,Y,1\nA,D,Z,1\n")
    message = refusal(NetworkSpec("d", path, format="dorothea", confidence=("A",)))
    assert str(path) in message
    assert "no edge has confidence 'A'" in message
    assert "B (1 edges), D (2 edges)" in message
    bare = written(tmp_path, "t.csv", "tf,target\nA,X\n")
    assert "Present: no confidence at all" in refusal(NetworkSpec("d", bare, confidence=("A",)))


def test_collectri_comes_with_source_or_tf_and_weights(tmp_path):
    for tf in ("tf", "source"):
        path = written(tmp_path, f"{tf}.csv", f"{tf},target,weight\nMYC,TERT,1\nSPI1,BGLAP,-1\n")
        assert edges_of(read_network(NetworkSpec("c", path, format="collectri")).table) == [
            ("MYC", "TERT", 1), ("SPI1", "BGLAP", -1),
        ]  # fmt: skip


def test_any_table_is_read_by_naming_its_columns(tmp_path):
    path = written(tmp_path, "mine.csv", "regulator,gene,organ,effect\nA, X ,lung,+\nA,X,,-\nA,Y,liver,\n")
    columns = {"tf": "regulator", "target": "gene", "tissue": "organ", "sign": "effect"}
    network = read_network(NetworkSpec("mine", path, columns=columns))
    assert edges_of(network.table) == [("A", "X", 1), ("A", "X", -1), ("A", "Y", 0)]
    assert network.table["tissue"].to_pylist() == [
        "lung",
        None,
        "liver",
    ]  # an edge per tissue, no conflict between them
    assert network.report.conflicts == 0


def test_a_table_that_was_made_is_tidied_like_one_that_was_read():
    made = pa.table({"tf": ["b", "a", "a"], "target": ["x", "y", "y"], "sign": pa.array([1, -1, -1], pa.int8())})
    network = tidy_network(made, NetworkSpec("truth"))
    assert edges_of(network.table) == [("a", "y", -1), ("b", "x", 1)]


def test_versions_are_cut_off_ensembl_ids_only(tmp_path):
    text = "tf,target\nENSG00000141510.17,ENSG00000124762\nENSG00000141510,ENSG00000124762.13\n"
    path = written(tmp_path, "ids.csv", text)
    assert edges_of(read_network(NetworkSpec("e", path, ids="ensembl")).table) == [
        ("ENSG00000141510", "ENSG00000124762", 0)
    ]
    clones = written(tmp_path, "clones.csv", "tf,target\nRP11-34P13.7,AC000.1\n")
    assert edges_of(read_network(NetworkSpec("s", clones)).table) == [("RP11-34P13.7", "AC000.1", 0)]


def test_the_stored_rows_give_the_network_back(tmp_path):
    spec = NetworkSpec("trrust", written(tmp_path, "t.tsv", TRRUST), format="trrust", version="2")
    network = read_network(spec)
    other = tidy_network(pa.table({"tf": ["A"], "target": ["B"]}), NetworkSpec("other"))
    rows = pa.concat_tables([other.rows(), network.rows()])
    assert rows.schema == NETWORKS.schema
    again = network_of_rows(rows, spec)
    assert again.table.equals(network.table)
    assert (again.version, again.digest) == ("2", network.digest)
    with pytest.raises(ScfmError, match="Stored: other, trrust"):
        network_of_rows(rows, NetworkSpec("third"))


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_missing_column_is_named_with_those_that_are_there(tmp_path, form):
    path = written(tmp_path, "n.csv", "Regulator,target,mode\nA,B,x\n")
    message = refusal(NetworkSpec("n", path, format=form.name))
    assert str(path) in message
    assert f"column '{form.tf[0]}'" in message
    assert "missing" in message
    assert "Present: 'Regulator', 'target', 'mode'" in message


def test_a_declared_column_that_is_missing_is_refused_even_if_it_is_optional(tmp_path):
    path = written(tmp_path, "n.csv", "tf,target\nA,B\n")
    assert "column 'organ' (the tissue) is missing" in refusal(NetworkSpec("n", path, columns={"tissue": "organ"}))
    assert "Allowed: tf, target, sign, confidence, tissue" in refusal(NetworkSpec("n", path, columns={"organ": "x"}))


def test_symbols_that_a_spreadsheet_turned_into_dates_are_refused_with_their_rows(tmp_path):
    path = written(tmp_path, "n.csv", "tf,target\nMYC,TERT\nMYC,7-Sep\nJUN,1-Mar\nJUN,SEPT9\n")
    message = refusal(NetworkSpec("n", path))
    assert str(path) in message
    assert "2 names of the target are dates: '7-Sep' in row 2, '1-Mar' in row 3" in message
    assert "SEPT7" in message
    tfs = written(tmp_path, "tfs.csv", "tf,target\n1-Dec,TERT\n")
    assert "names of the tf are dates: '1-Dec' in row 1" in refusal(NetworkSpec("n", tfs))
    kept = written(tmp_path, "kept.csv", "tf,target\nDEC1,SEPT9\n")
    assert read_network(NetworkSpec("n", kept)).report.edges == 1


def test_empty_names_and_strange_signs_are_refused_with_their_row(tmp_path):
    path = written(tmp_path, "n.csv", "tf,target,sign\nA,B,1\nA, ,1\nA,,1\n")
    assert "the target is empty in 2 of 3 rows (first: row 2)" in refusal(NetworkSpec("n", path))
    path = written(tmp_path, "m.csv", "tf,target,sign\nA,B,1\nA,C,perhaps\n")
    assert "column 'sign' holds 'perhaps' (row 2), which is no sign" in refusal(NetworkSpec("n", path))


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("empty.csv", "", "cannot be read as a table"),
        ("header.csv", "tf,target\n", "has no rows"),
        ("ragged.csv", "tf,target\nA,B\nA,B,C,D\n", "cannot be read as a table"),
        ("broken.parquet", "PAR1 and no more", "cannot be read as a table"),
        ("broken.csv.gz", None, "cannot be read as a table"),
        ("network.xlsx", "PK", "is not a table by its name"),
        ("commas.tsv", "tf,target\nA,B\n", "is missing"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path, name, text, problem):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"tf,target\n" * 1000)[:40] if text is None else text.encode())
    message = refusal(NetworkSpec("n", path))
    assert str(path) in message
    assert problem in message


def test_a_file_that_is_not_there_and_a_format_that_is_not_known_are_refused(tmp_path):
    assert "no such file" in refusal(NetworkSpec("n", tmp_path / "gone.tsv"))
    assert "has no file to read" in refusal(NetworkSpec("n"))
    assert "Allowed: trrust, dorothea, collectri, omnipath, beeline, decoupler, table" in refusal(
        NetworkSpec("n", tmp_path / "x.tsv", format="gmt")
    )


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = written(tmp_path, "n.csv", "\ufefftf,target\nA,B\n")
    assert edges_of(read_network(NetworkSpec("n", path)).table) == [("A", "B", 0)]


# Other formats


def test_the_truth_of_beeline_comes_with_or_without_signs(tmp_path):
    signed = written(tmp_path, "truth.csv", "Gene1,Gene2,Type\nUGR,WT1,+\nWT1,SRY,-\n")
    assert edges_of(read_network(NetworkSpec("b", signed, format="beeline")).table) == [
        ("UGR", "WT1", 1),
        ("WT1", "SRY", -1),
    ]
    plain = written(tmp_path, "plain.csv", "Gene1,Gene2\nUGR,WT1\n")
    assert edges_of(read_network(NetworkSpec("b", plain, format="beeline")).table) == [("UGR", "WT1", 0)]


def test_a_weight_gives_the_sign_of_a_network_of_decoupler(tmp_path):
    path = written(tmp_path, "net.csv", "source,target,weight,confidence\nA,X,0.7,A\nA,Y,-1e-3,B\nB,X,0,C\n")
    network = read_network(NetworkSpec("n", path, format="decoupler"))
    assert edges_of(network.table) == [("A", "X", 1), ("A", "Y", -1), ("B", "X", 0)]
    assert network.table["confidence"].to_pylist() == ["A", "B", "C"]


def test_omnipath_marks_signs_in_two_columns(tmp_path):
    head = "source\ttarget\tsource_genesymbol\ttarget_genesymbol\tis_stimulation\tis_inhibition\tdorothea_level\n"
    rows = "P1\tP2\tMYC\tTERT\t1\t0\tA\nP1\tP3\tMYC\tP53\t0\t1\tD;B\n"
    rows += "P1\tP4\tMYC\tX\tTrue\tTrue\tC\nP1\tP5\tMYC\tY\t0\t0\tD\n"
    path = written(tmp_path, "interactions", head + rows)  # as the web service names it
    network = read_network(NetworkSpec("o", path, format="omnipath", confidence=("A", "B", "C")))
    assert edges_of(network.table) == [("MYC", "P53", -1), ("MYC", "TERT", 1), ("MYC", "X", 0)]
    assert network.table["confidence"].to_pylist() == ["B", "A", "C"]


def test_one_network_is_taken_out_of_a_file_of_several(tmp_path):
    columns = {
        "network": ["STRING", "STRING", "Specific", "Specific"],
        "size": ["TFs+500", "TFs+1000", "TFs+500", "TFs+500"],
        "tf": ["A", "B", "C", "C"],
        "target": ["X", "X", "X", "Y"],
        "year": [1, 2, 3, 4],
    }
    path = tmp_path / "all.parquet"
    pq.write_table(pa.table(columns), path)
    spec = NetworkSpec("n", path, where={"network": ("Specific",), "size": ("TFs+500",)})
    network = read_network(spec)
    assert edges_of(network.table) == [("C", "X", 0), ("C", "Y", 0)]
    assert (network.report.rows, network.report.filtered) == (4, 2)
    assert read_network(NetworkSpec("n", path, where={"year": ("1", "3")})).report.edges == 2
    assert "no row has network 'CHIP'" in refusal(NetworkSpec("n", path, where={"network": ("CHIP",)}))
    assert "Present, after what stands before: STRING, Specific" in refusal(
        NetworkSpec("n", path, where={"network": ("CHIP",)})
    )
    message = refusal(NetworkSpec("n", path, where={"network": ("STRING",), "organ": ("lung",)}))
    assert "the column 'organ', which is not there" in message
    assert "Present: 'network', 'size', 'tf', 'target', 'year'" in message


# Dates and former names

SPOILED = "tf,target,confidence\nMYC,TERT,A\nMYC,7-Sep,A\nJUN,2-Mar,A\n1-Dec,FOS,A\nJUN,2021-09-09,B\n"


def test_dates_are_repaired_where_one_gene_only_can_be_meant(tmp_path):
    path = written(tmp_path, "n.csv", SPOILED)
    network = read_network(NetworkSpec("n", path, dates="repair"))
    assert edges_of(network.table) == [("DEC1", "FOS", 0), ("JUN", "SEPT9", 0), ("MYC", "SEPT7", 0), ("MYC", "TERT", 0)]
    assert (network.report.dates_repaired, network.report.dates_dropped) == (3, 1)  # 2-Mar was MARCH2 or MARC2
    some = read_network(NetworkSpec("n", path, dates="repair", confidence=("A",)))
    assert (some.report.filtered, some.report.dates_repaired, some.report.dates_dropped) == (1, 2, 1)


def test_dates_are_dropped_if_asked_for_and_counted(tmp_path):
    path = written(tmp_path, "n.csv", SPOILED)
    network = read_network(NetworkSpec("n", path, dates="drop"))
    assert edges_of(network.table) == [("MYC", "TERT", 0)]
    assert (network.report.dates_repaired, network.report.dates_dropped) == (0, 4)
    assert "`dates: repair` for network 'n'" in refusal(NetworkSpec("n", path))
    all_of_it = written(tmp_path, "all.csv", "tf,target\nMYC,2-Mar\n")
    assert "every edge has a name that is a date" in refusal(NetworkSpec("n", all_of_it, dates="repair"))


GENES = """\
gene_name\tensembl_id
SEPT7\tENSG00000122545
SEPTIN7\tENSG00000122545
TERT\tENSG00000164362
TWO\tENSG00000000001
TWO\tENSG00000000002
"""


def test_a_gene_table_gives_names_their_ids_and_changes_no_name(tmp_path):
    genes = written(tmp_path, "genes.tsv", GENES)
    path = written(tmp_path, "n.csv", "tf,target\nSEPT7,TERT\nSEPT7,TWO\nMYC,7-Sep\n")
    plain = read_network(NetworkSpec("n", path, dates="repair"))
    named = read_network(NetworkSpec("n", path, dates="repair", gene_table=genes))
    assert edges_of(named.table) == edges_of(plain.table)
    assert named.table["tf_id"].to_pylist() == [None, "ENSG00000122545", "ENSG00000122545"]
    assert named.table["target_id"].to_pylist() == ["ENSG00000122545", "ENSG00000164362", None]
    assert (plain.report.named_by_table, named.report.named_by_table) == (0, 2)
    assert plain.digest != named.digest
    again = network_of_rows(named.rows(), NetworkSpec("n"))
    assert again.table.equals(named.table)
    before = named.rows().drop_columns(["tf_id", "target_id"])  # stored when there were no ids
    assert network_of_rows(before, NetworkSpec("n")).table.equals(plain.table)
