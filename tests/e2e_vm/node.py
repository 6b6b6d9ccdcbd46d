"""The second node, in a virtual machine: cgroup version 2, systemd's cgroups, AppArmor, a kernel of its own."""

from __future__ import annotations

CLUSTER = "e2e-vm"
RUNTIME_CLASS = "cgroup-v2"
"""Pods with it go to this node: it has the node's label and toleration."""

SLOW = 10
"""How many times longer than on an idle machine something may take: emulation is the first to starve."""
