"""`explain`: the mode and why, from a class and what the cluster says about each mode."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.cli.user.mode_advice import (
    Choice,
    advice,
    advice_of,
    advice_text,
    is_shortcoming,
    why_chosen,
    why_it_has_its_mode,
)

Manifest = dict[str, Any]


def modes(found: Any, choice: Choice) -> list[str]:
    return [each.mode for each in found if each.choice is choice]


@pytest.mark.parametrize(
    ("class_spec", "problems", "chosen", "possible"),
    [
        ({}, {}, "Rootless", ["Sysbox", "UserNamespace", "Dind", "HostSocket"]),
        ({"modes": ["Dind", "Sysbox"]}, {"HostSocket": "", "UserNamespace": ""}, "Sysbox", ["Dind"]),
        ({"modes": ["UserNamespace", "Sysbox"]}, {"HostSocket": "", "Dind": ""}, "UserNamespace", ["Sysbox"]),
        ({"modes": ["Dind", "Sysbox"]}, {"Sysbox": "not granted"}, "Dind", []),
        ({"modes": ["Dind", "Sysbox"], "modeSelection": "AsListed"}, {}, "Dind", ["Sysbox"]),
        ({"modes": ["Later", "Dind"]}, {}, "Dind", []),
    ],
)
def test_the_mode_is_the_one_that_the_operator_chooses(
    class_spec: Manifest, problems: dict[str, str], chosen: str, possible: list[str]
) -> None:
    found = advice(class_spec, problems)
    assert modes(found, Choice.CHOSEN) == [chosen]
    assert modes(found, Choice.POSSIBLE) == possible
    assert modes(found, Choice.NO) == sorted(problems)


def test_a_mode_with_the_privilege_of_the_node_is_for_trusted_code() -> None:
    text = advice_text(advice({"modes": ["Dind"]}, {"Sysbox": "not here"}), why_chosen({}))
    assert text == (
        "Dind           chosen    none: root in a container is root on the node\n"
        "Sysbox         no        not here\n"
        "\n"
        "The mode is Dind: no mode with less privilege on the node is possible. Run only code there that you trust; "
        "for other code ask for a class with mode Rootless, Sysbox, UserNamespace."
    )
    assert "trust" not in advice_text(advice({"modes": ["Sysbox"]}, {}), why_chosen({}))


def test_the_order_of_a_class_is_the_reason_where_it_decides() -> None:
    class_spec = {"modes": ["Dind", "Sysbox"], "modeSelection": "AsListed"}
    text = advice_text(advice(class_spec, {}), why_chosen(class_spec))
    assert "The mode is Dind: the class prefers it." in text


def test_one_that_exists_says_why_it_has_no_better_mode() -> None:
    better = {"mode": "Sysbox", "reason": "NoCapableNode", "message": "no node has Sysbox"}
    found = advice_of({"status": {"mode": "Dind", "modesNotChosen": [better]}})
    assert [(each.mode, each.choice) for each in found] == [("Dind", Choice.CHOSEN), ("Sysbox", Choice.NO)]
    assert found[1].detail == "NoCapableNode: no node has Sysbox"
    assert advice_of({}) == []
    assert advice_of({"status": {"mode": "Later"}})[0].detail == ""


@pytest.mark.parametrize(
    ("spec", "class_spec", "why"),
    [
        ({"mode": "Dind"}, {}, "its spec.mode names it"),
        ({}, {"modeSelection": "AsListed"}, "the class preferred it when the NestedDocker was new"),
        ({}, {}, "no mode with less privilege on the node was possible when the NestedDocker was new"),
    ],
)
def test_one_that_exists_says_why_it_has_its_mode(spec: dict[str, str], class_spec: dict[str, str], why: str) -> None:
    existing = {"spec": spec, "status": {"mode": "Dind"}}
    said = why_it_has_its_mode(existing, class_spec)
    assert said == why
    assert f"The mode is Dind: {why}." in advice_text(advice_of(existing), said)


@pytest.mark.parametrize(
    ("warning", "expected"),
    [
        ("NoCapableNode: no node can run mode Rootless", True),
        ("RuntimeMissing: mode Sysbox needs RuntimeClass", True),
        ("Granted: anything", False),
        ("served because policy is not enforced in this namespace: no policy", False),
        ("", False),
    ],
)
def test_a_warning_with_a_reason_that_may_pass_is_a_shortcoming(warning: str, expected: bool) -> None:
    assert is_shortcoming(warning) is expected
