"""Kernel settings of the whole machine that clusters change: saved by the first cluster, put back by the last.

The callers hold the machine's lock.
"""

import json
from pathlib import Path

from embedded.slots import RUN

INSTANCES = "fs/inotify/max_user_instances"
ENOUGH_INSTANCES = 1024
"""A cluster takes 17 and each daemon in it about three, so the kernel's 128 end with a few clusters side by side."""

NAMES = (
    INSTANCES,
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


def save(saved: Path = RUN / "sysctls.json", sysctls: Path = Path("/proc/sys")) -> None:
    """Keep the settings as they are, unless ones of this boot are kept already: those are the true ones."""
    boot = _boot(sysctls)
    if saved.exists() and json.loads(saved.read_text())["boot"] == boot:
        return
    values = {name: (sysctls / name).read_text().strip() for name in NAMES if (sysctls / name).exists()}
    saved.parent.mkdir(parents=True, exist_ok=True)
    saved.write_text(json.dumps({"boot": boot, "values": values}, indent=1))


def make_room(sysctls: Path = Path("/proc/sys")) -> None:
    """Let several clusters watch files side by side; a greater limit stays."""
    limit = sysctls / INSTANCES
    if int(limit.read_text()) < ENOUGH_INSTANCES:
        limit.write_text(f"{ENOUGH_INSTANCES}\n")


def restore(saved: Path = RUN / "sysctls.json", sysctls: Path = Path("/proc/sys")) -> None:
    """Put back what is kept, if it is of this boot, and keep it no longer."""
    if not saved.exists():
        return
    kept = json.loads(saved.read_text())
    if kept["boot"] == _boot(sysctls):
        for name, value in kept["values"].items():
            (sysctls / name).write_text(value)
    saved.unlink()


def _boot(sysctls: Path) -> str:
    return (sysctls / "kernel/random/boot_id").read_text().strip()
