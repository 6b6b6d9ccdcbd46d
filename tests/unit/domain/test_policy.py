"""Policy: one single grant for the whole request, in any order, and a denial that helps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.factory import policy_spec

from nested_docker.api.meta import LabelSelector, Mode
from nested_docker.api.v1alpha1 import NestedDockerPolicySpec
from nested_docker.domain.policy import Request, judge


def request(**fields: object) -> Request:
    given_ = {"namespace": "team-a", "namespace_labels": {"ci": "true"}, "class_name": "standard", "mode": Mode.DIND}
    return Request(**(given_ | fields))


def test_without_policies_nobody_gets_anything() -> None:
    decision = judge(request(), {})
    assert not decision.granted
    assert decision.message == (
        "no NestedDockerPolicy exists, so nobody may have a daemon: mode Dind of class standard in namespace team-a "
        "needs one; a cluster admin creates a NestedDockerPolicy that grants it"
    )


def test_a_denial_names_what_was_looked_at_and_what_would_be_granted_here() -> None:
    policies = {
        "sysbox": policy_spec(allowedModes=["Sysbox"]),
        "elsewhere": policy_spec(namespaceSelector={"matchLabels": {"ci": "false"}}),
        "others": policy_spec(allowedClasses=["gold"], hostSocket={"allowRaw": False}),
    }
    assert judge(request(), policies).message == (
        "no NestedDockerPolicy grants mode Dind of class standard in namespace team-a. Policies looked at: "
        "elsewhere does not select namespace team-a; others allows class gold only; sysbox allows mode Sysbox only. "
        "Granted here: mode Dind of class gold, mode Sysbox of class gold, mode Sysbox of class standard. "
        "Choose from that, or ask a cluster admin for a policy"
    )


def test_the_raw_socket_needs_a_word_of_its_own() -> None:
    wanted = request(mode=Mode.HOST_SOCKET, raw_socket=True)
    assert "hostSocket.allowRaw" in judge(wanted, {"p": policy_spec(hostSocket={"allowRaw": False})}).message
    assert judge(wanted, {"p": policy_spec()}).granted


def test_two_half_grants_are_no_grant() -> None:
    policies = {
        "mode": policy_spec(allowedClasses=["gold"]),
        "class": policy_spec(allowedModes=["Sysbox"]),
    }
    assert not judge(request(), policies).granted


SELECTORS = st.sampled_from([{}, {"matchLabels": {"ci": "true"}}, {"matchLabels": {"ci": "no"}}])
POLICIES = st.builds(
    policy_spec,
    namespaceSelector=SELECTORS,
    allowedClasses=st.lists(st.sampled_from(["standard", "gold"]), min_size=1, unique=True),
    allowedModes=st.lists(st.sampled_from([mode.value for mode in Mode]), min_size=1, unique=True),
    hostSocket=st.fixed_dictionaries({"allowRaw": st.booleans()}),
)
REQUESTS = st.builds(
    request,
    class_name=st.sampled_from(["standard", "gold", "none"]),
    mode=st.sampled_from(list(Mode)),
    raw_socket=st.booleans(),
)


@given(REQUESTS, st.dictionaries(st.sampled_from("abcd"), POLICIES), POLICIES)
def test_another_policy_never_takes_a_grant_away(
    wanted: Request, policies: dict[str, NestedDockerPolicySpec], more: NestedDockerPolicySpec
) -> None:
    assert judge(wanted, policies | {"z": more}).granted >= judge(wanted, policies).granted


@given(REQUESTS, st.dictionaries(st.sampled_from("abcd"), POLICIES))
def test_a_grant_is_one_policys_alone_and_order_does_not_matter(
    wanted: Request, policies: dict[str, NestedDockerPolicySpec]
) -> None:
    together = judge(wanted, policies)
    assert together.granted == any(judge(wanted, {name: policy}).granted for name, policy in policies.items())
    assert judge(wanted, dict(reversed(policies.items()))) == together


@given(REQUESTS, POLICIES)
def test_narrowing_never_adds(wanted: Request, policy: NestedDockerPolicySpec) -> None:
    narrower = policy.model_copy(update={"allowed_modes": policy.allowed_modes[:1]})
    assert judge(wanted, {"p": policy}).granted >= judge(wanted, {"p": narrower}).granted


def test_selectors_match_as_kubernetes_does() -> None:
    labels = {"a": "1", "b": "2"}
    matching = [
        {},
        {"matchLabels": {"a": "1"}},
        {"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "9"]}]},
        {"matchExpressions": [{"key": "c", "operator": "NotIn", "values": ["1"]}]},
        {"matchExpressions": [{"key": "b", "operator": "Exists"}]},
        {"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]},
    ]
    failing = [
        {"matchLabels": {"a": "1", "c": "3"}},
        {"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]},
        {"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]},
    ]
    assert all(LabelSelector.model_validate(selector).matches(labels) for selector in matching)
    assert not any(LabelSelector.model_validate(selector).matches(labels) for selector in failing)
