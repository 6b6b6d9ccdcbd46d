"""What the trial container costs: from the pod to the daemon's first TLS answer, with the trial and without.

    .venv/bin/python bench/trial_run.py [ROUNDS]

Real kubelet, real dockerd, no operator: the pod is the very pod that the operator makes. The two take turns, so that
changes in the machine's load affect both.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
from typing import Any

import cold_start
from lab import laboratory, spread

from nested_docker.domain.modes import trial_run

GOAL = 1.05


def without_trial(manifest: dict[str, Any]) -> dict[str, Any]:
    """The pod, and any other object as it is."""
    for container in manifest.get("spec", {}).get("containers", []):
        container["env"] = [*container["env"], {"name": trial_run.TRIAL_VARIABLE, "value": trial_run.OFF}]
    return manifest


async def main(rounds: int) -> None:
    """Measure and print."""
    answers: dict[str, list[float]] = {"with": [], "without": []}
    async with laboratory() as (_, api):
        for number in range(rounds + 1):
            measured = {
                "with": await cold_start.plain(api),
                "without": await cold_start.plain(api, change=without_trial),
            }
            if number:  # the first round warms the node
                for name, times in measured.items():
                    answers[name].append(times.answer)
    print(f"{rounds} rounds, first TLS answer, median [min-max]")
    for name, found in answers.items():
        print(f"{name:8} the trial {spread(found)}")
    ratio = statistics.median(answers["with"]) / statistics.median(answers["without"])
    pairs = [one / other for one, other in zip(answers["with"], answers["without"], strict=True)]
    print(f"ratio of medians {ratio:.3f}, median ratio of pairs {statistics.median(pairs):.3f} (goal {GOAL} at most)")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 15))
