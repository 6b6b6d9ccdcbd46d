"""Where a pipeline of GitLab has no place for the label, the user is told where to make one."""

from __future__ import annotations

from typing import Any

import pytest

from nested_docker.convert.conversion import ConversionOptions, ConvertedForm
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.gitlab_pipeline import HAS_LABEL_TOO, convert_pipeline

LABEL = ConversionOptions(ConvertedForm.LABEL, class_name="standard")
DIND = ["docker:29-dind"]


@pytest.mark.parametrize(
    ("pipeline", "message", "remedy"),
    [
        ({"default": {"services": DIND}}, "default.services is for every job", "move `services` to the top"),
        (
            {"build": {"services": DIND, "variables": {"KUBERNETES_POD_LABELS_1": "a=b"}}},
            "build.variables.KUBERNETES_POD_LABELS_1 is 'a=b'",
            "rename it to KUBERNETES_POD_LABELS_2",
        ),
    ],
    ids=["default", "a variable that is taken"],
)
def test_what_has_no_place_for_the_label_is_refused(pipeline: dict[str, Any], message: str, remedy: str) -> None:
    with pytest.raises(UnconvertibleError) as failure:
        convert_pipeline(pipeline, LABEL)
    assert message in failure.value.message
    assert remedy in failure.value.remedy


def test_a_job_with_services_of_its_own_has_the_label_of_the_pipeline_too() -> None:
    job = {"script": ["make"], "services": ["postgres:17"]}
    result = convert_pipeline({"services": DIND, "test": job}, LABEL)
    named = [each.path for each in result.differences if each.what == HAS_LABEL_TOO]
    assert named == [".gitlab-ci.yml: test.services"]
    assert result.documents[0]["test"] == job
