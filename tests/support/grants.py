"""What lies outside a grant: stored objects compared with those of an empty spec, each difference held to the policy.

It shares no code with the operator. A difference that no row of the table below explains is outside of every grant, so
a field that somebody adds to a manifest needs a row here.

Patterns of a policy count only as whole values or `**`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Manifest = Mapping[str, Any]
OPERATOR_S = {"idle-watch"}
"""Containers that the operator adds, with its own limits."""

OPERATOR_DEFAULTS = {
    "sidecar.istio.io/inject": "false",
    "kuma.io/sidecar-injection": "disabled",
    "admission.datadoghq.com/enabled": "false",
    "velero.io/exclude-from-backup": "true",
    "linkerd.io/inject": "disabled",
    "consul.hashicorp.com/connect-inject": "false",
    "dynatrace.com/inject": "false",
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}
"""Labels and annotations of a pod that the operator sets, and that a policy may let a tenant change."""

UNITS = {"": 1, "m": Decimal("0.001"), "k": 10**3, "M": 10**6, "G": 10**9, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


@dataclass(frozen=True)
class Grant:
    """One policy, and the request that it has granted.

    Attributes:
        policy: spec of the NestedDockerPolicy, as JSON.
        spec: of the NestedDocker, as JSON.
        before: value of the field in the object of an empty spec; None: it is not there.
    """

    policy: Manifest
    spec: Manifest
    before: Any = None

    def lists(self, value: str, *path: str) -> bool:
        """Whether the list at a path of the policy has a value, or `**`."""
        listed: Any = self.policy
        for part in path:
            listed = listed.get(part, {})
        return bool({value, "**"} & {*(listed or ())})

    def within(self, value: str, maximum: str) -> bool:
        """Whether a quantity is at most a maximum of the policy."""
        bound = self.policy.get("max", {}).get(maximum)
        return bound is None or number(value) <= number(bound)

    @property
    def workload(self) -> dict[str, Manifest]:
        """The containers of the workload, by name; empty: the policy allows none."""
        if not self.policy.get("workload", {}).get("allowed"):
            return {}
        workload = self.spec.get("workload", {})
        return {each["name"]: each for key in ("initContainers", "containers") for each in workload.get(key, ())}


Check = Callable[[Grant, Any, Sequence[str]], bool]
"""Whether a grant covers the value of a field; with the groups of the row's expression."""


def free(_grant: Grant, _value: Any, _groups: Sequence[str]) -> bool:
    """Policy says nothing, since the field gives no access to anything; or RBAC decides at admission."""
    return True


def added(grant: Grant, _value: Any, _groups: Sequence[str]) -> bool:
    return grant.before is None


