"""Which Pod Security level admits a pod, by the API server's own judgement: of each mode, and of what a class adds."""

from __future__ import annotations

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import mode_table
from tests.support.api import Api
from tests.support.cluster import Cluster
from tests.support.factory import DEFAULTS, class_spec, observed

from nested_docker.adapters.resources import RESOURCES
from nested_docker.api.meta import Mode
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.admission.pod_security import ENFORCE_LABEL, VERSION_LABEL
from nested_docker.domain.admission.pod_security_standards import NEWEST, PodSecurityLevel
from nested_docker.domain.manifests.pod import pod_to_judge
from nested_docker.domain.modes import MODES
from nested_docker.domain.modes.base import PodContext
from nested_docker.domain.modes.dockerd import CONTAINER
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner
from nested_docker.domain.ports import KubeError

LEVELS = (PodSecurityLevel.RESTRICTED, PodSecurityLevel.BASELINE, PodSecurityLevel.PRIVILEGED)
OLD = (18, 34)
"""Minor versions of the standards, before changes that matter to these pods."""
EASED = 35
"""Minor version of the standards that let a pod with a user namespace have more than before."""


@pytest.fixture(scope="module")
def standards(cluster: Cluster) -> int:
    """Minor version of the standards that the API server has, at most NEWEST."""
    version = json.loads(cluster.kubectl("version", "-o", "json"))["serverVersion"]
    return min(int(version["minor"]), NEWEST)


@pytest.fixture(scope="module")
def namespaces(cluster: Cluster, standards: int) -> Iterator[dict[str, dict[str, str]]]:
    """Namespaces that enforce each level, with their labels."""
    suffix = uuid.uuid4().hex[:6]
    made = {f"{level}-{suffix}": {ENFORCE_LABEL: level, VERSION_LABEL: f"v1.{standards}"} for level in LEVELS}
    for name, labels in made.items():
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, *(f"{key}={value}" for key, value in labels.items()))
        cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield made
    cluster.kubectl("delete", "namespace", *made, "--wait=false")


@pytest.mark.parametrize("mode", Mode)
async def test_policy_foresees_which_levels_admit_a_mode(
    api: Api, namespaces: dict[str, dict[str, str]], standards: int, mode: Mode
) -> None:
    admitted = [labels[ENFORCE_LABEL] for name, labels in namespaces.items() if await admits(api, name, mode)]
    foreseen = [
        labels[ENFORCE_LABEL]
        for labels in namespaces.values()
        if isinstance(accept(observed({"mode": mode}, namespace_labels=labels), DEFAULTS), Accepted)
    ]
    assert admitted == foreseen
    if standards >= 35:
        mode_table.check(mode, podSecurity=f"`{admitted[0]}`")


# --- generated: what classes add ---------------------------------------------------------------------


def on_daemon(**context: Any) -> dict[str, Any]:
    """A class whose podTemplate has this in the security context of the daemon's container."""
    return template(containers=[{"name": CONTAINER, "securityContext": context}])


