"""Building blocks that every kind shares: the model base, conditions, quantities and references."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from nested_docker.api import amounts
from nested_docker.api.amounts import QUANTITY
from nested_docker.api.metadata import (
    IMAGE_ID,
    IMAGE_ID_MESSAGE,
    IMAGE_REFERENCE,
    require_image_name,
    require_key,
    require_keys,
    require_labels,
)
from nested_docker.api.tenancy import Plain, governed_by

GROUP = "nesteddocker.dev"


class KubeModel(BaseModel):
    """An immutable part of an object: camelCase on the wire, unknown fields ignored on reading.

    Unknown fields are ignored so that an older operator can read what a newer one wrote; the API
    server prunes what the schema does not know, and the CLI refuses it before it is sent.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        alias_generator=to_camel,
        populate_by_name=True,
        use_enum_values=False,
    )

    def dump(self) -> dict[str, Any]:
        """The wire form: camelCase, JSON types, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def schema(*, int_or_string: bool = False, rules: tuple[tuple[str, str], ...] = (), **extra: Any) -> dict[str, Any]:
    """Extensions of a structural schema that pydantic does not have.

    Args:
        int_or_string: the value may be written as a number or as text.
        rules: pairs of a CEL rule and the message that a user reads when it fails.
        extra: further keys, copied as they are.
    """
    extensions = dict(extra)
    if int_or_string:
        extensions |= {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]}
    if rules:
        extensions["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in rules]
    return extensions


Quantity = Annotated[
    str,
    StringConstraints(pattern=QUANTITY, max_length=32),
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(json_schema_extra=schema(int_or_string=True)),
]
"""A Kubernetes quantity, such as `500m`, `4` or `8Gi`."""

CpuLimit = Annotated[Quantity, AfterValidator(lambda value: amounts.require_limit("cpu", value))]
"""A limit of CPU that is in force as it is written."""

MemoryLimit = Annotated[Quantity, AfterValidator(lambda value: amounts.require_limit("memory", value))]
"""A limit of memory that is in force as it is written."""

Size = Annotated[Quantity, AfterValidator(amounts.require_size)]
"""The size of a volume."""


def rule_of_pattern(pattern: str) -> str:
    """A CEL rule for a text that matches an expression, which has no quotation mark."""
    return f"self.matches(r'{pattern}')"


def at_least(path: str, minimum: str, message: str) -> tuple[str, str]:
    """A CEL rule, for a schema with the field `path`, and its message."""
    member = f"self.{path}"
    return f"!has({member}) || quantity(string({member})).compareTo(quantity('{minimum}')) >= 0", message


LIMITS = tuple(
    (
        f"!('{resource}' in self) || quantity(string(self['{resource}'])).compareTo(quantity('{minimum}')) >= 0",
        amounts.too_small(resource),
    )
    for resource, minimum in amounts.MINIMUM_LIMITS.items()
)
"""Rules for a map with limits by resource."""

CPU_AND_MEMORY = tuple(
    at_least(resource, minimum, amounts.too_small(resource)) for resource, minimum in amounts.MINIMUM_LIMITS.items()
)
"""Rules for a schema with limits of CPU and memory."""


DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
DnsSubdomain = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", max_length=253),
]
ImageReference = Annotated[
    str,
    StringConstraints(pattern=IMAGE_REFERENCE, max_length=512),
    AfterValidator(require_image_name),
    Field(json_schema_extra=schema(rules=((f"!self.matches('{IMAGE_ID}')", IMAGE_ID_MESSAGE),))),
]
"""An image as container runtimes take it: `[registry/]repository[:tag][@sha256:digest]`."""

ImagePattern = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.:/_*@-]+$", max_length=512)]
"""`repository[:tag][@digest]` as in an image reference; `*` matches anything but `/`, `**` anything."""

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00:]*$", max_length=255)]
Labels = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=63)]], Field(max_length=32), AfterValidator(require_labels)
]
Annotations = Annotated[
    dict[str, Annotated[str, StringConstraints(max_length=4096)]],
    Field(max_length=32),
    AfterValidator(require_keys),
]


class Mode(StrEnum):
    """How a NestedDocker comes by its Docker daemon."""

    DIND = "Dind"
    HOST_SOCKET = "HostSocket"
    SYSBOX = "Sysbox"
    USER_NAMESPACE = "UserNamespace"
    ROOTLESS = "Rootless"


class Enforcement(StrEnum):
    """What happens to a request that policy or rules deny."""

    ENFORCE = "Enforce"
    """The request is rejected."""
    WARN = "Warn"
    """The request is allowed and the user gets a warning."""
    AUDIT = "Audit"
    """The request is allowed, and only the audit log has it."""


class Status(StrEnum):
    """Whether a condition holds."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(KubeModel):
    """One aspect of an object's state, in the form of Kubernetes' API conventions."""

    type: str = Field(description="Aspect of the object that this condition is about.", max_length=64)
    status: Status = Field(description="Whether the condition holds.")
    reason: str = Field(description="CamelCase word for the cause of the last transition.", max_length=64)
    message: str = Field(
        default="", description="The cause in full and, where there is one, the remedy.", max_length=4096
    )
    last_transition_time: str = Field(
        description="When `status` last changed.", json_schema_extra=schema(format="date-time")
    )
    observed_generation: int = Field(
        default=0, description="Generation of the spec that the condition is based on.", ge=0
    )


