"""Broken links of a built site are found, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from hack.docs_site.links import problems

GOOD = """<link rel="stylesheet" href="a.css"><link rel="next" href="b.html"><img src="data:image/png;base64,x">
<a id="here" href="#here">x</a><a href="b.html#there">y</a><a href="https://example.com/z">z</a>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "a.css").write_text("")
    (tmp_path / "b.html").write_text('<h1 id="there">B</h1>')
    return tmp_path


def test_a_site_whose_links_work_has_no_problem(site: Path) -> None:
    (site / "index.html").write_text(GOOD)
    assert list(problems(site)) == []


@pytest.mark.parametrize(
    ("html", "problem"),
    [
        ('<a href="gone.html">x</a>', "index.html: gone.html does not exist"),
        ('<a href="b.html#gone">x</a>', "index.html: b.html#gone: the page has no such anchor"),
        ('<a href="#gone">x</a>', "index.html: #gone: the page has no such anchor"),
        ('<img src="gone.svg">', "index.html: gone.svg does not exist"),
        (
            '<script src="https://cdn.example.com/x.js"></script>',
            "index.html: https://cdn.example.com/x.js is loaded from",
        ),
        ('<link rel="stylesheet" href="//fonts.example.com/x">', "index.html: //fonts.example.com/x is loaded from"),
    ],
)
def test_a_link_that_does_not_work_is_named(site: Path, html: str, problem: str) -> None:
    (site / "index.html").write_text(GOOD + html)
    (found,) = problems(site)
    assert found.startswith(problem)
