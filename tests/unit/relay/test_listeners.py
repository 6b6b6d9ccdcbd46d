"""The sockets that the relay listens on."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from nested_docker.relay.listeners import Address, listen_tcp, listen_unix


def test_addresses() -> None:
    assert Address.parse("0.0.0.0:2376") == Address("0.0.0.0", 2376)
    assert Address.parse("[::]:1") == Address("::", 1)
    for wrong in ("2376", "host:", "host:x", "host:70000"):
        with pytest.raises(ValueError, match="is not HOST:PORT"):
            Address.parse(wrong)


def test_accepted_connections_are_kept_alive() -> None:
    with listen_tcp(Address("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_unspecified_ipv6_address_is_everybodys() -> None:
    assert socket.has_dualstack_ipv6(), "the kernel has no IPv6: boot it without ipv6.disable=1"
    with listen_tcp(Address("::", 0)) as listener:
        port = listener.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()
        socket.create_connection(("::1", port)).close()


def test_a_stale_socket_is_replaced_and_only_its_group_let_in(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    listen_unix(str(path)).close()
    assert path.is_socket()
    with listen_unix(str(path)):
        assert path.stat().st_mode & 0o777 == 0o660


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "docker.sock"
    path.write_text("precious")
    with pytest.raises(OSError, match="in use"):
        listen_unix(str(path))
    assert path.read_text() == "precious"
