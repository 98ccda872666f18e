"""Check of the files by which serving processes know their clients: tokens, certificates and keys, named by a target or in its
folder."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from pilothouse.domain.errors import UnavailableError
from pilothouse.operations.services import Services
from pilothouse.store.models import targets
from pilothouse.system import serving_files
from pilothouse.system.paths import CLIENT_TOKENS, TLS_CERTIFICATE

WARNED_BEFORE = timedelta(days=14)
"""Time before its end in which a certificate counts as a fault."""


def examine(services: Services) -> str:
    """What the files are that processes start with. Raises UnavailableError with what is wrong, or soon will be."""
    root, now = services.paths.root, services.now()
    with services.registry.read() as connection:
        described = targets.described(connection)
        names = targets.names(connection)
    wrong: list[str] = []
    ends: dict[str, datetime] = {}
    tokens = 0
    for name in names:
        one = described.get(name, targets.Described())
        named = serving_files.ServingFiles(one.tls_certificate, one.tls_key, one.client_tokens)
        files = serving_files.in_force(root, services.paths.serving_folder(name), named)
        tokens += CLIENT_TOKENS in files
        found = list(serving_files.faults(files, now))
        wrong += [f"{name}: {fault}" for fault in found]
        if not found and TLS_CERTIFICATE in files:
            ends[name] = serving_files.validity(files[TLS_CERTIFICATE])[1]
            wrong += _soon(name, files, ends[name], now)
    if wrong:
        raise UnavailableError("; ".join(wrong))
    if not ends:
        return f"tokens of clients on {tokens} of {len(names)} targets, TLS on none"
    first = min(ends, key=lambda name: ends[name])
    return (
        f"tokens of clients on {tokens} of {len(names)} targets, TLS on {len(ends)}; "
        f"the first certificate ends on {ends[first]:%Y-%m-%d} ({first})"
    )


def _soon(name: str, files: Mapping[str, Path], ends: datetime, now: datetime) -> list[str]:
    if ends - now > WARNED_BEFORE:
        return []
    return [f"{name}: {files[TLS_CERTIFICATE]} expires on {ends:%Y-%m-%d %H:%M} UTC: renew it before"]