class LocalObjectReference(KubeModel):
    """An object in the same namespace."""

    name: Plain[DnsSubdomain] = Field(description="Name of the object.")


class KeyReference(KubeModel):
    """One key of a ConfigMap in the same namespace."""

    name: Plain[DnsSubdomain] = Field(description="Name of the ConfigMap.")
    key: Plain[Annotated[str, StringConstraints(pattern=r"^[-._a-zA-Z0-9]+$", max_length=253)]] = Field(
        default="ca.crt", description="Key of the ConfigMap with the data."
    )


class LabelSelectorRequirement(KubeModel):
    """One requirement of a label selector."""

    key: Plain[Annotated[str, StringConstraints(max_length=317), AfterValidator(require_key)]] = Field(
        description="Label that the requirement is about."
    )
    operator: Plain[SelectorOperator] = Field(description="How the label's value relates to `values`.")
    values: Plain[Annotated[list[Annotated[str, StringConstraints(max_length=63)]], Field(max_length=64)]] = Field(
        default=[], description="Values to compare with; empty for `Exists` and `DoesNotExist`."
    )


class SelectorOperator(StrEnum):
    """How a label selector compares."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


class LabelSelector(KubeModel):
    """Selects objects by their labels; empty: all objects."""

    match_labels: Plain[Labels] = Field(default={}, description="Labels that must have exactly these values.")
    match_expressions: Plain[Annotated[list[LabelSelectorRequirement], Field(max_length=32)]] = Field(
        default=[], description="Further requirements; all must hold."
    )

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether an object with these labels is selected."""
        return all(labels.get(key) == value for key, value in self.match_labels.items()) and all(
            _holds(requirement, labels) for requirement in self.match_expressions
        )


def _holds(requirement: LabelSelectorRequirement, labels: dict[str, str]) -> bool:
    match requirement.operator:
        case SelectorOperator.IN:
            return labels.get(requirement.key) in requirement.values
        case SelectorOperator.NOT_IN:
            return labels.get(requirement.key) not in requirement.values
        case SelectorOperator.EXISTS:
            return requirement.key in labels
        case SelectorOperator.DOES_NOT_EXIST:
            return requirement.key not in labels


class ResourceRequirements(KubeModel):
    """CPU, memory and other resources of a container, as in a pod."""

    requests: Annotated[dict[str, Quantity], AfterValidator(require_keys), governed_by("allowedResources")] = Field(
        default={},
        description="What the container is guaranteed.",
        json_schema_extra=schema(maxProperties=16),
    )
    limits: Annotated[
        dict[str, Quantity],
        AfterValidator(require_keys),
        AfterValidator(amounts.require_limits),
        governed_by("allowedResources", "max.cpu", "max.memory"),
    ] = Field(
        default={},
        description="What the container may use at most; at least 10m of CPU and 6Mi of memory, since a smaller limit "
        "would not be in force.",
        json_schema_extra=schema(maxProperties=16, rules=LIMITS),
    )


LabelSelectorRequirement.model_rebuild()
