"""Versions of the Docker API."""

from __future__ import annotations

import pytest

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.wire.api_version import MAX_VERSION, cap_version, common_version, format_version, parse_version


@pytest.mark.parametrize("text", ["1.24", "1.56", "1.0", "9.999"])
def test_a_version_is_read_and_written(text: str) -> None:
    version = parse_version(text)
    assert version is not None
    assert format_version(version) == text


@pytest.mark.parametrize(
    "text", ["", "1", "1.", ".1", "1.045", "01.45", "1.45.1", "v1.45", "1.45 ", "1.4x", "1.1234", "٣.1"]
)
def test_other_text_is_not_a_version(text: str) -> None:
    assert parse_version(text) is None
    assert cap_version(text) == text
    with pytest.raises(GuardDenied, match=r"the guard needs 1\.24 or newer"):
        common_version(text, None)


def test_versions_are_compared_as_numbers() -> None:
    assert cap_version("1.9") == "1.9"
    assert cap_version("1.100") == cap_version("2.0") == format_version(MAX_VERSION)
    assert common_version("1.100", (1, 41)) == MAX_VERSION
    assert common_version("1.41", (1, 41)) == (1, 41)
    with pytest.raises(GuardDenied, match=r"client version 1\.100 is too new\. Maximum supported API version is 1\.41"):
        common_version("1.41", (1, 100))
