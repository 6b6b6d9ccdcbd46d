"""Which permissions a requester needs, so that the operator does nothing for them that they could not do.

The operator may create pods, claims and Secrets everywhere. Whoever may create NestedDockers could use that, so the
requester must have each permission that a field of the request makes the operator use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from nested_docker.api.tenancy import FieldUse, Permission, fields_in_use
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.nested_docker import USE_CLASS


@dataclass(frozen=True)
class Access:
    """A permission that a field of a request needs.

    Attributes:
        field: path of the field.
        permission: verb and resource, as in RBAC.
        namespace: where the permission must hold.
        name: the one object that it is about; empty: any.
    """

    field: str
    permission: Permission
    namespace: str
    name: str = ""

    @property
    def is_class_use(self) -> bool:
        """Whether this is the permission to use a class."""
        return self.permission == USE_CLASS

    def message(self, user: str) -> str:
        """The denial for a user who does not have the permission, with the remedy."""
        what = f"{self.permission}{' ' + self.name if self.name else ''}"
        denial = f"{self.field}: {user} may not {what} in namespace {self.namespace}"
        if self.is_class_use:
            return f"{denial}. Choose another class, or ask an admin for the permission to {self.permission.verb} it"
        return (
            f"{denial}, and a NestedDocker cannot use permissions you do not have: remove the field, or ask an admin "
            "for this permission"
        )


def class_access(class_name: str, namespace: str) -> Access:
    """The permission to use a class, whether the request names it or gets it by default."""
    return Access("spec.className", USE_CLASS, namespace, class_name)


def required_access(spec: NestedDockerSpec, before: NestedDockerSpec | None, namespace: str) -> list[Access]:
    """The permissions that a request needs beyond those that it needed before, besides the one to use its class.

    Args:
        spec: the new spec.
        before: the spec that it replaces; None: the NestedDocker is new.
        namespace: of the NestedDocker.
    """
    earlier = [] if before is None else [*fields_in_use(before)]
    unchanged = {use.path: use.value for use in earlier}
    known = {access for use in earlier for access in _access(use, namespace)}
    needed: dict[Access, None] = {}
    for use in fields_in_use(spec):
        changed = use.use.on_each_change and unchanged.get(use.path) != use.value
        needed |= {access: None for access in _access(use, namespace) if changed or access not in known}
    return list(needed)


def _access(use: FieldUse, namespace: str) -> Iterator[Access]:
    permission = use.use.permission
    if permission is None or use.use.has_default:
        return
    for name in _names(use.value) if use.use.named else ("",):
        yield Access(use.path, permission, namespace, name)


def _names(value: Any) -> list[str]:
    return [reference.name for reference in (value if isinstance(value, list) else [value])]
