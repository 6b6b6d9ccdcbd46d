import ipaddress
import os
from pathlib import Path

import pytest
from embedded import cgroups, slots, sysctls
from embedded.layout import SLOTS, Cluster, Home
from embedded.report import ClusterError


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(slots, "RUN", tmp_path / "run")
    monkeypatch.setattr(slots, "output", lambda _: "[]")
    return Home(tmp_path / "home")


def test_clusters_side_by_side_get_slots_of_their_own_and_theirs_again(home: Home) -> None:
    first, first_lock = slots.take(home, "first")
    second, second_lock = slots.take(home, "second")
    assert (first.slot, second.slot) == (0, 1)
    os.close(first_lock)
    assert slots.others_up(0)
    assert not slots.others_up(1)
    os.close(second_lock)
    assert slots.remembered(home, "second") == second
    again, lock = slots.take(home, "second")
    assert again.slot == 1, "though slot 0 is free"
    os.close(lock)


def test_going_on_needs_the_same_slot(home: Home) -> None:
    _, lock = slots.take(home, "mine")
    os.close(lock)
    _, others = slots.take(home, "others")
    with pytest.raises(ClusterError, match="without --keep"):
        slots.take(home, "mine", same=True)
    moved, lock = slots.take(home, "mine")
    assert moved.slot == 1
    assert slots.reclaim(1, patience=0) is None
    os.close(lock)
    lock = slots.reclaim(1, patience=0) or -1
    assert lock >= 0
    os.close(lock)
    os.close(others)


def test_a_slot_whose_network_is_routed_elsewhere_is_left_out() -> None:
    cluster = Cluster(Home(Path("/home")), "default", 2)
    inside = ipaddress.IPv4Network("10.222.7.0/24")
    assert slots.collides(cluster, [("tun0", inside)])
    assert slots.collides(cluster, [("tun0", ipaddress.IPv4Network("10.0.0.0/8"))])
    assert not slots.collides(cluster, [(cluster.link, inside)])
    assert not slots.collides(cluster, [("tun0", ipaddress.IPv4Network("10.223.0.0/16"))])


def test_the_remembered_slot_is_tried_first() -> None:
    assert slots.candidates(5)[:3] == [5, 0, 1]
    assert slots.candidates(None) == list(range(SLOTS))


def test_a_spoilt_slot_file_is_told_by_path(home: Home) -> None:
    home.state("x").mkdir(parents=True)
    (home.state("x") / "slot").write_text("99\n")
    with pytest.raises(ClusterError, match=r"clusters/x/slot holds '99'.*delete it"):
        slots.remembered(home, "x")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name, value in {"kernel/random/boot_id": "boot-1", "vm/overcommit_memory": "0", "kernel/panic": "1"}.items():
        path = tmp_path / "proc" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return tmp_path / "proc"


def test_the_first_values_saved_are_put_back(proc: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    sysctls.save(saved, proc)
    (proc / "vm/overcommit_memory").write_text("1")
    sysctls.save(saved, proc)
    sysctls.restore(saved, proc)
    assert (proc / "vm/overcommit_memory").read_text() == "0"
    assert not saved.exists()
    sysctls.restore(saved, proc)


@pytest.mark.parametrize(("before", "after"), [("128", "1024"), ("8192", "8192")])
def test_there_is_room_for_files_watched_by_several_clusters(
    proc: Path, tmp_path: Path, before: str, after: str
) -> None:
    limit, saved = proc / "fs/inotify/max_user_instances", tmp_path / "saved.json"
    limit.parent.mkdir(parents=True)
    limit.write_text(f"{before}\n")
    sysctls.save(saved, proc)
    sysctls.make_room(proc)
    assert limit.read_text().strip() == after
    sysctls.restore(saved, proc)
    assert limit.read_text().strip() == before


def test_values_of_another_boot_are_not_put_back(proc: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    sysctls.save(saved, proc)
    (proc / "kernel/random/boot_id").write_text("boot-2")
    (proc / "kernel/panic").write_text("30")
    sysctls.restore(saved, proc)
    assert (proc / "kernel/panic").read_text() == "30"


def test_cgroups_of_version_1_and_2(tmp_path: Path) -> None:
    cluster = Cluster(Home(tmp_path), "default", 1)
    first = tmp_path / "v1"
    for controller in ("cpuset", "memory"):
        (first / controller).mkdir(parents=True)
        (first / controller / "cgroup.procs").touch()
    (first / "cpu").symlink_to("memory")
    (first / "cpuset/cpuset.cpus").write_text("0-1")
    (first / "cpuset/cpuset.mems").write_text("0")
    cgroups.make(cluster, first)
    assert cgroups.groups(cluster, first) == [first / "cpuset/ndc1", first / "memory/ndc1"]
    assert (first / "cpuset/ndc1/cpuset.cpus").read_text() == "0-1"

    second = tmp_path / "v2"
    (second / "ndc1").mkdir(parents=True)
    (second / "cgroup.procs").touch()
    for group in (second, second / "ndc1"):
        (group / "cgroup.controllers").write_text("memory rdma")
    cgroups.make(cluster, second)
    assert (second / "ndc1/cgroup.subtree_control").read_text() == "+memory"

    with pytest.raises(ClusterError, match="no cgroup hierarchy"):
        cgroups.make(cluster, first / "cpu/ndc1")