def template(annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    """A class whose podTemplate has these annotations and fields."""
    return {"podTemplate": {"metadata": {"annotations": annotations or {}}, "spec": spec}}


def modules(**confinement: Any) -> dict[str, Any]:
    """A class that confines the daemon so in each mode, as far as the API has it."""
    seccomp = confinement.pop("seccompProfile", None)
    return {
        "securityModules": [
            {"mode": mode, **confinement} | ({"seccompProfile": seccomp} if seccomp and mode in SECCOMP else {})
            for mode in Mode
        ]
    }


def container(**context: Any) -> dict[str, Any]:
    """A class with a container of its own, which has this security context."""
    return template(containers=[{"name": "own", "image": "i", "securityContext": context}])


SECCOMP = ("UserNamespace", "Rootless")
UNCONFINED, DEFAULT = {"type": "Unconfined"}, {"type": "RuntimeDefault"}
PROBE = {"tcpSocket": {"port": 1, "host": "10.0.0.1"}}
HARDENED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": DEFAULT,
}
CLASSES: tuple[dict[str, Any], ...] = (
    {},
    *(modules(appArmorProfile={"type": kind}) for kind in ("Unconfined", "RuntimeDefault")),
    *(modules(seccompProfile=profile) for profile in (UNCONFINED, {"type": "Localhost", "localhostProfile": "own"})),
    *(modules(seLinuxOptions={"type": kind}) for kind in ("spc_t", "container_t", "container_engine_t")),
    *(modules(seLinuxOptions={field: "other"}) for field in ("user", "role", "level")),
    *(on_daemon(allowPrivilegeEscalation=allowed) for allowed in (True, False)),
    *(on_daemon(runAsNonRoot=required) for required in (True, False)),
    on_daemon(seLinuxOptions={"type": "spc_t"}),
    on_daemon(windowsOptions={"hostProcess": True}),
    *(template(**{field: True}) for field in ("hostNetwork", "hostPID", "hostIPC")),
    *(
        template(volumes=[{"name": "own", **source}])
        for source in (
            {"hostPath": {"path": "/etc"}},
            {"nfs": {"server": "s", "path": "/"}},
            {"emptyDir": {}},
            {"image": {"reference": "i"}},
        )
    ),
    *(
        template(securityContext=context)
        for context in (
            {"seccompProfile": UNCONFINED},
            {"seccompProfile": DEFAULT},
            {"appArmorProfile": UNCONFINED},
            {"runAsNonRoot": True},
            {"runAsNonRoot": False},
            {"runAsUser": 0},
            {"seLinuxOptions": {"type": "spc_t"}},
            {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
            {"sysctls": [{"name": "net.ipv4.tcp_rmem", "value": "1"}]},
            {"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat", "value": "1"}]},
        )
    ),
    template(annotations={"container.apparmor.security.beta.kubernetes.io/daemon": "unconfined"}),
    template(annotations={"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
    *(
        template(containers=[{"name": CONTAINER, **fields}])
        for fields in (
            {"ports": [{"containerPort": 81, "hostPort": 81}]},
            {"lifecycle": {"preStop": {"httpGet": PROBE["tcpSocket"]}}},
        )
    ),
    template(containers=[{"name": "own", "image": "i", "livenessProbe": PROBE}]),
    *(
        container(**context)
        for context in (
            {},
            HARDENED,
            {"privileged": True},
            {"runAsUser": 0},
            {"procMount": "Unmasked"},
            {"capabilities": {"add": ["SYS_ADMIN"]}},
            {"capabilities": {"add": ["CHOWN"]}},
            {**HARDENED, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}},
            {**HARDENED, "runAsNonRoot": None},
            {**HARDENED, "capabilities": {}},
            {**HARDENED, "seccompProfile": None},
            {**HARDENED, "runAsUser": 0},
        )
    ),
)
SPECS: tuple[dict[str, Any], ...] = ({}, {"workload": {"containers": [{"name": "job", "image": "i"}]}})


@pytest.fixture(scope="module")
def judging(cluster: Cluster, standards: int) -> Iterator[list[tuple[str, dict[str, str]]]]:
    """Namespaces that enforce a level by the standards of a version, with their labels."""
    suffix = uuid.uuid4().hex[:6]
    made = [
        (f"{level}-{version}-{suffix}", {ENFORCE_LABEL: level.value, VERSION_LABEL: f"v1.{version}"})
        for level in (PodSecurityLevel.BASELINE, PodSecurityLevel.RESTRICTED)
        for version in sorted({*OLD, standards})
    ]
    for name, labels in made:
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("label", "namespace", name, *(f"{key}={value}" for key, value in labels.items()))
    for name, _ in made:
        cluster.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=30s")
    yield made
    cluster.kubectl("delete", "namespace", *(name for name, _ in made), "--wait=false")


