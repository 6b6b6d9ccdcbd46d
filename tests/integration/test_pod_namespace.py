"""Daemons in an operator's namespace: made, repaired and moved there, and gone in whatever order things go."""

from __future__ import annotations

import asyncio
import base64
import re
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import pytest
from tests.integration.conftest import per_module, per_test
from tests.integration.journeys import standstill
from tests.integration.world import CHILDREN, Lab, World
from tests.support.cluster import Cluster
from tests.support.dockerd import client_context
from tests.support.kubelet import SESSION
from tests.support.manifests import GENEROUS, nested_docker, nested_docker_class, policy
from tests.support.operator_process import Operator
from tests.support.proxy import Call, LoseAnswer, Proxy, Stall, When, beyond, only
from tests.support.waiting import holds, wait_for

from nested_docker.domain.key_set import key_set_id
from nested_docker.domain.manifests.secrets import value_digest
from nested_docker.domain.names import (
    FINALIZER,
    LABEL_NAME,
    LABEL_NAMESPACE,
    LABEL_UID,
    MANAGED_BY,
    WATCH_SELECTOR,
    is_tls_secret,
)
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Owner

PATIENCE = 40.0
STRANGE = "c3RyYW5nZQ=="
CREATION = [
    "apply nesteddockers/build",
    "create secrets/STEM-KEY-tls",
    "create networkpolicies/STEM",
    "create pods/STEM-KEY",
    "create services/STEM",
    "apply nesteddockers/build/status",
    "create secrets/build-docker-env",
    "create secrets/build-docker",
    "apply nesteddockers/build/status",
]
DELETION = [
    "delete networkpolicies/STEM",
    "delete pods/STEM-KEY",
    "delete secrets/STEM-KEY-tls",
    "delete services/STEM",
    "apply nesteddockers/build",
]


