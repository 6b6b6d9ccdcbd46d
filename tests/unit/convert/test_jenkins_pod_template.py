"""`podTemplate` with containers in Groovy: the daemon goes, and the rest of the file stays letter by letter."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from tests.unit.convert.conftest import Convert

from nested_docker.convert.groovy import Call, GroovyList, Text, calls
from nested_docker.convert.source_edits import edited, without_members

LABEL = ("--as", "label", "--class", "standard")
TOOLS = """\
    containerTemplate(name: 'tools', image: 'docker:29-cli', command: 'cat', ttyEnabled: true,
      envVars: [%senvVar(key: 'A', value: 'b')]),
"""
SOURCE = (
    """\
@Library('shared') _
def image = "docker:29-dind" // not of a pod
podTemplate(
  label: "build-${UUID.randomUUID()}",
  envVars: [envVar(key: 'DOCKER_TLS_VERIFY', value: '')],
  containers: [
"""
    + TOOLS % "envVar(key: 'DOCKER_HOST', value: 'tcp://localhost:2375'), "
    + """\
    containerTemplate(name: 'dind', image: 'docker:29-dind', privileged: true, args: '--mtu=1400',
      envVars: [envVar(key: 'DOCKER_TLS_CERTDIR', value: '')], resourceLimitCpu: '2', workingDir: '/x'), // why
    containerTemplate(name: 'maven', image: "${REG}/maven:3", command: 'sleep', args: '99d'),
  ],
  volumes: [
    emptyDirVolume(mountPath: '/var/lib/docker', memory: false),
    secretVolume(mountPath: '/secrets', secretName: 's'),
  ],
  slaveConnectTimeout: 5 * 60
) {
  node(POD_LABEL) { container('dind') { sh "it's 'docker build .'" } }
}
"""
)
WANTED = (
    """\
@Library('shared') _
def image = "docker:29-dind" // not of a pod
podTemplate(
  label: "build-${UUID.randomUUID()}",
  envVars: [],
  containers: [
"""
    + TOOLS % ""
    + """\
     // why
    containerTemplate(name: 'maven', image: "${REG}/maven:3", command: 'sleep', args: '99d'),
  ],
  yaml: '''
    metadata:
      labels:
        nesteddocker.dev/inject: standard
      annotations:
        nesteddocker.dev/inject-containers: tools
  ''',
  volumes: [
    secretVolume(mountPath: '/secrets', secretName: 's'),
  ],
  slaveConnectTimeout: 5 * 60
) {
  node(POD_LABEL) { container('dind') { sh "it's 'docker build .'" } }
}
"""
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "Jenkinsfile"


def test_the_daemon_goes_and_the_rest_stays_as_it_was(convert: Convert, file: Path) -> None:
    file.write_text(SOURCE)
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert ended.out == WANTED
    for named in (
        "line 9: containerTemplate.privileged: the mode decides what the daemon may do",
        "line 9: containerTemplate.args: the label has only a class: an admin sets spec.engine.mtu",
        "line 9: containerTemplate.resourceLimitCpu: the label has only",
        "line 10: workingDir: it is not carried over",
        "line 5: envVar: removed: the connection has its own value (value: \"envVar(key: 'DOCKER_TLS_VERIFY'",
        "line 8: envVar: removed: the connection has its own value (value: \"envVar(key: 'DOCKER_HOST'",
        'line 14: emptyDirVolume: removed: only the daemon used it (value: "emptyDirVolume(',
        "line 19: the container is gone, and so are its steps",
    ):
        assert f"Jenkinsfile, {named}" in ended.err


def test_a_second_conversion_finds_nothing(convert: Convert, file: Path) -> None:
    file.write_text(WANTED)
    assert convert(str(file), *LABEL).code == 1


def test_the_pod_of_the_sidecar_keeps_what_its_yaml_says(convert: Convert, file: Path) -> None:
    yaml = "metadata: {labels: {a: b}}\n      spec: {serviceAccountName: ci}"
    text = f"podTemplate(yaml: '''\n      {yaml}\n    ''', containers: [\n  containerTemplate(name: 'a', image: 'x'),"
    file.write_text(text + "\n  containerTemplate(name: 'd', image: 'docker:dind')\n]) { }\n")
    ended = convert(str(file), "--as", "sidecar", "--class", "standard")
    assert ended.code == 0, ended.err
    assert (
        ended.out
        == """\
