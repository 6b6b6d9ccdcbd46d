"""Volumes of one's own: of the local driver, without the options by which it mounts anything."""

from __future__ import annotations

from nested_docker.guard.errors import MALFORMED, GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import Kind, Need, Reference, labels
from nested_docker.guard.rules.mounts import VOLUME_NAME
from nested_docker.guard.rules.schema import Table, nothing, one_of, text, text_map, validated

FIELDS: Table = {
    "Name": text,
    "Driver": one_of("", "local"),
    "DriverOpts": nothing,
    "Labels": text_map,
    "ClusterVolumeSpec": nothing,
}


def create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /volumes/create`; the daemon answers with what is there already, so a name must be free or one's own."""
    body = validated(api_request.body, FIELDS, "")
    name = body.get("Name", "")
    if name and not VOLUME_NAME.fullmatch(name):
        raise GuardDenied("fields", "Name is no name of a volume", status=MALFORMED)
    body["Labels"] = labels(body.get("Labels", {}), api_request.uid, where="Labels")
    references = (Reference(Kind.VOLUME, name, Need.FREE),) if name else ()
    return ForwardPlan(api_request.query, body, references, Reservation(Kind.VOLUME))


def own(api_request: ApiRequest) -> ForwardPlan:
    """What concerns one volume, and has nothing to judge but whose it is."""
    return ForwardPlan(api_request.query, references=(Reference(Kind.VOLUME, api_request.name),))
