"""Images: which an owner may see, pull, push, tag, commit, export and remove."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus

from nested_docker.domain.images import Image
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.hints import BUILDKIT_HINT, BUILDKIT_IMAGE, RYUK_HINT, RYUK_IMAGE
from nested_docker.guard.model import ApiRequest, ForwardPlan
from nested_docker.guard.ownership import (
    RESERVED_LABELS,
    ObjectKind,
    Reference,
    Requirement,
    image_labels,
    matches_any,
)
from nested_docker.guard.rules import responses
from nested_docker.guard.rules.containers import CONFIG_FIELDS
from nested_docker.guard.rules.schema import FieldTable, any_string, ignored, validate_object
from nested_docker.guard.wire.query import Query, first_value


def validate_visible_image(api_request: ApiRequest) -> ForwardPlan:
    """A request that reads one image, which must be visible."""
    image = Reference(ObjectKind.IMAGE, api_request.name, Requirement.VISIBLE, location=("path",))
    return ForwardPlan(api_request.query, references=(image,))


def validate_image_inspect(api_request: ApiRequest) -> ForwardPlan:
    """`GET /images/{name}/json`."""
    return replace(validate_visible_image(api_request), response_filter=responses.filter_image)


def validate_image_delete(api_request: ApiRequest) -> ForwardPlan:
    """`DELETE /images/{name}`."""
    return ForwardPlan(
        api_request.query, references=(Reference(ObjectKind.IMAGE, api_request.name, Requirement.OWNED),)
    )


def validate_pull(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/create`, to pull. Its other use, importing an archive, would create an image without an owner."""
    for key in ("fromSrc", "repo", "message", "changes"):
        if first_value(api_request.query, key):
            raise GuardDenied("images.import", "images may not be imported from archives: build them instead")
    reference = _join_tag(first_value(api_request.query, "fromImage"), first_value(api_request.query, "tag"))
    if not matches_any(reference, api_request.rules.images.pull):
        if matches_any(reference, [BUILDKIT_IMAGE]):
            raise GuardDenied("buildkit", BUILDKIT_HINT)
        if matches_any(reference, [RYUK_IMAGE]):
            raise GuardDenied("images.pull", f"image {reference} matches no pattern in images.pull; {RYUK_HINT}")
    _check_reference("images.pull", reference, api_request.rules.images.pull)
    return ForwardPlan(api_request.query)


