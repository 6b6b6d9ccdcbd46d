"""Volumes of one's own: of the local driver, without the options by which it mounts anything."""

from __future__ import annotations

from nested_docker.guard.errors import MALFORMED, Refusal
from nested_docker.guard.model import Asked, Room, Verdict
from nested_docker.guard.ownership import Kind, Need, Reference, labels
from nested_docker.guard.rules.mounts import VOLUME_NAME
from nested_docker.guard.rules.schema import Table, judged, nothing, one_of, text, text_map

FIELDS: Table = {
    "Name": text,
    "Driver": one_of("", "local"),
    "DriverOpts": nothing,
    "Labels": text_map,
    "ClusterVolumeSpec": nothing,
}


def create(asked: Asked) -> Verdict:
    """`POST /volumes/create`; the daemon answers with what is there already, so a name must be free or one's own."""
    body = judged(asked.body, FIELDS, "")
    name = body.get("Name", "")
    if name and not VOLUME_NAME.fullmatch(name):
        raise Refusal("fields", "Name is no name of a volume", status=MALFORMED)
    body["Labels"] = labels(body.get("Labels", {}), asked.uid, where="Labels")
    references = (Reference(Kind.VOLUME, name, Need.FREE),) if name else ()
    return Verdict(asked.query, body, references, Room(Kind.VOLUME))


def own(asked: Asked) -> Verdict:
    """What concerns one volume, and has nothing to judge but whose it is."""
    return Verdict(asked.query, references=(Reference(Kind.VOLUME, asked.name),))
