"""Builders of child objects: pure functions from the effective spec to manifests."""

from nested_docker.domain.objects import Identity, Manifest, Owner

__all__ = ["Identity", "Manifest", "Owner"]
