"""What the API server stored of a pod at creation: other admission plugins may change what the operator writes."""

from __future__ import annotations

from collections.abc import Mapping

from nested_docker.api.v1alpha1.nested_docker import AdmittedPod
from nested_docker.api.v1alpha1.policy import ImageRules
from nested_docker.domain import images, names
from nested_docker.domain.objects import Manifest

LONGEST_IMAGE = 512
"""Characters of an image that status shows; of a longer one it has the digest."""

LONGEST_ANNOTATION = 4096


def admitted(asked: Manifest, stored: Manifest) -> AdmittedPod:
    """What to compare the pod with from now on.

    Args:
        asked: the manifest that the operator sent.
        stored: the API server's answer to its creation.
    """
    ours = images_of(asked).keys()
    wanted, kept = _own_annotations(asked), _own_annotations(stored)
    return AdmittedPod(
        uid=stored["metadata"]["uid"],
        images={name: image for name, image in images_of(stored).items() if name in ours},
        annotations={
            key: value for key, value in wanted.items() if kept.get(key) != value and len(value) <= LONGEST_ANNOTATION
        },
    )


def images_of(pod: Manifest) -> dict[str, str]:
    """Container → image, of containers and init containers."""
    spec = pod.get("spec", {})
    return {
        item["name"]: _short(item.get("image", ""))
        for key in ("initContainers", "containers")
        for item in spec.get(key, [])
    }


def were_changed(pod: Manifest, expected: Mapping[str, str]) -> bool:
    """Whether a pod has another image in one of these containers; one that is missing has not changed."""
    present = images_of(pod)
    return any(present.get(name, image) != image for name, image in expected.items())


def same_image(stored: str, asked: str) -> bool:
    """Whether both references name one image: in two spellings, or the stored one with the digest of the tag."""
    if stored == asked:
        return True
    if not (images.is_valid(stored) and images.is_valid(asked)):
        return False
    there, wanted = images.Image.parse(stored), images.Image.parse(asked)
    if there.repository != wanted.repository:
        return False
    if wanted.digest or not there.digest:
        return (there.digest or _tag(there)) == (wanted.digest or _tag(wanted))
    return there.tag in {"", _tag(wanted)}


def allows(rules: ImageRules, image: str) -> bool:
    """Whether a policy allows an image that neither the spec nor the class names."""
    pinned = images.is_valid(image) and bool(images.Image.parse(image).digest)
    return (pinned or not rules.require_digest) and any(images.matches(image, pattern) for pattern in rules.patterns)


def _tag(image: images.Image) -> str:
    return image.tag or "latest"


def _short(image: str) -> str:
    return image if len(image) <= LONGEST_IMAGE else f"(too long) {names.digest(image, 32)}"


def _own_annotations(pod: Manifest) -> Mapping[str, str]:
    annotations: Mapping[str, str] = pod["metadata"].get("annotations", {})
    ours = (names.ANNOTATION_EFFECTIVE, names.ANNOTATION_RESTART)
    return {key: annotations[key] for key in ours if key in annotations}
