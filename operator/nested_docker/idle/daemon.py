"""The idle watch's one request to the daemon: which containers run?"""

from __future__ import annotations

from nested_docker.docker_api.client import ask
from nested_docker.docker_api.errors import AnswerTooLargeError, DockerApiError
from nested_docker.net.streams import PlainStream, Stream, connect_unix

ASK_SECONDS = 5.0


async def containers_run(socket: str) -> bool | None:
    """Whether any container runs or is paused; None: the daemon gives no usable answer.

    Args:
        socket: path of the daemon's unix socket.
    """

    async def connect() -> Stream:
        return PlainStream(connect_unix(socket))

    try:
        answer = await ask(connect, "GET", "/containers/json", daemon=socket, seconds=ASK_SECONDS)
        return bool(answer.as_list())
    except AnswerTooLargeError:  # a list of that length is not empty
        return True
    except DockerApiError:  # the daemon is not there yet, hangs, or broke off
        return None
