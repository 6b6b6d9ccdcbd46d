"""Injection: a pod with a label gets its daemon, and the connection to it."""
