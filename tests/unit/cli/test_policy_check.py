"""`nested-docker policy check`: the webhook's and the operator's verdict, without a cluster."""

from __future__ import annotations

import json
from inspect import signature
from typing import Any, get_args, get_type_hints

import pytest
import yaml
from tests.unit.cli.conftest import Run, Write
from tests.unit.cli.objects import (
    API_VERSION,
    GOVERNING,
    Object,
    class_,
    namespace,
    nested_docker,
    node,
    policy,
    runtime_class,
)

from nested_docker.api.meta import Enforcement
from nested_docker.cli.policy_check import check_manifests
from nested_docker.controller.cache import Cache
from nested_docker.controller.observer import Observer
from nested_docker.domain.admission.acceptance import NotAccepted, accept
from nested_docker.domain.effective import OperatorDefaults


def results(output: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output)["results"]
    return found


# --- verdicts and exit codes ------------------------------------------------------------------------


def test_granted_is_0(run: Run, write: Write) -> None:
    result = run("check", write("all.yaml", *GOVERNING, nested_docker(mode="Dind")))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        "RESULT   NAMESPACE  NAME   MODE  CLASS     POLICY  REASON\n"
        "granted  team-a     build  Dind  standard  ci      Granted\n"
        "\n"
        "team-a/build: mode Dind of class standard, granted by NestedDockerPolicy ci\n"
        "\n"
        "1 granted, 0 denied\n"
    )


def test_denied_is_1_with_the_message_in_full(run: Run, write: Write) -> None:
    wanted = nested_docker(mode="Dind", workload={"containers": [{"name": "x", "image": "golang"}]})
    result = run("check", write("all.yaml", *GOVERNING, wanted))
    assert (result.exit_code, result.stderr) == (1, "")
    assert result.stdout == (
        "RESULT  NAMESPACE  NAME   MODE  CLASS     POLICY  REASON\n"
        "denied  team-a     build  Dind  standard  -       NotGranted\n"
        "\n"
        "team-a/build: no NestedDockerPolicy grants mode Dind of class standard with this spec in namespace team-a. "
        "Policies checked: ci: spec.workload is set, and workload.allowed is not. Granted here: ci: mode Dind or "
        "Sysbox of class standard. Choose from that, or ask a cluster admin to put `workload.allowed: true` into "
        "NestedDockerPolicy ci\n"
        "\n"
        "0 granted, 1 denied\n"
    )


def test_one_denied_among_granted_ones_is_1(run: Run, write: Write) -> None:
    several = [nested_docker("a"), nested_docker("b", namespace="team-b"), nested_docker("c")]
    result = run("check", write("all.yaml", *GOVERNING, namespace("team-b", ci="no"), *several))
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines()[1:4]] == ["granted", "denied", "granted"]
    assert result.stdout.endswith("\n2 granted, 1 denied\n")


