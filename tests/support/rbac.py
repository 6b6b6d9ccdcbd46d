"""Roles for users of tests, given one by one."""

from __future__ import annotations

from typing import Any

from tests.support.api import Api
from tests.support.waiting import wait_for

GROUP = "rbac.authorization.k8s.io"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


async def allow(api: Api, namespace: str, user: str, name: str, rule: dict[str, Any]) -> None:
    """Give a user one more rule in a namespace, and wait until the API server's authorizer knows it.

    Args:
        api: the admin's client.
        namespace: where the Role goes.
        user: who gets it.
        name: of Role and RoleBinding.
        rule: as in a Role.
    """
    base, head = f"/apis/{GROUP}/v1/namespaces/{namespace}", {"apiVersion": f"{GROUP}/v1", "metadata": {"name": name}}
    await api.request("POST", f"{base}/roles", body=head | {"kind": "Role", "rules": [rule]})
    reference = {"apiGroup": GROUP, "kind": "Role", "name": name}
    subject = {"apiGroup": GROUP, "kind": "User", "name": user}
    binding = head | {"kind": "RoleBinding", "roleRef": reference, "subjects": [subject]}
    await api.request("POST", f"{base}/rolebindings", body=binding)
    wanted = {
        "verb": rule["verbs"][0],
        "group": rule["apiGroups"][0],
        "resource": rule["resources"][0],
        "namespace": namespace,
        "name": rule.get("resourceNames", [""])[0],
    }
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}

    async def known() -> bool:
        answer = await api.request(
            "POST", REVIEWS, body=review | {"spec": {"user": user, "resourceAttributes": wanted}}
        )
        return bool(answer["status"]["allowed"])

    await wait_for(known, 10, f"{user} being allowed {wanted}")
