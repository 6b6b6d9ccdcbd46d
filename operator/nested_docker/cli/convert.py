"""`nested-docker convert`: what replaces a hand-written way to a Docker daemon."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from nested_docker.convert.conversion import Conversion, ConversionOptions

MOST_BYTES = 16 * 1024 * 1024
"""Size of an input; a larger one is no manifest that somebody wrote."""

_TEMPLATE = "{{"
"""Is in each template of a chart that has expressions."""


class ConvertForm(StrEnum):
    """The values of `nested_docker.convert.conversion.ConvertedForm`, without its imports."""

    NESTED_DOCKER = "nesteddocker"
    LABEL = "label"
    SIDECAR = "sidecar"


class ConvertOutput(StrEnum):
    """How the result is printed."""

    YAML = "yaml"
    """A config.toml stays TOML, and a Jenkinsfile stays one."""
    JSON = "json"


def convert_command(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="YAML or JSON file with workloads, a file of a CI system, a config.toml, or a Jenkinsfile; `-`: "
            "standard input.",
        ),
    ] = None,
    form: Annotated[
        ConvertForm,
        typer.Option(
            "--as",
            help="What replaces a daemon: a NestedDocker, or a label on the pod, for a daemon elsewhere or beside it.",
        ),
    ] = ConvertForm.NESTED_DOCKER,
    class_name: Annotated[
        str, typer.Option("--class", metavar="CLASS", help="NestedDockerClass; a label needs it.")
    ] = "",
    mode: Annotated[
        str, typer.Option("--mode", metavar="MODE", help="Mode of the NestedDocker; default: the class decides.")
    ] = "",
    name: Annotated[
        str,
        typer.Option("--name", metavar="NAME", help="Name of the NestedDocker; default: the workload's, with -daemon."),
    ] = "",
    buildx: Annotated[
        str,
        typer.Option(
            "--buildx", metavar="COMMAND", help="Instead of files: a `docker buildx create` with driver kubernetes."
        ),
    ] = "",
    output: Annotated[ConvertOutput, typer.Option("--output", "-o", help="Output format.")] = ConvertOutput.YAML,
) -> None:
    """Print what replaces hand-written Docker daemons in FILEs; what will differ goes to standard error.

    It needs no cluster and changes no file. Exit code 1: there is nothing to convert; 2: something cannot be converted.
    """
    from nested_docker.cli.user.exit_codes import ExitCode
    from nested_docker.cli.user.running import errors_reported, fail, invalid
    from nested_docker.convert.conversion import ConversionOptions, ConvertedForm
    from nested_docker.convert.difference import UnconvertibleError

    options = ConversionOptions(ConvertedForm(form.value), name, class_name, mode)
    with errors_reported():
        try:
            _check_options(files or [], options, buildx)
            result = _converted(files or [], options, buildx)
        except UnconvertibleError as error:
            invalid(error.message, error.remedy)
        for difference in result.differences:
            typer.echo(f"differs: {difference.line}", err=True)
        if not result.converted:
            fail(
                f"nothing to convert in {', '.join(files or [])}",
                "convert finds containers with dockerd, kubedock or BuildKit, and mounts of /var/run/docker.sock",
                ExitCode.NO,
            )
        _print_result(result, output)


def _check_options(files: list[str], options: ConversionOptions, buildx: str) -> None:
    from nested_docker.api.meta import Mode
    from nested_docker.cli.findings import did_you_mean
    from nested_docker.convert.conversion import ConvertedForm
    from nested_docker.convert.difference import UnconvertibleError

    if bool(files) == bool(buildx):
        raise UnconvertibleError("give either files or --buildx", "name a file, or - for standard input")
    form = options.form
    if form is not ConvertedForm.NESTED_DOCKER and not options.class_name:
        raise UnconvertibleError(f"--as {form} needs a class", "name one by --class: `kubectl get nesteddockerclasses`")
    if form is not ConvertedForm.NESTED_DOCKER and (options.mode or options.name):
        raise UnconvertibleError(f"--as {form} has neither --mode nor --name", "the class has the mode: leave them out")
    if options.mode and options.mode not in set(Mode):
        raise UnconvertibleError(f"--mode {options.mode!r} is not a mode", did_you_mean(options.mode, Mode))


def _converted(files: list[str], options: ConversionOptions, buildx: str) -> Conversion:
    from nested_docker.convert.buildx_command import convert_buildx_command
    from nested_docker.convert.conversion import Conversion
    from nested_docker.convert.files import conversion_of
    from nested_docker.convert.jenkinsfile import is_jenkinsfile
    from nested_docker.convert.manifests_conversion import convert_manifests

    if buildx:
        result = convert_buildx_command(buildx, options)
    elif any(map(_is_toml, files)):
        result = _converted_toml(files, options)
    elif any(map(is_jenkinsfile, files)):
        result = _converted_jenkinsfile(files, options)
    else:
        manifests: list[dict[str, Any]] = []
        result = Conversion()
        for position, document in _documents(files):
            convert = conversion_of(document)
            if convert:
                result.add(convert(document, options))
            elif isinstance(document.get("apiVersion"), str) and isinstance(document.get("kind"), str):
                manifests.append(document)
            else:
                result.add(_converted_values(position, document, options))
        result.add(convert_manifests(manifests, options))
    _check_result(result)
    return result


def _converted_values(position: str, document: dict[str, Any], options: ConversionOptions) -> Conversion:
    """A document of no kind that is known, if there is something in it."""
    from nested_docker.convert.chart_values import convert_values
    from nested_docker.convert.difference import UnconvertibleError
    from nested_docker.convert.files import what_else

    result = convert_values(document, options, f"{position}: ")
    known = what_else(document)
    if not result.converted and (known or not result.differences):
        what = known or "neither a Kubernetes object nor a file of a CI system that is known, and it has no daemon"
        raise UnconvertibleError(f"{position}: {what}", "see docs/migration")
    return result


def _is_toml(file: str) -> bool:
    return file.endswith(".toml")


def _converted_toml(files: list[str], options: ConversionOptions) -> Conversion:
    from nested_docker.convert.difference import UnconvertibleError
    from nested_docker.convert.gitlab_runner import convert_runner_config, parse_runner_config, runner_config_text

    if len(files) > 1:
        raise UnconvertibleError(f"{', '.join(files)}: TOML has one document", "convert a config.toml by itself")
    text = _text(files[0])
    _note_comments(files[0], text)
    result = convert_runner_config(parse_runner_config(text, f"{files[0]}: "), options)
    if result.converted:
        result.text = runner_config_text(result.documents[0])
    return result


def _converted_jenkinsfile(files: list[str], options: ConversionOptions) -> Conversion:
    from nested_docker.convert.difference import UnconvertibleError
    from nested_docker.convert.jenkinsfile import convert_jenkinsfile

    if len(files) > 1:
        raise UnconvertibleError(f"{', '.join(files)}: a Jenkinsfile is not a manifest", "convert it by itself")
    return convert_jenkinsfile(_text(files[0]), options)


def _note_comments(file: str, text: str) -> None:
    if any(line.lstrip().startswith("#") for line in text.splitlines()):
        typer.echo(f"note: comments of {file} are not in the output", err=True)


def _documents(files: list[str]) -> list[tuple[str, dict[str, Any]]]:
    from nested_docker.convert.difference import UnconvertibleError
    from nested_docker.convert.files import what_is_not_read
    from nested_docker.yaml_text.reading import UnreadableError, parse_documents

    found: list[tuple[str, dict[str, Any]]] = []
    for file in files:
        known = what_is_not_read(file)
        if known:
            raise UnconvertibleError(f"{file}: {known[0]} is not read", known[1])
        text, number = _text(file), 0
        try:
            for number, document in enumerate(parse_documents(text), start=1):
                if document is not None and not isinstance(document, dict):
                    raise UnconvertibleError(f"{file}: document {number}: not a mapping", "give manifests")
                if document:
                    found.append((f"{file}: document {number}", document))
        except UnreadableError as error:
            remedy = "write what the tag refers to" if "tag" in str(error) else "correct it"
            if _TEMPLATE in text:
                remedy = "a template must be rendered first: `helm template`"
            raise UnconvertibleError(f"{file}: document {number + 1}: {error}", remedy) from error
        _note_comments(file, text)
    return found


def _text(file: str) -> str:
    import sys
    from pathlib import Path

    from nested_docker.convert.difference import UnconvertibleError

    try:
        if file == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise UnconvertibleError(f"{file} has more than {MOST_BYTES} bytes", "give only the manifests to convert")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnconvertibleError(f"{file}: not valid UTF-8 at byte {error.start}", "save it as UTF-8") from error
    except OSError as error:
        raise UnconvertibleError(f"{file} cannot be read: {error.strerror}", "name a file, or -") from error


def _check_result(result: Conversion) -> None:
    """What is printed must be what the API takes; unknown fields included, which the models ignore."""
    from nested_docker.api.v1alpha1 import API_VERSION, NestedDocker
    from nested_docker.cli.findings import Findings, Position
    from nested_docker.cli.strict import parse_model
    from nested_docker.convert.difference import UnconvertibleError

    findings = Findings()
    for document in result.documents:
        if document.get("apiVersion") == API_VERSION and document.get("kind") == NestedDocker.__name__:
            position = Position(f"NestedDocker/{(document.get('metadata') or {}).get('name')}")
            parse_model(NestedDocker, {"spec": document.get("spec")}, position, findings)
    if findings.problems:
        raise UnconvertibleError(findings.problems[0], "correct the value in the input")


def _print_result(result: Conversion, output: ConvertOutput) -> None:
    from nested_docker.cli.user.output import print_json
    from nested_docker.cli.user.running import invalid
    from nested_docker.yaml_text.writing import to_yaml

    if output is ConvertOutput.YAML:
        typer.echo(result.text or to_yaml(result.documents, blocks=True), nl=False)
    elif not result.documents:
        invalid(f"--output {output}: a Jenkinsfile cannot be printed as JSON", "leave --output out")
    elif len(result.documents) == 1:
        print_json(result.documents[0])
    else:
        print_json({"apiVersion": "v1", "kind": "List", "items": result.documents})
