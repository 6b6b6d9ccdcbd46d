"""Images: which may be seen, brought, named and taken away."""

from __future__ import annotations

import re
from dataclasses import replace

from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.hints import BUILDKIT, BUILDKITS_IMAGE, RYUK, RYUKS_IMAGE
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import Kind, Need, Reference, image_labels, matches_any
from nested_docker.guard.rules import responses as answers
from nested_docker.guard.rules.containers import CONFIG
from nested_docker.guard.rules.schema import text, validated
from nested_docker.guard.wire.query import Query, one

REFERENCE = re.compile(
    r"([a-zA-Z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@sha256:[a-f0-9]{64})?"
)
"""`[registry/]repository[:tag][@digest]`."""


def visible(api_request: ApiRequest) -> ForwardPlan:
    """What only looks at an image."""
    return ForwardPlan(api_request.query, references=(Reference(Kind.IMAGE, api_request.name, Need.VISIBLE),))


def inspect(api_request: ApiRequest) -> ForwardPlan:
    """`GET /images/{name}/json`."""
    return replace(visible(api_request), answer=answers.image)


def delete(api_request: ApiRequest) -> ForwardPlan:
    """`DELETE /images/{name}`."""
    return ForwardPlan(api_request.query, references=(Reference(Kind.IMAGE, api_request.name, Need.OWN),))


def pull(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/create`; the other thing it does, importing an archive, makes an image without an owner."""
    for key in ("fromSrc", "repo", "message", "changes"):
        if one(api_request.query, key):
            raise GuardDenied("images.import", "images may not be imported from archives: build them")
    reference = _joined(one(api_request.query, "fromImage"), one(api_request.query, "tag"))
    if not matches_any(reference, api_request.rules.images.pull):
        if matches_any(reference, [BUILDKITS_IMAGE]):
            raise GuardDenied("buildkit", BUILDKIT)
        if matches_any(reference, [RYUKS_IMAGE]):
            raise GuardDenied("images.pull", f"no pattern of images.pull stands for the image {reference}; {RYUK}")
    _allowed("images.pull", reference, api_request.rules.images.pull)
    return ForwardPlan(api_request.query)


def push(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/{name}/push`."""
    name, tag = api_request.name, one(api_request.query, "tag")
    _allowed("images.push", _joined(name, tag), api_request.rules.images.push)
    return ForwardPlan(api_request.query, references=(Reference(Kind.IMAGE, f"{name}:{tag}", Need.VISIBLE),))


def tag(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/{name}/tag`."""
    written = named(_joined(one(api_request.query, "repo"), one(api_request.query, "tag") or "latest"), api_request)
    return ForwardPlan(api_request.query, references=(Reference(Kind.IMAGE, api_request.name, Need.VISIBLE), written))


def commit(api_request: ApiRequest) -> ForwardPlan:
    """`POST /commit`: the image has the guard's labels by a change that is made last."""
    if not api_request.rules.containers.commit:
        raise GuardDenied("containers.commit", "images may not be made from containers")
    if one(api_request.query, "changes"):
        raise GuardDenied("containers.commit", "changes may not be given: build an image from the one that is made")
    if any(validated(api_request.body, {**CONFIG, "OnBuild": text}, "").values()):
        raise GuardDenied(
            "containers.commit", "a configuration may not be given: build an image from the one that is made"
        )
    references = [Reference(Kind.CONTAINER, one(api_request.query, "container"), place=("query", "container"))]
    if repo := one(api_request.query, "repo"):
        references.append(named(_joined(repo, one(api_request.query, "tag") or "latest"), api_request))
    label = " ".join(f'"{key}"="{value}"' for key, value in image_labels(api_request.uid).items())
    return ForwardPlan({**api_request.query, "changes": (f"LABEL {label}",)}, references=tuple(references))


def save(api_request: ApiRequest) -> ForwardPlan:
    """`GET /images/{name}/get`, and `/images/get?names=…`."""
    if not api_request.rules.images.save:
        raise GuardDenied("images.save", "images may not be exported")
    names = (api_request.name,) if api_request.name else api_request.query.get("names", ())
    if not names or not all(names):
        raise GuardDenied("fields", "no image is named", status=MALFORMED)
    # Names without a tag would mean all of a repository's, of which some need not be seen.
    whole = tuple(_whole(name) for name in names)
    query: Query = {**api_request.query, "names": whole} if not api_request.name else api_request.query
    if api_request.name and whole != (api_request.name,):
        raise GuardDenied("images.save", f"name the image with its tag, such as {whole[0]}")
    return ForwardPlan(query, references=tuple(Reference(Kind.IMAGE, name, Need.VISIBLE) for name in whole))


def load(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/load`."""
    if not api_request.rules.images.load:
        raise GuardDenied("images.load", "archives may not be loaded: they bring names that may be others'")
    return ForwardPlan(api_request.query)


def distribution(api_request: ApiRequest) -> ForwardPlan:
    """`GET /distribution/{name}/json`: the daemon asks a registry."""
    patterns = [*api_request.rules.images.pull, *api_request.rules.images.push]
    _allowed("images.pull", _joined(api_request.name, ""), patterns, any_tag=True)
    return ForwardPlan(api_request.query)


def named(reference: str, api_request: ApiRequest) -> Reference:
    """That an image may be given a name.

    Raises:
        Refusal: no pattern of the rules stands for it.
    """
    _allowed("images.tags", reference, api_request.rules.images.tags)
    return Reference(Kind.IMAGE, reference, Need.FREE)


def _allowed(rule: str, reference: str, patterns: list[str], *, any_tag: bool = False) -> None:
    if not REFERENCE.fullmatch(reference):
        raise GuardDenied("fields", f"{reference!r} is no name of an image", status=MALFORMED)
    if not any_tag and "@" not in reference and ":" not in reference.rpartition("/")[2]:
        raise GuardDenied(rule, f"{reference} means all of its tags: name one")
    if not matches_any(reference, patterns):
        raise GuardDenied(rule, f"no pattern of {rule} stands for the image {reference}")


def _joined(name: str, tag_: str) -> str:
    if not tag_:
        return name
    return f"{name}@{tag_}" if tag_.startswith("sha256:") else f"{name}:{tag_}"


def _whole(name: str) -> str:
    last = name.rpartition("/")[2]
    if ":" in last or "@" in name or re.fullmatch(r"[0-9a-f]{12,64}", name):
        return name
    return f"{name}:latest"
