"""Exit codes: part of the command line's contract, documented in docs/cli.md."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's end means for a script."""

    OK = 0
    NO = 1
    INVALID = 2
    NOT_FOUND = 3
    CLUSTER = 4
    DEFECT = 70
    UNWRITABLE = 74
    RUN_FAILED = 125
    NOT_EXECUTABLE = 126
    COMMAND_NOT_FOUND = 127
    INTERRUPTED = 130
    OUTPUT_CLOSED = 141


EXIT_CODE_MEANINGS = {
    ExitCode.OK: "success",
    ExitCode.NO: "the answer is no: denied, not ready, or a check of `doctor` failed",
    ExitCode.INVALID: "an option, an argument or a value is invalid",
    ExitCode.NOT_FOUND: "the NestedDocker does not exist",
    ExitCode.CLUSTER: "the cluster or the daemon cannot be used: no answer, no permission, or not installed",
    ExitCode.DEFECT: "a defect of nested-docker",
    ExitCode.UNWRITABLE: "the output cannot be written, such as to a full disk",
    ExitCode.RUN_FAILED: "`run` and `shell` only: one of the above, so that the command's own codes stay distinct",
    ExitCode.NOT_EXECUTABLE: "`run` and `shell` only: the command cannot be executed",
    ExitCode.COMMAND_NOT_FOUND: "`run` and `shell` only: the command does not exist",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C",
    ExitCode.OUTPUT_CLOSED: "nobody reads the output any more, as after `| head`",
}
