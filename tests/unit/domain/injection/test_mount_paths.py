"""One place has one path, however it is written."""

from __future__ import annotations

import pytest

from nested_docker.domain.injection.mount_paths import is_within, mount_path


@pytest.mark.parametrize("text", ["/usr/bin", "usr/bin", "//usr/bin", "///usr//bin/", "/usr/./bin", "/usr/lib/../bin"])
def test_one_place_has_one_path(text: str) -> None:
    assert mount_path(text) == "/usr/bin"


@pytest.mark.parametrize(
    ("path", "directory", "inside"),
    [
        ("/usr", "/usr", True),
        ("/usr/bin", "/usr", True),
        ("/usr-local", "/usr", False),
        ("/usr", "/usr/bin", False),
        ("/usr", "/", True),
        ("/", "/", True),
        ("/", "/usr", False),
    ],
)
def test_what_is_in_a_directory(path: str, directory: str, inside: bool) -> None:
    assert is_within(path, directory) is inside
