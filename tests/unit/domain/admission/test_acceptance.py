"""Which class a request gets, and what denies it before policy is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.factory import DEFAULTS, class_spec, observed

from nested_docker.api.v1alpha1 import NestedDockerStatus
from nested_docker.domain.admission.acceptance import Accepted, NotAccepted, accept
from nested_docker.domain.status.reasons import Reason

WITH_WEBHOOK = replace(DEFAULTS, admission_webhook=True)


def test_the_default_class_of_another_time_is_not_chosen() -> None:
    """The webhook has checked no permission for it."""
    outcome = accept(observed({"mode": "Dind"}), WITH_WEBHOOK)
    assert outcome == NotAccepted(
        Reason.CLASS_NOT_FOUND,
        "spec.className is empty: the webhook sets it at creation, and standard was not the default class then, so "
        "nothing shows that the creator may use it; delete the NestedDocker, and create it with spec.className",
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"spec": {"className": "standard"}},
        {"spec": {"className": "standard"}, "default_classes": ()},
        {"spec": {"className": "standard"}, "default_classes": ("other",)},
        {"status": NestedDockerStatus.model_validate({"className": "standard"})},
        {"status": NestedDockerStatus.model_validate({"className": "standard"}), "default_classes": ("other",)},
    ],
)
def test_a_class_that_is_named_or_was_accepted_is_kept(fields: dict[str, object]) -> None:
    classes = {"standard": class_spec(), "other": class_spec()}
    outcome = accept(observed(**({"classes": classes} | fields)), WITH_WEBHOOK)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.class_name == "standard"


def test_without_the_webhook_the_default_class_is_chosen() -> None:
    outcome = accept(observed({"mode": "Dind"}), DEFAULTS)
    assert isinstance(outcome, Accepted), outcome
    assert outcome.class_name == "standard"
