"""A Jenkinsfile: the pods in it are converted, and everything else stays letter by letter."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.unit.convert.conftest import Convert

LABEL = ("--as", "label", "--class", "standard")
POD = """\
apiVersion: v1
kind: Pod
spec:
  containers:
  - name: jnlp
    image: jenkins/inbound-agent
    args: ['\\$(JENKINS_SECRET)', '\\$(JENKINS_NAME)']
  - name: client
    image: docker:29-cli
    command: [cat]
    tty: true
    env:
    - {name: DOCKER_HOST, value: "tcp://localhost:2375"}
  - name: tools
    image: ${TOOLS_IMAGE}
    command: [sleep, 99d]
  - name: daemon
    image: docker:29-dind
    securityContext: {privileged: true}
    env:
    - {name: DOCKER_TLS_CERTDIR, value: ""}
"""
PIPELINE = '''\
@Library('shared') _
def motto = """no pod, but containers: and $money"""
pipeline {
  agent {
    kubernetes {
      defaultContainer 'daemon'
      yaml """
%s      """
    }
  }
  stages {
    stage('image') { steps { container("client") { sh 'docker build .' } } }
    stage('login') { steps { container('daemon') { sh \'\'\'docker login\'\'\' } } }
  }
}
'''


def indented(text: str, spaces: int) -> str:
    return "".join(" " * spaces + line + "\n" for line in text.splitlines())


@pytest.fixture
def jenkinsfile(tmp_path: Path) -> Path:
    file = tmp_path / "Jenkinsfile"
    file.write_text(PIPELINE % indented(POD, 6))
    return file


def test_the_pod_has_the_label_and_the_rest_of_the_file_is_as_it_was(convert: Convert, jenkinsfile: Path) -> None:
    ended = convert(str(jenkinsfile), *LABEL)
    assert ended.code == 0, ended.err
    before, between, after = ended.out.split('yaml """\n')[0], *ended.out.split('yaml """\n')[1].split('      """', 1)
    assert before == (PIPELINE % "").split('yaml """\n')[0]
    assert after == (PIPELINE % "").split('yaml """\n')[1].split('      """', 1)[1]
    pod = yaml.safe_load(between)
    assert pod["metadata"] == {
        "labels": {"nesteddocker.dev/inject": "standard"},
        "annotations": {"nesteddocker.dev/inject-containers": "client"},
    }
    given = yaml.safe_load(POD)["spec"]["containers"]
    del given[1]["env"]
    assert pod["spec"]["containers"] == given[:3], "what Groovy puts in, and what it escapes, stays"


def test_steps_in_the_container_that_is_gone_are_named_by_their_line(convert: Convert, jenkinsfile: Path) -> None:
    ended = convert(str(jenkinsfile), *LABEL)
    lines = jenkinsfile.read_text().splitlines()
    for text in ("defaultContainer 'daemon'", "container('daemon'"):
        number = next(number for number, line in enumerate(lines, start=1) if text in line)
        assert f"Jenkinsfile, line {number}: the container is gone, and so are its steps" in ended.err
    assert ended.err.count("the container is gone, and so are its steps") == 2


@pytest.mark.parametrize("name", ["Jenkinsfile", "Jenkinsfile.release", "build.groovy", "ci.jenkinsfile"])
@pytest.mark.parametrize("quotes", ["'''", '"""'])
def test_a_scripted_pipeline(convert: Convert, tmp_path: Path, name: str, quotes: str) -> None:
    file = tmp_path / name
    file.write_text(f"podTemplate(yaml: {quotes}{POD}{quotes}.stripIndent()) {{ node(POD_LABEL) {{ }} }}\n")
    ended = convert(str(file), "--as", "sidecar", "--class", "standard")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"podTemplate(yaml: {quotes}apiVersion: v1\n")
    assert ended.out.endswith(f"{quotes}.stripIndent()) {{ node(POD_LABEL) {{ }} }}\n")
    assert "nesteddocker.dev/inject-form: Sidecar" in ended.out


