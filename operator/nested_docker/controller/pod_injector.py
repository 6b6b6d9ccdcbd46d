"""The webhook for pods: judges the daemon that a pod asks for, and adds the connection to the pod.

It creates nothing, because a request may be a dry run, or be denied by somebody else. The operator makes the
NestedDocker when the pod is stored (`controller/injections.py`).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nested_docker.api.meta import Mode
from nested_docker.api.v1alpha1 import NestedDockerClassSpec
from nested_docker.api.v1alpha1.nested_docker_class import InjectionForm
from nested_docker.controller.admission_reviewer import AdmissionResponse, AdmissionReviewer, Review
from nested_docker.domain import names
from nested_docker.domain.injection.fairness import is_gated
from nested_docker.domain.injection.manifest import injected_nested_docker
from nested_docker.domain.injection.name_servers import foreign_name_servers
from nested_docker.domain.injection.patch import InjectedConnection, Marks, Operation, injection_patch
from nested_docker.domain.injection.request import (
    ChosenContainer,
    InjectionError,
    InjectionRequest,
    connected_containers,
    injection_request,
)
from nested_docker.domain.injection.sidecar import chosen_form, class_sidecar, sidecar, sidecar_mode
from nested_docker.domain.injection.sidecar_patch import judge_persisted, sidecar_patch
from nested_docker.domain.injection.sidecar_signature import SidecarTerms
from nested_docker.domain.injection.sidecar_verdict import granted_by
from nested_docker.domain.injection.signature import Injection, has_marks, requester_digest, signed_injection
from nested_docker.domain.objects import Manifest
from nested_docker.domain.ports import Clock
from nested_docker.domain.shown import shorten
from nested_docker.domain.status.reasons import Reason

ID_BYTES = 10
"""80 random bits: nobody guesses an id, and no two pods have the same."""

MARKS_OF_ANOTHER_POD = (
    f"metadata: label {names.LABEL_INJECTION_ID} and annotation {names.ANNOTATION_INJECTION_SIGNATURE} belong to "
    "another pod: remove both, the volume, the mounts and the variables that came with them from your pod or pod "
    "template; each pod gets its own"
)


LATE_LABEL = (
    f"metadata.labels: {names.LABEL_INJECT} was not there yet when the webhook of nesteddocker.dev was asked, so "
    "another mutating webhook adds it: set it in the pod or its template, and let no webhook add it"
)


@dataclass(frozen=True)
class PodInjector:
    """Reviews pods that ask for a daemon.

    Attributes:
        reviewer: judges the NestedDocker that the pod would get, as it judges any other.
        key: of the signatures.
        clock: for their time.
        new_id: makes an id.
    """

    reviewer: AdmissionReviewer
    key: Callable[[], bytes]
    clock: Clock
    new_id: Callable[[], str] = field(default=lambda: secrets.token_hex(ID_BYTES))

    async def inject(self, review: Review) -> AdmissionResponse:
        """The response for a new pod: a patch with the connection, or why it cannot get a daemon.

        Raises:
            KubeError: the API server cannot be reached; the request must not be allowed.
        """
        return await self._answer(review, stored=False)

    async def judge(self, review: Review) -> AdmissionResponse:
        """The response for a pod as it would be stored, after all mutating webhooks.

        Nothing that they have changed was judged by `inject`: the label may be theirs, or the ServiceAccount, or they
        may have taken something out.

        Raises:
            KubeError: the API server cannot be reached; the request must not be allowed.
        """
        return await self._answer(review, stored=True)

    async def _answer(self, review: Review, *, stored: bool) -> AdmissionResponse:
        """The response.

        Args:
            review: of the pod.
            stored: whether all mutating webhooks have seen the pod, so that nothing may be missing any more.
        """
        pod = review.obj
        try:
            request = injection_request(pod)
            containers = connected_containers(pod, request)
            if request.nested_docker:
                return self._connect(pod, request.nested_docker, containers)
            class_spec = await self._class_of(pod, request)
            if class_spec and _is_sidecar(pod, request, class_spec):
                return await self._sidecar(review, request.class_name, class_spec, containers, stored=stored)
            if not stored:
                return await self._inject_remote(review, request.class_name, containers)
            if class_spec is None and not has_marks(pod):
                # Somebody has just deleted it, and without it nobody knows whether the daemon is a sidecar.
                injection = self._new(pod, request.class_name, _requester(review))
                response = await self._judge_daemon(review, injection)
                if not response.allowed:
                    return response
            return await self._judge_remote(review, containers)
        except InjectionError as error:
            return AdmissionResponse(allowed=False, reason=Reason.INVALID_SPEC, message=str(error))

    async def _inject_remote(
        self, review: Review, class_name: str, containers: list[ChosenContainer]
    ) -> AdmissionResponse:
        """The response for a new pod whose daemon runs in another pod.

        Raises:
            InjectionError: the pod cannot have the connection.
        """
        requester = _requester(review)
        injection = self._known(review.obj, requester) or self._new(review.obj, class_name, requester)
        patch = self._patch(review.obj, injection, containers)
        response = await self._judge_daemon(review, injection)
        if not response.allowed:
            return response
        return replace(response, patch=patch, warnings=(*response.warnings, *foreign_name_servers(review.obj)))

    async def _judge_remote(self, review: Review, containers: list[ChosenContainer]) -> AdmissionResponse:
        """The response for a pod that must have its connection by now.

        Raises:
            InjectionError: a part of it is missing.
        """
        injection = self._known(review.obj, _requester(review))
        if injection is None:
            raise InjectionError(LATE_LABEL)
        missing = self._patch(review.obj, injection, containers)
        if missing:
            raise InjectionError(_taken_out(missing))
        return replace(await self._judge_daemon(review, injection), warnings=())

    async def _judge_daemon(self, review: Review, injection: Injection) -> AdmissionResponse:
        """The response for the NestedDocker that the operator would make for the pod."""
        nested_docker = injected_nested_docker(injection.id, injection.namespace, injection.class_name)
        return await self.reviewer.review(_request(review, nested_docker))

    async def _sidecar(
        self,
        review: Review,
        class_name: str,
        class_spec: NestedDockerClassSpec,
        containers: list[ChosenContainer],
        *,
        stored: bool,
    ) -> AdmissionResponse:
        """The response for a pod whose daemon is a sidecar, which no NestedDocker describes.

        The daemon is judged as if there were one. What a NestedDocker could wait for is a denial here, because a pod is
        judged again only for what it has.

        Args:
            review: of the pod.
            class_name: its class.
            class_spec: the class.
            containers: that get the socket.
            stored: whether all mutating webhooks have seen the pod, so that nothing may be missing any more.

        Raises:
            InjectionError: the pod cannot have it.
        """
        pod = review.obj
        _require_no_parts_of_another_pod(pod)
        mode = sidecar_mode(class_name, class_spec)
        candidate = injected_nested_docker(self.new_id(), pod["metadata"]["namespace"], class_name)
        candidate["spec"]["mode"] = mode.value
        # Of several policies that grant it, the second webhook finds the one that the first has found.
        candidate["status"] = {"policyName": granted_by(pod)}
        response = await self.reviewer.review(_request(review, candidate))
        if response.accepted is None:
            message = response.message or "; ".join(response.warnings)
            return replace(response, allowed=False, message=f"{message}. {_modes_of_sidecars(mode)}", warnings=())
        terms = SidecarTerms(pod["metadata"]["namespace"], class_name, _requester(review))
        now, key = self.clock.now(), self.key()
        known = terms.signed(pod, now, key)
        given = known or class_sidecar(terms.namespace, response.accepted, self.reviewer.defaults)
        made = sidecar(pod, response.accepted, containers, given)
        if not stored:
            signature = "" if known else terms.sign(given, now, key)
            return replace(response, patch=sidecar_patch(pod, made, containers, signature))
        problem = judge_persisted(pod, made, containers)
        if problem:
            raise InjectionError(problem)
        return replace(response, warnings=())

    async def _class_of(self, pod: Mapping[str, Any], request: InjectionRequest) -> NestedDockerClassSpec | None:
        """The class that a pod names; None: there is none. It is read again if the form is not offered as far as known.

        Raises:
            KubeError: the API server cannot be reached; the request must not be allowed.
        """
        candidate = injected_nested_docker(self.new_id(), pod["metadata"]["namespace"], request.class_name)
        known = self.reviewer.observer.candidate(candidate).classes.get(request.class_name)
        if known is None or (request.form and request.form not in known.injection.forms):
            await self.reviewer.fresh_look.look(self.reviewer.observer.candidate(candidate))
            known = self.reviewer.observer.candidate(candidate).classes.get(request.class_name)
        return known

    def _connect(self, pod: Mapping[str, Any], name: str, containers: list[ChosenContainer]) -> AdmissionResponse:
        """The response for a pod that gets the connection of another NestedDocker.

        Nobody needs a permission for that: whoever may create pods may mount the Secrets of their namespace.
        """
        namespace = pod["metadata"]["namespace"]
        _require_no_parts_of_another_pod(pod)
        patch = injection_patch(pod, InjectedConnection(name), containers, None)
        warnings = foreign_name_servers(pod)
        if self.reviewer.cache.get("NestedDocker", namespace, name) is None:
            missing = f"NestedDocker {name} does not exist in namespace {namespace} yet: the pod waits for it"
            warnings = (missing, *warnings)
        return AdmissionResponse(allowed=True, reason=Reason.GRANTED, patch=patch, warnings=warnings)

    def _known(self, pod: Mapping[str, Any], requester: str) -> Injection | None:
        """What the webhook has signed a moment ago in the same request; None: nothing.

        Raises:
            InjectionError: the pod has marks that the webhook has not made for it.
        """
        if not has_marks(pod):
            return None
        known = signed_injection(pod, self.key())
        if known is None or known.requester != requester or not known.is_fresh(self.clock.now()):
            raise InjectionError(MARKS_OF_ANOTHER_POD)
        return known

    def _new(self, pod: Mapping[str, Any], class_name: str, requester: str) -> Injection:
        time = int(self.clock.now().timestamp())
        return Injection(self.new_id(), pod["metadata"]["namespace"], class_name, requester, time)

    def _patch(
        self, pod: Mapping[str, Any], injection: Injection, containers: list[ChosenContainer]
    ) -> tuple[Operation, ...]:
        connection = InjectedConnection(names.injected_name(injection.id))
        return injection_patch(pod, connection, containers, Marks(injection.id, injection.signature(self.key())))


def _requester(review: Review) -> str:
    return requester_digest(str(review.user.get("username", "")))


def _require_no_parts_of_another_pod(pod: Mapping[str, Any]) -> None:
    """Deny a pod without its NestedDocker what only the operator's work for that would take away again.

    Raises:
        InjectionError: it has marks, or the gate.
    """
    if has_marks(pod):
        raise InjectionError(MARKS_OF_ANOTHER_POD)
    if is_gated(pod):
        raise InjectionError(
            f"spec.schedulingGates: the operator opens {names.SCHEDULING_GATE} only for pods with a daemon in "
            "another pod, so this one would wait forever: remove the gate from your pod or pod template"
        )


def _taken_out(missing: tuple[Operation, ...]) -> str:
    fields = ", ".join(shorten(each["path"].removeprefix("/").replace("/", ".")) for each in missing)
    return (
        f"{fields}: another mutating webhook has taken out what connects the pod to its daemon, or has added a "
        f"container after it: exempt pods with the label {names.LABEL_INJECT} from that webhook, or name the "
        f"containers that need the connection in the annotation {names.ANNOTATION_INJECT_CONTAINERS}"
    )


def _is_sidecar(pod: Mapping[str, Any], request: InjectionRequest, class_spec: NestedDockerClassSpec) -> bool:
    """Whether a pod gets a sidecar. One that has an id got form Remote before the class had another first form.

    Raises:
        InjectionError: the class does not offer the form.
    """
    chosen = chosen_form(request, class_spec) is InjectionForm.SIDECAR
    return chosen and (request.form is not None or not has_marks(pod))


def _modes_of_sidecars(mode: Mode) -> str:
    return (
        f"Form {InjectionForm.SIDECAR} has mode {mode}, in the pod of the job. Other modes need form "
        f"{InjectionForm.REMOTE}, by the annotation {names.ANNOTATION_INJECT_FORM}"
    )


def _request(review: Review, nested_docker: Manifest) -> Review:
    """The request for the NestedDocker of the pod."""
    namespace = nested_docker["metadata"]["namespace"]
    return replace(review, obj=nested_docker, old=None, subjects=_subjects(review, namespace))


def _subjects(review: Review, namespace: str) -> tuple[Mapping[str, Any], ...]:
    """Whose permission to use the class counts: the requester's, or else that of the pod's ServiceAccount.

    Whoever may create pods in a namespace may use all of its ServiceAccounts. If a controller has made the pod, the
    requester is that controller, whose permissions say nothing about who wanted the pod.
    """
    pod = review.obj
    name = pod["spec"].get("serviceAccountName") or "default"
    account = {
        "username": f"system:serviceaccount:{namespace}:{name}",
        "groups": ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"],
    }
    controlled = any(each.get("controller") for each in pod["metadata"].get("ownerReferences") or [])
    return (account,) if controlled else (review.user, account)
