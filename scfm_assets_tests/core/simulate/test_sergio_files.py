"""SERGIO's input files: read as they are, or refused with the line."""

import re

import pytest

from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.simulate.sergio_files import read_sergio

TARGETS = "1, 1, 0, 2.5, 2\n\n2.0,2.0,1.0,0.0,-1.3,4,3,2\n"
MASTERS = "0, 0.5, 1.5, 3\n"


def read(folder, targets=TARGETS, masters=MASTERS, **options):
    paths = folder / "targets.txt", folder / "masters.txt"
    for path, text in zip(paths, (targets, masters), strict=True):
        path.write_text(text)
    return read_sergio(*paths, **options)


def test_genes_edges_kinetics_and_rates_are_read(tmp_path):
    network = read(tmp_path)
    assert network.genes == ("gene_0", "gene_1", "gene_2")
    assert network.edges.tolist() == [(0, 1, 1), (0, 2, 1), (1, 2, -1)]
    assert network.strength.tolist() == [2.5, 4.0, 1.3]
    assert network.coefficient.tolist() == [2.0, 2.0, 3.0]
    assert network.basal.tolist() == [[0.5, 1.5, 3.0], [0, 0, 0], [0, 0, 0]]
    assert network.tfs.tolist() == [0, 1]


def test_one_hill_coefficient_may_stand_for_all(tmp_path):
    network = read(tmp_path, "1,1,0,2.5\n2,1,0,2.5,7\n", coefficient=2.0)
    assert network.coefficient.tolist() == [2.0, 2.0]


@pytest.mark.parametrize(
    ("targets", "masters", "problem"),
    [
        ("1,1,0,2.5\n", MASTERS, "targets.txt: line 1: 4 values for gene 1 with 1 regulators, not 5"),
        ("1,0\n", MASTERS, "line 1: 2 values for gene 1 with 0 regulators"),
        ("1\n", MASTERS, "line 1: 1 values for gene 1"),
        ("1,1,0,x,2\n", MASTERS, "line 1: could not convert string to float"),
        ("1,1,0,nan,2\n", MASTERS, "line 1: a value is not finite"),
        ("1.5,1,0,2,2\n", MASTERS, "line 1: 1.5 where a gene id should be"),
        ("-1,1,0,2,2\n", MASTERS, "line 1: -1.0 where a gene id should be"),
        ("1,1,1,2,2\n", MASTERS, "line 1: gene 1 regulates itself"),
        ("1,2,0,0,2,2,2,2\n", MASTERS, "line 1: a regulator stands twice"),
        ("1,1,0,0,2\n", MASTERS, "line 1: a strength of 0"),
        ("1,1,0,2,0\n", MASTERS, "line 1: Hill coefficient 0.0"),
        ("1,1,0,2,2\n1,1,0,2,2\n", MASTERS, "line 2: gene 1 stands in an earlier line"),
        ("0,1,1,2,2\n", MASTERS, "line 1: gene 0 stands in the file of master regulators"),
        ("1,1,7,2,2\n", MASTERS, "targets.txt: regulator 7 (of 1 such) is neither"),
        (TARGETS, "", "masters.txt: holds no master regulator"),
        (TARGETS, "0,1,2\n3,1\n", "masters.txt: line 2: 1 production rates, the first line has 2"),
        (TARGETS, "0\n", "masters.txt: line 1: 0 production rates"),
        (TARGETS, "0,1\n0,1\n", "masters.txt: line 2: gene 0 stands in an earlier line"),
        (TARGETS, "0,-1\n", "masters.txt: line 1: production rate -1.0"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(tmp_path, targets, masters, problem):
    with pytest.raises(ScfmError, match=re.escape(problem)):
        read(tmp_path, targets, masters)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(ScfmError, match="cannot be read"):
        read_sergio(tmp_path / "none", tmp_path / "none")
