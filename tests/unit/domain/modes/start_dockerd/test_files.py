"""Certificates, the configuration and files of registries."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from tests.unit.domain.modes.start_dockerd.container import Container


@pytest.mark.parametrize(
    "path",
    [
        "etc/ssl/certs/ca-certificates.crt",
        "etc/pki/tls/certs/ca-bundle.crt",
        "etc/ssl/ca-bundle.pem",
        "etc/pki/tls/cacert.pem",
        "etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "etc/ssl/cert.pem",
    ],
)
def test_a_bundle_is_added_to_the_images_own_in_every_distribution(container: Container, path: str) -> None:
    container.write(path, "the image's")
    bundle = container.write("bundle", "the user's\n")
    done = container.start(NESTED_DOCKER_CA_BUNDLE=str(bundle))
    assert (done.code, done.stderr) == (0, "")
    assert Path(done.environment["SSL_CERT_FILE"]).read_text() == "the image's\nthe user's\n"


def test_a_bundle_is_enough_for_an_image_without_authorities(container: Container) -> None:
    bundle = container.write("bundle", "the user's\n")
    done = container.start(NESTED_DOCKER_CA_BUNDLE=str(bundle))
    assert Path(done.environment["SSL_CERT_FILE"]).read_text().strip() == "the user's"
    assert "dockerd trusts only those of spec.engine.caBundleRef" in done.stderr


def test_the_configuration_is_written(container: Container) -> None:
    container.start(NESTED_DOCKER_CONFIG='{"a":"b c"}')
    assert container.read("etc/docker/daemon.json") == '{"a":"b c"}'
    container.start()
    assert container.read("etc/docker/daemon.json") == "{}"


MIRRORS = """# docker.io
[host."http://m.example:5000"]
capabilities = ["pull", "resolve"]
# r.example:5000
server = "http://r.example:5000"
skip_verify = true
[host."https://m.example"]
capabilities = ["pull", "resolve"]
"""


def test_each_registry_with_mirrors_has_its_file(container: Container) -> None:
    for _ in range(2):  # the folder may be on a volume, which outlives the container
        done = container.start(NESTED_DOCKER_MIRRORS=MIRRORS)
        assert (done.code, done.stderr) == (0, "")
    hub, other = (tomllib.loads(container.read(f"etc/docker/certs.d/{name}/hosts.toml")) for name in REGISTRIES)
    assert [*hub["host"]] == ["http://m.example:5000"]
    assert (other["server"], [*other["host"]]) == ("http://r.example:5000", ["https://m.example"])


REGISTRIES = ("docker.io", "r.example:5000")


def test_mirrors_that_cannot_be_written_are_an_error(container: Container) -> None:
    container.write("etc/docker/certs.d", "not a folder")
    done = container.start(NESTED_DOCKER_MIRRORS=MIRRORS)
    assert done.code == 1
    assert "spec.engine.mirrors cannot be written to" in done.stderr
    assert "mount folders of registries instead of the whole folder" in done.stderr
    assert done.flags == []
