"""charts/nested-docker/README.md, made of Chart.yaml, of values.yaml's comments, and of values.schema.json.

A comment that stands directly above a key describes it. Only keys that helm knows as values are listed: where the
schema allows any key (`labels`, `resources`), the whole mapping is one value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
CHART = ROOT / "charts/nested-docker"
PAGE = CHART / "README.md"

TEXT = """<!-- Made by hack/generate.py; edit values.yaml, values.schema.json or hack/chart_readme.py instead. -->

# nested-docker

{description}

Version {version}; Kubernetes {kubernetes}.

```
helm upgrade --install nested-docker oci://ghcr.io/OWNER/charts/nested-docker \\
  --namespace nested-docker-system --create-namespace --wait
```

OWNER is the owner of the repository that published the release. From a checkout, `charts/nested-docker` takes the place
of the address, and `image.repository` must name an image that you have built (`make image`).

After that **nobody gets a daemon** until an admin creates a NestedDockerClass and a NestedDockerPolicy; the notes that
helm prints have the commands. The chart includes neither, because there is no safe default for what a cluster allows.
Whoever creates a NestedDocker also needs the RBAC verb `use` on its class.

`docs/install.md` covers kind, monitoring, upgrades, uninstalling, installation for some namespaces only, and the
operator's permissions. `docs/admission.md` covers the admission checks, the webhook's certificate and the guardrails.

## Presets

`helm install --values FILE` with one of these files of the chart (`helm pull --untar` has them):

| file | for |
|---|---|
{presets}
## Values

Helm rejects an unknown or invalid value and names its path.

| value | type | default | meaning |
|---|---|---|---|
{values}"""

KEY = re.compile(r"^( *)([A-Za-z][A-Za-z0-9]*):(?: (.*))?$")


@dataclass(frozen=True)
class Value:
    """A value of the chart.

    Attributes:
        path: as for `--set`.
        default: what values.yaml has.
        meaning: the comment above it.
    """

    path: str
    default: Any
    meaning: str


def chart_readme() -> str:
    """The page."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())
    return TEXT.format(
        description=chart["description"],
        version=chart["version"],
        kubernetes=chart["kubeVersion"].removesuffix("-0").replace(">=", "at least "),
        presets="".join(f"| `{path.name}` | {_purpose(path)} |\n" for path in presets()),
        values="".join(_row(value, schema) for value in values((CHART / "values.yaml").read_text(), schema)),
    )


def presets() -> list[Path]:
    """Files of values for a purpose."""
    return sorted(CHART.glob("values-*.yaml"))


def _purpose(path: Path) -> str:
    lines = path.read_text().splitlines()
    comment = [line.removeprefix("#").strip() for line in lines[: next(i for i, x in enumerate(lines) if x[:1] != "#")]]
    return " ".join(comment).removeprefix("For ")


def values(text: str, schema: dict[str, Any]) -> Iterator[Value]:
    """The values of values.yaml, in its order.

    Raises:
        SystemExit: one has no comment, neither above it nor above the key that it belongs to.
    """
    defaults = yaml.safe_load(text)
    for path, comments in _comments(text, schema):
        keys = path.split(".")
        if not _is_leaf(path, schema):
            continue
        meaning = next((each for each in reversed(comments) if each), "")
        if not meaning:
            raise SystemExit(f"values.yaml: {path} has no comment above it: write what it does")
        default = defaults
        for key in keys:
            default = default[key]
        yield Value(path, default, meaning)


def described(schema: dict[str, Any], keys: list[str]) -> dict[str, Any]:
    """The part of the schema about a path. What any key of a mapping has is described where the mapping is.

    Raises:
        SystemExit: the schema does not know the path.
    """
    part = schema
    for index, key in enumerate(keys):
        if key not in part.get("properties", {}):
            raise SystemExit(f"values.schema.json does not know {'.'.join(keys[: index + 1])}: add it")
        part = part["properties"][key]
        if "$ref" in part:
            part = schema["definitions"][part["$ref"].rpartition("/")[2]]
    return part


def _comments(text: str, schema: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each path with the comments above it and above those that it belongs to; nothing of a mapping of free keys."""
    parents: list[tuple[int, str, str]] = []
    comment: list[str] = []
    closed = -1
    for line in text.splitlines():
        if line.strip().startswith("#"):
            comment.append(line.strip().removeprefix("#").strip())
            continue
        found = KEY.match(line)
        if found is None:
            comment = []
            continue
        depth = len(found[1])
        if 0 <= closed < depth:
            comment = []
            continue
        parents = [parent for parent in parents if parent[0] < depth]
        parents.append((depth, found[2], " ".join(comment)))
        path = ".".join(parent[1] for parent in parents)
        closed = depth if _is_leaf(path, schema) else -1
        yield path, [parent[2] for parent in parents]
        comment = []


def _is_leaf(path: str, schema: dict[str, Any]) -> bool:
    """Whether it is one value. Resources are: their parts are Kubernetes' own."""
    return path.rpartition(".")[2] == "resources" or not described(schema, path.split(".")).get("properties")


def _row(value: Value, schema: dict[str, Any]) -> str:
    part = described(schema, value.path.split("."))
    default = json.dumps(value.default, separators=(", ", ": "))
    meaning = value.meaning.replace("|", "\\|").replace("<", "&lt;")
    return f"| `{value.path}` | {_type(part)} | `{default}` | {meaning} |\n"


def _type(part: dict[str, Any]) -> str:
    if "enum" in part:
        return ", ".join(f"`{each}`" for each in part["enum"])
    limits = [f"{word} {part[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in part]
    return " ".join([part["type"], *limits])
