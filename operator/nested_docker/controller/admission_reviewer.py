"""Reviews requests before they are stored: the checks of the reconciler, and the requester's permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from nested_docker.api.meta import Enforcement
from nested_docker.api.v1alpha1 import NestedDockerSpec
from nested_docker.controller.cache import Cache
from nested_docker.controller.fresh_look import FreshLook
from nested_docker.controller.observer import Observer
from nested_docker.controller.routing import Router
from nested_docker.domain.admission import authorization
from nested_docker.domain.admission.acceptance import (
    Accepted,
    NotAccepted,
    accept,
    class_override_violation,
    enforcement,
)
from nested_docker.domain.admission.authorization import Access
from nested_docker.domain.effective import OperatorDefaults
from nested_docker.domain.observed import Observed
from nested_docker.domain.ports import Kube
from nested_docker.domain.status.reasons import Reason, Trait


@dataclass(frozen=True)
class Review:
    """A request to the API server that waits for a response.

    Attributes:
        user: `userInfo` of the AdmissionReview.
        obj: the NestedDocker as it would be stored.
        old: the stored NestedDocker; None: it is new.
        dry_run: whether it would not be stored in any case.
        subjects: `userInfo` of those of whom one must have the permissions; empty: the user.
    """

    user: Mapping[str, Any]
    obj: Mapping[str, Any]
    old: Mapping[str, Any] | None = None
    dry_run: bool = False
    subjects: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class AdmissionResponse:
    """The response to a request.

    Attributes:
        allowed: whether it may be stored.
        reason: why, as in conditions.
        message: why not, for the requester.
        warnings: for the requester of an allowed request.
        accepted: the accepted request; None: it was not accepted.
        patch: operations of a JSON Patch to the object before it is reviewed further.
    """

    allowed: bool
    reason: Reason
    message: str = ""
    warnings: tuple[str, ...] = ()
    accepted: Accepted | None = None
    patch: tuple[Mapping[str, Any], ...] = ()


@dataclass
class AdmissionReviewer:
    """Reviews requests.

    Attributes:
        cache: the watched objects.
        router: receives what is read again from the API server.
        kube: for SubjectAccessReviews, and to read again before anything is denied.
        defaults: the operator's defaults.
        record: called with every review and its response, for the audit log.
    """

    cache: Cache
    router: Router
    kube: Kube
    defaults: OperatorDefaults
    record: Callable[[Review, AdmissionResponse], None]
    observer: Observer = field(init=False)
    fresh_look: FreshLook = field(init=False)

    def __post_init__(self) -> None:
        self.observer = Observer(self.cache)
        self.fresh_look = FreshLook(self.kube, self.cache, self.router)

    async def review(self, review: Review) -> AdmissionResponse:
        """The response to a request.

        Raises:
            KubeError: the API server cannot be reached; the request must not be allowed.
        """
        response = await self._review(review)
        self.record(review, response)
        return response

    async def name_class(self, review: Review) -> AdmissionResponse:
        """The response that names the class of a request which names none: the default class of this moment.

        So the requester's permission is checked for the class that the NestedDocker gets, whatever the default class
        is when the reconciler sees it. An update that leaves the name out keeps it.

        Raises:
            KubeError: the API server cannot be reached; the request must not be allowed.
        """
        name = await self._class_to_name(review)
        patch = ({"op": "add", "path": "/spec/className", "value": name},) if name else ()
        return AdmissionResponse(allowed=True, reason=Reason.GRANTED, patch=patch)

    async def _class_to_name(self, review: Review) -> str:
        """The class that is written into the spec; empty: the spec stays as it is."""
        spec = review.obj.get("spec")
        if not isinstance(spec, dict) or "className" in spec:
            return ""
        if review.old is not None:
            return str(review.old["spec"].get("className", ""))
        classes = self.observer.candidate(review.obj).default_classes
        if len(classes) != 1:
            await self.fresh_look.look(self.observer.candidate(review.obj))
            classes = self.observer.candidate(review.obj).default_classes
        return classes[0] if len(classes) == 1 else ""

    async def _review(self, review: Review) -> AdmissionResponse:
        if review.old is not None and review.old.get("spec") == review.obj.get("spec"):
            return AdmissionResponse(allowed=True, reason=Reason.GRANTED)
        observed, outcome = await self._outcome(review.obj)
        if isinstance(outcome, NotAccepted):
            if not outcome.reason.has(Trait.MAY_PASS):
                return AdmissionResponse(allowed=False, reason=outcome.reason, message=outcome.message)
            return await self._check_permissions(review, observed, outcome)
        override_violation = class_override_violation(observed, outcome, self.defaults)
        if override_violation is not None:
            return AdmissionResponse(
                allowed=False, reason=override_violation.reason, message=override_violation.message
            )
        return await self._check_permissions(review, observed, outcome)

    async def _outcome(self, obj: Mapping[str, Any]) -> tuple[Observed, Accepted | NotAccepted]:
        """Evaluated with the cache, and before a denial with a fresh read: a watch may lag behind."""
        namespace = obj["metadata"]["namespace"]
        if self.cache.get("Namespace", "", namespace) is not None:
            observed = self.observer.candidate(obj)
            outcome = accept(observed, self.defaults)
            if isinstance(outcome, Accepted) and outcome.reason == Reason.GRANTED:
                return observed, outcome
        await self.fresh_look.look(self.observer.candidate(obj))
        observed = self.observer.candidate(obj)
        return observed, accept(observed, self.defaults)

    async def _check_permissions(
        self, review: Review, observed: Observed, outcome: Accepted | NotAccepted
    ) -> AdmissionResponse:
        """Checks the requester's permissions, if nothing else denies the request."""
        spec = NestedDockerSpec.model_validate(review.obj.get("spec", {}))
        namespace = observed.owner.namespace
        needed = [
            authorization.class_access(observed.class_name, namespace),
            *authorization.required_access(spec, _before(review.old), namespace),
        ]
        different = {access.what: access for access in needed}
        subjects = review.subjects or (review.user,)
        who = " or ".join(_name(subject) for subject in subjects)
        answers = await asyncio.gather(*(self._any_has(subjects, access) for access in different.values()))
        allowed = dict(zip(different, answers, strict=True))
        missing = [access for access in needed if not allowed[access.what]]
        level = enforcement(observed, self.defaults)
        warnings = []
        if missing and missing[0].is_class_use and level != Enforcement.ENFORCE:
            warnings.append(missing.pop(0).message(who))
        if missing:
            message = "; ".join(access.message(who) for access in missing)
            return AdmissionResponse(allowed=False, reason=Reason.NOT_PERMITTED, message=message)
        if isinstance(outcome, NotAccepted):  # in the form of a denial: `nested-docker explain` reads it
            warnings.append(f"{outcome.reason}: {outcome.message}")
        elif outcome.reason != Reason.GRANTED:
            warnings.append(outcome.message)
        return AdmissionResponse(
            allowed=True,
            reason=outcome.reason,
            warnings=() if level == Enforcement.AUDIT and isinstance(outcome, Accepted) else tuple(warnings),
            accepted=outcome if isinstance(outcome, Accepted) else None,
        )

    async def _any_has(self, subjects: tuple[Mapping[str, Any], ...], access: Access) -> bool:
        for subject in subjects:
            if await self._has(subject, access):
                return True
        return False

    async def _has(self, user: Mapping[str, Any], access: Access) -> bool:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {
                "user": user.get("username", ""),
                "groups": user.get("groups", []),
                "uid": user.get("uid", ""),
                "extra": user.get("extra", {}),
                "resourceAttributes": {
                    "verb": access.permission.verb,
                    "group": access.permission.group,
                    "resource": access.permission.resource,
                    "namespace": access.namespace,
                    "name": access.name,
                },
            },
        }
        answer = await self.kube.create(review)
        return answer["status"].get("allowed") is True


def _before(old: Mapping[str, Any] | None) -> NestedDockerSpec | None:
    """The spec before the change; one that is no longer valid counts as none."""
    try:
        return None if old is None else NestedDockerSpec.model_validate(old.get("spec", {}))
    except ValidationError:
        return None


def _name(user: Mapping[str, Any]) -> str:
    return str(user.get("username", "")) or "an unnamed user"
