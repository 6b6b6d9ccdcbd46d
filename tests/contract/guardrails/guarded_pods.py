"""Who may enter a pod with a guard."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.guardrails.entering import EPHEMERAL, NOT_THE_GUARDRAIL, enters
from tests.contract.guardrails.making import labels, patches
from tests.contract.guardrails.site import DAEMON, GUARDED, MINE, RAW, STRATEGIC, Attempt, Request, Site

from nested_docker.adapters.resources import RESOURCES

BYPASSES = (
    "pod build-guard has the node's Docker socket, without its guard: only system:masters",
    "Use the Docker API",
)


def puts_image(pod: str, subresource: str = "") -> Callable[[Site], Request]:
    change = {"spec": {"containers": [{"name": "daemon", "image": "busybox:1"}]}}
    return patches("Pod", pod, change, subresource, STRATEGIC)


def named(name: str, how: str) -> Callable[[Site], Request]:
    return lambda site: Request("POST", RESOURCES["Pod"].path(site.name, name, how), query={})


GUARDED_PODS: dict[str, Attempt] = {
    **{
        f"{how} into the guard": Attempt("user", enters(GUARDED, how), BYPASSES)
        for how in ("exec", "attach", "portforward", "proxy")
    },
    **{
        f"proxy to {name}": Attempt("user", named(name, "proxy"), BYPASSES)
        for name in (f"{GUARDED}:8080", f"http:{GUARDED}:8080", f"https:{GUARDED}:")
    },
    **{
        f"{how} into a node cleanup pod": Attempt(
            "user", enters("cleaner", how, "cleanup"), ("pod cleaner has the node's Docker socket, without its guard",)
        )
        for how in ("exec", "attach", "portforward", "proxy")
    },
    "exec of an operator": Attempt("operator", enters(GUARDED, "exec"), BYPASSES),
    "exec of a debugger": Attempt("debugger", enters(GUARDED, "exec"), BYPASSES),
    "a container put beside the guard": Attempt(
        "user",
        patches("Pod", GUARDED, EPHEMERAL, "ephemeralcontainers"),
        ("ephemeralContainers: " + BYPASSES[0],),
    ),
    "another image in place of the guard": Attempt("user", puts_image(GUARDED), ("image: " + BYPASSES[0],)),
    "another image in place of the guard, by the operator": Attempt(
        "operator", puts_image(GUARDED), ("spec.containers: the operator does not change the image of a running pod",)
    ),
    "a label on the guard": Attempt("user", patches("Pod", GUARDED, labels({"team": "x"}))),
    "a deadline for the guard": Attempt("user", patches("Pod", GUARDED, {"spec": {"activeDeadlineSeconds": 1}})),
    "exec by an admin": Attempt("admin", enters(GUARDED, "exec"), NOT_THE_GUARDRAIL),
    "an admin's container": Attempt("admin", patches("Pod", GUARDED, EPHEMERAL, "ephemeralcontainers")),
    "an admin's image": Attempt("admin", puts_image(GUARDED)),
    **{
        f"{how} into a relay without a guard": Attempt("user", enters(RAW, how), NOT_THE_GUARDRAIL)
        for how in ("exec", "attach")
    },
    **{f"{how} into another pod": Attempt("user", enters(MINE, how), NOT_THE_GUARDRAIL) for how in ("exec", "attach")},
    "another image in a daemon": Attempt("user", puts_image(DAEMON)),
    "a guard's name in another pod's": Attempt("user", enters(f"{GUARDED}x", "exec"), ("not found",)),
}
