"""What the guard's benchmark prints: medians, ratios to HAProxy and to the bare socket, and the goals."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from guard_load import Requests

OURS, PEER, BARE = "guard", "haproxy", "bare"
Table = dict[str, dict[str, list[float]]]
"""Figures by what was measured, and by contender."""

REQUESTS, BULK, DELAY, MEMORY, FLAT = 0.5, 0.8, 1.0, 40.0, 2.0


def table() -> Table:
    return defaultdict(lambda: defaultdict(list))


@dataclass
class Report:
    """Figures of all rounds."""

    rates: Table = field(default_factory=table)
    p99: Table = field(default_factory=table)
    moderate: Table = field(default_factory=table)
    streams: Table = field(default_factory=table)
    peaks: Table = field(default_factory=table)
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def answered(self, what: str, who: str, result: Requests) -> None:
        self.rates[what][who].append(result.rate)
        self.p99[what][who].append(result.p99)
        self._count(what, who, result)

    def delayed(self, what: str, who: str, result: Requests) -> None:
        self.moderate[what][who].append(result.p99)
        self._count(what, who, result)

    def streamed(self, what: str, who: str, mib_per_second: float) -> None:
        self.streams[what][who].append(mib_per_second)
        print(f"{what}, {who}: {mib_per_second:.0f} MiB/s", file=sys.stderr)
        if not mib_per_second:
            self.errors[who].append(f"{what} broke")

    def peaked(self, what: str, who: str, mib: float) -> None:
        self.peaks[what][who].append(mib)

    def _count(self, what: str, who: str, result: Requests) -> None:
        print(f"{what}, {who}: {result}", file=sys.stderr)
        if result.errors:
            self.errors[who].append(f"{what}: {result.errors} of {result.answered + result.errors}, {result.error}")

    def show(self) -> None:
        _print("requests per second, and the guard's to the others'", self.rates, "{:.0f}", ratios=True)
        _print("p99 in ms, as fast as they are answered", self.p99, "{:.1f}")
        _print("p99 in ms, at a moderate rate", self.moderate, "{:.2f}")
        _print("MiB per second, and the guard's to the others'", self.streams, "{:.0f}", ratios=True)
        _print("peak of resident MiB", self.peaks, "{:.1f}")
        for who, messages in self.errors.items():
            print(f"\nerrors of {who}: {'; '.join(messages)}")
        self._goals()

    def _goals(self) -> None:
        print("\ngoals")
        on_dockerd = {what for what in self.rates if what.startswith("dockerd")}
        _goal("requests/s, of HAProxy's", _ratios(self.rates, set(self.rates) - on_dockerd), REQUESTS)
        _goal("requests/s before a real dockerd, of HAProxy's", _ratios(self.rates, on_dockerd), REQUESTS)
        tunnels = {what for what in self.streams if what.startswith(("input", "output"))}
        _goal("bulk bytes/s, of HAProxy's", _ratios(self.streams, set(self.streams) - tunnels), BULK)
        _goal("hijacked bytes/s, of HAProxy's", _ratios(self.streams, tunnels), BULK)
        added = {what: _median(row[OURS]) - _median(row[BARE]) for what, row in self.moderate.items()}
        _goal("p99 added at a moderate rate, ms", added, DELAY, most=True)
        _goal("errors", {"in all": float(len(self.errors.get(OURS, ())))}, 0, most=True)
        peaks = {what: _median(row[OURS]) for what, row in self.peaks.items()}
        _goal("peak of resident MiB", peaks, MEMORY, most=True)
        bodies = [peak for what, peak in peaks.items() if what.startswith("bodies")]
        _goal("growth with the size of the body, MiB", {"in all": max(bodies) - bodies[0]}, FLAT, most=True)


def _goal(name: str, figures: dict[str, float], goal: float, *, most: bool = False) -> None:
    """One line; the worst figure counts."""
    pick: Callable[..., str] = max if most else min
    worst = pick(figures, key=lambda what: figures[what])
    met = figures[worst] <= goal if most else figures[worst] >= goal
    parts = [f"{figures[worst]:.2f} ({worst}), goal {goal:g} at {'most' if most else 'least'}"]
    if not met and len(figures) > 1:
        reached = sum(each <= goal if most else each >= goal for each in figures.values())
        parts.append(f"met by {reached} of {len(figures)}")
    print(f"  {'met   ' if met else 'missed'} {name}: {'; '.join(parts)}")


def _ratios(rows: Table, names: Iterable[str]) -> dict[str, float]:
    return {what: _median(rows[what][OURS]) / _median(rows[what][PEER]) for what in names}


def _print(title: str, rows: Table, form: str, *, ratios: bool = False) -> None:
    who = list(next(iter(rows.values())))
    print(f"\n{title}\n{'':26}", *(f"{each:>12}" for each in who), *([": haproxy   : bare"] if ratios else []))
    for what, row in rows.items():
        figures = {each: _median(row[each]) for each in who}
        cells = [f"{form.format(figure):>12}" for figure in figures.values()]
        if ratios:
            cells += [f"{figures[OURS] / figures[PEER]:>9.2f} {figures[OURS] / figures[BARE]:>8.2f}"]
        print(f"{what:26}", *cells)


def _median(values: list[float]) -> float:
    return statistics.median(values)
