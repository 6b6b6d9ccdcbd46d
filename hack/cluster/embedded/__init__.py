"""A one-node Kubernetes in private namespaces of this machine; see the README beside this package."""
