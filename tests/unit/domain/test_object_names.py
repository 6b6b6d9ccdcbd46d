"""Where the children of a NestedDocker are and what they are called."""

from __future__ import annotations

from tests.support.factory import AWAY, HOME, OWNER

from nested_docker.domain import names
from nested_docker.domain.object_names import ObjectNames
from nested_docker.domain.objects import Identity

PREFIX = names.name_prefix(OWNER.uid)


def test_at_home_everything_has_the_nested_dockers_name() -> None:
    assert not HOME.remote
    assert HOME.namespace == "team-a"
    assert HOME.service == Identity("Service", "team-a", "build")
    assert HOME.network_policy == Identity("NetworkPolicy", "team-a", "build")
    assert HOME.tls_secret("abcdef") == Identity("Secret", "team-a", "build-abcde-tls")
    assert HOME.pod("abcdef") == Identity("Pod", "team-a", "build-abcde")
    assert HOME.endpoint == "tcp://build.team-a.svc:2376"


def test_in_a_pod_namespace_the_pods_objects_have_a_prefix_from_the_uid() -> None:
    assert AWAY.remote
    assert AWAY.namespace == "daemons"
    assert AWAY.service == Identity("Service", "daemons", PREFIX)
    assert AWAY.network_policy == Identity("NetworkPolicy", "daemons", PREFIX)
    assert AWAY.tls_secret("abcdef") == Identity("Secret", "daemons", f"{PREFIX}-abcde-tls")
    assert AWAY.pod("abcdef") == Identity("Pod", "daemons", f"{PREFIX}-abcde")
    assert AWAY.host == f"{PREFIX}.daemons.svc"


def test_connection_secrets_and_claim_stay_beside_the_nested_docker() -> None:
    for location in (HOME, AWAY):
        assert location.files_secret == Identity("Secret", "team-a", "build-docker")
        assert location.env_secret == Identity("Secret", "team-a", "build-docker-env")
        assert location.data_claim == Identity("PersistentVolumeClaim", "team-a", "build-data")


def test_no_two_objects_share_a_name() -> None:
    for location in (HOME, ObjectNames(OWNER, "daemons")):
        pods = [location.service, location.network_policy, location.tls_secret("abcdef")]
        whole = [*pods, location.files_secret, location.env_secret, location.data_claim]
        assert len({*whole}) == len(whole)