def test_json_has_everything(run: Run, write: Write) -> None:
    file = write("all.yaml", *GOVERNING, nested_docker(), nested_docker("other", "team-a", mode="HostSocket"))
    result = run("check", file, "--output", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {
        "granted": 1,
        "denied": 1,
        "results": [
            {
                "namespace": "team-a",
                "name": "build",
                "result": "granted",
                "reason": "Granted",
                "mode": "Dind",
                "className": "standard",
                "policy": "ci",
                "message": "mode Dind of class standard, granted by NestedDockerPolicy ci",
                "file": "all.yaml",
                "document": 4,
            },
            {
                "namespace": "team-a",
                "name": "other",
                "result": "denied",
                "reason": "ModeNotOffered",
                "mode": "HostSocket",
                "className": "standard",
                "policy": None,
                "message": "spec.mode HostSocket: NestedDockerClass standard offers Dind, Sysbox; choose one of these, "
                "or leave spec.mode out",
                "file": "all.yaml",
                "document": 5,
            },
        ],
    }


def test_what_is_the_class_s_alone_is_denied_as_it_is_in_the_cluster(run: Run, write: Write) -> None:
    pinned = class_(podTemplate={"spec": {"nodeSelector": {"ci": "yes"}}})
    wanted = nested_docker(mode="Dind", scheduling={"nodeSelector": {"ci": "no"}})
    file = write("all.yaml", pinned, policy(), namespace(), wanted)
    result = run("check", file, "--output", "json")
    assert result.exit_code == 1
    [printed] = results(result.stdout)
    assert (printed["reason"], printed["mode"], printed["policy"]) == ("ClassOverrideDenied", "Dind", None)
    assert "spec.nodeSelector.ci of the pod" in printed["message"]


SPECS: list[dict[str, Any]] = [
    {},
    {"mode": "Dind"},
    {"mode": "Sysbox"},
    {"mode": "HostSocket"},
    {"className": "host-socket"},
    {"className": "nowhere"},
    {"engine": {"image": "evil:1"}},
    {"scheduling": {"tolerations": [{"operator": "Exists"}]}},
    {"activeDeadlineSeconds": 100_000},
]


@pytest.mark.parametrize("spec", SPECS)
def test_the_verdict_is_the_webhook_s(run: Run, write: Write, spec: dict[str, Any]) -> None:
    """The same objects, as the operator knows them from its watches."""
    governing = [
        *GOVERNING,
        class_("host-socket", default=False, modes=["HostSocket"]),
        policy("lasting", max={"lifetimeSeconds": 3600}),
        policy("socket", allowedClasses=["host-socket"], allowedModes=["HostSocket"]),
        runtime_class(),
        node(**{"sysbox-runtime": "running"}),
    ]
    cache = Cache()
    for obj in governing:
        labels = obj["metadata"].get("labels", {})
        seen = obj["metadata"] | {"uid": obj["metadata"]["name"], "resourceVersion": "1"}
        if obj["kind"] == "Namespace":
            seen["labels"] = labels | {"kubernetes.io/metadata.name": obj["metadata"]["name"]}
        cache.put(obj | {"metadata": seen}, obj["kind"])
    expected = accept(Observer(cache).candidate(nested_docker(**spec)), OperatorDefaults())

    [printed] = results(run("check", write("all.yaml", *governing, nested_docker(**spec)), "--output", "json").stdout)
    assert (printed["reason"], printed["message"]) == (expected.reason, expected.message)
    assert (printed["result"] == "denied") == isinstance(expected, NotAccepted)


# --- namespaces ---------------------------------------------------------------------------------------


def test_a_nested_docker_without_namespace_is_in_the_given_one(run: Run, write: Write) -> None:
    file = write("all.yaml", *GOVERNING, nested_docker(namespace=None))
    assert results(run("check", file, "--output", "json").stdout)[0]["namespace"] == "default"
    given = run("check", file, "--namespace", "team-a", "--output", "json")
    assert (given.exit_code, results(given.stdout)[0]["namespace"]) == (0, "team-a")


def test_labels_are_given_to_namespaces_that_no_file_defines_and_to_no_other(run: Run, write: Write) -> None:
    file = write("all.yaml", class_(), policy(), namespace("known", ci="no"), nested_docker())
    assert run("check", file, "--namespace-labels", "ci=true, team = a ").exit_code == 0
    other = write("other.yaml", class_(), policy(), namespace("known", ci="no"), nested_docker(namespace="known"))
    assert run("check", other, "--namespace-labels", "ci=true").exit_code == 1


def test_an_undefined_namespace_is_noted_once(run: Run, write: Write) -> None:
    result = run("check", write("all.yaml", class_(), policy(), nested_docker("a"), nested_docker("b")))
    assert result.exit_code == 1
    assert result.stderr == (
        "note: no file defines namespace team-a, so it is evaluated without labels; set them with --namespace-labels\n"
    )


def test_every_namespace_has_its_name_for_a_label(run: Run, write: Write) -> None:
    by_name = policy(namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": "team-a"}})
    assert run("check", write("a.yaml", class_(), by_name, nested_docker())).exit_code == 0
    assert run("check", write("b.yaml", class_(), by_name, namespace(), nested_docker())).exit_code == 0
    assert run("check", write("c.yaml", class_(), by_name, nested_docker(namespace="team-b"))).exit_code == 1


@pytest.mark.parametrize("labels", ["ci", "=true", "ci=true,oops"])
def test_malformed_labels_are_2(run: Run, write: Write, labels: str) -> None:
    result = run("check", write("all.yaml", *GOVERNING, nested_docker()), "--namespace-labels", labels)
    assert result.exit_code == 2
    assert "KEY=VALUE" in result.stderr


# --- what the cluster can do ------------------------------------------------------------------------


def test_sysbox_needs_its_runtime_assumed_or_there(run: Run, write: Write) -> None:
    file = write("all.yaml", *GOVERNING, nested_docker(mode="Sysbox"))
    without = run("check", file, "--output", "json")
    assert (without.exit_code, results(without.stdout)[0]["reason"]) == (1, "RuntimeMissing")
    assert run("check", file, "--assume-runtime", "sysbox-runc").exit_code == 0
    there = write("there.yaml", runtime_class(), node(**{"sysbox-runtime": "running"}))
    assert run("check", file, there).exit_code == 0
    selecting = runtime_class() | {"scheduling": {"nodeSelector": {"sysbox-runtime": "running"}}}
    bare = write("bare.yaml", selecting, node())
    assert run("check", file, bare).exit_code == 0, "an autoscaler may add a node"
    windows = {"status": {"nodeInfo": {"operatingSystem": "windows"}}}
    unable = write("unable.yaml", selecting, node(**{"sysbox-runtime": "running"}) | windows)
    printed = results(run("check", file, unable, "--output", "json").stdout)[0]["message"]
    assert "its operating system is windows" in printed


def test_another_runtime_may_be_assumed(run: Run, write: Write) -> None:
    own = class_(runtimeClassName="own-sysbox")
    file = write("all.yaml", own, policy(), namespace(), nested_docker(mode="Sysbox"))
    assert run("check", file, "--assume-runtime", "sysbox-runc").exit_code == 1
    assert run("check", file, "--assume-runtime", "sysbox-runc", "--assume-runtime", "own-sysbox").exit_code == 0


def test_the_operator_s_image_is_an_option(run: Run, write: Write) -> None:
    strict = policy(allowedImages={"patterns": ["registry.example/*"]})
    file = write("all.yaml", class_(), strict, namespace(), nested_docker(mode="Dind"))
    assert run("check", file).exit_code == 1
    assert run("check", file, "--engine-image", "registry.example/dind:28").exit_code == 0


def test_pod_security_is_foreseen(run: Run, write: Write) -> None:
    restricted = namespace(**{"ci": "true", "pod-security.kubernetes.io/enforce": "baseline"})
    file = write("all.yaml", class_(), policy(), restricted, nested_docker(mode="Dind"))
    [printed] = results(run("check", file, "--output", "json").stdout)
    assert printed["reason"] == "PodSecurityDenied"


# --- enforcement --------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["Warn", "Audit"])
def test_what_is_not_enforced_is_granted_with_its_reason(run: Run, write: Write, level: str) -> None:
    file = write("all.yaml", class_(), nested_docker(mode="Dind"))
    result = run("check", file, "--enforcement", level, "--output", "json")
    [printed] = results(result.stdout)
    assert (result.exit_code, printed["result"], printed["reason"]) == (0, "granted", "NotEnforced")
    assert printed["policy"] is None
    assert printed["message"].startswith(
        "served because policy is not enforced in this namespace: no NestedDockerPolicy exists"
    )


def test_a_namespace_s_label_overrides_the_operator_s_setting(run: Run, write: Write) -> None:
    lenient = namespace(**{"nesteddocker.dev/enforcement": "Warn"})
    strict = namespace("team-b", **{"nesteddocker.dev/enforcement": "Enforce"})
    files = [
        write("governing.yaml", class_(), policy(), lenient, strict),
        write("requests.yaml", nested_docker(mode="Dind"), nested_docker(mode="Dind", namespace="team-b")),
    ]
    for level in ("Enforce", "Warn"):
        printed = results(run("check", *files, "--enforcement", level, "--output", "json").stdout)
        assert [each["reason"] for each in printed] == ["NotEnforced", "NotGranted"]


def test_an_unknown_level_is_2(run: Run, write: Write) -> None:
    file = write("all.yaml", namespace(**{"nesteddocker.dev/enforcement": "warn"}), nested_docker())
    result = run("check", file)
    assert result.exit_code == 2
    assert result.stderr == (
        "all.yaml: document 1: metadata.labels.nesteddocker.dev/enforcement: unknown enforcement level "
        '(value: "warn"); did you mean Warn?\n'
        "1 problem: nothing was evaluated\n"
    )
    given = run("check", file, "--namespace-labels", "nesteddocker.dev/enforcement=off")
    assert "--namespace-labels: nesteddocker.dev/enforcement: unknown enforcement level" in given.stderr


def test_the_option_has_the_operator_s_levels() -> None:
    assert set(get_args(get_type_hints(check_manifests)["enforcement"])) == set(Enforcement)
    assert signature(check_manifests).parameters["enforcement"].default == OperatorDefaults().enforcement


# --- what is there already ------------------------------------------------------------------------------


def running(**status: Any) -> Object:
    wanted = nested_docker()
    wanted["metadata"] |= {
        "uid": "1",
        "resourceVersion": "12",
        "generation": 2,
        "creationTimestamp": "2026-03-01T12:00:00Z",
        "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
        "ownerReferences": [{"kind": "Workflow"}],
        "finalizers": ["example.com/wait"],
    }
    conditions = [{"type": "Accepted", "status": "True", "reason": "Granted", "lastTransitionTime": "x"}]
    return wanted | {
        "status": {"observedGeneration": 2, "className": "standard", "mode": "Dind", "policyName": "ci"}
        | {"conditions": conditions, "newerThanWeAre": True}
        | status
    }


def test_what_runs_keeps_its_mode(run: Run, write: Write) -> None:
    """A dump of a cluster shows whom a new policy would stop."""
    new = policy(allowedModes=["Sysbox"])
    file = write("all.yaml", class_(), new, namespace(), running())
    result = run("check", file, "--assume-runtime", "sysbox-runc", "--output", "json")
    [printed] = results(result.stdout)
    assert (result.exit_code, printed["reason"], printed["mode"]) == (1, "NotGranted", "Dind")


def test_what_runs_goes_on_where_its_policy_only_reports(run: Run, write: Write) -> None:
    new = policy(allowedModes=["Sysbox"], onViolation="Report")
    file = write("all.yaml", class_(), new, namespace(), running())
    [printed] = results(run("check", file, "--output", "json").stdout)
    assert (printed["result"], printed["reason"]) == ("granted", "GrantRevoked")


def test_a_status_that_cannot_be_read_counts_as_none(run: Run, write: Write) -> None:
    file = write("all.yaml", *GOVERNING, running(mode="Podman"))
    assert run("check", file).exit_code == 0


def test_what_has_ended_is_skipped(run: Run, write: Write) -> None:
    finished, leaving = running(completionTime="2026-03-01T13:00:00Z"), nested_docker("leaving")
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T13:00:00Z"
    result = run("check", write("all.yaml", *GOVERNING, finished, leaving, nested_docker("third")))
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "1 granted, 0 denied")
    assert result.stderr.splitlines() == [
        "note: all.yaml: document 4: skipped: NestedDocker build has finished",
        "note: all.yaml: document 5: skipped: NestedDocker leaving is being deleted",
    ]


# --- where it reads from --------------------------------------------------------------------------------


def test_standard_input(run: Run, write: Write) -> None:
    governing = write("governing.yaml", *GOVERNING)
    assert run("check", governing, "-", stdin=yaml.safe_dump(nested_docker())).exit_code == 0
    wrong = run("check", governing, "-", stdin=yaml.safe_dump(nested_docker(mode="dind")))
    assert wrong.exit_code == 2
    assert wrong.stderr.startswith("-: document 1: spec.mode: ")


def test_directories_with_all_below_and_lists(run: Run, write: Write) -> None:
    write("all/governing.yml", {"apiVersion": "v1", "kind": "List", "items": list(GOVERNING)})
    write("all/deep/er/requests.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": [nested_docker("a")]}))
    write("all/notes.txt", "no: [yaml")
    write("all/chart/values.yaml", "image: {}\n")
    bare = {"metadata": {"name": "b", "namespace": "team-a"}, "spec": {}}
    write("all/typed.yaml", {"apiVersion": API_VERSION, "kind": "NestedDockerList", "items": [bare]})
    write("all/others.yaml", {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}, "\n", {"a": 1})
    result = run("check", "all", "--output", "json")
    assert result.exit_code == 0
    assert {each["name"]: each["file"] for each in results(result.stdout)} == {
        "a": "all/deep/er/requests.json",
        "b": "all/typed.yaml",
    }
    assert result.stderr.splitlines() == [
        "note: all/chart/values.yaml: document 1: skipped: not a Kubernetes object",
        "note: all/others.yaml: document 3: skipped: not a Kubernetes object",
    ]


