"""GitLab's API for runners, with the jobs of a test; the runner that asks it is the real one."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

ENDED = frozenset({"success", "failed", "canceled"})
LEAVES_NO_PROJECT = {"GIT_STRATEGY": "none"}
"""There is no project to clone."""


@dataclass
class Job:
    """A job, and what the runner says of it.

    Attributes:
        id: of the job.
        script: lines that its container `build` runs.
        variables: of the job.
        state: pending, running, canceling, or how it ended.
        failure: the runner's reason, if it failed.
        trace: what the job printed.
    """

    id: int
    script: list[str]
    variables: dict[str, str]
    state: str = "pending"
    failure: str = ""
    trace: bytearray = field(default_factory=bytearray)

    @property
    def output(self) -> str:
        """What the job printed, as text."""
        return self.trace.decode(errors="replace")

    @property
    def has_ended(self) -> bool:
        """Whether the runner has said how it ended."""
        return self.state in ENDED

    def cancel(self) -> None:
        """Do what a person does by the button."""
        self.state = "canceling"

    @property
    def request(self) -> dict[str, Any]:
        """What a runner gets."""
        step = {"name": "script", "script": self.script, "timeout": 600, "when": "on_success", "allow_failure": False}
        variables = LEAVES_NO_PROJECT | self.variables
        return {
            "id": self.id,
            "token": f"job-{self.id}",
            "job_info": {"name": f"job-{self.id}", "stage": "test", "project_id": 1, "project_name": "app"},
            "git_info": {"repo_url": "http://127.0.0.1/app.git", "ref": "main", "sha": "0" * 40, "depth": 1},
            "runner_info": {"timeout": 600},
            "variables": [{"key": key, "value": value, "public": True} for key, value in variables.items()],
            "steps": [step],
            "features": {"trace_sections": False},
        }


class GitLab:
    """The server. Its jobs are changed by its own thread only, except by `cancel`."""

    def __init__(self) -> None:
        self.url = ""
        self.jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)

    def add(self, *script: str, **variables: str) -> Job:
        """Make a job that the next runner takes that asks."""
        job = Job(next(self._numbers), [*script], variables)
        self.jobs[job.id] = job
        return job

    async def _give(self, _request: web.Request) -> web.Response:
        waiting = next((job for job in self.jobs.values() if job.state == "pending"), None)
        if not waiting:
            return web.Response(status=HTTPStatus.NO_CONTENT)
        waiting.state = "running"
        return web.json_response(waiting.request, status=HTTPStatus.CREATED)

    async def _update(self, request: web.Request) -> web.Response:
        job, said = self._job(request), await request.json()
        status = job.state
        if said["state"] in ENDED:
            job.failure = said.get("failure_reason") or ""
            job.state = "canceled" if job.state == "canceling" else said["state"]
        return web.Response(headers={"Job-Status": status, "X-GitLab-Trace-Update-Interval": "1"})

    async def _append(self, request: web.Request) -> web.Response:
        job, (begin, _, _end) = self._job(request), request.headers["Content-Range"].partition("-")
        headers = {"Job-Status": job.state, "X-GitLab-Trace-Update-Interval": "1"}
        if int(begin) != len(job.trace):
            code = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE
        else:
            job.trace += await request.read()
            code = HTTPStatus.ACCEPTED
        return web.Response(status=code, headers=headers | {"Range": f"0-{len(job.trace)}"})

    async def _verify(self, _request: web.Request) -> web.Response:
        return web.json_response({"id": 1, "token": "glrt-test"})

    def _job(self, request: web.Request) -> Job:
        return self.jobs[int(request.match_info["id"])]

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_post("/api/v4/runners/verify", self._verify)
        app.router.add_post("/api/v4/jobs/request", self._give)
        app.router.add_put("/api/v4/jobs/{id}", self._update)
        app.router.add_patch("/api/v4/jobs/{id}/trace", self._append)
        return app

    async def _serve(self, started: threading.Event, stop: asyncio.Event) -> None:
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        started.set()
        await stop.wait()
        await runner.cleanup()

    @classmethod
    @contextmanager
    def serve(cls) -> Iterator[GitLab]:
        """A server on loopback, for as long as the block lasts."""
        server, started = cls(), threading.Event()
        loop, stop = asyncio.new_event_loop(), asyncio.Event()
        thread = threading.Thread(target=lambda: loop.run_until_complete(server._serve(started, stop)), daemon=True)
        thread.start()
        assert started.wait(10), "the server does not start"
        yield server
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
