"""Durations, fields, shells and tables: small pure functions."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from nested_docker.cli.user.durations import age_of, format_duration, parse_duration
from nested_docker.cli.user.shells import Shell, hint, shell_of, statements
from nested_docker.cli.user.spec_options import spec_from_options
from nested_docker.cli.user.tables import table


@pytest.mark.parametrize(
    ("text", "seconds"), [("45", 45), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("2d", 172800), ("0", 0)]
)
def test_a_duration(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "1.5h", "-3s", "3 s", "s", "5minutes", "\u00b2", "\u0663s", "9" * 5000])
def test_what_is_no_duration_says_what_is(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write it as 90s, 5m or 1h30m"):
        parse_duration(text)


def test_a_duration_is_at_most_ten_years() -> None:
    assert parse_duration("3650d") == 315360000
    with pytest.raises(ValueError, match="3650d1s is too long: use at most 3650d"):
        parse_duration("3650d1s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (3661, "1h1m"), (90061, "1d1h"), (86400 + 60, "1d"), (-5, "0s")],
)
def test_a_duration_as_text(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def test_an_age() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert age_of((now - timedelta(hours=2)).isoformat(), now) == "2h"
    assert age_of(None, now) == "?"
    assert age_of("yesterday", now) == "?"


def test_fields_are_yaml_and_nested() -> None:
    fields = [
        "engine.image=docker:29-dind",
        "suspend=true",
        "scheduling.nodeSelector={disk: ssd}",
        "resources.limits.cpu=1",
    ]
    assert spec_from_options(cpu="2", memory="4Gi", lifetime="4h", fields=fields) == {
        "resources": {"limits": {"cpu": 1, "memory": "4Gi"}},
        "activeDeadlineSeconds": 14400,
        "engine": {"image": "docker:29-dind"},
        "suspend": True,
        "scheduling": {"nodeSelector": {"disk": "ssd"}},
    }


def test_values_of_fields_are_those_that_kubectl_reads() -> None:
    given = {"day": "2024-01-01", "time": "22:22", "number": "1e3", "keys": "{1: x}", "nothing": ""}
    spec = spec_from_options(fields=[f"{key}={value}" for key, value in given.items()])
    assert spec == {"day": "2024-01-01", "time": "22:22", "number": 1000, "keys": {"1": "x"}, "nothing": None}


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ("suspend", "is not FIELD=VALUE"),
        ("=x", "is not FIELD=VALUE"),
        ("a..b=1", "is not FIELD=VALUE"),
        ("a=[1", "a: '\\[1' is not YAML"),
        ("a=.nan", "a: '.nan' is not YAML: cannot be represented in JSON"),
        ("a=!!set {x}", "a: '!!set {x}' is not YAML: cannot be represented in JSON"),
        ("a=!!binary eA==", "a: '!!binary eA==' is not YAML: cannot be represented in JSON"),
        ("a=&b [*b]", "an alias is inside of what it names"),
        ("a={b: 1, b: 2}", "duplicate key b"),
        ("a=x\n---\ny", "it has several documents: give one"),
    ],
)
def test_a_field_of_another_form(field: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_from_options(fields=[field])


def test_a_field_in_a_value() -> None:
    with pytest.raises(ValueError, match=r"a\.b: a is set to 1 already, which has no fields"):
        spec_from_options(fields=["a=1", "a.b=2"])


HOSTILE = {"PLAIN": "unix:///run/x.sock", "QUOTED": 'it\'s $HOME `id` \\ "x"\nline'}


def test_statements_set_exactly_the_values() -> None:
    script = statements(Shell.BASH, HOSTILE, ["GONE"]) + '\nprintf "%s|%s|%s" "$PLAIN" "$QUOTED" "$GONE"'
    ran = subprocess.run(["bash", "-c", script], env={"GONE": "x"}, capture_output=True, text=True, check=True)
    assert ran.stdout == f"{HOSTILE['PLAIN']}|{HOSTILE['QUOTED']}|"


def test_statements_of_each_shell() -> None:
    values = {"DOCKER_HOST": "it's"}
    assert statements(Shell.BASH, values, ["A"]) == "unset A\nexport DOCKER_HOST='it'\"'\"'s'"
    assert statements(Shell.ZSH, values, ["A"]) == statements(Shell.BASH, values, ["A"])
    assert statements(Shell.FISH, values, ["A"]) == "set -e A;\nset -gx DOCKER_HOST 'it\\'s';"
    assert statements(Shell.PWSH, values, ["A"]) == (
        "Remove-Item -ErrorAction SilentlyContinue Env:A\n$Env:DOCKER_HOST = 'it''s'"
    )

    typographic = {"X": "a\u2019; calc; \u2018b\u201ac\u201bd"}
    assert statements(Shell.PWSH, typographic, []) == (
        "$Env:X = 'a\u2019\u2019; calc; \u2018\u2018b\u201a\u201ac\u201b\u201bd'"
    ), "PowerShell takes them for quotes too"


def test_hints() -> None:
    assert [hint(shell, "c") for shell in Shell] == [
        '# Run this: eval "$(c)"',
        '# Run this: eval "$(c)"',
        "# Run this: c | source",
        "# Run this: c | Out-String | Invoke-Expression",
    ]


@pytest.mark.parametrize(
    ("path", "shell"), [("/bin/zsh", "zsh"), ("/usr/bin/fish", "fish"), ("/bin/dash", "bash"), ("", "bash")]
)
def test_the_users_shell(path: str, shell: str) -> None:
    assert shell_of(path) == shell


def test_a_table_is_aligned_and_has_no_empty_cell() -> None:
    assert table(["A", "BB"], [["long", ""], ["x", "y"]]) == "A      BB\nlong   -\nx      y"
