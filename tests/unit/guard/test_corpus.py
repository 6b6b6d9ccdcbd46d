"""The attacks of the corpus that the guard recognizes without a daemon are denied offline."""

from __future__ import annotations

import re

import pytest
from tests.guard.corpus import ATTACKS, Attack
from tests.unit.guard.decisions import OPEN, UID

from nested_docker.guard.decision import decide, parse_request
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.verdicts import COUNTED_RULES, OTHER, GuardVerdict, Verdicts
from nested_docker.guard.wire.strict_json import encode_json

ALONE = [attack for attack in ATTACKS if not attack.needs_daemon and "{victim}" not in attack.target]


@pytest.mark.parametrize("attack", ALONE, ids=lambda attack: attack.name)
def test_an_attack_is_denied(attack: Attack) -> None:
    body = attack.body if isinstance(attack.body, bytes) else b"" if attack.body is None else encode_json(attack.body)
    target = attack.target.replace("{mine}", "mine").replace("{raw}", "raw")
    with pytest.raises(GuardDenied) as denied:
        decide(parse_request(attack.method, target.encode("latin-1")), body, OPEN, UID)
    assert 400 <= denied.value.status < 500
    verdicts = Verdicts()
    verdicts.count(GuardVerdict.DENIED, denied.value)
    labels = re.findall(r'\{rule="(.*)",verdict="denied"\} 1$', verdicts.metrics(), re.MULTILINE)
    assert set(labels) <= COUNTED_RULES | {OTHER}
    assert labels