podTemplate(yaml: '''
      metadata:
        labels:
          a: b
          nesteddocker.dev/inject: standard
        annotations:
          nesteddocker.dev/inject-form: Sidecar
          nesteddocker.dev/inject-containers: a
      spec:
        serviceAccountName: ci
    ''', containers: [
  containerTemplate(name: 'a', image: 'x')
]) { }
"""
    )


def test_only_the_socket_of_the_node(convert: Convert, file: Path) -> None:
    socket = "hostPathVolume(hostPath: '/var/run/docker.sock', mountPath: '/var/run/docker.sock')"
    file.write_text(f"podTemplate(containers: [containerTemplate(name: 'a', image: 'x')], volumes: [{socket}]) {{ }}\n")
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert "volumes: []" in ended.out
    assert "inject-containers: a\n" in ended.out
    assert "Jenkinsfile, line 1: hostPathVolume: images, containers and networks of the node's daemon" in ended.err


REFUSED = {
    "only a daemon": (
        "podTemplate(containers: [containerTemplate(name: 'd', image: 'docker:dind')]) {}",
        "Jenkinsfile, line 1: podTemplate has no container but the daemon",
    ),
    "another daemon": (
        "\npodTemplate(containers: [containerTemplate(name: 'a', image: 'x',\n envVars: [envVar(key: 'DOCKER_HOST', "
        "value: HOST)]), containerTemplate(name: 'd', image: 'docker:dind')]) {}",
        "Jenkinsfile, line 3: envVar: DOCKER_HOST is 'HOST', which is not the daemon that is replaced",
    ),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(convert: Convert, file: Path, text: str, words: str) -> None:
    file.write_text(text)
    ended = convert(str(file), *LABEL)
    assert (ended.code, ended.out) == (2, "")
    assert f"error: {words}" in ended.err


DAEMON = "containerTemplate(name: 'd', image: 'docker:dind')"
UNREAD = {
    "a name that is an expression": f"podTemplate(containers: [containerTemplate(name: N, image: 'x'), {DAEMON}]) {{}}",
    "a list that is an expression": f"podTemplate(containers: common + [{DAEMON}]) {{}}",
    "YAML that is an expression": f"podTemplate(yaml: readTrusted('pod.yaml'), containers: [{DAEMON}]) {{}}",
    "YAML that is none": f"podTemplate(yaml: '''a: [''', containers: [{DAEMON}]) {{}}",
    "no parentheses": f"podTemplate containers: [{DAEMON}], {{}}",
    "a closure": "containerTemplate {\n name 'd'\n image 'docker:dind'\n}",
    "no end": f"podTemplate(containers: [{DAEMON}",
    "a map": f"podTemplate(containers: [a: {DAEMON}]) {{}}",
}


@pytest.mark.parametrize("text", UNREAD.values(), ids=UNREAD)
def test_what_is_not_read_is_named_by_its_line(convert: Convert, file: Path, text: str) -> None:
    file.write_text(f"\n\n{text}\n")
    ended = convert(str(file), *LABEL)
    assert (ended.code, ended.out) == (1, "")
    assert "Jenkinsfile, line 3: it is not read" in ended.err


def test_an_expression_that_may_lead_to_the_old_daemon_is_named(convert: Convert, file: Path) -> None:
    client = "containerTemplate(name: 'a', image: 'x', envVars: hosts('tcp://localhost:2375'))"
    file.write_text(f"podTemplate(containers: [{client}, {DAEMON}]) {{}}")
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert "Jenkinsfile, line 1: envVars: it may mean the old daemon" in ended.err


def test_an_unknown_argument_anywhere_is_kept_or_named(convert: Convert, file: Path) -> None:
    for found in re.finditer(r"(podTemplate|containerTemplate|envVar|\w+Volume)\(", SOURCE):
        text = SOURCE[: found.end()] + "future: 'kept-or-named', " + SOURCE[found.end() :]
        file.write_text(text)
        ended = convert(str(file), *LABEL)
        assert ended.code == 0, ended.err
        assert "kept-or-named" in ended.out + ended.err


def test_pieces_put_anywhere_are_no_defect(convert: Convert, file: Path) -> None:
    chosen = random.Random("groovy")
    pieces = [*"'\"()[]{},:\\$", "'''", '"""', "//", "/*", "*/", "\x00"]
    for _ in range(150):
        text = SOURCE
        for _ in range(chosen.randint(1, 3)):
            at, gone = chosen.randrange(len(text)), chosen.choice([0, 0, 7])
            text = text[:at] + chosen.choice(pieces) + text[at + gone :]
        file.write_text(text)
        ended = convert(str(file), *LABEL)
        assert ended.code in {0, 1, 2}, (text, ended.err)
        assert "defect" not in ended.err, (text, ended.err)


@pytest.mark.parametrize(
    ("text", "gone", "wanted"),
    [
        ("[a, b, c]", [0], "[b, c]"),
        ("[a, b, c]", [1], "[a, c]"),
        ("[a, b, c]", [2], "[a, b]"),
        ("[a, b, c]", [1, 2], "[a]"),
        ("[a, b, c]", [0, 2], "[b]"),
        ("[a, b, c]", [0, 1, 2], "[]"),
        ("[a, b, c,\n]", [2], "[a, b,\n]"),
        ("[a, // one\n b, // two, three\n c]", [1], "[a, // one\n  // two, three\n c]"),
        ("[a /* , */, b]", [1], "[a /* , */ ]"),
        ("[a, // one\n b]", [0, 1], "[\n// one\n]"),
        ("[a, b]", [], "[a, b]"),
    ],
)
def test_members_of_a_list_go_with_their_commas(text: str, gone: list[int], wanted: str) -> None:
    plain = re.sub(r"//.*|/\*.*?\*/", lambda found: " " * len(found[0]), text)
    members = [found.span() for found in re.finditer("[a-z]", plain)]
    assert edited(text, without_members(text, (0, len(text)), members, gone)) == wanted


