"""Volumes: of the local driver only, without the driver options that mount something."""

from __future__ import annotations

from http import HTTPStatus

from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.model import ApiRequest, ForwardPlan, Reservation
from nested_docker.guard.ownership import ObjectKind, Reference, Requirement, with_owner_label
from nested_docker.guard.rules.mounts import VOLUME_NAME
from nested_docker.guard.rules.schema import FieldTable, any_string, one_of, string_map, unset, validate_object

VOLUME_FIELDS: FieldTable = {
    "Name": any_string,
    "Driver": one_of("", "local"),
    "DriverOpts": unset,
    "Labels": string_map,
    "ClusterVolumeSpec": unset,
}


def validate_volume_create(api_request: ApiRequest) -> ForwardPlan:
    """`POST /volumes/create`. The daemon returns an existing volume, so the name must be absent or owned."""
    body = validate_object(api_request.body, VOLUME_FIELDS, "")
    name = body.get("Name", "")
    if name and not VOLUME_NAME.fullmatch(name):
        raise GuardDenied("fields", "Name is not a valid volume name", status=HTTPStatus.BAD_REQUEST)
    body["Labels"] = with_owner_label(body.get("Labels", {}), api_request.uid, where="Labels")
    references = (Reference(ObjectKind.VOLUME, name, Requirement.OWNED_OR_ABSENT),) if name else ()
    return ForwardPlan(api_request.query, body, references, Reservation(ObjectKind.VOLUME))


def validate_owned_volume(api_request: ApiRequest) -> ForwardPlan:
    """A request for one volume, which must be owned."""
    return ForwardPlan(api_request.query, references=(Reference(ObjectKind.VOLUME, api_request.name),))
