"""What the machine must be able to do before anything is started on it."""

import os
import subprocess
import sys

from embedded.report import UnsupportedMachineError, tail

NAMESPACES = ("--mount", "--net", "--pid", "--ipc", "--uts")


def require_root() -> None:
    """Return if this is root on Linux, which is all that commands on a running cluster need.

    Raises:
        UnsupportedMachineError: It isn't.
    """
    if sys.platform != "linux":
        raise UnsupportedMachineError(f"it needs Linux, this is {sys.platform}")
    if os.geteuid() != 0:
        raise UnsupportedMachineError(f"it needs root, this is uid {os.geteuid()}; try sudo")


def require() -> None:
    """Return if this machine can hold a node.

    Raises:
        UnsupportedMachineError: It can't, and why.
    """
    require_root()
    try:
        trial = subprocess.run(
            ["unshare", *NAMESPACES, "--fork", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            capture_output=True,
            check=False,
            text=True,
        )
    except FileNotFoundError as error:
        raise UnsupportedMachineError("there is no unshare program (util-linux)") from error
    if trial.returncode:
        raise UnsupportedMachineError(
            f"cannot create namespaces with separate mounts: {tail(trial.stderr)}; "
            "inside a container it needs --privileged"
        )
