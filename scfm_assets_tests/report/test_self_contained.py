"""A page that fetches something says what."""

from __future__ import annotations

import pytest

from scfm_assets.report.self_contained import page_is_self_contained


@pytest.mark.parametrize(
    "fetched",
    [
        '<script src="https://cdn.example/x.js"></script>',
        "<link rel=stylesheet href=//cdn.example/x.css>",
        "<img alt='a' src='http://example.org/a.png'>",
        "<svg><image x='1' href='https://example.org/a.svg'/></svg>",
        "<style>@font-face { src: url( 'https://example.org/f.woff') }</style>",
        "<style>@import 'https://example.org/s.css';</style>",
    ],
)
def test_a_page_that_fetches_something_is_told_what(fetched):
    passed, words = page_is_self_contained(f"<html>{fetched}</html>")
    assert not passed
    assert "1 resources, such as " in words
    assert "example" in words


def test_a_page_may_link_and_name_namespaces_and_hold_data():
    page = (
        '<svg xmlns="http://www.w3.org/2000/svg"><image href="data:image/png;base64,AA//"/></svg>'
        '<a href="https://example.org">paper</a><img src="data:image/png;base64,//8A"><b>see https://example.org</b>'
    )
    assert page_is_self_contained(page) == (True, f"{len(page)} bytes that fetch nothing")
