"""Byte streams over TCP, unix sockets and TLS, below everything that speaks HTTP or Docker's raw streams."""
