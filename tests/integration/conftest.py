"""The operator as a process, before the real API server, with pods and daemons that only pretend.

Everything runs in one event loop for the whole session: the fake kubelet, the proxies, and the tests.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from tests.integration.world import Lab, World
from tests.support.api import Access, Api
from tests.support.cluster import Cluster
from tests.support.kubelet import SESSION, FakeKubelet, sweep
from tests.support.manifests import GENEROUS, nested_docker_class, policy
from tests.support.operator_process import Operator
from tests.support.proxy import Proxy

per_session = pytest_asyncio.fixture(scope="session", loop_scope="session")
per_module = pytest_asyncio.fixture(scope="module", loop_scope="session")
per_test = pytest_asyncio.fixture(loop_scope="session")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests share their loop with the fakes."""
    mark = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(mark, append=False)


@per_session
async def api(cluster: Cluster, crds: list[str]) -> AsyncIterator[Api]:
    """A client that goes past the proxies."""
    async with Api.connect(cluster.kubeconfig) as api:
        yield api


@per_session
async def kubelet(api: Api) -> AsyncIterator[FakeKubelet]:
    """The node that the tests' pods are bound to."""
    await sweep(api)
    kubelet = FakeKubelet(api)
    await kubelet.start()
    yield kubelet
    await kubelet.stop()


@per_session
async def governing(api: Api, kubelet: FakeKubelet) -> AsyncIterator[str]:
    """A class whose pods go to the fake node, and a policy that grants it; the name of both."""
    name = kubelet.node
    selector = {"matchLabels": {SESSION: name}}
    await api.create(nested_docker_class(name, modes=["Dind"], podTemplate={"spec": {"nodeName": name}}))
    await api.create(policy(name, namespaceSelector=selector, allowedClasses=[name], allowedModes=["Dind"], **GENEROUS))
    yield name
    await api.delete("NestedDockerPolicy", None, name)
    await api.delete("NestedDockerClass", None, name)


@per_module
async def lab(
    cluster: Cluster, api: Api, kubelet: FakeKubelet, governing: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Lab]:
    """Where proxies, operators and namespaces are made; the operator's own namespace is in it."""
    folder = tmp_path_factory.mktemp("operators")
    access = Access.read(cluster.kubeconfig)
    async with AsyncExitStack() as stack:
        yield await Lab(access, api, kubelet, governing, folder, stack).furnished()


@per_module
async def proxy(lab: Lab) -> Proxy:
    """The module's operator's way to the API server."""
    return await lab.new_proxy()


@per_module
async def operator(lab: Lab, proxy: Proxy) -> Operator:
    """The module's operator, which serves the whole cluster."""
    return await lab.new_operator(proxy)


@per_test
async def world(lab: Lab, proxy: Proxy, operator: Operator) -> World:
    """A namespace of the test's own, that the module's operator serves."""
    return await lab.new_world(proxy, operator)
