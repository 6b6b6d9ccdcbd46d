"""Hand-written daemons in the shapes that the documentation of CI systems has, as files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
PIPELINES = frozenset({"gitlab-ci"})
SYSTEMS = PIPELINES | {"woodpecker", "arc-container-mode", "arc-template", "gitlab-runner-values", "config"} | {
    "arc-experimental", "buildkite-controller", "buildkite-steps", "jenkins-cloud", "umbrella-values",
}  # fmt: skip
"""Files that are no objects of Kubernetes."""
VALUES = frozenset({"helm-chart", "argo-cd-application", "flux-helm-release"})
"""Objects with the values of charts."""
CUSTOM = VALUES | {"tekton-task", "argo-workflow", "bare-pod-spec", "older-runners", "tekton-image-of-a-parameter"}
"""Objects of kinds that the tests' API server does not have."""
CORPUS = {path.stem: path for path in sorted([*FOLDER.glob("*.yaml"), *FOLDER.glob("*.toml")])}
ONLY_DAEMONS = frozenset({"daemon-of-its-own", "buildkit-of-buildx"})
"""Nothing is left in these that could have the label."""
UNLABELLED = ONLY_DAEMONS | {"bare-pod-spec"}
NAMELESS = frozenset({"jenkins-pod"})


def forms(name: str) -> list[list[str]]:
    """Options with which a file can be converted."""
    labels = [["--as", form, "--class", "standard"] for form in ("label", "sidecar")]
    if name in SYSTEMS | VALUES:
        return labels
    return [[]] if name in UNLABELLED else [[], *labels]


CASES = [(name, form) for name in CORPUS for form in forms(name)]


def case_id(case: object) -> str:
    return case if isinstance(case, str) else case[1] if isinstance(case, list) and case else "nesteddocker"
