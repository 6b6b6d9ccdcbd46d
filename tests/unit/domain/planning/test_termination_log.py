"""The cause of a crash, out of the log that the kubelet keeps."""

from __future__ import annotations

import pytest

from nested_docker.domain.planning.termination_log import cause, signal_name

INFO = 'time="2026-11-26T04:00:00.000Z" level=info msg="loading plugin" type=io.containerd.content.v1\n'
WARNING = 'time="2026-11-26T04:00:00.000Z" level=warning msg="cleanup warnings" error="none"\n'
FATAL = "failed to start daemon: error initializing graphdriver: prerequisites for driver not satisfied: zfs\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        (INFO * 3, ""),
        (FATAL, FATAL.strip()),
        (INFO * 12 + FATAL, FATAL.strip()),
        (INFO + WARNING + FATAL + INFO, FATAL.strip()),
        (INFO + WARNING, 'level=warning msg="cleanup warnings" error="none"'),
        ('{"level":"info","msg":"x"}\n' + FATAL, FATAL.strip()),
        ("a\nb\nc\n", "b; c"),
        (INFO + "panic: cap out of range\n\ngoroutine 1 [running]:\nmain.main()\n", "panic: cap out of range"),
        ("2026/11/26 http: TLS handshake error from [::1]:48882: EOF\n" + FATAL, FATAL.strip()),
        ("el=info msg=cut\n" + INFO * 30 + FATAL, FATAL.strip()),
        (
            "nested-docker: the image has Docker 19, which is too old\n",
            "nested-docker: the image has Docker 19, which is too old",
        ),
    ],
)
def test_it_is_the_last_lines_that_are_not_of_the_normal_course(text: str, expected: str) -> None:
    assert cause(text) == expected


def test_a_line_without_end_is_shortened() -> None:
    assert len(cause("x" * 1900)) <= 401


@pytest.mark.parametrize(
    ("code", "name"),
    [(137, "SIGKILL"), (143, "SIGTERM"), (139, "SIGSEGV"), (134, "SIGABRT"), (1, ""), (127, ""), (128, ""), (255, "")],
)
def test_a_signal_has_a_name(code: int, name: str) -> None:
    assert signal_name(code) == name