def test_a_file_that_is_named_twice_is_read_once(run: Run, write: Write) -> None:
    write("all/all.yaml", *GOVERNING, nested_docker())
    assert run("check", "all", "all/all.yaml", "./all/../all").exit_code == 0


def test_other_kinds_are_left_out(run: Run, write: Write) -> None:
    others = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"anything": 1}},
        {"apiVersion": "cli.nesteddocker.dev/v1alpha1", "kind": "PolicyTest"},
        {"apiVersion": "example.com/v1", "kind": "Namespace", "metadata": {"labels": {"ci": 1}}},
        {"apiVersion": "example.com/v1", "kind": "AllowList", "items": ["a"]},
    ]
    assert run("check", write("all.yaml", *GOVERNING, *others, nested_docker())).exit_code == 0


def test_a_made_up_name(run: Run, write: Write) -> None:
    wanted = nested_docker()
    wanted["metadata"] = {"generateName": "build-", "namespace": "team-a"}
    result = run("check", write("all.yaml", *GOVERNING, wanted, wanted), "--output", "json")
    assert (result.exit_code, [each["name"] for each in results(result.stdout)]) == (0, ["build-xxxxx"] * 2)


# --- wrong input ------------------------------------------------------------------------------------------


def test_wrong_input_evaluates_nothing_and_reports_everything_at_once(run: Run, write: Write) -> None:
    write("class.yaml", class_(modes=["dind"]))
    write("policy.yaml", policy(), policy("typo", allowedClass=["standard"], hostSocket={"allowraw": True}))
    write("broken.yaml", nested_docker(), "spec: [\n")
    write("request.yaml", nested_docker("again"), nested_docker("again"))
    result = run(
        "check", "class.yaml", "policy.yaml", "broken.yaml", "missing.yaml", "request.yaml", "--output", "json"
    )
    assert (result.exit_code, result.stdout) == (2, "")
    missing, broken, *others = result.stderr.splitlines()
    assert missing == "missing.yaml: no such file or directory: name manifests, a directory of them, or -"
    assert broken.startswith("broken.yaml: document 2: line 9, column 1: ")
    assert others == [
        "class.yaml: document 1: spec.modes[0]: Input should be 'Dind', 'HostSocket', 'Sysbox', 'UserNamespace' "
        "or 'Rootless' "
        '(value: "dind"); '
        "did you mean Dind?",
        'policy.yaml: document 2: spec.allowedClass: unknown field (value: ["standard"]); did you mean allowedClasses?',
        "policy.yaml: document 2: spec.hostSocket.allowraw: unknown field (value: true); did you mean allowRaw?",
        "request.yaml: document 2: metadata.name: duplicate NestedDocker again, first defined in request.yaml: "
        "document 1: remove one",
        "6 problems: nothing was evaluated",
    ]


