"""The idle watch: a container whose end says that nothing uses the daemon any more."""
