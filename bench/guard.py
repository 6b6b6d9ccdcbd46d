"""The guard beside HAProxy and the bare socket: small requests, bulk, hijacked streams, and memory.

    .venv/bin/python bench/guard.py [--short] [--before FOLDER]

A stand-in for dockerd and the clients are one Go program (`load/`), so that neither end is what the
proxies wait for. The contenders take turns, in one run and on the same cores as both ends: read
ratios, not times. A part of the small requests is repeated on a real dockerd.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from guard_load import Load
from guard_proxies import OPERATOR, OWNER, Contender, contender, haproxy, relay, write_certificates
from guard_report import Report
from tests.guard.dockerd import Dockerd

MIB = 2**20
STREAMS = ("build", "save", "input", "output")


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        rounds: turns of each contender.
        seconds: of a turn of small requests.
        clients: at the same time.
        stream: bytes of a stream.
        sizes: of bodies, among which memory is compared.
    """

    rounds: int
    seconds: float
    clients: tuple[int, ...]
    stream: int
    sizes: tuple[int, ...]


FULL = Extent(3, 0.7, (10, 50, 200), 1024 * MIB, (16 * MIB, 256 * MIB, 1024 * MIB))
SHORT = Extent(1, 0.5, (10, 200), 256 * MIB, (16 * MIB, 256 * MIB))

MODERATE_CLIENTS, MODERATE_RATE = 10, 200.0
"""A moderate load: a hundred jobs that ask twice a second."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--short", action="store_true", help="a minute or two, for a first look")
    parser.add_argument("--before", type=Path, help="the folder `operator` of another state, whose guard competes too")
    given = parser.parse_args()
    extent = SHORT if given.short else FULL
    report = Report()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_certificates(folder)
        load = Load.build(folder, folder)
        with stand_in(folder, load) as bare, proxies(folder, Path(bare.unix[5:]), given.before) as rivals:
            contenders = [bare, *rivals]
            small(report, load, contenders, extent)
            latency(report, load, contenders, extent)
            bulk(report, load, contenders, extent)
            memory(report, load, rivals, extent)
        with real(folder) as bare, proxies(folder, Path(bare.unix[5:]), given.before) as rivals:
            on_dockerd(report, load, [bare, *rivals], extent)
    report.show()


@contextlib.contextmanager
def stand_in(folder: Path, load: Load) -> Iterator[Contender]:
    with contender("bare", folder, functools.partial(load.daemon, owner=OWNER)) as bare:
        yield bare


@contextlib.contextmanager
def real(folder: Path) -> Iterator[Contender]:
    """A real dockerd with twenty containers."""
    (folder / "dockerd").mkdir()
    daemon = Dockerd(folder / "dockerd")
    try:
        daemon.start()
        for number in range(20):
            name = f"other-{number}" if number else "first"
            owner = f"nesteddocker.dev/uid={OWNER}"
            daemon.docker("create", "--name", name, "--label", owner, "--annotation", owner, "busybox")
        yield Contender("bare", f"unix:{daemon.socket}", "", 0)
    finally:
        daemon.stop()


@contextlib.contextmanager
def proxies(folder: Path, daemon: Path, before: Path | None) -> Iterator[list[Contender]]:
    """What stands before a daemon."""
    guard = relay(folder, daemon, folder, guarded=True)
    starts = [
        ("haproxy", haproxy(folder, daemon, folder), OPERATOR),
        ("relay", relay(folder, daemon, folder, guarded=False), OPERATOR),
        *([] if before is None else [("guard before", guard, before)]),
        ("guard", guard, OPERATOR),
    ]
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(contender(name, folder, start, operator=operator)) for name, start, operator in starts
        ]


def small(report: Report, load: Load, contenders: list[Contender], extent: Extent) -> None:
    """As fast as they are answered."""
    for what in ("ping", "inspect", "list", "create"):
        for clients in extent.clients:
            closed(report, load, f"{what}, {clients} clients", contenders, extent, what, clients, Contender.plain)
    closed(report, load, "list, 50 clients, TLS", contenders, extent, "list", 50, Contender.secure)


def on_dockerd(report: Report, load: Load, contenders: list[Contender], extent: Extent) -> None:
    """`life` is a container's that is made and removed."""
    for what in ("ping", "inspect", "list", "life"):
        for clients in (10, 50):
            name = f"dockerd: {what}, {clients} clients"
            closed(report, load, name, contenders, extent, what, clients, Contender.plain)


def closed(  # noqa: PLR0917 - one series of measurements, printed as one line
    report: Report,
    load: Load,
    name: str,
    contenders: list[Contender],
    extent: Extent,
    what: str,
    clients: int,
    address: Callable[[Contender], str],
) -> None:
    for _ in range(extent.rounds):
        for each in contenders:
            result = load.requests(address(each), what, clients, extent.seconds)
            report.answered(name, each.name, result)


def latency(report: Report, load: Load, contenders: list[Contender], extent: Extent) -> None:
    """By the clock, at a moderate rate."""
    for what in ("ping", "list", "create"):
        for _ in range(extent.rounds):
            for each in contenders:
                result = load.requests(each.unix, what, MODERATE_CLIENTS, 4 * extent.seconds, rate=MODERATE_RATE)
                report.delayed(f"{what}, {MODERATE_RATE:g}/s", each.name, result)


def bulk(report: Report, load: Load, contenders: list[Contender], extent: Extent) -> None:
    """One stream at a time."""
    for what in STREAMS:
        for way, address in (("unix", Contender.plain), ("TLS", Contender.secure)):
            for _ in range(extent.rounds):
                for each in contenders:
                    rate = load.stream(address(each), what, extent.stream)
                    report.streamed(f"{what}, {way}", each.name, rate / MIB)


def memory(report: Report, load: Load, rivals: list[Contender], extent: Extent) -> None:
    """Peaks, of processes that all of the above has passed through, as it does in a pod that lives long."""
    for each in rivals:
        for clients in extent.clients:
            each.forget_peak()
            load.requests(each.unix, "create", clients, extent.seconds)
            report.peaked(f"{clients} clients", each.name, each.peak_mib())
        for size in extent.sizes:
            each.forget_peak()
            for what in ("build", "save"):
                load.stream(each.unix, what, size)
            report.peaked(f"bodies of {size // MIB} MiB", each.name, each.peak_mib())


if __name__ == "__main__":
    main()
