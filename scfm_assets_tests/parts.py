"""A plugin of pytest: run a part of the tests that are asked for, ``-p scfm_assets_tests.parts --part 2/6``.

The parts make up the whole. Tests with the same parameters stay together, so that what they share is made once.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--part I/N``."""
    parser.addoption("--part", type=_part, required=True, metavar="I/N", help="run the I-th of N parts of the tests")


def _part(text: str) -> tuple[int, int]:
    part, parts = map(int, text.split("/"))
    if not 1 <= part <= parts:
        raise ValueError(text)
    return part, parts


@pytest.hookimpl(trylast=True)  # after those that are not asked for have left
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep every N-th set of parameters."""
    part, parts = config.getoption("--part")
    names = [item.name.partition("[")[2] or item.nodeid for item in items]
    number = {name: i for i, name in enumerate(dict.fromkeys(names))}
    leaving = [item for item, name in zip(items, names, strict=True) if number[name] % parts != part - 1]
    config.hook.pytest_deselected(items=leaving)
    items[:] = [item for item, name in zip(items, names, strict=True) if number[name] % parts == part - 1]
