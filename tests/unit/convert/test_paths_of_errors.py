"""The path in an error leads to the value that is wrong, as the user wrote it, in every kind of input."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from tests.unit.convert.corpus import CASES, CORPUS, case_id
from tests.unit.convert.texts import changed

from nested_docker.convert.chart_values import convert_values
from nested_docker.convert.conversion import Conversion, ConversionOptions, ConvertedForm
from nested_docker.convert.difference import MOST_CHARACTERS, UnconvertibleError
from nested_docker.convert.files import conversion_of
from nested_docker.convert.gitlab_runner import convert_runner_config
from nested_docker.convert.manifests_conversion import convert_manifests
from nested_docker.domain.shown import shown

JUNK = [7, "x", [7], {"x": 7}, ["x"], [{"name": 7}]]
WRONG_TYPE = re.compile(r"(?P<path>.+?) is not (?:a mapping|a list|a list of text|text) \(value: (?P<value>.*)\)")
FAR = "tcp://far:2376"
NOT_REPLACED = re.compile(rf"(?P<path>.+?): DOCKER_HOST is '{FAR}', which is not the daemon")


def error_of(documents: list[Any], form: list[str]) -> str:
    """Why documents cannot be converted; empty: they can."""
    options = ConversionOptions(ConvertedForm(form[1]), class_name=form[3]) if form else ConversionOptions()
    try:
        run(documents, options)
    except UnconvertibleError as error:
        return error.message
    return ""


def run(documents: list[Any], options: ConversionOptions) -> Conversion:
    if "runners" in documents[0] and isinstance(documents[0]["runners"], list):
        return convert_runner_config(documents[0], options)
    convert = conversion_of(documents[0])
    if convert is None and "kind" not in documents[0]:
        return convert_values(documents[0], options, "values.yaml: ")
    return convert(documents[0], options) if convert else convert_manifests(documents, options)


def leads_to(documents: list[Any], path: str) -> list[Any]:
    """What a path may lead to; names may contain dots."""
    head, _, rest = path.partition(": ")
    kind, _, name = head.partition("/")
    named = [each for each in documents if each.get("kind") == kind and name in ("", name_of(each))]
    return [value for each in named or documents for value in walked(each, rest)]


def name_of(manifest: dict[str, Any]) -> Any:
    metadata = manifest.get("metadata")
    return (metadata.get("name") or metadata.get("generateName")) if isinstance(metadata, dict) else None


def walked(value: Any, path: str) -> Iterator[Any]:
    if not path:
        yield value
    elif isinstance(value, str) and "\n" in value:
        number = re.match(r": document ([0-9]+)(: |$)", path)
        said = documents_of(value)
        chosen = [said[int(number[1]) - 1]] if number else said
        for each in chosen:
            yield from walked(each, (path[number.end() :] if number else path).lstrip(".: "))
    elif isinstance(value, dict):
        for key, member in value.items():
            rest = path.removeprefix(key)
            if rest != path and (not rest or rest[0] in ".[:"):
                yield from walked(member, rest if isinstance(member, str) else rest.lstrip(".: "))
    elif isinstance(value, list) and (index := re.match(r"\[([0-9]+)\]", path)) and int(index[1]) < len(value):
        yield from walked(value[int(index[1])], path[index.end() :].lstrip(".: "))


def documents_of(text: str) -> list[Any]:
    try:
        return [tomllib.loads(text)]
    except tomllib.TOMLDecodeError:
        return [*yaml.safe_load_all(text)]


def documents_of_file(name: str) -> list[Any]:
    return [each for each in documents_of(CORPUS[name].read_text()) if each]


@pytest.mark.parametrize("junk", JUNK, ids=str)
@pytest.mark.parametrize(("name", "form"), CASES, ids=case_id)
def test_a_wrong_type_is_where_the_error_says(name: str, form: list[str], junk: Any) -> None:
    documents = documents_of_file(name)
    for number, document in enumerate(documents):
        for each in changed(document, junk):
            whole = [*documents[:number], each, *documents[number + 1 :]]
            if not isinstance(each, dict) or (wrong := WRONG_TYPE.fullmatch(error_of(whole, form))) is None:
                continue
            found = [shown(value, MOST_CHARACTERS) for value in leads_to(whole, wrong["path"])]
            assert wrong["value"] in found, (wrong[0], whole)


@pytest.mark.parametrize(("name", "form"), CASES, ids=case_id)
def test_the_address_of_another_daemon_is_where_the_error_says(name: str, form: list[str]) -> None:
    documents = documents_of_file(name)
    text = yaml.safe_dump(documents)
    old = re.findall(r"tcp://(?:localhost|docker|127.0.0.1):[0-9]+|unix:///var/run/docker.sock", text)
    for address in {*old}:
        whole = yaml.safe_load(text.replace(address, FAR))
        wrong = NOT_REPLACED.match(error_of(whole, form))
        if wrong:
            found = leads_to(whole, wrong["path"])
            assert any(FAR in str(value) for value in found), wrong[0]
            assert not any("\n" in str(value) for value in found), "it is one value, and not what is around it"


def test_most_of_the_inputs_have_wrong_types_that_are_told() -> None:
    told = {
        name
        for name, form in CASES
        if any(
            WRONG_TYPE.fullmatch(error_of([each], form))
            for each in changed(documents_of_file(name)[0], 7)
            if isinstance(each, dict)
        )
    }
    assert len(told) >= len(CORPUS) - 2, CORPUS.keys() - told
