"""``targets.toml``: each target of a workspace, described once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pilothouse.domain.errors import InvalidInputError, ModelFileError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.domain.formats.toml_text import quoted
from pilothouse.domain.identifiers import NAME
from pilothouse.domain.models.dataclass_reader import read_dataclass

TARGETS_FILE = "targets.toml"

_PORTS = range(1, 65_536)
FILE_KEYS = ("tls_certificate", "tls_key", "client_tokens")
"""Keys that say who may ask a serving process, and how."""
_KEYS = ("region", "product", "business_unit", "environment")


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
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TargetFile:
    """The whole file."""

    target: tuple[TargetDescription, ...] = ()


def load_targets(text: str, file: str = TARGETS_FILE) -> dict[str, TargetDescription]:
    """Read the text of a file of targets, by name in its order. Raises ModelFileError with every fault."""
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
    return {target.name: target for target in read.target}


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
    if target.labels:
        pairs = ", ".join(f"{quoted(key)} = {quoted(value)}" for key, value in sorted(target.labels.items()))
        yield f"labels = {{ {pairs} }}"


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


def _label_faults(path: str, labels: Mapping[str, str]) -> Iterator[str]:
    for key, value in labels.items():
        if not NAME.fullmatch(key):
            yield (
                f"{path}.labels: found the label {key!r}; expected 1 to 64 lower-case letters, digits and inner hyphens"
            )
        if not value:
            yield f"{path}.labels.{key}: is empty; expected a text, or no such label"
