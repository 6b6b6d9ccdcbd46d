"""What a container without privilege sees of its node, in files as kernels write them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nested_docker.adapters.node import probe
from nested_docker.api.v1alpha1.node import ProbedFacts

DATA = Path("/run/probe")
FILES = {
    "proc/sys/kernel/random/boot_id": "5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11\n",
    "proc/self/cgroup": "0::/\n",
    "proc/filesystems": "nodev\tsysfs\nnodev\tcgroup2\n\text4\n",
    "proc/sys/user/max_user_namespaces": "63359\n",
    "proc/self/mountinfo": (
        "36 35 0:33 / / rw,relatime master:1 - overlay overlay rw\n"
        "40 36 254:0 /var/lib/kubelet/pods/1/volumes/x /run/probe rw,relatime - ext4 /dev/vda rw\n"
    ),
    "sys/module/apparmor/parameters/enabled": "Y\n",
}
KNOWN = {
    "bootId": "5a3f2f6e-9c0b-4a44-8c7e-0d5a3c1f9b11",
    "cgroup": "v2",
    "securityModules": ["AppArmor"],
    "maxUserNamespaces": 63359,
    "filesystem": "ext4",
}


def seen(root: Path, **changed: str | None) -> dict[str, object]:
    for name, text in (FILES | {key.replace("__", "/"): value for key, value in changed.items()}).items():
        if text is not None:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
    found = probe(DATA, root)
    ProbedFacts.model_validate(found)
    return found


def test_a_node_with_cgroup_v2_and_app_armor(tmp_path: Path) -> None:
    assert seen(tmp_path) == KNOWN


V1 = "12:memory:/\n11:cpu,cpuacct:/\n1:name=systemd:/\n"
CGROUP, MOUNTS = "proc__self__cgroup", "proc__self__mountinfo"
RESTRICT = "proc__sys__kernel__apparmor_restrict_unprivileged_userns"


@pytest.mark.parametrize(
    ("changed", "fact", "expected"),
    [
        ({CGROUP: V1}, "cgroup", "v1"),
        ({CGROUP: V1 + "0::/\n"}, "cgroup", "v1"),
        ({CGROUP: "0::/../../x\n"}, "cgroup", "v2"),
        ({CGROUP: ""}, "cgroup", None),
        ({CGROUP: None}, "cgroup", None),
        ({"proc__filesystems": "nodev\tselinuxfs\n"}, "securityModules", ["AppArmor", "SELinux"]),
        ({"sys__module__apparmor__parameters__enabled": "N\n"}, "securityModules", []),
        ({"sys__module__apparmor__parameters__enabled": None}, "securityModules", []),
        ({"proc__filesystems": None}, "securityModules", None),
        ({"proc__sys__user__max_user_namespaces": "0\n"}, "maxUserNamespaces", 0),
        ({"proc__sys__user__max_user_namespaces": "many"}, "maxUserNamespaces", None),
        ({RESTRICT: "1\n"}, "unprivilegedUserNamespaces", "Restricted"),
        ({RESTRICT: "0\n"}, "unprivilegedUserNamespaces", "Allowed"),
        ({RESTRICT: "2\n"}, "unprivilegedUserNamespaces", None),
        ({MOUNTS: "40 36 0:51 / /run/probe rw shared:1 master:2 - nfs4 host:/x rw\n"}, "filesystem", "nfs4"),
        ({MOUNTS: "36 35 0:33 / / rw - overlay overlay rw\n"}, "filesystem", None),
        ({MOUNTS: "40 36 0:51 / /run/probe\n- -\n"}, "filesystem", None),
        (
            {MOUNTS: "40 1 0:1 / /run/probe rw - ext4 a rw\n41 1 0:2 / /run/probe rw - tmpfs b rw\n"},
            "filesystem",
            "tmpfs",
        ),
    ],
)
def test_each_fact_in_each_form(tmp_path: Path, changed: dict[str, str | None], fact: str, expected: object) -> None:
    assert seen(tmp_path, **changed) == {
        key: value for key, value in (KNOWN | {fact: expected}).items() if value is not None
    }


def test_this_machine(tmp_path: Path) -> None:
    found = ProbedFacts.model_validate(probe(tmp_path))
    assert found.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert found.cgroup is not None
    assert found.filesystem is None, "a folder that is not a mount is nobody's emptyDir"
