"""The classic builder through the guard: its features and its errors."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guard.dockerd import Dockerd
from tests.guard.owner import Owner

MIB = 2**20


@pytest.fixture
def tag(alice: Owner) -> Iterator[str]:
    """A name for the image that the test builds."""
    chosen = f"localhost/builds-{uuid.uuid4().hex[:8]}:1"
    yield chosen
    alice.run("rmi", "--force", chosen)


def write(folder: Path, **files: str) -> None:
    """Write files of a context; underscores in the names become dots."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)


MULTI_STAGE = """\
ARG BASE=nothing:here
FROM $BASE AS maker
ARG WORD=default
RUN echo "$WORD" > /made
FROM maker AS tester
RUN grep -q given /made && touch /tested
FROM busybox AS last
COPY --from=maker /made /result
COPY --from=1 /tested /tested
ENV KIND=last
USER 1000
WORKDIR /work
ENTRYPOINT ["sh", "-c"]
CMD ["cat /result; echo $KIND; id -u; pwd"]
"""


def test_stages_and_arguments(alice: Owner, tag: str, tmp_path: Path) -> None:
    write(tmp_path, Dockerfile=MULTI_STAGE)
    arguments = ("--build-arg", "BASE=busybox", "--build-arg", "WORD=given")
    alice.docker("build", "--tag", tag, *arguments, str(tmp_path))
    assert alice.docker("run", "--rm", tag).split() == ["given", "last", "1000", "/work"]


def test_a_target_stage(alice: Owner, tag: str, tmp_path: Path) -> None:
    write(tmp_path, Dockerfile="FROM busybox AS first\nRUN touch /first\nFROM first\nRUN false\n")
    alice.docker("build", "--tag", tag, "--target", "first", str(tmp_path))
    assert alice.docker("run", "--rm", tag, "ls", "/first") == "/first"


def test_dockerignore_excludes_files(alice: Owner, tag: str, tmp_path: Path) -> None:
    write(
        tmp_path, Dockerfile="FROM busybox\nCOPY . /context\n", kept_txt="", gone_log="", _dockerignore="*.log\nsub\n"
    )
    (tmp_path / "sub").mkdir()
    write(tmp_path / "sub", secret="")
    alice.docker("build", "--tag", tag, str(tmp_path))
    assert alice.docker("run", "--rm", tag, "ls", "/context").split() == ["Dockerfile", "kept.txt"]


def test_a_dockerfile_outside_of_the_context(alice: Owner, tag: str, tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    write(tmp_path, other="FROM busybox\nCOPY file /file\n")
    write(tmp_path / "context", file="content")
    alice.docker("build", "--tag", tag, "--file", str(tmp_path / "other"), str(tmp_path / "context"))
    assert alice.docker("run", "--rm", tag, "cat", "/file") == "content"


def test_a_failing_step_ends_the_build_with_its_exit_code_and_output(
    alice: Owner, dockerd: Dockerd, tag: str, tmp_path: Path
) -> None:
    before = dockerd.docker("ps", "-aq")
    write(tmp_path, Dockerfile='FROM busybox\nRUN echo spoken; echo cried >&2; exit 7\nRUN echo "never"\n')
    ran = alice.run("build", "--tag", tag, str(tmp_path))
    assert ran.returncode == 7
    assert b"returned a non-zero code: 7" in ran.stderr
    assert b"spoken\n" in ran.stdout
    assert b"cried\n" in ran.stdout + ran.stderr
    assert b"never" not in ran.stdout.replace(b'RUN echo "never"', b"")
    assert dockerd.docker("ps", "-aq") == before
    assert not dockerd.docker("images", "-q", tag)


def test_an_invalid_dockerfile_gives_the_daemons_error(alice: Owner, tmp_path: Path) -> None:
    write(tmp_path, Dockerfile="FORM busybox\n")
    ran = alice.run("build", str(tmp_path))
    assert ran.returncode != 0
    assert b"unknown instruction: FORM" in ran.stderr


def test_a_second_build_uses_the_cache(alice: Owner, tag: str, tmp_path: Path) -> None:
    write(tmp_path, Dockerfile=f"FROM busybox\nRUN echo {tag}\nCOPY file /file\n", file="one")
    first = alice.docker("build", "--tag", tag, str(tmp_path))
    assert "Using cache" not in first
    assert alice.docker("build", "--tag", tag, str(tmp_path)).count("Using cache") >= 2
    write(tmp_path, file="two")
    alice.docker("build", "--tag", tag, str(tmp_path))
    assert alice.docker("run", "--rm", tag, "cat", "/file") == "two"
    assert "Using cache" not in alice.docker("build", "--no-cache", "--tag", tag, str(tmp_path))


def test_a_cache_image_may_be_absent(alice: Owner, bob: Owner, tag: str, tmp_path: Path) -> None:
    """As at the daemon: the first build of a pipeline names an image that does not exist yet."""
    write(tmp_path, Dockerfile=f"FROM busybox\nRUN echo {tag}\n")
    alice.docker("build", "--tag", tag, "--cache-from", "localhost/absent:1", str(tmp_path))
    assert "Using cache" in alice.docker("build", "--cache-from", tag, str(tmp_path))
    assert "Using cache" not in alice.docker("build", "--cache-from", "localhost/absent:1", str(tmp_path))
    assert "Using cache" not in bob.docker("build", "--cache-from", tag, str(tmp_path)), "it is another owner's"


def test_a_large_context_arrives_complete(alice: Owner, tag: str, tmp_path: Path) -> None:
    chance = random.Random(50)
    sums = {}
    (tmp_path / "data").mkdir()
    for number in range(50):
        content = chance.randbytes(MIB)  # nothing that could be compressed on the way
        (tmp_path / "data" / str(number)).write_bytes(content)
        sums[str(number)] = hashlib.sha256(content).hexdigest()
    write(tmp_path, Dockerfile="FROM busybox\nCOPY data /data\nRUN cd /data && sha256sum * > /sums\n")
    alice.docker("build", "--tag", tag, str(tmp_path))
    lines = (line.split() for line in alice.docker("run", "--rm", tag, "cat", "/sums").splitlines())
    assert {name: sum_ for sum_, name in lines} == sums


def test_an_interrupted_build_leaves_no_container(alice: Owner, dockerd: Dockerd, tag: str, tmp_path: Path) -> None:
    before = dockerd.docker("ps", "-aq")
    write(tmp_path, Dockerfile="FROM busybox\nRUN echo begun; sleep 300\n")
    command = ["docker", "--host", f"unix://{alice.socket}", "build", "--no-cache", "--tag", tag, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | {"DOCKER_BUILDKIT": "0"}) as client:
        assert client.stdout is not None
        assert b"begun\n" in iter(client.stdout.readline, b"")
        client.terminate()
    deadline = time.monotonic() + 60
    while dockerd.docker("ps", "-aq") != before:
        assert time.monotonic() < deadline, dockerd.docker("ps", "-a")
        time.sleep(0.1)
