"""What the operator may do, and what nobody may let it do."""

from __future__ import annotations

from tests.chart.conftest import CI, OPERATOR, SYSTEM, Right

USER = f"{SYSTEM}:{OPERATOR}"

NAMESPACED = [
    *(Right(verb, "nesteddockers.nesteddocker.dev", CI) for verb in ("get", "list", "watch", "patch", "delete")),
    Right("patch", "nesteddockers/status.nesteddocker.dev", CI),
    Right("update", "nesteddockers/finalizers.nesteddocker.dev", CI),
    *(
        Right(verb, resource, CI)
        for resource in (
            "pods",
            "services",
            "secrets",
            "networkpolicies.networking.k8s.io",
            "poddisruptionbudgets.policy",
        )
        for verb in ("get", "list", "watch", "create", "patch", "delete")
    ),
    *(Right(verb, "persistentvolumeclaims", CI) for verb in ("get", "list", "watch", "create", "patch")),
    Right("list", "events", CI),
    Right("create", "events.events.k8s.io", CI),
]
ALWAYS = [
    *(
        Right(verb, resource)
        for resource in (
            "nesteddockerclasses.nesteddocker.dev",
            "nesteddockernodes.nesteddocker.dev",
            "nesteddockerpolicies.nesteddocker.dev",
            "namespaces",
            "nodes",
            "runtimeclasses.node.k8s.io",
            "customresourcedefinitions.apiextensions.k8s.io",
        )
        for verb in ("list", "watch")
    ),
    Right("get", "namespaces"),
    *(Right(verb, "leases.coordination.k8s.io", SYSTEM, OPERATOR) for verb in ("get", "update")),
    Right("create", "leases.coordination.k8s.io", SYSTEM),
    Right("create", "subjectaccessreviews.authorization.k8s.io"),
]
NEVER = [
    Right("*", "*"),
    Right("create", "pods/exec", CI),
    Right("create", "pods/attach", CI),
    Right("create", "pods/portforward", CI),
    Right("get", "pods/log", CI),
    Right("update", "pods/ephemeralcontainers", CI),
    Right("create", "serviceaccounts/token", CI),
    Right("create", "serviceaccounts", CI),
    Right("get", "configmaps", CI),
    Right("update", "secrets", CI),
    Right("deletecollection", "pods", CI),
    Right("delete", "persistentvolumeclaims", CI),
    Right("create", "deployments.apps", CI),
    *(Right(verb, "nesteddockers.nesteddocker.dev", CI) for verb in ("create", "update")),
    *(
        Right(verb, f"{kind}.nesteddocker.dev")
        for kind in ("nesteddockerclasses", "nesteddockernodes", "nesteddockerpolicies")
        for verb in ("create", "update", "patch", "delete")
    ),
    *(Right(verb, "namespaces") for verb in ("create", "update", "patch", "delete")),
    *(Right(verb, "nodes") for verb in ("update", "patch", "delete")),
    Right("create", "nodes/proxy"),
    Right("patch", "customresourcedefinitions.apiextensions.k8s.io"),
    *(
        Right(verb, f"{kind}.rbac.authorization.k8s.io")
        for kind in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
        for verb in ("create", "patch", "bind", "escalate")
    ),
    *(
        Right(verb, f"{kind}.admissionregistration.k8s.io")
        for kind in (
            "validatingwebhookconfigurations",
            "mutatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
        )
        for verb in ("get", "create", "update", "patch", "delete")
    ),
    Right("use", "nesteddockerclasses.nesteddocker.dev"),
    *(Right("impersonate", kind) for kind in ("users", "groups", "serviceaccounts")),
    Right("update", "leases.coordination.k8s.io", SYSTEM, "other"),
    Right("delete", "leases.coordination.k8s.io", SYSTEM, OPERATOR),
    Right("update", "leases.coordination.k8s.io", "kube-system", OPERATOR),
]