def _own_keys(_grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    """The Secret with the pod's keys, which is named after the pod."""
    return re.fullmatch(r"build-[0-9a-f]{5}-tls", value) is not None


def _label(grant: Grant, _value: Any, groups: Sequence[str]) -> bool:
    return _nobody_s(grant, groups[0]) and grant.lists(groups[0], "scheduling", "podLabels")


def _annotation(grant: Grant, _value: Any, groups: Sequence[str]) -> bool:
    return _nobody_s(grant, groups[0]) and grant.lists(groups[0], "scheduling", "podAnnotations")


def _nobody_s(grant: Grant, key: str) -> bool:
    """Whether the class does not set a label or annotation."""
    return grant.before in {None, OPERATOR_DEFAULTS.get(key)}


def _tolerations(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    classes = grant.before or []
    new = [each for each in value if each not in classes]
    kept = all(each in value for each in classes)
    return kept and all(grant.lists(each.get("key") or "**", "scheduling", "tolerationKeys") for each in new)


def _priority(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    return grant.before is None and grant.lists(value, "scheduling", "priorityClassNames")


def _affinity(grant: Grant, value: Any, groups: Sequence[str]) -> bool:
    kinds = grant.policy.get("scheduling", {}).get("affinity", ["NodeAffinity"])
    if groups[0][0].upper() + groups[0][1:] not in kinds:
        return False
    anywhere = grant.policy.get("scheduling", {}).get("affinityNamespaces") == "Any"
    return anywhere or not {"namespaces", "namespaceSelector"} & {*re.findall(r"\w+", json.dumps(value))}


def _daemon_image(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    return grant.lists(value, "allowedImages", "patterns")


def _resource(grant: Grant, _value: Any, groups: Sequence[str]) -> bool:
    return groups[0] in {"cpu", "memory"} or grant.lists(groups[0], "allowedResources")


def _of_workload(grant: Grant, value: Any, groups: Sequence[str]) -> bool:
    name, field = groups
    if name not in grant.workload:
        return False
    if field == "image":
        images = grant.policy["workload"].get("images", {"patterns": ["**"]})
        return bool({value, "**"} & {*images.get("patterns", ())})
    if _is_declared(grant, value, name, field):
        return True
    if limited := re.fullmatch(r"resources\.(?:limits|requests)(?:\.|\[)([^\]]+)\]?", field):
        return _resource(grant, value, [limited[1]])
    return bool(
        re.fullmatch(
            r"(command|args|workingDir|imagePullPolicy|terminationMessage\w+|resources\.\w+|resources"
            r"|env(\[[^\]]+\](\.value)?)?|volumeMounts\[(socket|workspace)\]\.mountPath)",
            field,
        )
    )


DEFAULTED = {"defaultMode": 420, "apiVersion": "v1", "divisor": "0"}
"""Members of references that the API server adds."""


def _is_default(value: Any, field: str) -> bool:
    return bool(value == DEFAULTED.get(field.rpartition(".")[2]))


def _is_declared(grant: Grant, value: Any, container: str, field: str) -> bool:
    """Whether the spec has a variable that is not a value, or a mount, and the policy what it refers to."""
    if field.startswith("env[") and _is_default(value, field):
        return True
    declared = grant.workload[container]
    if variable := re.fullmatch(r"env\[([^\]]+)\]\.(valueFrom\..+)", field):
        given = [each for each in declared.get("env", ()) if each["name"] == variable[1]]
        return any(dict(_leaves(each, "")).get(f".{variable[2]}") == value for each in given) and _refers(grant, field)
    if field == "envFrom":
        return bool(value == declared["envFrom"]) and _refers(grant, json.dumps(value))
    if mount := re.fullmatch(r"volumeMounts\[workload-([^\]]+)\]\.(\w+)", field):
        given = [each for each in declared.get("volumeMounts", ()) if each["name"] == mount[1]]
        shared = mount[2] == "mountPath" and _shared(grant, value, [mount[1]])
        return shared or any(each.get(mount[2]) == value for each in given)
    return False


def _of_volume(grant: Grant, value: Any, groups: Sequence[str]) -> bool:
    """A volume of the workload: what the spec has there, from Secrets and ConfigMaps if the policy has them."""
    name, field = groups
    declared = {each["name"]: each for each in grant.spec.get("workload", {}).get("volumes", ())}
    if not grant.workload or name not in declared:
        return False
    if field == "emptyDir":
        return "emptyDir" in declared[name]
    if field in {"emptyDir.medium", "emptyDir.sizeLimit"}:
        return bool(value == declared[name].get("emptyDir", {}).get(field.partition(".")[2]))
    if _is_default(value, field):
        return True
    found = dict(_leaves({key: each for key, each in declared[name].items() if key != "name"}, ""))
    return found.get(f".{field}") == value and _refers(grant, json.dumps([field, value]))


def _refers(grant: Grant, text: str) -> bool:
    """Whether the policy has the kinds of objects that a field is about."""
    listed = grant.policy["workload"].get("references", ())
    kinds = {"Secrets": r"(?i:secret)", "ConfigMaps": r"configMap"}
    return all(kind in listed for kind, words in kinds.items() if re.search(words, text))


def _shared(grant: Grant, value: Any, groups: Sequence[str]) -> bool:
    """A directory that the daemon has at the same path as the workload."""
    volumes = {each["name"]: each for each in grant.spec.get("workload", {}).get("volumes", ())}
    return (
        grant.before is None
        and bool(grant.workload)
        and "emptyDir" in volumes[groups[0]]
        and volumes[groups[0]].get("sharedPath") == value
        and grant.lists(value, "workload", "sharedPaths")
    )


def _size(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    return grant.within(value, "storage")


def _storage_class(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    return grant.lists(value, "allowedStorageClasses")


def _unbounded(grant: Grant, _value: Any, _groups: Sequence[str]) -> bool:
    """A volume without a size."""
    return grant.policy.get("max", {}).get("storage") is None


def _guard_rules(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    """Only limits may differ, which `resources` narrows."""
    rules, before = (
        {each.partition("=")[0]: each.partition("=")[2] for each in args} for args in (value, grant.before)
    )
    said, plain = (json.loads(each.pop("--guard-rules", "{}")) for each in (rules, before))
    limits = said.pop("limits", {})
    plain.pop("limits", None)
    bounds = grant.policy.get("hostSocket", {}).get("guard", {}).get("limits", {})
    return (rules, said) == (before, plain) and all(
        number(limits[scope][resource]) <= number(bound)
        for scope in ("total", "perContainer")
        for resource, bound in bounds.get(scope, {}).items()
    )


def _ingress(grant: Grant, value: Any, _groups: Sequence[str]) -> bool:
    """The NestedDocker names clients of its namespace; the rest is the policy's, and the operator's rule is fixed."""
    *clients, operator = value
    every_port = grant.policy.get("publishedPorts", "Allowed") == "Allowed" and grant.spec["mode"] != "HostSocket"
    named = all(rule.get("from") and (every_port or rule.get("ports")) for rule in clients)
    anywhere = grant.policy.get("connection", {}).get("clientNamespaces") == "Any"
    own = all("namespaceSelector" not in peer for rule in clients for peer in rule["from"])
    return named and (own or anywhere) and operator == grant.before[-1]


CLAIM = r"(?:\.spec\.volumes\[data\]\.ephemeral\.volumeClaimTemplate)?\.spec"
RULES: dict[str, list[tuple[str, Check]]] = {
    "Pod": [
        (r"\.metadata\.(name|uid|resourceVersion|creationTimestamp|managedFields|generation)", free),
        (r"\.metadata\.(?:annotations|labels)\[nesteddocker\.dev/[a-z-]+\]", free),
        (r"\.metadata\.labels(?:\.|\[)([^\]]+)\]?", _label),
        (r"\.metadata\.annotations(?:\.|\[)([^\]]+)\]?", _annotation),
        (r"\.spec\.nodeSelector.*", added),
        (r"\.spec\.tolerations", _tolerations),
        (r"\.spec\.priorityClassName", _priority),
        (r"\.spec\.affinity\.(\w+).*", _affinity),
        (r"\.spec\.(restartPolicy|imagePullSecrets.*)", free),
        (r"\.spec\.containers\[daemon\]\.image", _daemon_image),
        (r"\.spec\.containers\[daemon\]\.resources\.(?:limits|requests)", free),
        (r"\.spec\.containers\[daemon\]\.resources\.(?:limits|requests)(?:\.|\[)([^\]]+)\]?", _resource),
        (r"\.spec\.containers\[daemon\]\.args", _guard_rules),
        (r"\.spec\.containers\[daemon\]\.(restartPolicy|env\[[A-Za-z_]+\]\.value)", free),
        (r"\.spec\.containers\[daemon\]\.volumeMounts\[(workspace|ca-bundle)\].*", added),
        (r"\.spec\.containers\[daemon\]\.volumeMounts\[workload-([^\]]+)\]\.mountPath", _shared),
        (r"\.spec\.containers\[idle-watch\]\.(args|restartPolicy)", free),
        (r"\.spec\.containers\[([^\]]+)\]\.(.+)", _of_workload),
        (r"\.spec\.volumes\[server-certificates\]\.secret\.secretName", _own_keys),
        (r"\.spec\.volumes\[workspace\]\.emptyDir", added),
        (r"\.spec\.volumes\[workload-([^\]]+)\]\.(.+)", _of_volume),
        (r"\.spec\.volumes\[ca-bundle\]\.configMap\..*", added),
        (r"\.spec\.volumes\[data\]\.emptyDir", _unbounded),
        (r"\.spec\.volumes\[data\]\.emptyDir\.medium", free),
        (r"\.spec\.volumes\[data\]\.emptyDir\.sizeLimit", _size),
        (r"\.spec\.volumes\[data\]\.persistentVolumeClaim\.claimName", free),
        (r"\.spec\.volumes\[data\]\.ephemeral\.volumeClaimTemplate\.metadata.*", free),
        (CLAIM + r"\.(accessModes|volumeMode)", free),
        (CLAIM + r"\.resources\.requests\.storage", _size),
        (CLAIM + r"\.storageClassName", _storage_class),
    ],
    "Service": [(r"\.spec\.selector\[nesteddocker\.dev/key-set\]", free)],
    "NetworkPolicy": [(r"\.spec\.ingress", _ingress)],
    "Secret": [(r"\.metadata\.(labels|annotations)(\.|\[).*", free), (r"\.(data|type).*", free)],
    "PersistentVolumeClaim": [
        (r"\.(apiVersion|kind)|\.metadata\..*", free),
        (r"\.spec\.(accessModes|volumeMode)", free),
        (r"\.spec\.resources\.requests\.storage", _size),
        (r"\.spec\.storageClassName", _storage_class),
    ],
}
"""Per kind, which differences a grant may explain; the first row that matches the path decides."""

IGNORED = (
    r"\.metadata\.(uid|resourceVersion|creationTimestamp|managedFields|name|namespace|ownerReferences).*"
    r"|\.status.*|\.spec\.(nodeName|clusterIPs?)"
)
"""What differs between any two objects."""


def outside(policy: Manifest, spec: Manifest, stored: Sequence[Manifest], plain: Sequence[Manifest]) -> list[str]:
    """Fields of the stored objects that the policy does not cover, as `Kind path: value`; empty: none.

    Args:
        policy: spec of the policy that grants the request.
        spec: of the NestedDocker.
        stored: its children, as the API server has them.
        plain: the children of a NestedDocker of the same class and mode whose spec has nothing else.
    """
    grant = Grant(policy, spec)
    found = [*_too_much(grant, stored, plain)]
    for manifest in stored:
        kind = manifest["kind"]
        before = _flat(next((each for each in plain if _role(each) == _role(manifest)), {}))
        after = _flat(manifest)
        for path in sorted(before.keys() | after.keys()):
            if before.get(path) != after.get(path) and not re.fullmatch(IGNORED, path):
                compared = Grant(policy, spec, before.get(path))
                if not _explained(compared, kind, path, after.get(path), whole=after):
                    found.append(f"{kind} {path}: {before.get(path)} -> {after.get(path)}")
    return found


def _explained(grant: Grant, kind: str, path: str, value: Any, *, whole: Mapping[str, Any]) -> bool:
    if value is None and any(other.startswith((f"{path}.", f"{path}[")) for other in whole):
        return True  # a member that was empty has entries, which are compared one by one
    for expression, check in RULES[kind]:
        if matched := re.fullmatch(expression, path):
            if value is not None:
                return check(grant, value, matched.groups())
            # What the class sets by default may go, since the sums and sizes of what is left are checked.
            return check in {free, _resource, _size, _storage_class, _unbounded}
    return False


def _too_much(grant: Grant, stored: Sequence[Manifest], plain: Sequence[Manifest]) -> Iterator[str]:
    """Sums, which no single field has. The containers that the class adds are the admins'."""
    of_class = {each["name"] for pod in plain if pod["kind"] == "Pod" for each in _containers(pod["spec"])} - {"daemon"}
    for pod in (each for each in stored if each["kind"] == "Pod"):
        containers = [each for each in _containers(pod["spec"]) if each["name"] not in OPERATOR_S | of_class]
        for resource, maximum in (("cpu", "cpu"), ("memory", "memory")):
            limits = [each.get("resources", {}).get("limits", {}).get(resource) for each in containers]
            bound = grant.policy.get("max", {}).get(maximum)
            if bound is not None and (
                None in limits or sum(number(limit) for limit in limits if limit is not None) > number(bound)
            ):
                yield f"Pod sum of {resource}: {limits}"


def _containers(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", ()), *spec.get("containers", ())]


def _role(manifest: Manifest) -> tuple[str, str]:
    """What an object of the NestedDocker's is for; pods have generated names, others begin with its name."""
    name = manifest["metadata"]["name"].partition("-")[2]
    return manifest["kind"], "" if manifest["kind"] == "Pod" else re.sub(r"^[0-9a-f]{5}-tls$", "tls", name)


def _flat(manifest: Manifest) -> dict[str, Any]:
    """Leaves by path. Named items are keyed by name, and containers of both lists by name alone."""
    whole = dict(manifest)
    if whole.get("kind") == "Pod":
        spec = dict(whole["spec"])
        containers = _containers(spec)
        spec.pop("initContainers", None)
        whole["spec"] = spec | {"containers": containers}
    return dict(_leaves(whole, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from _leaves(member, f"{path}.{key}" if re.fullmatch(r"\w+", key) else f"{path}[{key}]")
    elif isinstance(value, list) and value and all(isinstance(each, Mapping) and "name" in each for each in value):
        for each in value:
            yield from _leaves(
                {key: member for key, member in each.items() if key != "name"}, f"{path}[{each['name']}]"
            )
    else:
        yield path, value


def number(quantity: Any) -> Decimal:
    """A quantity's value."""
    matched = re.fullmatch(r"([0-9.]+)(\D*)", str(quantity))
    assert matched, quantity
    return Decimal(matched[1]) * UNITS[matched[2]]
