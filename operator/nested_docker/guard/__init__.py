"""The guard: a proxy for the node's Docker API that enforces a policy's rules and hides other owners' objects."""
