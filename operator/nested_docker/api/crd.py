"""From the models to CustomResourceDefinitions with structural schemas.

pydantic's JSON schema has `$ref`, `const`, `title` and null-anyOf, which a structural schema may
not have. Everything else that the API server must know is in the models themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nested_docker.api.meta import GROUP, KubeModel
from nested_docker.api.v1alpha1 import VERSION, NestedDocker, NestedDockerClass, NestedDockerNode, NestedDockerPolicy
from nested_docker.api.v1alpha1.nested_docker import NAME_PATTERN

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "default", "$defs"})


@dataclass(frozen=True)
class KindDefinition:
    """A kind of the API and how it is listed."""

    model: type[KubeModel]
    plural: str
    short_names: tuple[str, ...]
    namespaced: bool
    columns: tuple[dict[str, Any], ...]
    rules: tuple[tuple[str, str], ...] = ()
    labels: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the kind, as in `kind:`."""
        return self.model.__name__

    @property
    def has_status(self) -> bool:
        """Whether the kind has a status subresource."""
        return "status" in self.model.model_fields


def _column(name: str, path: str, type_: str = "string", *, wide: bool = False) -> dict[str, Any]:
    return {"name": name, "type": type_, "jsonPath": path} | ({"priority": 1} if wide else {})


_AGE = _column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    KindDefinition(
        model=NestedDocker,
        plural="nesteddockers",
        short_names=("nd",),
        namespaced=True,
        columns=(
            _column("Mode", ".status.mode"),
            _column("Ready", ".status.conditions[?(@.type=='Ready')].status"),
            _column("Reason", ".status.conditions[?(@.type=='Ready')].reason"),
            _column("Endpoint", ".status.endpoint"),
            _AGE,
            _column("Node", ".status.nodeName", wide=True),
            _column("Version", ".status.engine.version", wide=True),
            _column("Driver", ".status.engine.storageDriver", wide=True),
            _column("Class", ".status.className", wide=True),
            _column("Policy", ".status.policyName", wide=True),
        ),
        rules=(
            (
                f"self.metadata.name.matches('{NAME_PATTERN}')",
                "metadata.name must start with a letter, contain only lower-case letters, digits and '-', end with a "
                "letter or digit, and have at most 52 characters: Services and Secrets are named after it",
            ),
        ),
        labels={"servicebinding.io/provisioned-service": "true"},
    ),
    KindDefinition(
        model=NestedDockerClass,
        plural="nesteddockerclasses",
        short_names=("ndc",),
        namespaced=False,
        columns=(
            _column("Modes", ".spec.modes"),
            _column("Default", ".metadata.annotations.nesteddocker\\.dev/is-default-class"),
            _AGE,
        ),
    ),
    KindDefinition(
        model=NestedDockerPolicy,
        plural="nesteddockerpolicies",
        short_names=("ndp",),
        namespaced=False,
        columns=(
            _column("Classes", ".spec.allowedClasses"),
            _column("Modes", ".spec.allowedModes"),
            _AGE,
        ),
    ),
    KindDefinition(
        model=NestedDockerNode,
        plural="nesteddockernodes",
        short_names=("ndn",),
        namespaced=False,
        columns=(
            _column("Cgroup", ".status.facts.cgroup"),
            _column("LSM", ".status.facts.securityModules"),
            _column("UserNS", ".status.facts.maxUserNamespaces", "integer"),
            _column("Filesystem", ".status.facts.filesystem"),
            _column("Probed", ".status.conditions[?(@.type=='Probed')].status"),
            _column("Time", ".status.probeTime", "date"),
            _column("Unprivileged", ".status.facts.unprivilegedUserNamespaces", wide=True),
            _column("Runtime", ".status.containerRuntimeVersion", wide=True),
            _column("Message", ".status.conditions[?(@.type=='Probed')].message", wide=True),
        ),
    ),
)


def definitions() -> Iterator[dict[str, Any]]:
    """A CustomResourceDefinition for each kind."""
    for kind in KINDS:
        yield _definition(kind)


def _definition(kind: KindDefinition) -> dict[str, Any]:
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": list(kind.columns),
        "schema": {"openAPIV3Schema": _root(kind)},
    }
    if kind.has_status:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{kind.plural}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "nested-docker"} | kind.labels,
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                "categories": ["nested-docker"],
            },
            "versions": [version],
        },
    }


def _root(kind: KindDefinition) -> Schema:
    schema = structural(kind.model)
    properties = {
        "apiVersion": {"type": "string", "description": "Version of this representation."},
        "kind": {"type": "string", "description": "Kind of this object."},
        "metadata": {"type": "object"},
    }
    schema["properties"] = properties | schema["properties"]
    if "spec" in kind.model.model_fields:
        schema["required"] = ["spec"]
    if kind.has_status:
        # Without a status kstatus takes an object for current; no object has generation 0.
        schema["properties"]["status"]["default"] = {"observedGeneration": 0}
    if kind.rules:
        schema["x-kubernetes-validations"] = [{"rule": rule, "message": message} for rule, message in kind.rules]
    return schema


def structural(model: type[KubeModel]) -> Schema:
    """The structural schema of a model.

    Raises:
        ValueError: a model has something that a structural schema cannot express.
    """
    document = model.model_json_schema(by_alias=True, mode="validation")
    result = _convert(document, document.get("$defs", {}))
    assert isinstance(result, dict)  # noqa: S101 - narrows the type: the root of a model is an object
    return result


def _convert(node: Any, definitions: dict[str, Schema]) -> Any:
    if isinstance(node, list):
        return [_convert(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    node = _plain(node, definitions)
    if "propertyNames" in node:
        raise ValueError(f"a structural schema has no propertyNames: {node}")
    converted: Schema = {}
    for key, value in node.items():
        if key == "properties":
            converted[key] = {name: _convert(member, definitions) for name, member in value.items()}
        elif key in {"items", "additionalProperties", "anyOf"}:
            converted[key] = _convert(value, definitions)
        elif key == "const":
            converted["enum"] = [value]
        elif key not in _DROPPED:
            converted[key] = value
    return _without_contradictions(converted)


def _without_contradictions(node: Schema) -> Schema:
    """The node without what pydantic adds and the API server rejects next to our extensions."""
    superfluous = {"type", "maxLength"} if node.get("x-kubernetes-int-or-string") else set()
    if node.get("additionalProperties") is True:
        superfluous.add("additionalProperties")
    return {key: value for key, value in node.items() if key not in superfluous}


def _plain(node: Schema, definitions: dict[str, Schema]) -> Schema:
    """The node with its reference resolved, and without null: `required` decides whether a field may be absent."""
    while True:
        choices = node.get("anyOf", [])
        if "$ref" in node:
            target, spent = definitions[node["$ref"].rsplit("/", 1)[-1]], "$ref"
        elif {"type": "null"} in choices:
            others = [choice for choice in choices if choice != {"type": "null"}]
            if len(others) != 1:
                raise ValueError(f"a structural schema has no unions: {node}")
            target, spent = others[0], "anyOf"
        else:
            return node
        node = target | {key: value for key, value in node.items() if key != spent}