def without(obj: Object, *path: str) -> Object:
    *parents, last = path
    inner = obj
    for key in parents:
        inner = inner[key]
    del inner[last]
    return obj


WRONG: dict[str, tuple[Object, str]] = {
    "kind": (
        nested_docker() | {"kind": "NestedDokcer"},
        "kind: nesteddocker.dev has no kind NestedDokcer; did you mean ",
    ),
    "version": (
        nested_docker() | {"apiVersion": "nesteddocker.dev/v1"},
        'apiVersion: unsupported version of NestedDocker (value: "nesteddocker.dev/v1"): use nesteddocker.dev/v1a',
    ),
    "group": (
        policy() | {"apiVersion": "nested-docker.dev/v1alpha1"},
        "apiVersion: unsupported version of NestedDockerPolicy",
    ),
    "no apiVersion": (
        without(policy(), "apiVersion"),
        "not a Kubernetes object: apiVersion is a required string",
    ),
    "neither": ({"a": 1}, "not a Kubernetes object: apiVersion and kind are required strings"),
    "no name": (without(nested_docker(), "metadata", "name"), "metadata.name: required field is missing"),
    "no metadata": (without(policy(), "metadata"), "metadata.name: required field is missing"),
    "no spec": (without(nested_docker(), "spec"), "spec: required field is missing"),
    "null spec": (nested_docker() | {"spec": None}, "spec: null is not allowed: set a value, or remove the field"),
    "field beside spec": (nested_docker() | {"mode": "Dind"}, 'mode: unknown field (value: "Dind"); '),
    "status of a policy": (policy() | {"status": {}}, "status: unknown field"),
    "metadata": (
        nested_docker() | {"metadata": {"name": "a", "label": {}}},
        "metadata.label: unknown field (value: {}); did you mean labels?",
    ),
    "label": (
        namespace() | {"metadata": {"name": "a", "labels": {"ci": True}}},
        'metadata.labels.ci: Input should be a valid string (value: true); write it in quotes: "true"',
    ),
    "item": (
        {"apiVersion": "v1", "kind": "List", "items": ["a", nested_docker(mod="Dind")]},
        'items[0]: not a Kubernetes object (value: "a")',
    ),
    "field of an item": (
        {"apiVersion": "v1", "kind": "List", "items": [nested_docker(), nested_docker("b", mod="Dind")]},
        'items[1]: spec.mod: unknown field (value: "Dind"); did you mean mode?',
    ),
    "key of the operator's": (
        nested_docker(engine={"config": {"hosts": ["tcp://0.0.0.0"]}}),
        "spec.engine.config: hosts: a key of daemon.json that may not be here",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_wrong_input_is_2(run: Run, write: Write, wrong: str) -> None:
    document, printed = WRONG[wrong]
    result = run("check", write("wrong.yaml", document))
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"wrong.yaml: document 1: {printed}" in result.stderr


def test_problems_of_metadata_and_spec_are_reported_together(run: Run, write: Write) -> None:
    wrong = policy(allowedMode=["Dind"]) | {"metadata": {"naem": "a"}, "specs": {}}
    result = run("check", write("wrong.yaml", wrong))
    paths = [line.split(": ")[2] for line in result.stderr.splitlines()[:-1]]
    assert paths == ["metadata.naem", "specs", "spec.allowedMode"]


def test_nothing_to_evaluate_is_2(run: Run, write: Write) -> None:
    result = run("check", write("a.yaml", class_()), write("b.yaml", policy()))
    assert result.exit_code == 2
    assert result.stderr == "a.yaml b.yaml: no NestedDocker to evaluate\n1 problem: nothing was evaluated\n"


def test_a_directory_without_manifests_is_2(run: Run, write: Write) -> None:
    write("empty/notes.txt", "")
    assert "empty: the directory contains no .json, .yaml, .yml file" in run("check", "empty").stderr


def test_wrong_usage_is_2(run: Run) -> None:
    assert run("check").exit_code == 2
    assert run("check", "-", "--enforcement", "warn").exit_code == 2
    assert run("check", "-", "--output", "xml").exit_code == 2


@pytest.mark.parametrize("template", [{"metadata": []}, {"spec": {"containers": [{"image": "x"}]}}])
def test_an_invalid_pod_template_is_2(run: Run, write: Write, template: Object) -> None:
    file = write("all.yaml", class_(podTemplate=template), policy(), namespace(), nested_docker(mode="Dind"))
    result = run("check", file)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "all.yaml: document 1: spec.podTemplate." in result.stderr
