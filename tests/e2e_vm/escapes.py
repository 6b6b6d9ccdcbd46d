"""What root in a daemon's container tries on its node: which of it succeeds is what a mode isolates."""

from __future__ import annotations

from tests.e2e.environment import Environment

CHAIN = "ESCAPED"
"""Chain of iptables that a program on the node would make."""

_SCRIPT = r"""
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
for each in sysctl module disk memory log clock tracing cgroups program; do try $each; done
""".replace("CHAIN", CHAIN)

ALL = frozenset({"sysctl", "module", "disk", "memory", "log", "clock", "tracing", "cgroups", "program"})
"""Write a sysctl of the node; load a module; read its disk by device number; read the kernel's and so everyone's
memory; read the kernel's log; set the clock; trace the kernel; see other pods' cgroups; run a program on the node as
root, which changes its iptables."""


_NESTED = 'exec nsenter -t "$(busybox pidof dockerd)" -U -m -n -p -- sh -c "$0"'


def escapes(env: Environment, nested_docker: str) -> frozenset[str]:
    """Which of these attempts succeed from the daemon's container, whose privileges bound those of inner containers."""
    return frozenset(env.daemon(nested_docker, "sh", "-c", _SCRIPT).split())


def escapes_from_dockerd(env: Environment, nested_docker: str) -> frozenset[str]:
    """Which of them succeed in the namespaces of dockerd itself, in some of which it has every capability."""
    return frozenset(env.daemon(nested_docker, "sh", "-c", _NESTED, _SCRIPT).split())
