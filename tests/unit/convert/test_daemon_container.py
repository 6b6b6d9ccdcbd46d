"""Every field of a container that is removed is carried over, or named."""

from __future__ import annotations

from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.convert.daemon_container import Surroundings, read_daemon_container
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.recognition import Replaced

FLAGS = st.one_of(
    st.sampled_from(
        [
            "--insecure-registry=r:5000", "--insecure-registry=not a registry",
            "--registry-mirror=https://m.example.com",
            "--mtu=1400", "--mtu=1", "--mtu=many", "--storage-driver=vfs", "-s=overlay2", "--debug", "-D",
            "--icc=false",
            "--icc=maybe", "--log-opt=max-size=1m", "--log-opt=none", "--label=a=b", "--label=a", "--bip=10.0.0.1/24",
            "--default-address-pool=base=10.9.0.0/16,size=24", "--default-address-pool=base=x", "--dns=10.0.0.1",
            "--dns=name", "--http-proxy=http://p:1", "--no-proxy=a,b", "--data-root=/x", "--host=tcp://0.0.0.0:2375",
            "--tlsverify", "--unknown=1", "--experimental", "--feature=cdi=true", "--group=$(GID)", "positional",
            "--max-concurrent-downloads=3", "--max-concurrent-downloads=0", "--add-runtime=a=b", "--config-file=/x",
        ]
    ),
    st.from_regex(r"--[a-z][a-z-]{0,12}=[!-~]{0,12}", fullmatch=True),
)  # fmt: skip
VALUES = st.sampled_from(["", "x", "http://proxy:3128", "overlay2", "::"])
ENV = st.fixed_dictionaries(
    {
        "name": st.sampled_from(
            ["DOCKER_TLS_CERTDIR", "DOCKER_HOST", "DOCKER_DRIVER", "HTTP_PROXY", "no_proxy", "TOKEN"]
        ),
        "value": VALUES,
    }
)
MOUNTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["graph", "claim", "ephemeral", "config", "other", "missing"]),
        "mountPath": st.sampled_from(
            [
                "/var/lib/docker",
                "/var/lib/docker/",
                "/certs",
                "/certs/client",
                "/var/run",
                "/etc/docker",
                "/work",
                "/sys",
                "",
            ]
        ),
    },
    optional={"subPath": st.just("daemon.json"), "readOnly": st.booleans()},
)
AMOUNTS = st.dictionaries(
    st.sampled_from(["cpu", "memory", "ephemeral-storage", "x"]),
    st.sampled_from(["1", 2, 0.5, "4Gi", "-1", "many", None, True]),
)
CONTAINERS = st.fixed_dictionaries(
    {"name": st.just("dind"), "image": st.sampled_from(["docker:29-dind", "docker:dind-rootless", "x/dind", "docker"])},
    optional={
        "args": st.lists(FLAGS, max_size=6),
        "command": st.lists(st.sampled_from(["dockerd", "sh", "-c", "dockerd --mtu=1400", "dockerd; x"]), max_size=3),
        "env": st.lists(ENV, max_size=4),
        "volumeMounts": st.lists(MOUNTS, max_size=4),
        "resources": st.dictionaries(st.sampled_from(["limits", "requests", "claims"]), AMOUNTS, max_size=3),
        **{
            field: st.just({"any": "value"})
            for field in ("securityContext", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "future")
        },
        **{
            field: st.just("value")
            for field in ("restartPolicy", "imagePullPolicy", "workingDir", "terminationMessagePath", "tty", "stdin")
        },
        **{field: st.just([{"name": "x"}]) for field in ("ports", "envFrom", "volumeDevices", "resizePolicy")},
    },
)  # fmt: skip
AROUND = Surroundings(
    {
        "graph": {"name": "graph", "emptyDir": {"sizeLimit": "20Gi", "medium": "Memory"}},
        "claim": {"name": "claim", "persistentVolumeClaim": {"claimName": "cache"}},
        "ephemeral": {"name": "ephemeral", "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["X"]}}}},
        "config": {"name": "config", "configMap": {"name": "docker"}},
        "other": {"name": "other", "hostPath": {"path": "/"}},
    },
    shared=frozenset({"other"}),
    claims={"cache": {"resources": {"requests": {"storage": "5Gi"}}}},
    config_maps={
        "docker": {"data": {"daemon.json": '{"mtu": 1400, "hosts": [], "debug": 3, "unheard-of": 1}', "a": ""}}
    },
)


def read(container: dict[str, Any], kind: Replaced = Replaced.DIND) -> SpecDraft:
    draft = SpecDraft()
    read_daemon_container(container, kind, "P", AROUND, draft)
    return draft


def parts(container: dict[str, Any], kind: Replaced) -> list[str]:
    """Paths of everything that somebody may have meant something by."""
    found = []
    for field, value in container.items():
        if kind is Replaced.DIND and field in {"args", "command"}:
            continue
        if field == "resources":
            found += [
                f"P.resources.{name}.{each}" if name != "claims" else "P.resources.claims"
                for name, amounts in value.items()
                for each in amounts or {"": 0}
                if amounts or name == "claims"
            ]
        elif field == "volumeMounts" or (field == "env" and kind is Replaced.DIND):
            found += [f"P.{field}[{number}]" for number in range(len(value))]
        elif value:
            found.append(f"P.{field}")
    return found


@settings(max_examples=400, deadline=None)
@given(CONTAINERS, st.sampled_from(Replaced))
def test_every_field_is_carried_over_or_named(container: dict[str, Any], kind: Replaced) -> None:
    try:
        draft = read(container, kind)
    except UnconvertibleError as error:
        assume("and not only a daemon" not in error.message)
        raise
    named = {each.path for each in [*draft.origins, *draft.differences]}
    through_config_map = {
        f"P.volumeMounts[{number}]"
        for number, mount in enumerate(container.get("volumeMounts", []))
        if mount["name"] == "config" and any(path.startswith("ConfigMap/docker: ") for path in named)
    }
    assert [path for path in parts(container, kind) if path not in named | through_config_map] == []
    NestedDockerSpec.model_validate(draft.spec)


@settings(max_examples=400, deadline=None)
@given(st.lists(FLAGS, max_size=8))
def test_every_flag_is_carried_over_or_named(flags: list[str]) -> None:
    draft = read({"image": "docker:dind", "args": ["dockerd", *flags]})
    named = " ".join(str(each.value) for each in [*draft.origins, *draft.differences])
    assert [flag for flag in flags if flag not in named] == []


def test_flags_become_fields() -> None:
    args = [
        "dockerd",
        "-H",
        "unix:///x",
        "-s",
        "overlay2",
        "--registry-mirror",
        "https://m.example.com",
        "-D",
        "-ldebug",
    ]
    draft = read({"image": "docker:29-dind", "args": args})
    assert draft.spec["engine"] == {
        "storageDriver": "overlay2",
        "mirrors": {"docker.io": ["https://m.example.com"]},
        "config": {"debug": True, "log-level": "debug"},
        "image": "docker:29-dind",
    }
    assert [each.value for each in draft.differences] == ["-H unix:///x"]


def test_a_script_of_one_command_is_read_and_others_are_named() -> None:
    plain = read({"image": "docker:dind", "command": ["sh", "-c", "exec dockerd --mtu=1400"]})
    assert (plain.spec["engine"]["mtu"], plain.differences) == (1400, [])
    script = ["sh", "-c", "sysctl x; dockerd --mtu=1400"]
    other = read({"image": "docker:dind", "command": script})
    assert "mtu" not in other.spec["engine"]
    assert [each.value for each in other.differences] == [script]


def test_the_keys_of_daemon_json_become_fields_or_are_named() -> None:
    draft = read(
        {"volumeMounts": [{"name": "config", "mountPath": "/etc/docker/daemon.json", "subPath": "daemon.json"}]}
    )
    assert draft.spec == {"engine": {"mtu": 1400}}
    named = [each.path.removeprefix("ConfigMap/docker: data") for each in draft.differences]
    assert named == [".daemon.json.hosts", ".daemon.json.debug", ".daemon.json.unheard-of", ""]
