"""The Service with the daemon's host name."""

from __future__ import annotations

from nested_docker.domain import names
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Manifest, child


def service(object_names: ObjectNames, key_set: str) -> Manifest:
    """A headless Service that selects the one pod serving with this key set.

    Its name is the pod's address, so that clients reach every port which a container publishes there.

    Not-ready addresses are published: clients start when they can mount the files Secret, which is written
    as soon as the daemon answers, a second before the kubelet marks the pod ready. The key set in the
    selector excludes a pod that is being replaced.
    """
    manifest = child("v1", object_names.service, object_names.owner)
    manifest["spec"] = {
        "type": "ClusterIP",
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {names.LABEL_UID: object_names.owner.uid, names.LABEL_KEY_SET: key_set},
        "ports": [
            {
                "name": "docker-tls",
                "port": names.DOCKER_PORT,
                "protocol": "TCP",
                "targetPort": names.DOCKER_PORT,
            }
        ],
    }
    return manifest
