"""Which permissions a requester needs, so that the operator does nothing for them that they could not do.

The operator may create pods, claims and Secrets everywhere. Whoever may create NestedDockers could use that, so the
requester must have each permission that a field of the request makes the operator use.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
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
    def what(self) -> tuple[Permission, str, str]:
        """The permission itself, whichever field needs it."""
        return self.permission, self.namespace, self.name

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
    """The permissions that a request needs, besides the one to use its class.

    An update needs those of the fields that it changes. A changed value is a new request: whoever set the earlier one
    may have had the permission, and the requester may not. If one of several values of a path changes, such as those
    of the items of a list, all of them are new. A field that is removed counts as changed if it made the operator write
    something, since that is removed with it.

    Args:
        spec: the new spec.
        before: the spec that it replaces; None: the NestedDocker is new.
        namespace: of the NestedDocker.
    """
    now, earlier = _by_path(spec), _by_path(before)
    changed = {path for path in now.keys() | earlier.keys() if _values(now, path) != _values(earlier, path)}
    changed.update(_changed_elsewhere(now, spec, before))
    needed: dict[Access, None] = {}
    for path in (path for path in (now | earlier) if path in changed):
        removed = [use for use in earlier.get(path, ()) if _writes(use)]
        for use in [*now.get(path, ()), *removed]:
            needed |= dict.fromkeys(_access(use, namespace))
    return list(needed)


def _by_path(spec: NestedDockerSpec | None) -> dict[str, list[FieldUse]]:
    """Each path once, with all that have it: items of a list have the same path."""
    found: dict[str, list[FieldUse]] = {}
    for use in () if spec is None else fields_in_use(spec):
        found.setdefault(use.path, []).append(use)
    return found


def _values(uses: Mapping[str, Sequence[FieldUse]], path: str) -> list[Any]:
    return [use.value for use in uses.get(path, ())]


def _writes(use: FieldUse) -> bool:
    return use.use.permission is not None and use.use.permission.verb != "get"


def _changed_elsewhere(
    uses: Mapping[str, Sequence[FieldUse]], spec: NestedDockerSpec, before: NestedDockerSpec | None
) -> Iterator[str]:
    """Paths of fields whose permission is used for something else now, because another field has changed."""
    if before is None:
        return
    for path, (first, *_) in uses.items():
        if any(_value_at(spec, other) != _value_at(before, other) for other in first.use.used_with):
            yield path


def _value_at(spec: NestedDockerSpec, path: str) -> Any:
    value: Any = spec.dump()
    for part in path.split(".")[1:]:
        value = (value or {}).get(part)
    return value


def _access(use: FieldUse, namespace: str) -> Iterator[Access]:
    permission = use.use.permission
    if permission is None or use.use.has_default:
        return
    for name in _names(use.value) if use.use.named else ("",):
        yield Access(use.path, permission, namespace, name)


def _names(value: Any) -> list[str]:
    return [reference.name for reference in (value if isinstance(value, list) else [value])]