@dataclass
class Tenant(World):
    """A namespace whose daemons' pods are elsewhere.

    Attributes:
        pods_in: the class's podNamespace.
    """

    pods_in: str = ""

    def place(self, name: str = "build") -> ObjectNames:
        """Where the NestedDocker's children are meant to be."""
        return ObjectNames(Owner(name, self.namespace, self.uids[name]), self.pods_in)

    async def pods(self, name: str = "build") -> list[dict[str, Any]]:
        """The NestedDocker's pods that are not going."""
        pods = await self.api.list("Pod", self.pods_in, f"{LABEL_UID}={self.uids[name]}")
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    async def key_secret(self, name: str = "build") -> dict[str, Any]:
        """The Secret with the NestedDocker's key set."""
        found = await self.api.list("Secret", self.pods_in, f"{WATCH_SELECTOR},{LABEL_UID}={self.uids[name]}")
        assert [is_tls_secret(each["metadata"]["name"]) for each in found] == [True], found
        return found[0]

    async def elsewhere(self) -> list[str]:
        """Everything of this namespace's NestedDockers in the pods' namespace, as kind/name."""
        return await self._marked(self.pods_in, f"{WATCH_SELECTOR},{LABEL_NAMESPACE}={self.namespace}")

    async def at_home(self) -> list[str]:
        """Everything of ours in the tenant's namespace."""
        return await self._marked(self.namespace, WATCH_SELECTOR)

    async def _marked(self, namespace: str, selector: str) -> list[str]:
        found = []
        for kind in CHILDREN:
            listed = await self.api.list(kind, namespace, selector)
            found += [f"{kind}/{child['metadata']['name']}" for child in listed]
        return found

    async def files(self, name: str = "build") -> dict[str, bytes]:
        """What a client has."""
        secret = await self.get("Secret", f"{name}-docker")
        assert secret is not None, "there is no files Secret"
        return {key: base64.b64decode(value) for key, value in secret["data"].items()}

    async def reach(self, files: dict[str, bytes], name: str = "build") -> str:
        """What the daemon answers a client that has these files."""
        (pod,) = await self.pods(name)
        url = f"https://{pod['status']['podIP']}:2376/version"
        connector = aiohttp.TCPConnector(ssl=client_context(files))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(url, server_hostname=self.place(name).host) as response,
        ):
            return str((await response.json())["Version"])

    async def check_consistency(self, name: str = "build") -> None:
        """One whole key set, one pod that serves with it, Secrets that are copies of it, a client that gets in."""
        place = self.place(name)
        tls = await self.key_secret(name)
        key_set = key_set_id({key: value_digest(base64.b64decode(value)) for key, value in tls["data"].items()})
        assert [pod["metadata"]["name"] for pod in await self.pods(name)] == [place.pod(key_set).name]
        files, env = await self.files(name), await self.get("Secret", f"{name}-docker-env")
        assert files["key.pem"] == base64.b64decode(tls["data"]["client-key.pem"])
        assert env is not None, "there is no env Secret"
        assert base64.b64decode(env["data"]["DOCKER_HOST"]).decode() == place.endpoint
        service = await self.api.get("Service", self.pods_in, place.service.name)
        assert service is not None, "there is no Service"
        assert service["spec"]["selector"] == {LABEL_UID: self.uids[name], "nesteddocker.dev/key-set": key_set}
        assert await self.api.get("NetworkPolicy", self.pods_in, place.network_policy.name), "there is no NetworkPolicy"
        try:
            assert await self.reach(files, name) == "28.1.1"
        except aiohttp.ClientError as error:
            raise AssertionError(f"a client with the files Secret is not let in: {error}") from error

    async def controller(self) -> str:
        """The uid of the pod's controller."""
        (pod,) = await self.pods()
        uids = [str(each["uid"]) for each in pod["metadata"].get("ownerReferences", []) if each.get("controller")]
        assert len(uids) == 1, pod["metadata"]
        return uids[0]

    async def finalizers(self, name: str = "build") -> list[str]:
        """The NestedDocker's finalizers."""
        found = await self.get("NestedDocker", name)
        assert found is not None, f"there is no NestedDocker {name}"
        finalizers: list[str] = found["metadata"].get("finalizers", [])
        return finalizers

    async def delete(self, name: str = "build") -> None:
        """Ask for the NestedDocker's end."""
        await self.api.delete("NestedDocker", self.namespace, name)

    async def nothing_left(self, timeout: float = PATIENCE) -> None:
        """Wait until there is neither a NestedDocker nor anything of one."""

        async def look() -> bool:
            names = [obj["metadata"]["name"] for obj in await self.api.list("NestedDocker", self.namespace)]
            left = names + await self.at_home() + await self.elsewhere()
            assert left == [], left
            return True

        await self.until(look, "the end of everything", timeout)

    async def empty(self) -> bool:
        """Whether the NestedDocker has nothing anywhere."""
        left = await self.at_home() + await self.elsewhere()
        assert left == [], left
        return True

    def written(self) -> When:
        """Writes in either namespace."""
        return lambda call: call.is_write and call.namespace in {self.namespace, self.pods_in}

    def calls(self) -> list[Call]:
        """Writes in either namespace that were carried out."""
        return [call for call in self.proxy.calls if self.written()(call) and 0 < call.status < 400]

    def told(self, calls: list[Call]) -> list[str]:
        """Writes in words that are the same in each run."""
        stem = self.place().service.name
        pod = re.compile(f"{stem}-[0-9a-f]{{5}}")
        return [pod.sub(f"{stem}-KEY", str(call)).replace(stem, "STEM") for call in calls]


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """One that starts again at once, since it waits for no lease, and that many held writes do not block."""
    await wait_for(lambda: collected(lab), 90, "the garbage collector to know our kinds")
    return await lab.new_operator(proxy, LEADER_ELECTION="false", WORKERS="64")


async def collected(lab: Lab) -> bool:
    """Whether the garbage collector takes along what a NestedDocker owns: it learns of new kinds twice a minute."""
    owner = await lab.api.create(nested_docker(lab.system, "probe"))
    reference = Owner("probe", lab.system, owner["metadata"]["uid"]).reference()
    metadata = {"name": f"probe-{uuid.uuid4().hex[:8]}", "namespace": lab.system, "ownerReferences": [reference]}
    await lab.api.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata})
    await lab.api.delete("NestedDocker", lab.system, "probe")
    try:
        await wait_for(lambda: vanished(lab, metadata["name"]), 3, "its end")
    except AssertionError:
        return False
    return True


