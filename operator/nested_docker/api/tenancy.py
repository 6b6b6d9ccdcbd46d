"""What a field of the NestedDocker spec uses of the tenant's, which permission that needs, and which policy limits it.

The operator may read Secrets and create pods everywhere, so a field that makes it use such a permission is declared
here, on the model, and checked against the requester's own permissions. Everything that depends on it is derived:
the checks at admission, what a class with `podNamespace` rejects, and a column of the API reference. A field without
a declaration is treated as the tenant's, and needs every permission in the namespace.

A field also shapes objects that the operator creates. So a permission covers it, a policy limits it, or its declaration
says why it can do no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Permission:
    """A permission in the NestedDocker's namespace, in RBAC's words.

    Attributes:
        verb: such as `get`.
        resource: plural, such as `secrets`.
        group: API group; empty: the core group.
    """

    verb: str
    resource: str
    group: str = ""

    def __str__(self) -> str:
        """As in `kubectl auth can-i`: the verb, and the resource with its group."""
        return f"{self.verb} {self.resource}{'.' + self.group if self.group else ''}"


@dataclass(frozen=True)
class TenantUse:
    """What a field uses of the tenant's.

    Attributes:
        tenant_owned: whether the field brings something of the tenant's into the namespace of the pod: code, references
            to objects, volumes, or metadata that controllers obey.
        permission: what whoever sets the field must be allowed to do; None: nothing.
        named: whether the permission is for the objects that the value names, rather than for all of the resource.
        used_with: paths of other fields that decide what the permission is used for: a change of one of them needs
            the permission again, as a change of this field does.
        has_default: whether the permission is needed even if the field is empty, because a default takes its place.
        in_use: whether the field takes effect, given the model that has it; None: it does if it is set.
        governed_by: fields of a policy's spec that limit the value with all that is inside it, such as `allowedModes`.
        harmless: why nothing needs to limit the value, nor the fields inside it; empty: something does.
    """

    tenant_owned: bool = False
    permission: Permission | None = None
    named: bool = False
    used_with: tuple[str, ...] = ()
    has_default: bool = False
    in_use: Callable[[Any], bool] | None = None
    governed_by: tuple[str, ...] = ()
    harmless: str = ""

    @property
    def uses_something(self) -> bool:
        """Whether it uses anything of the tenant's."""
        return self.tenant_owned or self.permission is not None


UNDECLARED = TenantUse(tenant_owned=True, permission=Permission("*", "*", "*"))
"""How a field without a declaration is treated."""

T = TypeVar("T")
Plain = Annotated[T, TenantUse()]
"""A field that uses nothing of the tenant's by itself; the fields of a model inside it have their own declarations."""


def governed_by(*fields: str) -> TenantUse:
    """The declaration of a field that uses nothing of the tenant's, and that these fields of a policy limit."""
    return TenantUse(governed_by=fields)


def harmless(reason: str) -> TenantUse:
    """The declaration of a field that uses nothing of the tenant's and needs no limit, with the reason."""
    return TenantUse(harmless=reason)


@dataclass(frozen=True)
class FieldUse:
    """A field of a spec that is set.

    Attributes:
        path: such as `spec.engine.caBundleRef`.
        use: its declaration.
        value: what it is set to.
    """

    path: str
    use: TenantUse
    value: Any


def declarations(model: type[BaseModel], path: str = "spec") -> Iterator[tuple[str, TenantUse | None]]:
    """Every field of a model and of the models inside it, with its declaration; None: it has none.

    Paths are those of the API reference: elements of a list have `[]`.
    """
    for name, field in model.model_fields.items():
        inner = f"{path}.{field.alias or name}"
        yield inner, _declaration(field)
        for nested, suffix in _models(field.annotation):
            yield from declarations(nested, inner + suffix)


def fields_in_use(model: BaseModel, path: str = "spec") -> Iterator[FieldUse]:
    """Every field that is set, each before the fields inside it; nothing looks inside an undeclared field."""
    for name, field in type(model).model_fields.items():
        inner, value, declared = f"{path}.{field.alias or name}", getattr(model, name), _declaration(field)
        use = declared or UNDECLARED
        if use.in_use(model) if use.in_use is not None else _is_set(field, value):
            yield FieldUse(inner, use, value)
        if declared is not None:
            for nested in _inner_models(value):
                yield from fields_in_use(nested, inner)


def _declaration(field: FieldInfo) -> TenantUse | None:
    return next((item for item in field.metadata if isinstance(item, TenantUse)), None)


def _is_set(field: FieldInfo, value: Any) -> bool:
    """Whether a value says more than leaving the field out; an empty collection does not."""
    if value is None or value in ([], {}):
        return False
    return bool(value != field.get_default(call_default_factory=True))


def _inner_models(value: Any) -> Iterator[BaseModel]:
    """The models that a value is or holds, in lists and mappings at any depth."""
    if isinstance(value, BaseModel):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _inner_models(each)


def _models(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """The models that a type holds, with what their paths have in addition."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
    inner = "[]" if get_origin(annotation) is list else suffix
    for argument in get_args(annotation):
        yield from _models(argument, inner)
