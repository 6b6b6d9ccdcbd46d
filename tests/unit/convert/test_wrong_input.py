"""Input that cannot be converted is one line and its remedy, and never a traceback; nothing is printed as a result."""

from __future__ import annotations

import io
import random
import resource
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml
from tests.unit.convert.conftest import Convert
from tests.unit.convert.corpus import CORPUS, SYSTEMS
from tests.unit.convert.texts import changed

from nested_docker.convert.conversion import ConversionOptions, ConvertedForm
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.files import conversion_of
from nested_docker.convert.gitlab_runner import convert_runner_config, convert_runner_values
from nested_docker.convert.manifests_conversion import convert_manifests

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n"
DIND = "{name: d, image: 'docker:dind'}"


def pod(*containers: str, more: str = "") -> str:
    return f"{POD}spec:\n  containers: [{', '.join(containers)}]\n  {more}\n"


BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
REFUSED = {
    "a bomb of aliases": (BOMB, "with its aliases written in full it has more than"),
    "an alias in itself": ("a: &a [*a]\n", "an alias is inside of what it names"),
    "too deep": ("[" * 5000, "exceeded maximum nesting depth"),
    "a template of Helm": ("a: {{ .Values.a }}\n", "if this is a template, read what it renders"),
    "a namespace that is a number": (
        pod("{name: c}", DIND).replace("{name: x}", "{name: x, namespace: 5}"),
        "NestedDocker/x-daemon: metadata.namespace is not text",
    ),
    "a namespace that is none": (
        pod("{name: c}", DIND).replace("{name: x}", "{name: x, namespace: A_b}"),
        "NestedDocker/x-daemon: metadata.namespace is no name of a namespace (value: 'A_b')",
    ),
    "more containers than a node runs": (
        pod(DIND, *(f"{{name: c{number}}}" for number in range(300))),
        "spec.containers has 301 containers, and no node runs a pod with more than 256",
    ),
    "no mapping": ("- 1\n", "not a mapping"),
    "text": ("hello", "not a mapping"),
    "broken YAML": ("a: [", "line 2, column 1: did not find"),
    "a tag of GitLab": ("job: {script: !reference [a, script]}\n", "!reference"),
    "duplicate keys": ("a: 1\na: 2\n", "duplicate key a"),
    "values of a chart": ("replicaCount: 1\n", "neither a Kubernetes object nor"),
    "a steps file without --as": (CORPUS["woodpecker"].read_text(), "a step cannot mount the Secret"),
    "a scale set without --as": (CORPUS["arc-template"].read_text(), "values have no NestedDocker beside them"),
    "a runner without --as": (CORPUS["gitlab-runner-values"].read_text(), "runners.config has no NestedDocker"),
    "a template of TOML": ("runners: {config: '[[runners]]\n{{ if x }}'}\n", "runners.config: not valid TOML"),
    "a task of only a daemon": (
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: x}\nspec: {sidecars: [" + DIND + "]}\n",
        "Task/x: spec has no container but the daemon",
    ),
    "a step of a foreign daemon": (
        "apiVersion: tekton.dev/v1\nkind: Task\nmetadata: {name: x}\nspec: {steps: [{image: a}], sidecars: ["
        + DIND
        + "], stepTemplate: {env: [{name: DOCKER_HOST, value: 'tcp://far:1'}]}}\n",
        "spec.stepTemplate.env[0]: DOCKER_HOST is 'tcp://far:1'",
    ),
    "two containers of one name": (
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: x}\nspec: {templates: [{container: "
        "{image: a}, sidecars: [{name: main, image: 'docker:dind'}]}]}\n",
        "spec.templates[0].container has the name of another container",
    ),
    "spec is a list": (POD + "spec: []\n", "spec is not a mapping"),
    "containers is a mapping": (POD + "spec: {containers: {}}\n", "spec.containers is not a list"),
    "a container is text": (pod("x"), "spec.containers[0] is not a mapping"),
    "args are text": (pod("{image: 'docker:dind', args: x}"), "spec.containers[0].args is not a list of text"),
    "args have a number": (pod("{image: 'docker:dind', args: [1]}"), "args is not a list of text"),
    "limits are text": (pod("{image: 'docker:dind', resources: {limits: x}}"), "resources.limits is not a mapping"),
    "mounts are text": (pod("{image: 'docker:dind', volumeMounts: x}"), "volumeMounts is not a list"),
    "another daemon": (
        pod("{name: c, env: [{name: DOCKER_HOST, value: 'tcp://far:2376'}]}", DIND),
        "env[0]: DOCKER_HOST is 'tcp://far:2376'",
    ),
    "a place that is taken": (
        pod("{name: c, volumeMounts: [{name: v, mountPath: /certs/client}]}", DIND),
        "volumeMounts has 'v' at /certs/client",
    ),
    "a volume that is taken": (
        pod("{name: c}", DIND, more="volumes: [{name: nested-docker, emptyDir: {}}]"),
        "has 'nested-docker' already",
    ),
    "a job that runs its daemon itself": (
        pod("{image: 'ubuntu-dind:1', args: [sh, -c, ./build.sh]}"),
        'spec.containers[0] runs ["sh", "-c", "./build.sh"], and not only a daemon',
    ),
    "a runner with a daemon inside": (
        pod("{name: runner, image: 'gitea/act_runner:nightly-dind-rootless'}"),
        "spec.containers[0].image 'gitea/act_runner:nightly-dind-rootless' starts a daemon beside the runner",
    ),
    "no name": (pod("{name: c}", DIND).replace("{name: x}", "{}"), "gives no name for a NestedDocker"),
    "the same name twice": (
        pod("{name: c}", DIND) + "---\n" + pod("{name: c}", DIND),
        "another object of the input has",
    ),
    "no metadata": (pod("{name: c}", DIND).replace("{name: x}", "[]"), "metadata is not a mapping"),
    "a pipeline without --as": (CORPUS["gitlab-ci"].read_text(), "a job cannot choose the Secret"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_and_why(convert: Convert, tmp_path: Path, case: str) -> None:
    text, fragment = REFUSED[case]
    file = tmp_path / "input.yaml"
    file.write_text(text)
    ended = convert(str(file))
    assert (ended.code, ended.out) == (2, ""), ended
    kinds = [line.partition(":")[0] for line in ended.err.splitlines() if not line.startswith("note: ")]
    assert kinds == ["error", "hint"], ended.err
    assert fragment in ended.err


OPTIONS = {
    "nothing": ([], "give either files or --buildx"),
    "both": (["-", "--buildx", "x"], "give either files or --buildx"),
    "no class": (["--as", "label", "-"], "--as label needs a class"),
    "a class for the sidecar": (["--as", "sidecar", "-"], "--as sidecar needs a class"),
    "two files with TOML": (
        ["--as", "label", "--class", "c", "a.toml", "b.toml"],
        "a.toml, b.toml: TOML has one document",
    ),
    "a mode for the label": (["--as", "label", "--class", "c", "--mode", "Dind", "-"], "neither --mode nor --name"),
    "an unknown mode": (["--mode", "dind", "-"], "--mode 'dind' is not a mode"),
    "an unknown form": (["--as", "pod", "-"], "'pod' is not one of"),
    "no such file": (["/no/such/file"], "/no/such/file cannot be read: No such file"),
    "a directory": (["/tmp"], "/tmp cannot be read: Is a directory"),
    "endless input": (["/dev/zero"], "/dev/zero has more than 16777216 bytes"),
    "no create": (["--buildx", "docker buildx ls"], "is no `docker buildx create`"),
    "another driver": (["--buildx", "docker buildx create --driver remote"], "the driver is 'remote'"),
    "a builder as a sidecar": (
        ["--buildx", "docker buildx create --driver kubernetes", "--as", "sidecar", "--class", "c"],
        "for --as nesteddocker",
    ),
    "a name that is none": (
        ["--buildx", "docker buildx create --driver kubernetes --name A_b"],
        "docker buildx create --name gives no name for a NestedDocker (value: 'A_b')",
    ),
    "a namespace that is none": (
        ["--buildx", "docker buildx create --driver kubernetes --driver-opt namespace=A_b"],
        "--driver-opt namespace is no name of a namespace (value: 'A_b')",
    ),
    "a driver option of several lines": (
        ["--buildx", "docker buildx create --driver kubernetes --driver-opt 'a=b\rc=d'"],
        "give each option its own flag",
    ),
    "an open quote": (["--buildx", "docker 'x"], "--buildx cannot be read"),
}


@pytest.mark.parametrize("case", OPTIONS)
def test_wrong_options(convert: Convert, case: str) -> None:
    arguments, fragment = OPTIONS[case]
    ended = convert(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert [line.partition(":")[0] for line in ended.err.splitlines()] == ["error", "hint"]
    assert fragment in ended.err


def test_a_name_of_a_nested_docker_is_checked(convert: Convert) -> None:
    ended = convert("--name", "Big_Name", str(CORPUS["kubedock"]))
    assert (ended.code, ended.out) == (2, "")
    assert "choose one by --name" in ended.err


def test_nothing_to_convert_is_the_answer_no(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "input.yaml"
    file.write_text(pod("{name: c, image: nginx}"))
    ended = convert(str(file))
    assert (ended.code, ended.out) == (1, "")
    assert f"error: nothing to convert in {file}" in ended.err


def test_a_bomb_takes_no_memory(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "input.yaml"
    file.write_text(BOMB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert convert(str(file)).code == 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB


def test_numbers_of_thousands_of_digits_are_named(convert: Convert, tmp_path: Path) -> None:
    digits = "9" * 5000
    file = tmp_path / "input.yaml"
    daemon = f"{{image: 'docker:dind', args: ['--default-address-pool=base=10.0.0.0/8,size={digits}']}}"
    file.write_text(pod("{name: c}", daemon))
    ended = convert(str(file))
    assert ended.code == 0, ended.err
    assert "spec.containers[1].args" in ended.err
    command = f"docker buildx create --driver kubernetes --driver-opt tolerations=tolerationSeconds={digits}"
    assert convert("--buildx", command).code == 0


def test_names_of_the_input_do_not_steer_the_terminal(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "input.yaml"
    file.write_text(pod("{name: c}", "{image: 'docker:dind', \"\\e]0;evil\\a\": 1}"))
    ended = convert(str(file))
    assert ended.code == 0, ended.err
    assert "spec.containers[1].\ufffd]0;evil\ufffd: it is not carried over" in ended.err
    file.write_text("\"\\e[31m\": {script: x, services: ['docker:dind'], variables: 1}\n")
    ended = convert("--as", "label", "--class", "c", str(file))
    assert ended.code == 2
    assert "\x1b" not in ended.err


@pytest.mark.parametrize("output", ["yaml", "json"])
def test_what_python_and_kubectl_read_otherwise_stays_as_it_is(convert: Convert, tmp_path: Path, output: str) -> None:
    values = ["22:22", "1e3", "y", "0o17", "=", "2026-03-01"]
    env = ", ".join(f"{{name: A{number}, value: '{value}'}}" for number, value in enumerate(values))
    file = tmp_path / "input.yaml"
    file.write_text(pod(f"{{name: c, args: [22:22, 2026-03-01], env: [{env}]}}", DIND))
    ended = convert("-o", output, str(file))
    assert ended.code == 0, ended.err
    for value in values:
        assert (f'"value": "{value}"' if output == "json" else f"value: '{value}'") in ended.out
    assert ("22:22" in ended.out, "1342" in ended.out) == (True, False)


def test_aliases_and_standard_input_are_read(convert: Convert, monkeypatch: pytest.MonkeyPatch) -> None:
    containers = ["- {name: a, env: &e [{name: X, value: y}]}", "- {name: b, env: *e}", f"- {DIND}"]
    text = "\n    ".join([f"{POD}spec:\n  containers:", *containers])
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    ended = convert("-", "-o", "json")
    assert ended.code == 0, ended.err
    nested_docker, workload = yaml.safe_load(ended.out)["items"]
    assert nested_docker["metadata"]["name"] == "x-daemon"
    assert [each["env"] for each in workload["spec"]["containers"]] == [[{"name": "X", "value": "y"}]] * 2


JUNK = [None, True, 1, "x", [], {}, [1], ["x"], {"x": 1}]


@pytest.mark.parametrize("junk", JUNK, ids=str)
@pytest.mark.parametrize("name", sorted(CORPUS.keys() - SYSTEMS))
def test_a_wrong_type_anywhere_is_no_defect(name: str, junk: Any) -> None:
    documents = [*yaml.safe_load_all(CORPUS[name].read_text())]
    outcomes = set()
    for number, document in enumerate(documents):
        for each in changed(document, junk):
            if isinstance(each, dict):
                outcomes.add(outcome(convert_manifests, [*documents[:number], each, *documents[number + 1 :]]))
    assert outcomes <= {"converted", "refused"}


@pytest.mark.parametrize("junk", JUNK, ids=str)
@pytest.mark.parametrize("form", [ConvertedForm.LABEL, ConvertedForm.SIDECAR])
@pytest.mark.parametrize("name", sorted(SYSTEMS - {"config", "gitlab-runner-values"}))
def test_a_wrong_type_in_a_file_of_a_system_is_no_defect(name: str, form: ConvertedForm, junk: Any) -> None:
    document = yaml.safe_load(CORPUS[name].read_text())
    for each in changed(document, junk):
        convert = conversion_of(each) if isinstance(each, dict) else None
        if convert:
            assert outcome(convert, each, ConversionOptions(form, class_name="standard")) in {"converted", "refused"}


@pytest.mark.parametrize("junk", [each for each in JUNK if each is not None], ids=str)
def test_a_wrong_type_in_the_configuration_of_a_runner_is_no_defect(junk: Any) -> None:
    options = ConversionOptions(ConvertedForm.LABEL, class_name="standard")
    values = yaml.safe_load(CORPUS["gitlab-runner-values"].read_text())
    for each in changed(tomllib.loads(values["runners"]["config"]), junk):
        if isinstance(each, dict):
            assert outcome(convert_runner_config, each, options) in {"converted", "refused"}
            whole = {**values, "runners": {"config": tomli_w.dumps(each)}}
            assert outcome(convert_runner_values, whole, options) in {"converted", "refused"}


def outcome(run: Any, value: Any, options: ConversionOptions | None = None) -> str:
    try:
        run(value, options or ConversionOptions())
    except UnconvertibleError as error:
        return "refused" if error.message and error.remedy else "refused without a remedy"
    return "converted"


PIECES = [
    *(b"*a", b"&a ", b"<<: ", b"!!int ", b"!reference ", b"{{ x }}", b"\r\n", b"\t", b"\x00", b"\xff", b"'", b'"'),
    *(
        b"|\n",
        b"? ",
        b": ",
        b"- ",
        b"[",
        b"{",
        b"]",
        b"}",
        b"---\n",
        b"%YAML 1.1\n",
        b"~",
        b"\xef\xbb\xbf",
        b"9" * 4400,
    ),
]


@pytest.mark.parametrize("name", CORPUS)
def test_pieces_put_anywhere_are_no_defect(convert: Convert, tmp_path: Path, name: str) -> None:
    chosen = random.Random(name)
    file = tmp_path / f"input{CORPUS[name].suffix}"
    for _ in range(12):
        data = CORPUS[name].read_bytes()
        for _ in range(chosen.randint(1, 3)):
            at, gone = chosen.randrange(len(data)), chosen.choice([0, 0, 7])
            data = data[:at] + chosen.choice(PIECES) + data[at + gone :]
        file.write_bytes(data)
        ended = convert("--as", "label", "--class", "c", str(file))
        assert ended.code in {0, 1, 2}, (data, ended.err)
        assert (ended.code == 0) == bool(ended.out), (data, ended)