def validate_push(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/{name}/push`."""
    name, tag = api_request.name, first_value(api_request.query, "tag")
    _check_reference("images.push", _join_tag(name, tag), api_request.rules.images.push)
    return ForwardPlan(
        api_request.query, references=(Reference(ObjectKind.IMAGE, f"{name}:{tag}", Requirement.VISIBLE),)
    )


def validate_tag(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/{name}/tag`. The image must be owned, since a tag on another would stay on the node forever."""
    new_name = tag_reference(_new_name(api_request.query), api_request)
    image = Reference(ObjectKind.IMAGE, api_request.name, Requirement.OWNED, location=("path",))
    query = {key: values for key, values in api_request.query.items() if key != "force"}  # no daemon reads it
    return ForwardPlan(query, references=(image, new_name))


def validate_commit(api_request: ApiRequest) -> ForwardPlan:
    """`POST /commit`. The guard adds the image's labels as the last changes."""
    if not api_request.rules.containers.commit:
        raise GuardDenied("containers.commit", "containers may not be committed")
    changes = _changes(api_request.query)
    if any(validate_object(api_request.body, COMMIT_FIELDS, "").values()):
        raise GuardDenied("containers.commit", "a configuration may not be set: build an image from the committed one")
    references = [
        Reference(ObjectKind.CONTAINER, first_value(api_request.query, "container"), location=("query", "container", 0))
    ]
    tags: tuple[str, ...] = ()
    if first_value(api_request.query, "repo"):
        tags = (_new_name(api_request.query),)
        references.append(tag_reference(tags[0], api_request))
    label = " ".join(f'"{key}"="{value}"' for key, value in image_labels(api_request.uid).items())
    query = {key: values for key, values in api_request.query.items() if key not in {"repo", "tag"}}
    return ForwardPlan({**query, "changes": (*changes, f"LABEL {label}")}, references=tuple(references), tags=tags)


def _changes(query: Query) -> tuple[str, ...]:
    """The client's changes of a committed image, one line each, so that the guard's label is a line too.

    Raises:
        GuardDenied: one of them could be read in another way, or sets a reserved label.
    """
    lines = [line.strip() for text in query.get("changes", ()) for line in text.split("\n") if line.strip()]
    for line in lines:
        if not _CHANGE.fullmatch(line):
            raise GuardDenied(
                "containers.commit",
                f"changes may not have {line!r}: allowed are one-line instructions {', '.join(COMMIT_INSTRUCTIONS)} of "
                "printable characters without backslashes; for others build an image from the committed one",
            )
        if prefix := next((each for each in RESERVED_LABELS if each in line.lower()), ""):
            raise GuardDenied("owner", f"changes may not have {line!r}: labels with the prefix {prefix} are reserved")
    return tuple(lines)


def validate_save(api_request: ApiRequest) -> ForwardPlan:
    """`GET /images/{name}/get` and `GET /images/get?names=…`."""
    if not api_request.rules.images.save:
        raise GuardDenied("images.save", "images may not be exported")
    names = (api_request.name,) if api_request.name else api_request.query.get("names", ())
    if not names or not all(names):
        raise GuardDenied("fields", "the request names no image", status=HTTPStatus.BAD_REQUEST)
    # A name without a tag means all images of a repository, some of which may not be visible.
    tagged = tuple(_with_default_tag(name) for name in names)
    if api_request.name and tagged != (api_request.name,):
        raise GuardDenied("images.save", f"add a tag to the image name, such as {tagged[0]}")
    references = tuple(_saved(name, number, api_request) for number, name in enumerate(tagged))
    query: Query = api_request.query if api_request.name else {**api_request.query, "names": tagged}
    return ForwardPlan(query, references=references)


def _saved(name: str, number: int, api_request: ApiRequest) -> Reference:
    """A tag is exported by its name, so that the archive has it; what may be an ID or a repository, by the full ID."""
    by_id: tuple[str | int, ...] = ("path",) if api_request.name else ("query", "names", number)
    return Reference(ObjectKind.IMAGE, name, Requirement.VISIBLE, location=by_id if _HEX.fullmatch(name) else ())


def validate_load(api_request: ApiRequest) -> ForwardPlan:
    """`POST /images/load`."""
    if not api_request.rules.images.load:
        raise GuardDenied("images.load", "image archives may not be loaded: they may take other owners' image names")
    return ForwardPlan(api_request.query)


def validate_distribution(api_request: ApiRequest) -> ForwardPlan:
    """`GET /distribution/{name}/json`, for which the daemon queries a registry."""
    patterns = [*api_request.rules.images.pull, *api_request.rules.images.push]
    _check_reference("images.pull", _join_tag(api_request.name, ""), patterns, any_tag=True)
    return ForwardPlan(api_request.query)


COMMIT_INSTRUCTIONS = ("CMD", "ENTRYPOINT", "ENV", "EXPOSE", "LABEL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR")
"""Instructions that change no more than the configuration of an image, and end with their line."""

_CHANGE = re.compile(rf"(?i:{'|'.join(COMMIT_INSTRUCTIONS)}) [ -\[\]-~]+")

COMMIT_FIELDS: FieldTable = {
    **CONFIG_FIELDS,
    "OnBuild": any_string,
    **dict.fromkeys(("containerId", "message", "repository"), ignored),  # of docker-java
}


def tag_reference(reference: str, api_request: ApiRequest) -> Reference:
    """A name for a new image, which must be absent or owned.

    Raises:
        GuardDenied: it is not a valid name, or matches no pattern in images.tags.
    """
    _check_reference("images.tags", reference, api_request.rules.images.tags)
    return Reference(ObjectKind.IMAGE, reference, Requirement.OWNED_OR_ABSENT)


def _check_reference(rule: str, reference: str, patterns: list[str], *, any_tag: bool = False) -> None:
    try:
        Image.parse(reference)
    except ValueError:
        raise GuardDenied("fields", f"{reference!r} is not a valid image name", status=HTTPStatus.BAD_REQUEST) from None
    if not any_tag and "@" not in reference and ":" not in reference.rpartition("/")[2]:
        raise GuardDenied(rule, f"{reference} has no tag, which means all tags: name one")
    if not matches_any(reference, patterns):
        raise GuardDenied(rule, f"image {reference} matches no pattern in {rule}")


def _new_name(query: Query) -> str:
    """The name for an image; the repository may have the tag."""
    repo, tag = first_value(query, "repo"), first_value(query, "tag")
    return _join_tag(repo, tag) if tag else _with_default_tag(repo)


def _join_tag(name: str, tag: str) -> str:
    if not tag:
        return name
    return f"{name}@{tag}" if tag.startswith("sha256:") else f"{name}:{tag}"


def _with_default_tag(name: str) -> str:
    last = name.rpartition("/")[2]
    if ":" in last or "@" in name or _HEX.fullmatch(name):
        return name
    return f"{name}:latest"


_HEX = re.compile(r"[0-9a-f]{12,64}")
"""IDs of images, whole or shortened; a repository may have such a name too."""
