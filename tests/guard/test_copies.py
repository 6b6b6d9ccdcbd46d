"""docker cp through the guard: whole trees in both directions, without changes."""

from __future__ import annotations

import io
import random
import stat
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.guard.owner import Owner

NAMES = ("plain", "with a blank", "+%&?#", "ünïcödé", "-dash", "a" * 200)


@pytest.fixture
def name(alice: Owner) -> Iterator[str]:
    """A running container's name."""
    chosen = f"copies-{uuid.uuid4().hex[:8]}"
    alice.docker("run", "-d", "--name", chosen, "busybox", "sleep", "300")
    yield chosen
    alice.docker("rm", "-f", chosen)


def plant(root: Path) -> None:
    """A tree of some 2000 files and 20 MiB, with links and modes."""
    chance = random.Random(4)
    for number in range(100):
        folder = root / f"{number % 10}" / f"{number}"
        folder.mkdir(parents=True)
        for leaf in range(20):
            (folder / f"{leaf}").write_bytes(chance.randbytes(chance.randint(0, 20_000)))
    for each in NAMES:
        (root / each).write_text(each)
    (root / "empty").mkdir(mode=0o700)
    (root / "program").write_text("#!/bin/sh\necho run\n")
    (root / "program").chmod(0o755)
    (root / "link").symlink_to("program")
    (root / "dangling").symlink_to("/nowhere")


def leaves(root: Path) -> dict[str, tuple[int, str | bytes]]:
    """Modes, and contents or link targets, of all files in a tree."""
    found: dict[str, tuple[int, str | bytes]] = {}
    for path in root.rglob("*"):
        content = str(path.readlink()) if path.is_symlink() else b"" if path.is_dir() else path.read_bytes()
        found[str(path.relative_to(root))] = (stat.S_IMODE(path.lstat().st_mode), content)
    return found


def test_a_tree_is_unchanged_after_a_copy_in_and_out(alice: Owner, name: str, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    plant(tmp_path / "tree")
    alice.docker("cp", str(tmp_path / "tree"), f"{name}:/")
    assert alice.docker("exec", name, "/tree/link") == "run"
    assert int(alice.docker("exec", name, "sh", "-c", "find /tree -type f | wc -l")) == 2000 + len(NAMES) + 1
    alice.docker("cp", f"{name}:/tree", str(tmp_path / "back"))
    assert leaves(tmp_path / "back") == leaves(tmp_path / "tree")


def test_archives_go_through_the_clients_streams(alice: Owner, name: str) -> None:
    given = io.BytesIO()
    with tarfile.open(fileobj=given, mode="w") as archive:
        member = tarfile.TarInfo("sub/file")
        member.size, member.uid, member.mtime = 7, 1234, 86400
        archive.addfile(member, io.BytesIO(b"content"))
    alice.docker("exec", name, "mkdir", "/into")
    alice.docker("cp", "--archive", "-", f"{name}:/into", stdin=given.getvalue())
    assert alice.docker("exec", name, "stat", "-c", "%u %Y", "/into/sub/file") == "1234 86400"
    ran = alice.run("cp", f"{name}:/into/sub", "-")
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        assert set(archive.getnames()) == {"sub", "sub/file"}


def test_links_are_followed_on_request(alice: Owner, name: str, tmp_path: Path) -> None:
    alice.docker("exec", name, "sh", "-c", "echo content > /file; ln -s /file /link")
    alice.docker("cp", f"{name}:/link", str(tmp_path / "link"))
    assert str((tmp_path / "link").readlink()) == "/file"
    alice.docker("cp", "--follow-link", f"{name}:/link", str(tmp_path / "followed"))
    assert (tmp_path / "followed").read_text() == "content\n"


def test_files_of_a_stopped_container_can_be_copied(alice: Owner, name: str, tmp_path: Path) -> None:
    alice.docker("exec", name, "sh", "-c", "echo left > /left")
    alice.docker("kill", name)
    alice.docker("cp", f"{name}:/left", str(tmp_path / "left"))
    assert (tmp_path / "left").read_text() == "left\n"
    ran = alice.run("export", name)
    with tarfile.open(fileobj=io.BytesIO(ran.stdout)) as archive:
        assert "left" in archive.getnames()


def test_a_missing_file_gives_the_daemons_error(alice: Owner, name: str, tmp_path: Path) -> None:
    ran = alice.run("cp", f"{name}:/nothing", str(tmp_path))
    assert b"Could not find the file /nothing in container" in ran.stderr
    (tmp_path / "file").write_text("")
    ran = alice.run("cp", str(tmp_path / "file"), f"{name}:/nowhere/at/all/")
    assert ran.returncode != 0
    assert b"denied by the guard" not in ran.stderr
