"""NestedDocker: Docker daemons for Kubernetes workloads, within what a cluster admin allows."""

__version__ = "0.1.0"
