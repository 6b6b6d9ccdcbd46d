"""The labels, annotations and finalizers that only the operator may set."""

from __future__ import annotations

from tests.contract.guardrails.making import (
    annotations,
    creates,
    deletes,
    elsewhere,
    labels,
    patches,
    plain,
    pods_needing_cleanup,
)
from tests.contract.guardrails.site import (
    CLEANUP,
    CONTACT,
    DAEMON,
    GUARDED,
    MANAGED_BY,
    MINE,
    OURS,
    ROLE,
    UID,
    US,
    Attempt,
)

ONLY = "reserved: only system:serviceaccount:"
MARKED = {
    "Pod": ROLE,
    "Service": UID,
    "Secret": MANAGED_BY,
    "PersistentVolumeClaim": UID,
    "NetworkPolicy": ROLE,
    "PodDisruptionBudget": UID,
}

KEPT_UNTIL_CLEAN = (
    f"metadata.finalizers: {CLEANUP} keeps Pod ",
    "until everything that its clients created on the node is removed",
    "-operator may add or remove it",
    "delete the Node",
)

RESERVED: dict[str, Attempt] = {
    **{f"a {kind} of his own": Attempt("user", creates(plain(kind, labels({"app": "x"})))) for kind in MARKED},
    **{
        f"a {kind} that looks like ours": Attempt(
            "user",
            creates(plain(kind, labels({key: US}))),
            (f"metadata.labels: {key}={US}: labels", ONLY, "Do not use them on your own objects"),
        )
        for kind, key in MARKED.items()
    },
    "an annotation of ours": Attempt(
        "user",
        creates(plain("Pod", annotations({CONTACT: "x"}))),
        (f"metadata.annotations: {CONTACT}=x: annotations", ONLY, "Do not use them on your own objects"),
    ),
    "two labels of ours": Attempt(
        "user", creates(plain("Pod", labels({ROLE: "daemon", UID: "1"}))), (f"{ROLE}=daemon", f"{UID}=1")
    ),
    "a cluster admin's": Attempt("admin", creates(plain("Pod", labels({ROLE: "daemon"}))), (ONLY,)),
    "helm's": Attempt("user", creates(plain("Secret", labels({MANAGED_BY: "Helm"})))),
    "keys that only look like ours": Attempt(
        "user", creates(plain("Pod", labels({"nesteddocker.dev.example.com/uid": "1", "my.nesteddocker.dev/uid": "1"})))
    ),
    "his own labelled": Attempt("user", patches("Secret", MINE, labels({"app": "x", MANAGED_BY: "Helm"}))),
    "his own marked": Attempt("user", patches("Secret", MINE, labels({MANAGED_BY: US})), (f"{MANAGED_BY}={US}", ONLY)),
    "ours labelled": Attempt("user", patches("Secret", OURS, labels({"team": "x"}))),
    "ours annotated": Attempt("user", patches("Secret", OURS, annotations({"example.com/x": "x"}))),
    "ours edited": Attempt("user", patches("Secret", OURS, {"stringData": {"key.pem": "x"}})),
    "ours deleted": Attempt("user", deletes("Secret", OURS)),
    "a label of ours changed": Attempt(
        "user",
        patches("Pod", DAEMON, labels({UID: "1"})),
        (f"metadata.labels: {UID}=1: labels", ONLY, "do not change them on others"),
    ),
    "a label of ours removed": Attempt("user", patches("Pod", DAEMON, labels({UID: None})), (f"labels: {UID}-: ",)),
    "managed by nobody": Attempt("user", patches("Secret", OURS, labels({MANAGED_BY: None})), (f"{MANAGED_BY}-: ",)),
    "managed by helm": Attempt("user", patches("Secret", OURS, labels({MANAGED_BY: "Helm"})), (f"{MANAGED_BY}=Helm",)),
    "an annotation changed": Attempt("user", patches("Secret", OURS, annotations({CONTACT: "y"})), (f"{CONTACT}=y: ",)),
    "an annotation removed": Attempt("user", patches("Secret", OURS, annotations({CONTACT: None})), (f"{CONTACT}-: ",)),
    "a guarded pod let go": Attempt("user", pods_needing_cleanup(), KEPT_UNTIL_CLEAN),
    "a guarded pod let go with its status": Attempt(
        "user", pods_needing_cleanup(subresource="status"), KEPT_UNTIL_CLEAN
    ),
    "a guarded pod let go by a cluster admin": Attempt("admin", pods_needing_cleanup()),
    "a guarded pod kept for himself": Attempt("user", pods_needing_cleanup("example.com/kept", CLEANUP)),
    "a guarded pod deleted": Attempt("user", deletes("Pod", GUARDED)),
    "his own pod kept as ours": Attempt(
        "user", creates(plain("Pod", {"metadata": {"finalizers": [CLEANUP]}})), KEPT_UNTIL_CLEAN
    ),
    "his own pod kept as ours later": Attempt(
        "user", patches("Pod", MINE, {"metadata": {"finalizers": [CLEANUP]}}), KEPT_UNTIL_CLEAN
    ),
    "his own pod kept": Attempt("user", creates(plain("Pod", {"metadata": {"finalizers": ["example.com/kept"]}}))),
    "a pod that looks as if it cleaned up": Attempt(
        "user", creates(elsewhere(plain("Pod", labels({ROLE: "cleanup"})), "cleanup")), (ONLY,)
    ),
    "a status": Attempt("admin", patches("Pod", DAEMON, {"status": {"reason": "x"}}, "status")),
    "a label with a status": Attempt("admin", patches("Pod", DAEMON, labels({UID: "1"}), "status"), (f"{UID}=1",)),
}
