"""What root in a daemon's container tries on its node: which of it succeeds is what a mode isolates."""

from __future__ import annotations

import struct

from tests.e2e.environment import Environment
from tests.e2e_vm.node import on_node

from nested_docker.domain.modes.trial_run import X86_64, executable

KEY = "nested-docker-secret"
"""Description of a key of root on the node."""

CHAIN = "ESCAPED"
"""Chain of iptables that a program on the node would make."""


def _one_call(load: bytes, data: bytes = b"") -> bytes:
    """A program that makes one system call, and exits with 1 if the kernel refuses it.

    Args:
        load: what loads the call's number and its arguments.
        data: where `lea rsi, [rip + 19]` at the end of `load` points to, if `mov edx` follows it.
    """
    return executable(
        X86_64,
        load
        + bytes([0x0F, 0x05])  # syscall
        + bytes([0xC1, 0xE8, 31])  # shr eax, 31: 1 for an error
        + bytes([0x89, 0xC7])  # mov edi, eax
        + bytes([0xB8, 60, 0, 0, 0])  # mov eax, 60: exit
        + bytes([0x0F, 0x05])  # syscall
        + data,
    )


_MAKE_BPF_MAP = _one_call(
    bytes([0xB8, 0x41, 0x01, 0, 0])  # mov eax, 321: bpf
    + bytes([0x31, 0xFF])  # xor edi, edi: BPF_MAP_CREATE
    + bytes([0x48, 0x8D, 0x35, 19, 0, 0, 0])  # lea rsi, [rip + 19]: the attributes
    + bytes([0xBA, 20, 0, 0, 0]),  # mov edx, 20: their size
    struct.pack("<5I", 2, 4, 4, 1, 0),  # an array of one element of 4 bytes
)

_MAKE_USERFAULTFD = _one_call(
    bytes([0xB8, 0x43, 0x01, 0, 0])  # mov eax, 323: userfaultfd
    + bytes([0xBF, 1, 0, 0, 0])  # mov edi, 1: UFFD_USER_MODE_ONLY, for which no capability is needed
)


def as_printf(program: bytes) -> str:
    """A program as the format of printf."""
    return "".join(f"\\{byte:03o}" for byte in program)


USERFAULTFD = (
    f"printf '{as_printf(_MAKE_USERFAULTFD)}' >/tmp/fault; chmod 755 /tmp/fault; "
    "/tmp/fault && echo made || echo refused"
)
"""Says whether the kernel makes a userfaultfd: everybody may have one, unless a seccomp profile refuses."""

_SCRIPT = (
    r"""
mkdir -p /tmp/escapes
cd /tmp/escapes
try() {
    if ("$@") >said 2>&1; then echo "$1"; else echo "$1 failed: $(tail -n 1 said)" >&2; fi
}
sysctl() { cat /proc/sys/vm/swappiness >value && cat value >/proc/sys/vm/swappiness; }
module() {
    echo nonsense >nonsense.ko
    ! busybox insmod nonsense.ko 2>&1 | tee /dev/stderr | grep -q "not permitted"
}
disk() {
    rm -f disk
    mknod disk b $(sed 's/:/ /' /sys/class/block/vda/dev) && dd if=disk of=/dev/null bs=512 count=1
}
memory() { dd if=/proc/kcore of=/dev/null bs=64 count=1; }
log() { busybox dmesg | grep .; }
clock() { date -s "@$(date +%s)"; }
tracing() { mkdir -p trace && mount -t tracefs tracefs trace && umount trace; }
cgroups() { ls -d /sys/fs/cgroup/kubepods.slice; }
program() {
    upper=$(sed -n 's/.* \/ .*upperdir=\([^,]*\).*/\1/p' /proc/self/mountinfo | head -n 1)
    printf '#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin iptables -N CHAIN\n' >program
    chmod 755 program
    cp /proc/sys/kernel/core_pattern pattern
    echo "|$upper/tmp/escapes/program" >/proc/sys/kernel/core_pattern || return 1
    (ulimit -c unlimited; sh -c 'kill -SEGV $$') || true
    sleep 10
    cat pattern >/proc/sys/kernel/core_pattern
}
keyring() { grep KEY /proc/keys; }
bpf() {
    printf 'BPF' >bpf
    chmod 755 bpf
    ./bpf
}
for each in sysctl module disk memory log clock tracing cgroups program keyring bpf; do try $each; done
""".replace("CHAIN", CHAIN)
    .replace("KEY", KEY)
    .replace("BPF", as_printf(_MAKE_BPF_MAP))
)

_GIVE_ROOT_A_KEY = (
    f'my ($type, $name, $secret) = ("user", "{KEY}", "x"); syscall(248, $type, $name, $secret, 1, -4) > 0 or die $!'
)


ALL = frozenset(
    {"sysctl", "module", "disk", "memory", "log", "clock", "tracing", "cgroups", "program", "keyring", "bpf"}
)
"""Write a sysctl of the node; load a module; read its disk by device number; read the kernel's and so everyone's
memory; read the kernel's log; set the clock; trace the kernel; see other pods' cgroups; run a program on the node as
root, which changes its iptables; see the keys of the node's root; make an eBPF map."""


_NESTED = 'exec nsenter -t "$(busybox pidof dockerd)" -U -m -n -p -- sh -c "$0"'


def escapes(env: Environment, nested_docker: str) -> frozenset[str]:
    """Which of these attempts succeed from the daemon's container, whose privileges bound those of inner containers."""
    on_node(env, "perl", "-e", _GIVE_ROOT_A_KEY)
    return frozenset(env.daemon(nested_docker, "sh", "-c", _SCRIPT).split())


def escapes_from_dockerd(env: Environment, nested_docker: str) -> frozenset[str]:
    """Which of them succeed in the namespaces of dockerd itself, in some of which it has every capability."""
    on_node(env, "perl", "-e", _GIVE_ROOT_A_KEY)
    return frozenset(env.daemon(nested_docker, "sh", "-c", _NESTED, _SCRIPT).split())
