"""The relay: what stands before the node's Docker socket in mode HostSocket."""
