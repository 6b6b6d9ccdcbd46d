"""Pods that do not find their daemon's name have a warning, and no others."""

from __future__ import annotations

import pytest
from tests.unit.domain.injection.pods import pod

from nested_docker.domain.injection.name_servers import foreign_name_servers


@pytest.mark.parametrize(
    "spec",
    [{}, {"dnsPolicy": "ClusterFirst"}, {"dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": True}],
    ids=["by default", "named", "on the host network"],
)
def test_the_cluster_s_name_servers_know_the_daemon(spec: dict[str, object]) -> None:
    assert foreign_name_servers(pod(**spec)) == ()


@pytest.mark.parametrize(
    ("spec", "begin", "end"),
    [
        ({"dnsPolicy": "None"}, "spec.dnsPolicy is None: ", " set it to ClusterFirst"),
        ({"dnsPolicy": "Default"}, "spec.dnsPolicy is Default: ", " set it to ClusterFirst"),
        (
            {"dnsPolicy": "ClusterFirst", "hostNetwork": True},
            "spec.dnsPolicy is ClusterFirst with hostNetwork: ",
            " set it to ClusterFirstWithHostNet",
        ),
    ],
    ids=["its own", "the node's", "the node's, on the host network"],
)
def test_others_may_not_and_the_warning_has_the_remedy(spec: dict[str, object], begin: str, end: str) -> None:
    (warning,) = foreign_name_servers(pod(**spec))
    assert warning.startswith(begin)
    assert warning.endswith(end)
