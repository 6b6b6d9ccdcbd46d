"""Pods, and the workloads of Kubernetes with a template of one: their daemon is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nested_docker.convert.connection import GivenConnection
from nested_docker.convert.daemon_container import Surroundings
from nested_docker.convert.difference import UnconvertibleError
from nested_docker.convert.draft import SpecDraft
from nested_docker.convert.fields import joined, mapping_below, objects_at, set_or_remove, text_at
from nested_docker.convert.pod_template import converted_template, has_daemon
from nested_docker.domain import names

TEMPLATE_OF_KIND = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
SHARED_BY_REPLICAS = "all pods share one daemon, which had one each: use --as label if they may not"
REMOVED_CLAIM = "removed: only the daemon used it"
ONLY_A_DAEMON = (
    "removed, since nothing but the daemon was in it: give its clients the Secrets {} and {}, and delete the object "
    "and its Service"
)


def convert_workload(
    manifest: dict[str, Any], head: str, connection: GivenConnection, around: Surroundings, draft: SpecDraft
) -> int:
    """Replace the daemon in the pod of a workload, in place; whether there is one.

    The object is empty afterwards if it has nothing but a daemon.

    Raises:
        UnconvertibleError: it cannot be converted as it is.
    """
    where = TEMPLATE_OF_KIND[manifest["kind"]]
    template, path = mapping_below(manifest, where, head)
    if not has_daemon(template, path):
        return 0
    claims = _claim_templates(manifest, head)
    done = converted_template(template, path, connection, _with_claims(around, claims, head))
    draft.add(done.draft)
    if connection.nested_docker:
        _name_sharing(manifest, head, draft)
    if done.template is None:
        _empty(manifest, connection, head, draft)
        return 1
    template.update(done.template)
    if claims:
        kept = [each for name, each in claims.items() if name not in done.unused]
        for number, each in enumerate(claims.values()):
            if each not in kept:
                draft.differs(joined(head, "spec", "volumeClaimTemplates", number), each, REMOVED_CLAIM)
        set_or_remove(manifest["spec"], "volumeClaimTemplates", kept)
    return 1


def _claim_templates(manifest: Mapping[str, Any], head: str) -> dict[str, dict[str, Any]]:
    """The claim templates of a StatefulSet by name."""
    if manifest.get("kind") != "StatefulSet":
        return {}
    path = joined(head, "spec", "volumeClaimTemplates")
    found = {}
    for number, each in enumerate(objects_at(manifest["spec"].get("volumeClaimTemplates"), path)):
        metadata, where = mapping_below(each, ("metadata",), joined(path, number))
        found[text_at(metadata.get("name"), joined(where, "name"))] = each
    return found


def _with_claims(around: Surroundings, templates: Mapping[str, dict[str, Any]], head: str) -> Surroundings:
    volumes = {name: {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in templates}
    claims, places = {**around.claims}, {**around.claim_paths}
    for number, (name, each) in enumerate(templates.items()):
        claims[name], places[name] = mapping_below(
            each, ("spec",), joined(head, "spec", "volumeClaimTemplates", number)
        )
    return Surroundings(volumes, claims=claims, claim_paths=places, config_maps=around.config_maps)


def _name_sharing(manifest: Mapping[str, Any], head: str, draft: SpecDraft) -> None:
    kind, spec = manifest["kind"], manifest.get("spec") or {}
    several = {
        key: spec[key] for key in ("replicas", "parallelism") if isinstance(spec.get(key), int) and spec[key] > 1
    }
    if several or kind in {"DaemonSet", "CronJob"}:
        draft.differs(joined(head, "spec"), several or kind, SHARED_BY_REPLICAS)


def _empty(manifest: dict[str, Any], connection: GivenConnection, head: str, draft: SpecDraft) -> None:
    name = connection.nested_docker
    if not name:
        raise UnconvertibleError(
            f"{head}spec has no container but the daemon, so nothing can have the label",
            "use --as nesteddocker, or give the label to the pods of its clients",
        )
    what = ONLY_A_DAEMON.format(names.files_secret(name), names.env_secret(name))
    draft.differs(head.rstrip(" :"), dict(manifest), what)
    manifest.clear()
