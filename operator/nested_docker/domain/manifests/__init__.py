"""Builders of child objects: pure functions from what is asked for to raw manifests."""

from nested_docker.domain.objects import Identity, Manifest, Owner

__all__ = ["Identity", "Manifest", "Owner"]