async def vanished(lab: Lab, secret: str) -> bool:
    return await lab.api.get("Secret", lab.system, secret) is None


@asynccontextmanager
async def tenants(
    lab: Lab, proxy: Proxy, operator: Operator, count: int, *, shared: bool = False
) -> AsyncIterator[list[Tenant]]:
    """Restricted namespaces whose classes have their pods elsewhere, each in another namespace or all in one."""
    places = [await offer(lab) for _ in range(1 if shared else count)] * (count if shared else 1)
    made = [
        Tenant(
            api=lab.api,
            kubelet=lab.kubelet,
            operator=operator,
            proxy=proxy,
            namespace=await new_namespace(lab, "test", "restricted"),
            class_name=pods_in,
            pods_in=pods_in,
        )
        for pods_in in places
    ]
    try:
        yield made
    finally:
        for each in made:
            await lab.api.delete("Namespace", None, each.namespace)
            for obj in await lab.api.list("NestedDocker", each.namespace):
                await free(each, obj["metadata"]["name"])
        for name in {*places}:
            await lab.api.delete("NestedDockerPolicy", None, name)
            await lab.api.delete("NestedDockerClass", None, name)


async def offer(lab: Lab) -> str:
    """A class and a policy that grants it, both named after the namespace that the pods are in."""
    name = await new_namespace(lab, "pods", "privileged")
    template = {"spec": {"nodeName": lab.kubelet.node}}
    await lab.api.create(nested_docker_class(name, modes=["Dind"], podNamespace=name, podTemplate=template))
    selector = {"matchLabels": {SESSION: lab.class_name}}
    grant = {"namespaceSelector": selector, "allowedClasses": [name], "allowedModes": ["Dind"], **GENEROUS}
    await lab.api.create(policy(name, **grant))
    return name


async def new_namespace(lab: Lab, kind: str, level: str) -> str:
    name = await lab.new_namespace(kind)
    labels = {"pod-security.kubernetes.io/enforce": level}
    await lab.api.patch("Namespace", None, name, {"metadata": {"labels": labels}})
    return name


async def free(tenant: Tenant, name: str = "build") -> None:
    """Take the finalizers off, as a user may."""
    await tenant.api.patch("NestedDocker", tenant.namespace, name, {"metadata": {"finalizers": None}})


@per_test
async def tenant(lab: Lab, proxy: Proxy, operator: Operator) -> AsyncIterator[Tenant]:
    """One restricted namespace whose class has its pods elsewhere."""
    async with tenants(lab, proxy, operator, 1) as (made,):
        yield made
        if not operator.running:
            await operator.start()


# --- creation ---------------------------------------------------------------------------------------


async def test_exactly_these_writes_and_no_read(tenant: Tenant) -> None:
    await tenant.create()
    status = await tenant.ready()
    await tenant.quiet()
    writes = tenant.told(tenant.calls())
    assert [*writes[:2], *sorted(writes[2:5]), *writes[5:]] == CREATION
    reads = [str(call) for name in (tenant.namespace, tenant.pods_in) for call in tenant.proxy.reads(name)]
    assert reads == []
    assert await tenant.finalizers() == [FINALIZER]
    assert status["podNamespace"] == tenant.pods_in
    assert status["endpoint"] == tenant.place().endpoint
    assert sorted(await tenant.at_home()) == ["Secret/build-docker", "Secret/build-docker-env"]
    await tenant.check_consistency()


