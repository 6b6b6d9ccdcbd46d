"""The guardrails with no way to the node."""

from __future__ import annotations

from typing import Any

from tests.contract.guardrails.making import cleans, creates, daemon, pods_needing_cleanup
from tests.contract.guardrails.pods import IN_USER_NAMESPACE, NO_CAPABILITIES, ROOTLESS
from tests.contract.guardrails.site import RUNTIME, Attempt

SEPARATED: dict[str, Any] = {"guardrails": {"privileged": False, "userNamespaces": False, "hostSocketPaths": []}}

WITHOUT_NODE: dict[str, Attempt] = {
    "Sysbox": Attempt("operator", creates(daemon({"mode": "Sysbox"}, {"runtimeClassName": RUNTIME}))),
    "UserNamespace": Attempt("operator", creates(daemon(IN_USER_NAMESPACE)), (NO_CAPABILITIES, "choose mode Sysbox")),
    "Rootless": Attempt("operator", creates(daemon(ROOTLESS)), (NO_CAPABILITIES, "choose mode Sysbox")),
    "Dind": Attempt(
        "operator",
        creates(daemon()),
        (
            "securityContext.privileged: true on container daemon: the chart's guardrails.privileged",
            "choose mode Sysbox",
        ),
    ),
    "HostSocket": Attempt(
        "operator",
        creates(daemon({"mode": "HostSocket"})),
        ("hostPath.path: /var/run/docker.sock: ", "guardrails.hostSocketPaths is empty, so no path is allowed"),
    ),
    "a node cleaned up": Attempt("operator", creates(cleans()), ("hostPath.path: /var/run/docker.sock: ",)),
    "a pod from before let go": Attempt("operator", pods_needing_cleanup()),
}