def test_what_is_read_of_groovy() -> None:
    source = "// f(x)\n's f(y)'\nf('a\\'b', k: [g(), \"c\"], m: [n: 1], e: x + 1, t: '''d'''.trim(), w: true) { f(z) }"
    first, second = calls(source, "f")
    assert [(each.name, type(each.value).__name__) for each in first.arguments] == [
        ("", "Text"), ("k", "GroovyList"), ("m", "Node"), ("e", "Node"), ("t", "Node"), ("w", "Word"),
    ]  # fmt: skip
    text, items = first.arguments[0].value, first.argument("k")
    assert isinstance(text, Text)
    assert text.value == "a'b"
    assert isinstance(items, GroovyList)
    assert [type(each) for each in items.members] == [Call, Text]
    assert [source[each.value.start : each.value.end] for each in first.arguments[2:5]] == [
        "[n: 1]", "x + 1", "'''d'''.trim()",
    ]  # fmt: skip
    assert source[second.start : second.end] == "f(z)"


PAIR = """[
  containerTemplate(name: 'tools', image: 'docker:29-cli', command: 'cat'),
  containerTemplate(name: 'dind', image: 'docker:29-dind', privileged: true)
]"""
ONE = "[\n  containerTemplate(name: 'tools', image: 'docker:29-cli', command: 'cat')\n]"


@pytest.mark.parametrize("image", ["env.AGENT_IMAGE", "registry + '/maven:3'", "images['maven']"])
def test_an_image_that_is_an_expression_stays(convert: Convert, file: Path, image: str) -> None:
    other = f"containerTemplate(name: 'other', image: {image}, command: 'cat')"
    file.write_text(f"podTemplate(containers: [{other}, {DAEMON}]) {{}}")
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert f"containers: [{other}]" in ended.out
    assert "nesteddocker.dev/inject-containers: other" in ended.out


def test_an_expression_that_may_be_the_image_of_a_daemon_is_not_read(convert: Convert, file: Path) -> None:
    file.write_text(f"podTemplate(containers: [{DAEMON}, containerTemplate(name: 'o', image: r + 'docker:dind')]) {{}}")
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert "Jenkinsfile, line 1: it is not read" in ended.err


def test_a_list_in_a_variable(convert: Convert, file: Path) -> None:
    socket = "[hostPathVolume(mountPath: '/var/run/docker.sock', hostPath: '/var/run/docker.sock')]"
    file.write_text(
        f"def all = {PAIR}\ndef node = {socket}\npodTemplate(containers: all, volumes: node) {{ sh 'a' }}\n"
    )
    ended = convert(str(file), *LABEL)
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"def all = {ONE}\ndef node = []\npodTemplate(containers: all,\n  yaml: '''\n")
    assert ended.out.endswith("''', volumes: node) { sh 'a' }\n")
    assert "it is not read" not in ended.err


def test_a_list_in_a_variable_of_several_pods_is_edited_once(convert: Convert, file: Path) -> None:
    file.write_text(f"def all = {PAIR}\n" + "podTemplate(containers: all) {}\n" * 2)
    ended = convert(str(file), *LABEL)
    assert ended.out.startswith(f"def all = {ONE}\n")
    assert ended.out.count("nesteddocker.dev/inject: standard") == 2
    lines = ended.err.splitlines()
    assert len(lines) == len({*lines})


@pytest.mark.parametrize("more", ["all = []\n", "all << other\n"], ids=["set again", "appended to"])
def test_a_variable_that_may_be_another_list_is_not_read(convert: Convert, file: Path, more: str) -> None:
    file.write_text(f"def all = {PAIR}\n{more}podTemplate(containers: all) {{}}\n")
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert "Jenkinsfile, line 3: it is not read" in ended.err


@pytest.mark.parametrize(
    "text", ["yamlFile 'ci/pod.yaml'", 'yamlFile("ci/pod.yaml")', "podTemplate(yamlFile: 'ci/pod.yaml')"]
)
def test_a_pod_in_another_file_is_named(convert: Convert, file: Path, text: str) -> None:
    file.write_text(f"\n{text} {{}}")
    ended = convert(str(file), *LABEL)
    assert ended.code == 1
    assert "Jenkinsfile, line 2: the agent's pod is in this file" in ended.err
    assert '(value: "ci/pod.yaml")' in ended.err


def test_many_pods_in_a_large_file_are_read_in_no_time(convert: Convert, file: Path) -> None:
    file.write_text(f"def all = {PAIR}\n" + "podTemplate(containers: all) {}\n" * 200 + "step(name)\n" * 5000)
    started = time.process_time()
    assert convert(str(file), *LABEL).code == 0
    assert time.process_time() - started < 20
