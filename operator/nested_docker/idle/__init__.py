"""The idle watch: a container that exits when nothing uses the daemon any more."""
