"""Texts that another program parses: each is parsed here first, and the daemon gets what was understood.

A text of a small language, such as `0-3,5`, `ctrl-p,q` or `10m`, is not safe because its characters are: what matters
is what the program that reads it can make of it. So each language has a parser, which returns the text in one form, or
a list of whole values. An empty text means the daemon's default and passes.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, NoReturn

from nested_docker.domain.shown import shorten
from nested_docker.guard.errors import GuardDenied
from nested_docker.guard.rules.schema import FieldCheck, any_string, string_array
from nested_docker.guard.wire import strict_json

SIGNALS = frozenset(
    {"ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL"}
    | {"PROF", "PWR", "QUIT", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1"}
    | {"USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX"}
    | {f"RTMIN+{number}" for number in range(1, 16)}
    | {f"RTMAX-{number}" for number in range(1, 15)}
)
MAX_SIGNAL = 64

CAPABILITIES = frozenset(
    {"ALL", "AUDIT_CONTROL", "AUDIT_READ", "AUDIT_WRITE", "BLOCK_SUSPEND", "BPF", "CHECKPOINT_RESTORE", "CHOWN"}
    | {"DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "IPC_LOCK", "IPC_OWNER", "KILL", "LEASE"}
    | {"LINUX_IMMUTABLE", "MAC_ADMIN", "MAC_OVERRIDE", "MKNOD", "NET_ADMIN", "NET_BIND_SERVICE", "NET_BROADCAST"}
    | {"NET_RAW", "PERFMON", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYSLOG", "SYS_ADMIN", "SYS_BOOT", "SYS_CHROOT"}
    | {"SYS_MODULE", "SYS_NICE", "SYS_PACCT", "SYS_PTRACE", "SYS_RAWIO", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG"}
    | {"WAKE_ALARM"}
)
RESOLVER_OPTIONS = frozenset(
    {"debug", "edns0", "inet6", "no-aaaa", "no-check-names", "no-reload", "no-tld-query", "rotate", "single-request"}
    | {"single-request-reopen", "trust-ad", "use-vc"}
)
RESOLVER_NUMBERS = ("ndots", "timeout", "attempts")

PLATFORM_PARTS: tuple[frozenset[str], ...] = (
    frozenset({"linux", "windows", "darwin", "freebsd"}),
    frozenset({"386", "amd64", "arm", "arm64", "loong64", "mips64", "mips64le", "ppc64le", "riscv64", "s390x"}),
    frozenset(f"v{number}" for number in range(1, 10)),
)
ARCHITECTURES = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "i386": "386",
    "armhf": "arm",
    "armel": "arm",
}
"""Other names that Docker has for an architecture."""

MAX_CPU = 8191
MAX_ID = 2**31 - 1
MAX_PORT = 65535

_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,251}[A-Za-z0-9_])?")
_USER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}\$?")
_UNIX_TIME = re.compile(r"(-?[0-9]{1,12})(\.[0-9]{1,9})?")
_DURATION_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ns|us|ms|s|m|h)")
_DURATION = re.compile(f"(?:{_DURATION_PART.pattern})+")
_DURATION_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d(?::\d\d(?::\d\d(?:\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_PORT = re.compile(r"([1-9][0-9]{0,4})(?:-([1-9][0-9]{0,4}))?(/(?:tcp|udp|sctp))?")
_SIZE = re.compile(r"([1-9][0-9]{0,9})([kmg]?)b?")
_SYSCTL_WORD = re.compile(r"-?[0-9]{1,19}|[a-z][a-z0-9_-]{0,31}")
_CONTROL_KEYS = frozenset("@abcdefghijklmnopqrstuvwxyz[\\]^_")
_TRUE, _FALSE = frozenset({"1", "true", "yes"}), frozenset({"0", "false", "no", "none"})


def parsed(parse: Callable[[str], str], expected: str) -> FieldCheck:
    """A check of a text by its parser.

    Args:
        parse: maps the text to the one for the daemon; raises ValueError.
        expected: for messages: what the text must be.
    """

    def check(value: Any, where: str) -> str:
        text = any_string(value, where)
        try:
            return parse(text) if text else ""
        except ValueError:
            raise GuardDenied(
                "fields", f"{where} may not be {shorten(text)!r}: use {expected}", status=HTTPStatus.BAD_REQUEST
            ) from None

    return check


def each(check: FieldCheck) -> FieldCheck:
    """An array of such texts."""
    return lambda value, where: [
        check(text, f"{where}[{number}]") for number, text in enumerate(string_array(value, where))
    ]


def whole_number(minimum: int, maximum: int) -> FieldCheck:
    """A number in decimal digits."""
    return parsed(lambda text: str(_number(text, minimum, maximum)), f"a number from {minimum} to {maximum}")


def one_word(*words: str) -> FieldCheck:
    """One of these words."""
    return parsed(lambda text: text if text in words else _no(), f"one of {', '.join(words)}")


def host_name(text: str) -> str:
    """A host name, or several labels of one.

    Raises:
        ValueError: it is not one.
    """
    labels = text.split(".")
    return ".".join(labels) if len(text) <= 253 and all(map(_LABEL.fullmatch, labels)) else _no()


def ports(text: str) -> range:
    """The numbers of a port, or of a range such as `8000-8010/tcp`.

    Raises:
        ValueError: it is not one.
    """
    match = _PORT.fullmatch(text)
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
    return range(first, last + 1) if first <= last <= MAX_PORT else _no()


def moment(text: str, *, now: datetime) -> datetime:
    """A point in time: a duration before now, seconds since 1970, or a date.

    Args:
        text: such as `1h30m`, `1700000000` or `2006-01-02T15:04:05Z`; a date without an offset is in UTC.
        now: the current time.

    Raises:
        ValueError: it is not one.
    """
    try:
        if _DURATION.fullmatch(text):
            parts = _DURATION_PART.findall(text)
            return now - timedelta(seconds=sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts))
        if date := _DATE.fullmatch(text):
            parsed = datetime.fromisoformat(f"{date[1]}{date[2] or 'T00'}{date[3] or ''}")
            return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        return datetime.fromtimestamp(float(_unix_time(text)), UTC)
    except (OverflowError, OSError):
        return _no()


def _signal(text: str) -> str:
    name = text.upper().removeprefix("SIG")
    return f"SIG{name}" if name in SIGNALS else str(_number(text, 1, MAX_SIGNAL))


def _unix_time(text: str) -> str:
    match = _UNIX_TIME.fullmatch(text)
    return f"{int(match[1])}{match[2] or ''}" if match else _no()


def _moment(text: str) -> str:
    moment(text, now=datetime.now(UTC))
    return text if _DURATION.fullmatch(text) or _DATE.fullmatch(text) else _unix_time(text)


def _tail(text: str) -> str:
    return text if text == "all" else str(_number(text, -1, MAX_ID))


def _boolean(text: str) -> str:
    word = text.lower()
    return "1" if word in _TRUE else "0" if word in _FALSE else _no()


def _boolean_word(text: str) -> str:
    return "true" if _boolean(text) == "1" else "false"


def _platform(text: str) -> str:
    return _platform_document(text) if text.startswith("{") else "/".join(_platform_parts(text.lower().split("/")))


def _platform_parts(parts: list[str]) -> list[str]:
    known = [ARCHITECTURES.get(part, part) for part in parts]
    kinds = PLATFORM_PARTS[1:] if known[0] in PLATFORM_PARTS[1] else PLATFORM_PARTS
    valid = len(known) <= len(kinds) and all(part in kind for part, kind in zip(known, kinds, strict=False))
    return known if valid else _no()


def _platform_document(text: str) -> str:
    keys = ("os", "architecture", "variant")
    try:
        document = strict_json.parse_json(text.encode())
    except GuardDenied:
        return _no()
    found = {key: value for key, value in document.items() if value}
    if not found.keys() <= set(keys) or not {"os", "architecture"} <= found.keys():
        return _no()
    if not all(isinstance(value, str) for value in found.values()):
        return _no()
    parts = _platform_parts([found[key] for key in keys if key in found])
    return strict_json.encode_json(dict(zip(keys, parts, strict=False))).decode()


def _keys(text: str) -> str:
    for key in text.split(","):
        character = key.removeprefix("ctrl-")
        known = key == "DEL" or (character != key and character in _CONTROL_KEYS)
        if not known and not (len(key) == 1 and key.isascii() and key.isprintable()):
            _no()
    return text


def _cpu_set(text: str) -> str:
    return ",".join(_cpu_range(part) for part in text.split(","))


def _cpu_range(text: str) -> str:
    first, dash, last = text.partition("-")
    start = _number(first, 0, MAX_CPU)
    return f"{start}-{_number(last, start, MAX_CPU)}" if dash else str(start)


def _address(text: str) -> str:
    return _no() if "%" in text else str(ipaddress.ip_address(text))


def _subnet(text: str) -> str:
    return _no() if "%" in text else str(ipaddress.ip_network(text))


def _mac_address(text: str) -> str:
    address = text.lower().replace("-", ":")
    return address if _MAC.fullmatch(address) else _no()


def _short_host_name(text: str) -> str:
    return host_name(text) if len(text) <= 64 else _no()


def _search_domain(text: str) -> str:
    return text if text == "." else host_name(text.removesuffix("."))


def _resolver_option(text: str) -> str:
    name, colon, number = text.partition(":")
    if colon and name in RESOLVER_NUMBERS:
        return f"{name}:{_number(number, 0, 255)}"
    return text if text in RESOLVER_OPTIONS else _no()


def _extra_host(text: str) -> str:
    name, _, address = text.partition(":")
    if address != "host-gateway":
        address = _address(address.removeprefix("[").removesuffix("]"))
    return f"{host_name(name)}:{address}"


def _user(text: str) -> str:
    user, colon, group = text.partition(":")
    if not colon:
        return _user_part(user)
    return f"{_user_part(user) if user else ''}:{_user_part(group)}"


def _user_part(text: str) -> str:
    return text if _USER_NAME.fullmatch(text) else str(_number(text, 0, MAX_ID))


def _ports(text: str) -> str:
    found = ports(text)
    protocol = text.partition("/")[2]
    return f"{found[0]}{f'-{found[-1]}' if len(found) > 1 else ''}{f'/{protocol}' if protocol else ''}"


def _one_port(text: str) -> str:
    return _ports(text) if len(ports(text)) == 1 else _no()


def _size(text: str) -> str:
    match = _SIZE.fullmatch(text.lower())
    return f"{int(match[1])}{match[2]}" if match else "-1" if text == "-1" else _no()


def _sysctl(text: str) -> str:
    words = text.split()
    return " ".join(words) if words and all(map(_SYSCTL_WORD.fullmatch, words)) else _no()


def _capability(text: str) -> str:
    name = text.upper().removeprefix("CAP_")
    return name if name in CAPABILITIES else _no()


def _device_permissions(text: str) -> str:
    known = set(text) <= set("rwm") and len(set(text)) == len(text)
    return "".join(letter for letter in "rwm" if letter in text) if known else _no()


def _absolute_path(text: str) -> str:
    return posixpath.normpath(f"/{text.lstrip('/')}") if text.startswith("/") and _is_plain(text) else _no()


def _relative_path(text: str) -> str:
    path = posixpath.normpath(text.lstrip("/") or ".")
    return path if _is_plain(text) and path.split("/")[0] not in {".", ".."} else _no()


def _is_plain(text: str) -> bool:
    return text.isprintable() and ":" not in text


def _number(text: str, minimum: int, maximum: int) -> int:
    digits = text.removeprefix("-")
    number = int(text) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else _no()
    return number if minimum <= number <= maximum else _no()


def _no() -> NoReturn:
    raise ValueError


SIGNAL = parsed(_signal, f"a signal such as SIGTERM, or a number from 1 to {MAX_SIGNAL}")
UNIX_TIME = parsed(_unix_time, "a Unix time in seconds, such as 1700000000 or 1700000000.5")
MOMENT = parsed(_moment, "a Unix time, a duration such as 1h30m, or a date such as 2006-01-02T15:04:05Z")
TAIL = parsed(_tail, "all, or a number of lines")
BOOLEAN = parsed(_boolean, "1 or 0")
BOOLEAN_WORD = parsed(_boolean_word, "true or false")
PLATFORM = parsed(_platform, "a platform such as linux/arm64/v8")
KEY_SEQUENCE = parsed(_keys, "keys separated by commas, such as ctrl-p,q")
CPU_SET = parsed(_cpu_set, f"numbers up to {MAX_CPU} and ranges of them, such as 0-3,5")
ADDRESS = parsed(_address, "an IP address without a zone")
SUBNET = parsed(_subnet, "a network such as 10.0.0.0/24")
MAC_ADDRESS = parsed(_mac_address, "a MAC address such as 02:42:ac:11:00:02")
HOST_NAME = parsed(_short_host_name, "a host name of at most 64 letters, digits, dots, - and _")
ALIAS = parsed(host_name, "a host name of letters, digits, dots, - and _")
SEARCH_DOMAIN = parsed(_search_domain, "a domain name, or a dot")
RESOLVER_OPTION = parsed(_resolver_option, "an option of resolv.conf, such as ndots:2")
EXTRA_HOST = parsed(_extra_host, "a host name and an IP address, such as db:10.0.0.5, or NAME:host-gateway")
USER = parsed(_user, "a name or number, and a group after a colon")
PORTS = parsed(_ports, "a port such as 80/tcp, or a range of ports")
PORT = parsed(_one_port, "one port such as 80/tcp")
SIZE = parsed(_size, "a size such as 10m")
SYSCTL = parsed(_sysctl, "numbers or words with spaces in between")
CAPABILITY = parsed(_capability, "a capability of Linux such as NET_RAW, or ALL")
DEVICE_PERMISSIONS = parsed(_device_permissions, "letters of rwm")
ABSOLUTE_PATH = parsed(_absolute_path, "an absolute path without colons and control characters")
RELATIVE_PATH = parsed(_relative_path, "a path in the build context")
