"""``targets.toml``: each target of a workspace, described once."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.formats.toml_text import quoted
from pilothouse.domain.identifiers import NAME
from pilothouse.domain.models.dataclass_reader import format_duration, read_dataclass
from pilothouse.domain.models.hub_limits import LEAST_MB, LEAST_ROWS, Limits
from pilothouse.domain.models.model_spec import Duration

TARGETS_FILE = "targets.toml"

_PORTS = range(1, 65_536)
FILE_KEYS = ("tls_certificate", "tls_key", "client_tokens")
"""Keys that say who may ask a serving process, and how."""
_KEYS = ("region", "product", "business_unit", "environment")
_LEAST = {"mb_a_day": LEAST_MB, "rows_a_day": LEAST_ROWS, "requests_a_second": 1}
_MOST = 10**12
_LISTEN = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})")
_TIMEOUT, _READY_WITHIN, _PROBE_EVERY = Duration(300), Duration(600), Duration(30)
_NO_LIMITS = Limits()
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployer:
    """``[target.deployer]``: a command of the user's that brings versions to a platform of others."""

    command: tuple[str, ...]
    """Program and its arguments, run in the workspace's folder."""
    timeout: Duration = _TIMEOUT
    """Seconds that one call has."""
    ready_within: Duration = _READY_WITHIN
    """Seconds from a deployment until the platform has to answer with the version."""
    probe_every: Duration = _PROBE_EVERY
    """Seconds between two probes of what is deployed."""
    environment: tuple[str, ...] = ()
    """Variables of the daemon's environment that the command is given beside PATH, HOME, LANG and TZ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDoor:
    """``[hub]``: where the hub listens with TLS for the serving processes of other machines; nowhere without it."""

    listen: str
    """``HOST:PORT``."""
    tls_certificate: str
    """Files, relative to the workspace's folder."""
    tls_key: str
    limits: Limits = _NO_LIMITS
    """How much each target that comes there may send."""

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


@dataclass(frozen=True, slots=True)
class TargetDescription:
    """``[[target]]``: a place on which versions run."""

    name: str
    region: str = ""
    product: str = ""
    business_unit: str = ""
    environment: str = ""
    port: int | None = None
    """Port on which its serving process listens; a free one where absent."""
    grpc_port: int | None = None
    """Port on which it speaks gRPC too."""
    tls_certificate: str = ""
    """Files of TLS and of the tokens of its clients, relative to the workspace's folder."""
    tls_key: str = ""
    client_tokens: str = ""
    place: Literal["local", "remote", "elsewhere"] = "local"
    """``remote``: its serving process runs on another machine, and comes with a token of its own. ``elsewhere``: something else
    serves it, and its predictions come as logs."""
    deployer: Deployer | None = None
    """Command that brings versions there, where no serving process of Pilothouse does."""
    limits: Limits | None = None
    """How much a remote target may send, where that is otherwise than the hub says for all."""
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetFile:
    """The whole file."""

    target: tuple[TargetDescription, ...] = ()
    hub: HubDoor | None = None


def load_targets(text: str, file: str = TARGETS_FILE) -> dict[str, TargetDescription]:
    """Read the text of a file of targets, by name in its order. Raises ModelFileError with every fault."""
    return {target.name: target for target in load_file(text, file).target}


def load_file(text: str, file: str = TARGETS_FILE) -> TargetFile:
    """Read the text of a file of targets. Raises ModelFileError with every fault."""
    try:
        plain = parse_toml(text, file)
    except InvalidInputError as error:
        raise ModelFileError([str(error)]) from None
    problems: list[str] = []
    read = read_dataclass(TargetFile, plain, "", problems)
    if read is not None:
        problems += _faults(read)
    if read is None or problems:
        raise ModelFileError(one_line_each(f"{file}: {problem}" for problem in problems))
    return read


def targets_text(targets: Iterable[TargetDescription]) -> str:
    """``[[target]]`` tables that read as these targets; what is empty is left out."""
    return "\n".join("\n".join(_table(target)) + "\n" for target in targets)