def test_each_pod_of_a_file_is_converted(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "Jenkinsfile"
    other = POD.replace("docker:29-dind", "busybox")
    file.write_text(f"def a = '''{POD}'''\ndef b = '''{other}'''\ndef c = '''{POD}'''\n")
    ended = convert(str(file), *LABEL)
    assert ended.out.count("nesteddocker.dev/inject: standard") == 2
    assert f"def b = '''{other}'''\n" in ended.out
    assert "Jenkinsfile, line 1: spec.containers[3].securityContext" in ended.err


def test_containers_in_groovy_are_named_since_they_are_not_read(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "Jenkinsfile"
    templates = "containerTemplate(name: NAME, image: 'docker:29-dind', privileged: true)"
    volume = "hostPathVolume(hostPath: '/var/run/docker.sock', mountPath: '/var/run/docker.sock')"
    file.write_text(f"podTemplate(containers: [\n{templates}\n], volumes: [\n{volume}\n]) {{ }}\n")
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert "Jenkinsfile, line 2: it is not read: write the agent's pod as `yaml`" in ended.err
    assert "Jenkinsfile, line 4: it is not read" in ended.err
    assert "nothing to convert in " in ended.err


WRONG: dict[str, tuple[str, tuple[str, ...], str]] = {
    "no label": (f"yaml '''{POD}'''", (), "Jenkinsfile has no NestedDocker beside it"),
    "only a daemon": (
        "yaml '''\nspec:\n  containers:\n  - {name: d, image: docker:dind}\n'''",
        LABEL,
        "Jenkinsfile, line 1: spec.containers has no container but the daemon",
    ),
    "no YAML": (
        "def x = 1\nyaml '''\nspec:\n  containers: [{name: d, image: docker:dind\n'''",
        LABEL,
        "Jenkinsfile, line 2: line 4, column 1",
    ),
    "JSON": (f"yaml '''{POD}'''", (*LABEL, "-o", "json"), "a Jenkinsfile cannot be printed as JSON"),
}


@pytest.mark.parametrize(("text", "options", "words"), WRONG.values(), ids=WRONG)
def test_what_is_refused_and_why(
    convert: Convert, tmp_path: Path, text: str, options: tuple[str, ...], words: str
) -> None:
    file = tmp_path / "Jenkinsfile"
    file.write_text(text)
    ended = convert(str(file), *options)
    assert ended.code == 2
    assert ended.out == ""
    assert words in ended.err
    assert "hint: " in ended.err


def test_a_script_that_speaks_of_containers_is_no_pod(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "Jenkinsfile"
    script = "sh '''\nkubectl get pods -o 'jsonpath={.spec.containers: [' | grep \"containers: {\"\n'''\n"
    file.write_text(f"{script}yaml '''{POD}'''\n")
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(script)


def test_comments_that_are_lost_are_told(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "Jenkinsfile"
    file.write_text(f"# no YAML\nyaml '''{POD}'''\n")
    assert "comments of" not in convert(str(file), *LABEL).err
    file.write_text(f"yaml '''# why\n{POD}'''\n")
    assert "Jenkinsfile, line 1: comments of the text are not in the output" in convert(str(file), *LABEL).err


def test_a_large_file_without_a_pod_is_read_in_no_time(convert: Convert, tmp_path: Path) -> None:
    file = tmp_path / "Jenkinsfile"
    for text in (
        "containerTemplate hostPathVolume( ",
        "containerTemplate x ",
        "podTemplate([",
        "podTemplate(a: 'x'), ",
    ):
        file.write_text(text * 20_000)
        assert convert(str(file), *LABEL).code == 1


def test_two_files(convert: Convert, jenkinsfile: Path) -> None:
    ended = convert(str(jenkinsfile), str(jenkinsfile), *LABEL)
    assert (ended.code, ended.out) == (2, "")
    assert "convert it by itself" in ended.err
