"""The flags of dockerd and the keys of daemon.json, as fields of a NestedDocker."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nested_docker.api.daemon_config import (
    COUNT,
    FIELD_OF_KEY,
    FORMS,
    KEY_OF_FLAG,
    LABELS,
    MAPPING,
    NUMBER,
    OPTIONS,
    SWITCH,
    SWITCHES,
    TEXTS,
    owned_keys,
    remedy,
)
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, text_at, texts_at
from nested_docker.domain.shown import shown

SHORT_FLAGS = {
    "-D": "debug", "-G": "group", "-H": "host", "-b": "bridge", "-g": "data-root", "-l": "log-level", "-p": "pidfile",
    "-s": "storage-driver",
}  # fmt: skip
SWITCH_FLAGS = frozenset({"tls", "tlsverify", "help", "validate", "version"}) | {
    name for name, form in FORMS.items() if form is SWITCH
}
"""Flags that take no separate value."""
SHELLS = frozenset({"sh", "bash", "ash"})
BEFORE_FLAGS = frozenset({"dockerd", "dockerd-entrypoint.sh", "dockerd-rootless.sh", "docker-init", "--", "exec"})
"""What may stand before the flags."""
SHELL_SYNTAX = re.compile(r"[;&|$<>`(){}\n]")

TLS = frozenset({"tls", "tlsverify", "tlscacert", "tlscert", "tlskey"})
FIELD_OF_PROXY = {"http-proxy": "httpProxy", "https-proxy": "httpsProxy", "no-proxy": "noProxy"}
ADDRESS_IS_FIXED = "the operator chooses the address and who can connect; DOCKER_HOST of clients has it"
KEYS_ARE_MADE = "the operator makes the certificates, and gives clients theirs where they need any"


def read_command_line(container: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """Carry over what `command` and `args` of a container say to dockerd.

    Raises:
        UnconvertibleError: they are no lists of text, or run something else.
    """
    whole = [word for field in ("command", "args") for word in texts_at(container.get(field), joined(path, field))]
    if whole and not whole[0].startswith("-") and not any("dockerd" in word for word in whole):
        raise UnconvertibleError(
            f"{path} runs {shown(whole)}, and not only a daemon, so it cannot be removed",
            "move what it runs into a container of the pod that has only the docker CLI, and convert again",
        )
    for field in ("command", "args"):
        where = joined(path, field)
        words = texts_at(container.get(field), where)
        if not words:
            continue
        if words[0].rpartition("/")[2] in SHELLS:
            _read_shell(words, where, draft)
        else:
            read_flags(words, where, draft)


def _read_shell(words: Sequence[str], path: str, draft: SpecDraft) -> None:
    """A script of one plain command is read; what another one does cannot be known."""
    script = words[2] if len(words) == 3 and words[1] == "-c" else ""
    try:
        inner = shlex.split(script)
    except ValueError:
        inner = []
    if inner and not SHELL_SYNTAX.search(script) and _begins_dockerd(inner):
        read_flags(inner, path, draft)
    else:
        draft.differs(
            path, list(words), "the script is not run: set what it configures in spec.engine, or build it into an image"
        )


def _begins_dockerd(words: Sequence[str]) -> bool:
    return words[0].rpartition("/")[2] in BEFORE_FLAGS


def read_flags(words: Sequence[str], path: str, draft: SpecDraft) -> None:
    """Carry over the flags of a command line."""
    rest = list(words)
    while rest and rest[0].rpartition("/")[2] in BEFORE_FLAGS:
        rest.pop(0)
    for flag, value, original in _flags(rest):
        _read_flag(flag, value, path, original, draft)


def _flags(words: Sequence[str]) -> Iterator[tuple[str, str | None, str]]:
    """Name, value and text of each flag; the name of what is no flag is empty."""
    number = 0
    while number < len(words):
        word, number = words[number], number + 1
        name, equals, value = word.partition("=")
        if name[:2] in SHORT_FLAGS and not name.startswith("--") and len(word) > 2 and not equals:
            yield SHORT_FLAGS[word[:2]], word[2:], word
            continue
        flag = SHORT_FLAGS.get(name, name[2:] if name.startswith("--") else "")
        if equals or not flag or flag in SWITCH_FLAGS or number == len(words) or words[number].startswith("-"):
            yield flag, value if equals else None, word
        else:
            yield flag, words[number], f"{word} {words[number]}"
            number += 1


def _read_flag(flag: str, value: str | None, path: str, original: str, draft: SpecDraft) -> None:
    if "$(" in original:
        draft.differs(path, original, f"the kubelet replaced its variable, and nobody does now; {_why_not(flag)}")
        return
    if flag in FIELD_OF_PROXY and value is not None:
        draft.carry(("engine", "proxy", FIELD_OF_PROXY[flag]), value, path, original)
        return
    key = KEY_OF_FLAG.get(flag, {"default-address-pool": "default-address-pools"}.get(flag, flag))
    converted = _value_of_flag(key, value)
    if not flag or converted is None:
        what = _why_not(flag) if flag else "it is no flag of dockerd that can be carried over: remove it"
        draft.differs(path, original, what)
    else:
        _read_key(key, converted, path, original, draft)


def _value_of_flag(key: str, value: str | None) -> Any:
    """The value as daemon.json has it; None: it has none."""
    form = FORMS.get(key)
    if form is SWITCH:
        return {"true": True, "1": True, "false": False, "0": False}.get(value or "true")
    if value is None or form is MAPPING:
        return None
    if key == "mtu" or form in {NUMBER, COUNT}:
        return int(value) if re.fullmatch(r"[0-9]{1,9}", value) else None
    if key in {"insecure-registries", "registry-mirrors", "dns"} or form in {TEXTS, LABELS}:
        return [value]
    return _pairs_of_flag(key, value) if key == "default-address-pools" or form in {OPTIONS, SWITCHES} else value


def _pairs_of_flag(key: str, value: str) -> Any:
    """The value of a flag that is a pair, or several; None: it has not the form that dockerd reads."""
    if key == "default-address-pools":
        parts = dict(part.partition("=")[::2] for part in value.split(","))
        size = parts.get("size", "")
        is_size = re.fullmatch(r"[0-9]{1,3}", size)
        return [{"base": parts["base"], "size": int(size)}] if "base" in parts and is_size else None
    name, equals, option = value.partition("=")
    converted: Any = option if FORMS[key] is OPTIONS else {"true": True, "false": False}.get(option)
    return {name: converted} if equals and converted is not None else None


def read_daemon_json(config: Mapping[str, Any], path: str, draft: SpecDraft) -> None:
    """Carry over the keys of a daemon.json."""
    for key, value in config.items():
        _read_key(key, value, joined(path, key), value, draft)


def _read_key(key: str, value: Any, path: str, original: Any, draft: SpecDraft) -> None:
    if key == "registry-mirrors":
        draft.carry(("engine", "mirrors"), {"docker.io": value}, path, original)
    elif key == "default-address-pools" or key in {"dns", "insecure-registries", "mtu", "storage-driver"}:
        draft.carry(("engine", FIELD_OF_KEY[key]), value, path, original)
    elif key == "proxies" and isinstance(value, dict) and value.keys() <= FIELD_OF_PROXY.keys():
        proxies = {FIELD_OF_PROXY[name]: each for name, each in value.items()}
        draft.carry(("engine", "proxy"), proxies, path, original)
    elif owned_keys([key]):
        draft.differs(path, original, _why_not(key))
    elif key not in FORMS:
        draft.differs(
            path,
            original,
            "it is not known to be a key of every daemon.json: add it to spec.engine.config if it is one",
        )
    else:
        draft.carry(("engine", "config"), {key: value}, path, original)


def _why_not(name: str) -> str:
    if name in {"host", "hosts"}:
        return ADDRESS_IS_FIXED
    if name in TLS:
        return KEYS_ARE_MADE
    return f"it is not carried over: {remedy(name)}"


def text_of_daemon_json(config_map: Mapping[str, Any], key: str, path: str) -> str:
    """A key of a ConfigMap's data.

    Raises:
        UnconvertibleError: it is no text.
    """
    data = config_map.get("data")
    return text_at(data.get(key) if isinstance(data, dict) else None, joined(path, "data", key))
