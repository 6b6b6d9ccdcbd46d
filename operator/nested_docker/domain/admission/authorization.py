"""What a requester must be allowed himself, so that nothing is done for him that he could not do.

The operator may create pods, claims and Secrets everywhere. Whoever may create NestedDockers borrows that
right, so for each part of a request that stands for such a right the requester must hold it as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nested_docker.api.meta import GROUP
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.api.v1alpha1.engine import StorageType

USE = "use"
"""The verb that gives a class, in RBAC."""


@dataclass(frozen=True)
class Access:
    """A right of the requester.

    Attributes:
        field: the part of the request that stands for it.
        verb: as in RBAC.
        group: API group; empty: the core.
        resource: plural, as in RBAC.
        namespace: where it must hold.
        name: the one object that it is about; empty: any.
    """

    field: str
    verb: str
    group: str
    resource: str
    namespace: str
    name: str = ""

    def told(self, user: str) -> str:
        """What is told to someone who does not have it."""
        what = f"{self.resource}{'.' + self.group if self.group else ''}{' ' + self.name if self.name else ''}"
        denial = f"{self.field}: {user} may not {self.verb} {what} in namespace {self.namespace}"
        if self.verb == USE:
            return f"{denial}. Choose another class, or have an admin grant the verb {USE} on this one"
        return (
            f"{denial}, and what one may not do oneself is not done through a NestedDocker. Leave it out, or have an "
            "admin grant that right"
        )


def to_use(class_name: str, namespace: str) -> Access:
    """The right to a class, as with other kinds that an admin offers."""
    return Access("spec.className", USE, GROUP, "nesteddockerclasses", namespace, class_name)


def borrowed(spec: NestedDockerSpec, before: NestedDockerSpec | None, namespace: str) -> list[Access]:
    """The rights that a request makes use of, beyond what it made use of before.

    Args:
        spec: what is asked for.
        before: what it replaces; None: it is new.
        namespace: of the NestedDocker.
    """
    known = set() if before is None else set(_borrowed(before, namespace))
    if before is not None and before.workload != spec.workload:
        known = {access for access in known if access.field != "spec.workload"}
    return [access for access in _borrowed(spec, namespace) if access not in known]


def _borrowed(spec: NestedDockerSpec, namespace: str) -> Iterator[Access]:
    bundle, template = spec.engine.ca_bundle_ref, spec.connection.secret_template
    if spec.workload is not None:
        yield Access("spec.workload", "create", "", "pods", namespace)
    if bundle is not None:
        yield Access("spec.engine.caBundleRef", "get", "", "configmaps", namespace, bundle.name)
    for reference in spec.engine.image_pull_secrets or []:
        yield Access("spec.engine.imagePullSecrets", "get", "", "secrets", namespace, reference.name)
    if spec.storage is not None and spec.storage.type == StorageType.CLAIM:
        yield Access("spec.storage.claim", "create", "", "persistentvolumeclaims", namespace)
    if template.labels or template.annotations:
        yield Access("spec.connection.secretTemplate", "create", "", "secrets", namespace)
