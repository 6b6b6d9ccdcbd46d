"""`docker buildx create --driver kubernetes`, as a NestedDocker and the commands that use it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.object_names import require_name, require_namespace
from nested_docker.domain.shown import shorten

PATH = "docker buildx create"
SWITCHES_OF_CREATE = frozenset({"--append", "--bootstrap", "--leave", "--use", "--debug", "-D"})
WHAT_OF_OPTION = {
    "image": "the daemon has its own BuildKit: choose its version by spec.engine.image",
    "replicas": "there is one daemon: create a NestedDocker for each builder",
    "rootless": "choose the mode by --mode Rootless",
    "qemu.install": "emulators are the node's: build for other platforms on nodes of that kind",
    "qemu.image": "emulators are the node's: build for other platforms on nodes of that kind",
    "loadbalance": "there is one daemon, and nothing to balance",
    "serviceaccount": "the daemon's pod has no token of a ServiceAccount",
    "labels": "set spec.scheduling.podLabels, if a policy allows them",
    "annotations": "set spec.scheduling.podAnnotations, if a policy allows them",
    "timeout": "`nested-docker create --timeout` waits so long",
    "default-load": "images are in the daemon after each build",
}
WHAT_OF_FLAG = {
    "--name": "it names the builder: the NestedDocker has it",
    "--use": "use the daemon by `nested-docker context create NAME`, and `docker --context NAME build`",
    "--bootstrap": "`nested-docker create` waits until the daemon answers",
    "--platform": "the daemon builds for its node's platform",
    "--append": "a builder has one daemon: create a NestedDocker for each",
    "--config": "buildkitd.toml is not read: set spec.engine.mirrors and spec.engine.config",
    "--buildkitd-config": "buildkitd.toml is not read: set spec.engine.mirrors and spec.engine.config",
    "--buildkitd-flags": "the daemon's BuildKit takes no flags: set spec.engine.config",
}


def convert_buildx_command(command: str, options: ConversionOptions) -> Conversion:
    """The NestedDocker that replaces a builder.

    Raises:
        UnconvertibleError: it is not such a command, or the options do not fit.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UnconvertibleError(f"--buildx cannot be read: {error}", "quote it as a shell does") from error
    if words[:3] != ["docker", "buildx", "create"] or options.form is not ConvertedForm.NESTED_DOCKER:
        raise UnconvertibleError(
            f"--buildx: {shorten(command)!r} is no `docker buildx create` for --as nesteddocker",
            "give the command with which you create the builder, and no --as",
        )
    draft, name, namespace, driver = SpecDraft(), options.name, "", ""
    for flag, value in _options_of_create(words[3:]):
        if flag == "--driver":
            driver = value
        elif flag == "--driver-opt":
            namespace = _read_driver_options(value, draft) or namespace
        else:
            name = name or (value if flag == "--name" else "")
            draft.differs(
                f"{PATH} {flag}", value, WHAT_OF_FLAG.get(flag, "it is not carried over: it has no counterpart")
            )
    if driver != "kubernetes":
        raise UnconvertibleError(f"--buildx: the driver is {driver!r}", "only the driver kubernetes can be converted")
    draft.differs(PATH, "docker-container cache", "the cache is the daemon's: set spec.storage, type Claim, to keep it")
    metadata = {"name": name or "builder"} | ({"namespace": namespace} if namespace else {})
    require_name(metadata["name"], f"{PATH} --name")
    require_namespace(namespace, f"{PATH} --driver-opt namespace")
    return Conversion([options.nested_docker(metadata, draft.spec)], draft.differences, 1)


def _options_of_create(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    number = 0
    while number < len(words):
        word, number = words[number], number + 1
        flag, equals, value = word.partition("=")
        if word.startswith("-") and not equals and flag not in SWITCHES_OF_CREATE and number < len(words):
            value, number = words[number], number + 1
        yield (flag, value) if word.startswith("-") else ("", word)


def _read_driver_options(text: str, draft: SpecDraft) -> str:
    """Carry over driver options, and return the namespace if they have one."""
    namespace = ""
    for option in _split(text):
        key, _, value = option.partition("=")
        path = f"{PATH} --driver-opt {key}"
        group, _, resource = key.partition(".")
        if key == "namespace":
            namespace = value
        elif group in {"requests", "limits"} and resource:
            draft.carry(("resources", group), {resource: value}, path, value)
        elif key == "nodeselector":
            pairs = dict(part.partition("=")[::2] for part in value.split(","))
            draft.carry(("scheduling", "nodeSelector"), pairs, path, value)
        elif key == "tolerations":
            tolerations = [_toleration(each) for each in value.split(";")]
            draft.carry(("scheduling", "tolerations"), tolerations, path, value)
        else:
            what = WHAT_OF_OPTION.get(key, "it is not carried over: it has no counterpart")
            draft.differs(path, value, what)
    return namespace


def _split(text: str) -> list[str]:
    """Options by commas, except those in double quotes, as in a row of CSV."""
    import csv

    try:
        return next(csv.reader([text]), [])
    except csv.Error as error:
        raise UnconvertibleError(
            f"{PATH} --driver-opt {shorten(text)}: {error}", "give each option its own flag"
        ) from error


def _toleration(text: str) -> dict[str, Any]:
    parts = dict(part.partition("=")[::2] for part in text.split(","))
    seconds = parts.get("tolerationSeconds", "")
    return parts | ({"tolerationSeconds": int(seconds)} if re.fullmatch(r"[0-9]{1,18}", seconds) else {})
