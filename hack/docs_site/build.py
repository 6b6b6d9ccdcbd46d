"""Builds the documentation site from docs, and fails if one link of it leads nowhere or its search finds nothing.

Usage: python -m hack.docs_site.build FOLDER; the site is in FOLDER/html.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from hack.docs_site.links import problems
from hack.docs_site.searching import search_problems
from hack.docs_site.staging import Staging

HERE = Path(__file__).parent
ROOT = HERE.parents[1]


def main(folder: Path) -> int:
    """Build; the exit status is 1 if something is wrong."""
    source, html = folder / "source", folder / "html"
    for old in (source, html):
        shutil.rmtree(old, ignore_errors=True)
    try:
        staged = Staging(ROOT).stage()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    for name, content in staged.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    sphinx = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    built = subprocess.run(
        [*sphinx, "--conf-dir", HERE, "--doctree-dir", folder / "doctrees", "--fresh-env", source, html], check=False
    )
    if built.returncode:
        return 1
    found = [*problems(html), *search_problems(html)]
    print("\n".join(found), end="\n" if found else "", file=sys.stderr)
    print(f"{len(list(html.rglob('*.html')))} pages: {html / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
