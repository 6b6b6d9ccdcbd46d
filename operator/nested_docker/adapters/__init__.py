"""The outside world: API server, daemons, certificates, clock and Events."""