def _table(target: TargetDescription) -> Iterator[str]:
    yield "[[target]]"
    yield f"name = {quoted(target.name)}"
    for key in _KEYS:
        if value := getattr(target, key):
            yield f"{key} = {quoted(value)}"
    for key in ("port", "grpc_port"):
        if (port := getattr(target, key)) is not None:
            yield f"{key} = {port}"
    for key in FILE_KEYS:
        if value := getattr(target, key):
            yield f"{key} = {quoted(value)}"
    if target.place != "local":
        yield f"place = {quoted(target.place)}"
    if target.limits is not None:
        said = {name: value for name in _LEAST if (value := getattr(target.limits, name)) is not None}
        yield f"limits = {{ {', '.join(f'{name} = {value}' for name, value in said.items())} }}"
    if target.labels:
        pairs = ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in sorted(target.labels.items()))
        yield f"labels = {{ {pairs} }}"
    if (deployer := target.deployer) is not None:
        yield "[target.deployer]"
        for key in ("command", "environment"):
            yield f"{key} = [{', '.join(quoted(text) for text in getattr(deployer, key))}]"
        for key in ("timeout", "ready_within", "probe_every"):
            yield f"{key} = {quoted(format_duration(getattr(deployer, key)))}"


def _faults(file: TargetFile) -> Iterator[str]:
    if not file.target:
        yield "target: found none; expected at least one [[target]] table with a name"
    rule = "1 to 64 lower-case letters, digits and inner hyphens"
    names: set[str] = set()
    ports: dict[int, str] = {}
    for i, target in enumerate(file.target):
        path = f"target[{i}]"
        if not NAME.fullmatch(target.name):
            yield f"{path}.name: found {target.name!r}; expected {rule}"
        if target.name in names:
            yield f"{path}.name: {target.name!r} is described twice; expected each target once"
        names.add(target.name)
        for key in ("port", "grpc_port"):
            port = getattr(target, key)
            if port is not None and port not in _PORTS:
                yield f"{path}.{key}: found {port}; expected 1 to {_PORTS[-1]}"
            elif port in ports:
                yield f"{path}.{key}: {port} is the port of {ports[port]!r} too; expected one of its own"
            elif port is not None:
                ports[port] = target.name
        if bool(target.tls_certificate) != bool(target.tls_key):
            yield f"{path}.tls_certificate: expected tls_key with it, or neither"
        yield from _label_faults(path, target.labels)
        if target.limits is not None:
            yield from _limit_faults(f"{path}.limits", target.limits)
            if target.place != "remote":
                yield f'{path}.limits: are of a target with place = "remote" alone'
        if target.deployer is not None:
            yield from _deployer_faults(path, target, target.deployer)
    if file.hub is not None:
        yield from _door_faults(file.hub)


def _deployer_faults(path: str, target: TargetDescription, deployer: Deployer) -> Iterator[str]:
    if not deployer.command or not all(deployer.command) or any("\0" in word for word in deployer.command):
        yield f"{path}.deployer.command: expected a program and its arguments, none of them empty"
    for key in ("timeout", "ready_within", "probe_every"):
        if getattr(deployer, key) < 1:
            yield f"{path}.deployer.{key}: expected at least 1s"
    for name in deployer.environment:
        if not _VARIABLE.fullmatch(name):
            yield f"{path}.deployer.environment: found {name!r}; expected names of variables"
    if target.place == "elsewhere":
        yield (
            f"{path}.deployer: found place = 'elsewhere' beside it: leave place out, for a target with a deployer is one that "
            "something else serves, and its logs come by pilothouse ingest too"
        )
    elif target.place != "local":
        yield f"{path}.deployer: found place = {target.place!r} beside it; expected one of the two"


def _door_faults(hub: HubDoor) -> Iterator[str]:
    found = _LISTEN.fullmatch(hub.listen)
    if found is None or int(found["port"]) > _PORTS[-1]:
        yield f'hub.listen: found {hub.listen!r}; expected HOST:PORT, such as "0.0.0.0:8443" or "[::]:8443"'
    for key in ("tls_certificate", "tls_key"):
        if not getattr(hub, key):
            yield f"hub.{key}: is empty; expected a file: the hub listens on a network with TLS alone"
    yield from _limit_faults("hub.limits", hub.limits)


def _limit_faults(path: str, limits: Limits) -> Iterator[str]:
    for key, least in _LEAST.items():
        found = getattr(limits, key)
        if found is not None and not least <= found <= _MOST:
            yield f"{path}.{key}: found {found}; expected {least} to {_MOST}"


def _label_faults(path: str, labels: Mapping[str, str]) -> Iterator[str]:
    for key, value in labels.items():
        if not NAME.fullmatch(key):
            yield (
                f"{path}.labels: found the label {key!r}; expected 1 to 64 lower-case letters, digits and inner hyphens"
            )
        if not value:
            yield f"{path}.labels.{key}: is empty; expected a text, or no such label"
