"""``alerts.toml``, read strictly: every fault is one line."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.formats.places import PLACES, is_place
from pilothouse.domain.formats.time_parsing import zone
from pilothouse.domain.identifiers import NAME
from pilothouse.domain.models.dataclass_reader import bare_durations, read_dataclass
from pilothouse.domain.outbox.quiet_times import hours_of
from pilothouse.domain.outbox.settings import AlertSettings, QuietTime, Receiver, ReceiverKind, Route

ALERTS_FILE = "alerts.toml"
LABEL = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,62}")
"""Name of a label."""
_ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_RULE = "1 to 64 lower-case letters, digits and inner hyphens"
_MOST = 100
_MOST_PATTERNS, _LONGEST = 50, 500
_SHORTEST_RESEND, _LONGEST_RESEND = 30, 180
_LONGEST_TIMEOUT = 30
_LONGEST_WAIT, _LONGEST_GIVING_UP = 86_400, 7 * 86_400


def load_settings(text: str, file: str = ALERTS_FILE) -> AlertSettings:
    """Settings of the text of a file. Raises ModelFileError with every fault."""
    try:
        plain = parse_toml(text, file)
    except InvalidInputError as error:
        raise ModelFileError([str(error)]) from None
    problems: list[str] = list(bare_durations(AlertSettings, plain))
    read = read_dataclass(AlertSettings, plain, "", problems)
    if read is not None:
        problems += _faults(read)
    if read is None or problems:
        raise ModelFileError(one_line_each(f"{file}: {problem}" for problem in dict.fromkeys(problems)))
    return read


def _faults(settings: AlertSettings) -> Iterator[str]:
    for key, named in (
        ("receiver", settings.receiver),
        ("route", settings.route),
        ("quiet", settings.quiet),
    ):
        names = [one.name for one in named]
        if len(names) > _MOST:
            yield f"{key}: found {len(names)}; expected {_MOST} at most"
        for i, name in enumerate(names):
            if not NAME.fullmatch(name):
                yield f"{key}[{i}].name: found {name[:80]!r}; expected {_RULE}"
        for name, count in Counter(names).items():
            if count > 1:
                yield f"{key}: {name[:80]!r} is described {count} times; expected each once"
    for i, receiver in enumerate(settings.receiver):
        yield from _receiver_faults(f"receiver[{i}]", receiver)
    for i, route in enumerate(settings.route):
        yield from _route_faults(f"route[{i}]", route, settings)
    for i, quiet in enumerate(settings.quiet):
        yield from _quiet_faults(f"quiet[{i}]", quiet)


def _receiver_faults(path: str, one: Receiver) -> Iterator[str]:
    given = [key for key in ("url", "url_file", "url_env") if getattr(one, key) is not None]
    if len(given) != 1:
        yield f"{path}: found {', '.join(given) or 'no url'}; expected one of url, url_file and url_env"
    if one.secret_file is not None and one.secret_env is not None:
        yield f"{path}: found secret_file and secret_env; expected one of them"
    for key in ("url_env", "secret_env"):
        name = getattr(one, key)
        if name is not None and not _ENVIRONMENT.fullmatch(name):
            yield f"{path}.{key}: found no name of an environment variable; expected the name, not the secret itself"
    for key in ("url_file", "secret_file", "ca_file"):
        name = getattr(one, key)
        if name is not None and not (name.startswith("/") and name.isprintable() and len(name) <= _LONGEST):
            yield f"{path}.{key}: found no path of a file; expected one that begins with /, not the secret itself"
    has_secret = one.secret_file is not None or one.secret_env is not None
    if one.kind is ReceiverKind.WEBHOOK and not has_secret:
        yield f"{path}: has no secret; expected secret_file or secret_env: what a webhook is sent is signed by it"
    if one.kind is ReceiverKind.APPRISE:
        if one.url is not None:
            yield f"{path}.url: apprise URLs hold secrets; expected url_file or url_env"
        if has_secret:
            yield f"{path}: apprise takes its secrets from its URL; expected no secret_file and no secret_env"
        if one.allow:
            yield f"{path}.allow: what apprise connects to is not checked; expected none"
        if one.ca_file is not None:
            yield f"{path}.ca_file: apprise trusts the system's certificates; expected none"
    elif one.url is not None:
        yield from _url_faults(f"{path}.url", one.url)
    for i, name in enumerate(one.allow):
        if not is_place(name):
            yield f"{path}.allow[{i}]: found {name[:80]!r}; expected {PLACES}"
    if not _SHORTEST_RESEND <= one.resend <= _LONGEST_RESEND:
        yield f"{path}.resend: found {one.resend}s; expected {_SHORTEST_RESEND}s to {_LONGEST_RESEND // 60}m"
    if not 1 <= one.timeout <= _LONGEST_TIMEOUT:
        yield f"{path}.timeout: found {one.timeout}s; expected 1s to {_LONGEST_TIMEOUT}s"
    if not 60 <= one.gives_up <= _LONGEST_GIVING_UP:
        yield f"{path}.gives_up: found {one.gives_up}s; expected 1m to 7d"


def _url_faults(path: str, url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or not url.isprintable() or " " in url:
        yield f"{path}: is no URL; expected one such as https://host/path"
    elif parts.username is not None or parts.query or parts.fragment:
        yield f"{path}: has a user, a query or a fragment, where secrets are; expected url_file or url_env"


def _route_faults(path: str, one: Route, settings: AlertSettings) -> Iterator[str]:
    yield from _unknown(f"{path}.to", one.to, settings)
    for label, patterns in one.match.items():
        if not LABEL.fullmatch(label):
            yield f"{path}.match: found {label[:80]!r}; expected the name of a label, such as severity"
        if not 0 < len(patterns) <= _MOST_PATTERNS or any(len(one) > _LONGEST for one in patterns):
            yield f"{path}.match.{label[:80]}: expected 1 to {_MOST_PATTERNS} patterns of {_LONGEST} characters at most"
    for label in one.group_by:
        if not LABEL.fullmatch(label):
            yield f"{path}.group_by: found {label[:80]!r}; expected the name of a label, such as model"
    for key in ("wait", "every"):
        if getattr(one, key) > _LONGEST_WAIT:
            yield f"{path}.{key}: expected 1d at most"
    if 0 < one.repeat < 60:
        yield f"{path}.repeat: found {one.repeat}s; expected 1m or more, or 0s for never"
    if one.quiet is not None and settings.quiet_of(one.quiet) is None:
        yield f"{path}.quiet: {one.quiet[:80]!r} is not described; expected the name of a [[quiet]] table"
    for i, step in enumerate(one.escalate):
        yield from _unknown(f"{path}.escalate[{i}].to", step.to, settings)
        if step.after < 60:
            yield f"{path}.escalate[{i}].after: found {step.after}s; expected 1m or more"
        if i and step.after <= one.escalate[i - 1].after:
            yield f"{path}.escalate[{i}].after: is not later than the one before; expected a longer time"


def _unknown(path: str, names: Iterable[str], settings: AlertSettings) -> Iterator[str]:
    known = [receiver.name for receiver in settings.receiver]
    if not names:
        yield f"{path}: names nobody; expected a receiver"
    for name in names:
        if name not in known:
            listed = ", ".join(known[:10]) or "none"
            yield f"{path}: {name[:80]!r} is not described; expected one of the receivers ({listed})"


def _quiet_faults(path: str, one: QuietTime) -> Iterator[str]:
    try:
        zone(one.timezone)
    except LookupError:
        yield f"{path}.timezone: found {one.timezone[:80]!r}; expected an IANA name such as Europe/Berlin"
    try:
        hours_of(one.hours)
    except ValueError:
        yield f'{path}.hours: found {one.hours[:80]!r}; expected two different times, such as "22:00-07:00"'
    if not one.days:
        yield f"{path}.days: names no day; expected at least one"