async def test_only_the_tenants_namespace_and_the_operator_are_let_in(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    made = await tenant.api.get("NetworkPolicy", tenant.pods_in, tenant.place().network_policy.name)
    assert made is not None
    selected = [peer["namespaceSelector"]["matchLabels"] for rule in made["spec"]["ingress"] for peer in rule["from"]]
    assert selected[0] == {"kubernetes.io/metadata.name": tenant.namespace}
    assert len(selected) == 2


async def test_an_ordinary_class_needs_no_finalizer(world: World) -> None:
    await world.create()
    await world.ready()
    found = await world.get("NestedDocker", "build")
    assert found is not None
    assert "finalizers" not in found["metadata"]
    assert found["status"]["podNamespace"] == ""


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"workload": {"containers": [{"name": "main", "image": "busybox"}]}}, "spec.workload"),
        (
            {
                "workload": {
                    "containers": [
                        {"name": "main", "image": "busybox", "envFrom": [{"secretRef": {"name": "theirs"}}]}
                    ],
                    "volumes": [{"name": "files", "configMap": {"name": "theirs"}}],
                }
            },
            "spec.workload",
        ),
        ({"storage": {"type": "Claim", "claim": {"size": "1Gi"}}}, "spec.storage.claim"),
        ({"engine": {"imagePullSecrets": [{"name": "theirs"}]}}, "spec.engine.imagePullSecrets"),
        ({"scheduling": {"podLabels": {"a": "b"}}}, "spec.scheduling.podLabels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_nothing_of_the_tenants_own_comes_in(tenant: Tenant, spec: dict[str, Any], field: str) -> None:
    await tenant.create(**spec)
    assert field in await tenant.settles("NotAllowedByClass")
    assert await tenant.finalizers() == []
    assert await tenant.empty()


async def test_two_tenants_of_one_name_never_meet(lab: Lab, proxy: Proxy, operator: Operator) -> None:
    async with tenants(lab, proxy, operator, 2, shared=True) as (one, two):
        await asyncio.gather(one.create(), two.create())
        await asyncio.gather(one.serves(), two.serves())
        assert not {*await one.elsewhere()} & {*await two.elsewhere()}
        mine, theirs = await one.files(), await two.files()
        with pytest.raises(aiohttp.ClientError):
            await two.reach(mine)
        with pytest.raises(aiohttp.ClientError, match=r"(?i)alert|reset|disconnected|closed"):
            await two.reach(mine | {"ca.pem": theirs["ca.pem"]})
        await one.delete()
        await one.nothing_left()
        await two.check_consistency()
        await two.delete()
        await two.nothing_left()


# --- repair -----------------------------------------------------------------------------------------

Step = Callable[[Tenant], Awaitable[Any]]


def edit(kind: str, change: dict[str, Any]) -> Step:
    async def step(tenant: Tenant) -> None:
        await tenant.api.patch(kind, tenant.pods_in, await child(tenant, kind), change)

    return step


def delete(kind: str) -> Step:
    async def step(tenant: Tenant) -> None:
        await tenant.api.delete(kind, tenant.pods_in, await child(tenant, kind))

    return step


def label(kind: str, key: str, value: str | None) -> Step:
    return edit(kind, {"metadata": {"labels": {key: value}}})


async def child(tenant: Tenant, kind: str) -> str:
    """The name of the one child of that kind in the pods' namespace."""
    if kind == "Secret":
        return (await tenant.key_secret())["metadata"]["name"]
    place = tenant.place()
    return {"Service": place.service.name, "NetworkPolicy": place.network_policy.name}[kind]


async def delete_pod(tenant: Tenant) -> None:
    (pod,) = await tenant.pods()
    await tenant.api.delete("Pod", tenant.pods_in, pod["metadata"]["name"])


async def strip(tenant: Tenant) -> None:
    await free(tenant)


async def orphan(tenant: Tenant) -> None:
    """Somebody removes the controller of the pod."""
    (pod,) = await tenant.pods()
    await tenant.api.patch("Pod", tenant.pods_in, pod["metadata"]["name"], {"metadata": {"ownerReferences": None}})


DRIFTS: dict[str, Step] = {
    "Service deleted": delete("Service"),
    "Service's selector": edit("Service", {"spec": {"selector": {"nesteddocker.dev/key-set": "x"}}}),
    "Service's name label": label("Service", LABEL_NAME, "other"),
    "Service's namespace label": label("Service", LABEL_NAMESPACE, "other"),
    "Service's uid label": label("Service", LABEL_UID, "other"),
    "Service's managed-by label": label("Service", MANAGED_BY, None),
    "NetworkPolicy deleted": delete("NetworkPolicy"),
    "NetworkPolicy opened": edit("NetworkPolicy", {"spec": {"ingress": [{}]}}),
    "tls Secret deleted": delete("Secret"),
    "tls Secret's key": edit("Secret", {"data": {"server-key.pem": STRANGE}}),
    "tls Secret's namespace label": label("Secret", LABEL_NAMESPACE, None),
    "pod deleted": delete_pod,
    "pod's controller removed": orphan,
    "finalizer taken off": strip,
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
async def test_drift_over_there_is_put_back(tenant: Tenant, drift: Step) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.quiet(0.3)
    await drift(tenant)

    async def as_before() -> bool:
        assert await tenant.finalizers() == [FINALIZER]
        assert len(await tenant.elsewhere()) == 4
        labelled = await tenant.api.list("Service", tenant.pods_in, f"{LABEL_UID}={tenant.uids['build']}")
        assert [each["metadata"]["labels"].get(LABEL_NAME) for each in labelled] == ["build"]
        ingress = (await tenant.api.list("NetworkPolicy", tenant.pods_in))[0]["spec"]["ingress"]
        assert [len(rule.get("from", [])) for rule in ingress] == [1, 1]
        await tenant.check_consistency()
        assert await tenant.controller() == (await tenant.key_secret())["metadata"]["uid"]
        return True

    await tenant.until(as_before, "everything as it was")
    await tenant.ready()
    await tenant.quiet(0.5)
    assert await as_before()


async def test_a_drain_takes_the_pod_without_force(cluster: Cluster, tenant: Tenant) -> None:
    """kubectl refuses a whole node if one of its pods has no controller."""
    await tenant.create()
    await tenant.ready()
    (pod,) = await tenant.pods()
    drain = ["drain", tenant.kubelet.node, "--dry-run=server", "--delete-emptydir-data", "--ignore-daemonsets"]
    selector = f"--pod-selector={LABEL_UID}={tenant.uids['build']}"
    said = await asyncio.to_thread(cluster.kubectl, *drain, selector)
    assert f"evicting pod {tenant.pods_in}/{pod['metadata']['name']}" in said


async def test_the_garbage_collector_takes_a_pod_whose_key_set_is_gone(tenant: Tenant) -> None:
    """Also while no operator runs, and then the operator makes another pod."""
    await tenant.create()
    before = await tenant.ready()
    await tenant.operator.stop()
    await delete("Secret")(tenant)

    async def collected() -> bool:
        assert await tenant.pods() == []
        return True

    await tenant.until(collected, "the pod collected")
    await tenant.operator.start()
    await tenant.serves(timeout=PATIENCE)
    assert (await tenant.status())["podName"] != before["podName"]


async def test_what_is_someone_elses_over_there_is_left_alone(tenant: Tenant) -> None:
    await tenant.create(suspend=True)
    await tenant.settles("Suspended")
    name = tenant.place().service.name
    metadata = {"name": name, "namespace": tenant.pods_in}
    foreign = await tenant.api.create(
        {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    )
    await tenant.edit(suspend=False)
    assert f"Service {name}" in await tenant.settles("NameConflict")
    await tenant.until(tenant.empty, "nothing half-made")
    now = await tenant.api.get("Service", tenant.pods_in, name)
    assert now is not None
    assert now["metadata"]["resourceVersion"] == foreign["metadata"]["resourceVersion"]
    await tenant.api.delete("Service", tenant.pods_in, name)
    await tenant.serves(timeout=PATIENCE)


async def test_an_operator_of_named_namespaces_sees_the_pods_too(lab: Lab, tenant: Tenant) -> None:
    await tenant.operator.stop()
    async with lab.annex() as annex:
        served = {"NAMESPACES": f"{tenant.namespace},{tenant.pods_in}", "LEADER_ELECTION": "false"}
        limited = await annex.new_operator(await annex.new_proxy(), **served)
        there = replace(tenant, operator=limited)
        await there.create()
        await there.serves()
        await delete("Service")(there)
        await there.serves()
        await there.delete()
        await there.nothing_left()


# --- moves ------------------------------------------------------------------------------------------


async def test_another_pod_namespace_waits_until_it_is_asked_for(lab: Lab, tenant: Tenant) -> None:
    await tenant.create()
    before = await tenant.ready()
    other = await new_namespace(lab, "pods", "privileged")
    await tenant.api.patch("NestedDockerClass", None, tenant.class_name, {"spec": {"podNamespace": other}})
    pending = await tenant.until_condition({"status": "True", "reason": "ClassUpdated"}, "UpdatePending")
    assert "podNamespace" in pending["message"]
    assert (await tenant.ready())["podName"] == before["podName"]
    await tenant.check_consistency()
    await tenant.annotate(restart="1")
    moved = replace(tenant, pods_in=other)
    await moved.serves(timeout=PATIENCE)
    await tenant.until(lambda: no_more(tenant.elsewhere), "nothing in the old place")
    assert (await moved.status())["podNamespace"] == other
    await tenant.api.patch("NestedDockerClass", None, tenant.class_name, {"spec": {"podNamespace": None}})
    level = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    await tenant.api.patch("Namespace", None, tenant.namespace, level)
    await tenant.annotate(restart="2")
    at_home = World(**{key: value for key, value in vars(tenant).items() if key != "pods_in"})
    await at_home.serves(timeout=PATIENCE)
    await tenant.until(lambda: no_more(moved.elsewhere), "nothing in the old place")

    async def released() -> bool:
        return await tenant.finalizers() == []

    await tenant.until(released, "no finalizer")


async def no_more(what: Callable[[], Awaitable[list[str]]]) -> bool:
    left = await what()
    assert left == [], left
    return True


# --- the end ----------------------------------------------------------------------------------------


async def test_deletion_takes_one_write_for_each_and_leaves_nothing(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.quiet(0.3)
    begun = len(tenant.calls())
    await tenant.delete()
    await tenant.nothing_left()
    await tenant.quiet(0.5)
    writes = tenant.told(tenant.calls()[begun:])
    assert [*sorted(writes[:4]), *writes[4:]] == DELETION
    looked_for = [call.resource for call in tenant.proxy.reads(tenant.pods_in)]
    assert {*looked_for} == {"networkpolicies", "poddisruptionbudgets", "pods", "secrets", "services"}, (
        "a last look for what is left"
    )


async def test_the_namespace_goes_first(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.api.delete("Namespace", None, tenant.namespace)
    await tenant.nothing_left()
    await tenant.until(lambda: absent(tenant, "Namespace", tenant.namespace), "the end of the namespace", PATIENCE)


async def absent(tenant: Tenant, kind: str, name: str) -> bool:
    return await tenant.api.get(kind, None, name) is None


@pytest.mark.parametrize("kind", ["NestedDockerClass", "NestedDockerPolicy"])
async def test_what_governs_it_goes_first(tenant: Tenant, kind: str) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.api.delete(kind, None, tenant.class_name)
    await tenant.settles("ClassNotFound" if kind == "NestedDockerClass" else "NotGranted")
    await tenant.until(tenant.empty, "the end of every child")
    await tenant.delete()
    await tenant.nothing_left()


async def test_everything_goes_at_once(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await asyncio.gather(
        tenant.api.delete("NestedDockerClass", None, tenant.class_name),
        tenant.api.delete("NestedDockerPolicy", None, tenant.class_name),
        tenant.api.delete("Namespace", None, tenant.pods_in),
        tenant.api.delete("Namespace", None, tenant.namespace),
    )
    await tenant.nothing_left()
    for name in (tenant.namespace, tenant.pods_in):
        await tenant.until(lambda name=name: absent(tenant, "Namespace", name), "the end of the namespaces", PATIENCE)


async def test_the_pods_namespace_goes_and_comes_again(lab: Lab, tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.api.delete("Namespace", None, tenant.pods_in)
    await tenant.until(lambda: absent(tenant, "Namespace", tenant.pods_in), "the end of the namespace", PATIENCE)

    async def told() -> bool:
        condition = await tenant.condition()
        assert condition.get("reason") == "PodNamespaceMissing", condition
        assert "does not exist: ask a cluster admin to create it" in condition["message"]
        return True

    await tenant.until(told, "what is missing is told")
    assert await tenant.at_home() == []
    labels = {SESSION: lab.class_name, "pod-security.kubernetes.io/enforce": "privileged"}
    metadata = {"name": tenant.pods_in, "labels": labels}
    await tenant.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    await tenant.serves(timeout=PATIENCE)


async def test_without_the_pods_namespace_deletion_does_not_hang(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.api.delete("Namespace", None, tenant.pods_in)
    await tenant.delete()
    await tenant.nothing_left()


async def test_deleted_while_nobody_was_there(tenant: Tenant) -> None:
    await tenant.create()
    await tenant.ready()
    await tenant.operator.stop()
    await tenant.delete()
    await holds(tenant.elsewhere, 1.0, "what is over there waits for the operator")
    assert await tenant.get("NestedDocker", "build") is not None
    await tenant.operator.start()
    await tenant.nothing_left()


@pytest.mark.parametrize("running", [True, False], ids=["operator there", "operator away"])
async def test_a_finalizer_that_is_taken_off_leaves_nothing_all_the_same(tenant: Tenant, running: bool) -> None:
    await tenant.create()
    await tenant.ready()
    if not running:
        await tenant.operator.stop()
    await free(tenant)
    await tenant.delete()
    if not running:
        await tenant.gone("NestedDocker", "build")
        await tenant.operator.start()
    await tenant.nothing_left()


async def test_a_successor_of_the_same_name(tenant: Tenant) -> None:
    await tenant.create()
    before = (await tenant.ready())["podName"]
    tenant.kubelet.keep_terminating(True)
    try:
        await tenant.delete()
        await tenant.gone("NestedDocker", "build")
        await tenant.create()
        assert (await tenant.ready())["podName"] != before
    finally:
        tenant.kubelet.keep_terminating(False)
    await tenant.serves()

    async def alone() -> bool:
        return len(await tenant.elsewhere()) == 4

    await tenant.until(alone, "nothing but the successor's")


# --- crashes ----------------------------------------------------------------------------------------


async def creates(tenant: Tenant) -> None:
    await tenant.create()


async def serves(tenant: Tenant) -> None:
    await tenant.serves(timeout=PATIENCE)
    assert len(await tenant.elsewhere()) == 4
    assert await tenant.finalizers() == [FINALIZER]


async def deletes(tenant: Tenant) -> None:
    await tenant.delete()


async def ends(tenant: Tenant) -> None:
    await tenant.nothing_left()


async def together(step: Callable[[Tenant], Awaitable[None]], made: list[Tenant]) -> None:
    await asyncio.gather(*(step(each) for each in made))


PARTS = {"creation": (creates, serves, len(CREATION)), "deletion": (deletes, ends, len(DELETION))}
Part = tuple[Step, Callable[[Tenant], Awaitable[None]], int]


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
async def test_killed_after_each_write(lab: Lab, proxy: Proxy, operator: Operator, part: Part) -> None:
    act, after, writes = part
    async with tenants(lab, proxy, operator, writes) as made:
        if act is deletes:
            await together(creates, made)
            await together(serves, made)
        stalls = [Stall(beyond(number, each.written())) for number, each in enumerate(made)]
        with proxy.fault(*stalls):
            await together(act, made)
            await standstill(proxy)
            await operator.kill()
        await operator.start()
        await together(after, made)
        await together(deletes, made)
        await together(ends, made)


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
async def test_the_answer_to_each_write_is_lost(lab: Lab, proxy: Proxy, operator: Operator, part: Part) -> None:
    act, after, writes = part
    async with tenants(lab, proxy, operator, writes) as made:
        if act is deletes:
            await together(creates, made)
            await together(serves, made)
        faults = [LoseAnswer(only(number, each.written())) for number, each in enumerate(made, 1)]
        with proxy.fault(*faults):
            await together(act, made)
            await together(after, made)
        assert [fault.count for fault in faults] == [1] * writes
        await together(deletes, made)
        await together(ends, made)


async def test_deleted_in_the_midst_of_its_creation(lab: Lab, proxy: Proxy, operator: Operator) -> None:
    async with tenants(lab, proxy, operator, len(CREATION)) as made:
        stalls = [Stall(beyond(number, each.written())) for number, each in enumerate(made)]
        with proxy.fault(*stalls):
            await together(creates, made)
            await standstill(proxy)
            await operator.kill()
        await together(deletes, made)
        await operator.start()
        await together(ends, made)
