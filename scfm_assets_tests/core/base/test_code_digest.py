from __future__ import annotations

from scfm_assets.core.base import digest_code, digest_source

CODE = '''"""What it is."""
LIMIT = 3
"""What it limits."""


def double(x):
    """Give it twice."""
    return 2 * x  # why
'''


def test_comments_docstrings_and_layout_are_no_code():
    same = CODE.replace("What", "Whatever").replace("  # why", "").replace("\n\n\n", "\n").replace("2 * x", "(2 * x)")
    assert digest_source(same) == digest_source(CODE)


def test_constants_names_and_operations_are():
    changed = [CODE.replace("3", "4"), CODE.replace("LIMIT", "MOST"), CODE.replace("2 *", "2 +"), CODE + "f = 1"]
    assert len({digest_source(source) for source in (CODE, *changed)}) == 5


def test_a_text_that_is_used_is_code():
    assert digest_source('WORD = "a"') != digest_source('WORD = "b"')


def test_a_folder_is_known_by_the_names_and_code_of_its_files_wherever_it_lies(tmp_path):
    def folder(name, **files):
        (tmp_path / name / "study").mkdir(parents=True)
        for file, source in files.items():
            (tmp_path / name / "study" / f"{file}.py").write_text(source)
        return digest_code([tmp_path / name / "study"])

    first = folder("a", scores=CODE, verdict="x = 1")
    assert folder("b", scores=CODE, verdict="x = 1  # one") == first
    assert folder("c", scores=CODE, verdicts="x = 1") != first
    assert folder("d", scores=CODE, verdict="x = 2") != first
