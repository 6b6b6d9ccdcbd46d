"""The sources of the site are the pages of docs, and each of their links leads to a file of the site."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hack.docs_site.staging import APART, Staging
from tests.unit.pages import ROOT


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a page, a record, an example and an image."""
    files = {
        "docs/index.md": "# Home\n\n![Picture](images/a.svg) [CLI](cli.md#top)\n",
        "docs/cli.md": "# Top\n\n[example](../examples/a.yaml), [folder](../examples), "
        "[records](adr/), [README](../README.md)\n",
        "docs/adr/0001-one.md": "# 1. One\n",
        "docs/images/a.svg": "<svg/>",
        "examples/a.yaml": "a: ```\n",
        "README.md": "# Product\n\n[docs](docs/cli.md) [elsewhere](https://example.com) [here](#product)\n",
    }
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def staged(root: Path) -> dict[str, str]:
    return {name: content.decode() for name, content in Staging(root).stage().items()}


def test_links_out_of_docs_lead_to_pages_with_the_files(root: Path) -> None:
    files = staged(root)
    assert files["cli.md"] == (
        "# Top\n\n[example](repository/examples/a.yaml.md), [folder](repository/examples/index.md), "
        "[records](adr/index.md), [README](repository/README.md)\n"
    )
    assert files["repository/examples/index.md"].endswith("# examples\n\n- [a.yaml](a.yaml.md)\n")
    assert files["repository/README.md"].endswith(
        "# Product\n\n[docs](../cli.md) [elsewhere](https://example.com) [here](#product)\n"
    )
    assert files["images/a.svg"] == "<svg/>"


def test_a_file_with_backticks_ends_where_it_ends(root: Path) -> None:
    assert staged(root)["repository/examples/a.yaml.md"].endswith("# examples/a.yaml\n\n```yaml\na: ```\n```\n")
    (root / "examples/a.yaml").write_text("a: |\n```\n")
    assert staged(root)["repository/examples/a.yaml.md"].endswith("\n````yaml\na: |\n```\n````\n")


def test_only_pages_from_outside_are_neither_in_the_navigation_nor_in_the_search(root: Path) -> None:
    orphans = {name for name, content in staged(root).items() if content.startswith(APART)}
    assert orphans == {"repository/examples/a.yaml.md", "repository/examples/index.md", "repository/README.md"}


def test_the_first_page_has_the_navigation_and_the_index_the_records(root: Path) -> None:
    files = staged(root)
    assert re.findall(r"^(?:cli|adr/index)$", files["index.md"], re.MULTILINE) == ["cli", "adr/index"]
    assert "\n- [1. One](0001-one.md)\n" in files["adr/index.md"]


@pytest.mark.parametrize("code", ["`[x](gone.md)`", "```\n[x](gone.md)\n```", "``a ` [x](gone.md)``"])
def test_code_is_no_link(root: Path, code: str) -> None:
    (root / "docs/cli.md").write_text(f"# Top\n\n{code}\n")
    assert staged(root)["cli.md"] == f"# Top\n\n{code}\n"


@pytest.mark.parametrize("target", ["gone.md", "../examples/gone.yaml", "../../outside.md"])
def test_a_link_that_leads_nowhere_is_named(root: Path, target: str) -> None:
    (root / "docs/cli.md").write_text(f"# Top\n\n[x]({target})\n")
    (root.parent / "outside.md").write_text("")
    with pytest.raises(ValueError, match=rf"docs/cli\.md: the link {re.escape(target)} leads nowhere"):
        Staging(root).stage()


def test_what_docs_links_can_be_staged() -> None:
    files = Staging(ROOT).stage()
    assert {"quickstart.md", "adr/index.md", "repository/examples/class.yaml.md", "images/run.svg"} <= files.keys()
    assert [name for name, content in files.items() if not content] == []
