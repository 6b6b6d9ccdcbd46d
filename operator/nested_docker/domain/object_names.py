"""Names and namespaces of a NestedDocker's children: in its own namespace, or in its class's pod namespace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nested_docker.api.tenancy import fields_in_use
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.domain import names
from nested_docker.domain.objects import Identity, Owner


@dataclass(frozen=True)
class ObjectNames:
    """Identities of the children, and the addresses that clients use.

    The connection Secrets and the claim are always in the NestedDocker's namespace. Pod, key set, Service,
    NetworkPolicy and PodDisruptionBudget are there too, unless its class has a pod namespace. In a pod namespace they
    are named after the uid, because NestedDockers of the same name in several namespaces have their pods there.

    Attributes:
        owner: the NestedDocker.
        pod_namespace: namespace of its pod if that is another one; empty: the NestedDocker's.
    """

    owner: Owner
    pod_namespace: str = ""

    @property
    def remote(self) -> bool:
        """Whether the pod is in another namespace than the NestedDocker."""
        return bool(self.pod_namespace)

    @property
    def namespace(self) -> str:
        """Namespace of the pod and of what belongs to it."""
        return self.pod_namespace or self.owner.namespace

    # --- in the pod's namespace -------------------------------------------------------------------------

    def pod(self, key_set: str) -> Identity:
        """The pod that serves with that key set."""
        return Identity("Pod", self.namespace, names.pod_name(self._name_prefix, key_set))

    @property
    def service(self) -> Identity:
        """The Service with the daemon's host name."""
        return Identity("Service", self.namespace, self._name_prefix)

    @property
    def network_policy(self) -> Identity:
        """The NetworkPolicy around the pod."""
        return Identity("NetworkPolicy", self.namespace, self._name_prefix)

    @property
    def disruption_budget(self) -> Identity:
        """The PodDisruptionBudget that keeps the pod on its node."""
        return Identity("PodDisruptionBudget", self.namespace, self._name_prefix)

    def tls_secret(self, key_set: str) -> Identity:
        """The operator's Secret with that key set, all of its key material."""
        return Identity("Secret", self.namespace, names.tls_secret(self._name_prefix, key_set))

    def may_hold_key_set(self, identity: Identity) -> bool:
        """Whether one of our objects may have a key set of a pod here: every Secret may that is not for clients."""
        for_clients = identity in {self.env_secret, self.files_secret}
        return identity.kind == "Secret" and identity.namespace == self.namespace and not for_clients

    # --- in the NestedDocker's namespace ----------------------------------------------------------------

    @property
    def env_secret(self) -> Identity:
        """The connection Secret that clients take their environment from."""
        return Identity("Secret", self.owner.namespace, names.env_secret(self.owner.name))

    @property
    def files_secret(self) -> Identity:
        """The connection Secret that clients mount, and wait for."""
        return Identity("Secret", self.owner.namespace, names.files_secret(self.owner.name))

    @property
    def data_claim(self) -> Identity:
        """The claim that keeps the data-root of storage type `Claim`."""
        return Identity("PersistentVolumeClaim", self.owner.namespace, names.data_claim_name(self.owner.name))

    # --- for clients --------------------------------------------------------------------------

    @property
    def host(self) -> str:
        """The daemon's host name, as clients anywhere in the cluster resolve it."""
        return names.service_host(self.service.name, self.namespace)

    @property
    def endpoint(self) -> str:
        """The daemon's address, as `DOCKER_HOST` takes it."""
        return names.endpoint(self.service.name, self.namespace)

    @property
    def _name_prefix(self) -> str:
        return names.name_prefix(self.owner.uid) if self.remote else self.owner.name


def tenant_owned_fields(spec: NestedDockerSpec) -> Iterator[str]:
    """Paths of the fields by which a NestedDocker brings something of its tenant's into the namespace of its pod.

    In a namespace of the operator's they would let the tenant in: code, names of Secrets and ConfigMaps that belong
    to others, volumes that stay, and metadata that controllers there obey.
    """
    found: tuple[str, ...] = ()
    for use in fields_in_use(spec):
        if use.use.tenant_owned and not use.path.startswith(found):
            found += (f"{use.path}.",)
            yield use.path
