"""The guard: what narrows the node's Docker socket down to what rules allow and to what is one's own."""