@pytest.mark.parametrize("mode", Mode)
async def test_what_is_foreseen_of_a_class_is_so(
    api: Api, judging: list[tuple[str, dict[str, str]]], standards: int, mode: Mode
) -> None:
    """Each class alone, with what mode Sysbox needs for `restricted`, and pairs of them by chance.

    What no level lets into the cluster is not judged.
    """
    chance = random.Random(mode)
    pairs = [_merged(*chance.sample(CLASSES, 2)) for _ in range(PAIRS)]
    judged: Counter[bool] = Counter()
    with_workload = [(fields, chance.choice(SPECS)) for fields in (*CLASSES, *pairs)]
    for fields, rest in (*with_workload, *((_without_escalation(fields), {}) for fields in CLASSES)):
        spec = {"mode": mode.value, **rest}
        for namespace, labels in judging:
            foreseen = _accepted(spec, fields, labels)
            real = await _judged(api, namespace, mode, _accepted(spec, fields, {}))
            if real is None:
                continue
            told = foreseen.message if isinstance(foreseen, NotAccepted) else "nothing"
            assert real == "" or isinstance(foreseen, NotAccepted), (labels, spec, fields, real)
            assert real != "" or isinstance(foreseen, Accepted), (labels, spec, fields, told)
            judged[real == ""] += 1
    assert judged[False] > LEAST
    never = {Mode.DIND, Mode.HOST_SOCKET, Mode.USER_NAMESPACE} | ({Mode.ROOTLESS} if standards < EASED else set())
    assert judged[True] > LEAST or mode in never


PAIRS = 20
LEAST = 30
"""Judgements of a mode that a test has to see of each kind, so that it shows something."""


def _merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Two classes in one, except for fields of one place, where the second one's count."""
    both = {**first, **second}
    if "podTemplate" in first and "podTemplate" in second:
        both["podTemplate"] = {
            part: {**first["podTemplate"][part], **second["podTemplate"][part]} for part in ("metadata", "spec")
        }
    return both


def _without_escalation(fields: dict[str, Any]) -> dict[str, Any]:
    """A class that also denies privilege escalation to the daemon's container, unless it says something of it."""
    denying = on_daemon(allowPrivilegeEscalation=False)
    both = _merged(denying, fields)
    spec = both["podTemplate"]["spec"]
    if all(each["name"] != CONTAINER for each in spec["containers"]):
        spec["containers"] = [*spec["containers"], *denying["podTemplate"]["spec"]["containers"]]
    return both


def _accepted(spec: dict[str, Any], fields: dict[str, Any], labels: dict[str, str]) -> Accepted | NotAccepted:
    classes = {"standard": class_spec(**fields)}
    return accept(observed(spec, classes=classes, namespace_labels=labels), DEFAULTS)


async def _judged(api: Api, namespace: str, mode: Mode, accepted: Accepted | NotAccepted) -> str | None:
    """What the API server says of Pod Security; empty: nothing; None: it rejects such pods in every namespace."""
    assert isinstance(accepted, Accepted), accepted
    made = pod_to_judge(
        PodContext(ObjectNames(Owner("build", namespace, "1")), accepted.effective, DEFAULTS), MODES[mode]
    )
    made["metadata"].pop("ownerReferences")
    try:
        await api.request("POST", RESOURCES["Pod"].path(namespace, None), query={"dryRun": "All"}, body=made)
    except KubeError as error:
        return error.message if "violates PodSecurity" in error.message else None
    return ""


async def admits(api: Api, namespace: str, mode: Mode) -> bool:
    """Whether a namespace takes the pod that the operator makes with a class that says nothing."""
    accepted = accept(observed({"mode": mode}), DEFAULTS)
    assert isinstance(accepted, Accepted), accepted
    context = PodContext(ObjectNames(Owner("build", namespace, "1")), accepted.effective, DEFAULTS)
    made = pod_to_judge(context, MODES[mode])
    made["metadata"].pop("ownerReferences")
    try:
        await api.request("POST", RESOURCES["Pod"].path(namespace, None), query={"dryRun": "All"}, body=made)
    except KubeError as error:
        if "violates PodSecurity" in error.message:
            return False
        raise
    return True
