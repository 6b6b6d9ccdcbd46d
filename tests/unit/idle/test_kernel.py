"""The kernel's tables, as it prints them."""

from __future__ import annotations

from nested_docker.idle.kernel import connected_unix, established_tcp

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:0948 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1
   1: 0700000A:0948 0800000A:D431 01 00000000:00000000 00:00000000 00000000     0        0 2 1
   2: 0700000A:0948 0800000A:D432 06 00000000:00000000 00:00000000 00000000     0        0 3 1
   3: 0700000A:0050 0800000A:0948 01 00000000:00000000 00:00000000 00000000     0        0 4 1
""".splitlines()
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 00000000000000000000000000000000:0948 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000
   1: 0000000000000000FFFF00000700000A:0948 0000000000000000FFFF00000800000A:D431 01 00000000:00000000 00:00000000
""".splitlines()
UNIX = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000: 00000002 00000000 00010000 0001 01 100 /run/nested-docker/docker.sock
0001: 00000003 00000000 00000000 0001 03 101 /run/nested-docker/docker.sock
0002: 00000003 00000000 00000000 0001 03 102
0003: 00000003 00000000 00000000 0001 03 103 /var/run/docker.sock
0004: 00000003 00000000 00000000 0001 03 104 /run/with a space/docker.sock
0005: 00000003 00000000 00000000 0001 03 105 @/containerd-shim/abc.sock@
""".splitlines()


def test_only_established_connections_to_the_port_count() -> None:
    assert established_tcp(TCP, 2376) == 1
    assert established_tcp(TCP6, 2376) == 1
    assert established_tcp(TCP, 80) == 1
    assert established_tcp(TCP, 81) == 0


def test_only_accepted_connections_to_the_path_count() -> None:
    assert connected_unix(UNIX, "/run/nested-docker/docker.sock") == 1
    assert connected_unix(UNIX, "/run/with a space/docker.sock") == 1
    assert connected_unix(UNIX, "/none") == 0


def test_empty_tables_and_broken_lines_hold_no_connection() -> None:
    assert established_tcp([], 2376) == 0
    assert established_tcp(["", "1:"], 2376) == 0
    assert connected_unix(["", "0001:"], "/none") == 0
