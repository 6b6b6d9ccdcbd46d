"""The relay: the proxy in front of the node's Docker socket in mode HostSocket."""
