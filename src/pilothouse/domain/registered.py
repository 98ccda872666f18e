"""Models as applied, and the targets on which their versions run."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Model:
    """A model as applied."""

    id: int
    name: str
    task: str
    owner: str
    description: str
    spec_id: int
    spec_digest: str
    folder: str
    created_at: datetime
    targets: tuple[str, ...] = ()
    aliases: dict[str, int] = field(default_factory=dict)
    git: dict[str, Any] | None = None
    """Repository that the file in force lay in when it was applied (``GitState``); None where it lay in none."""


@dataclass(frozen=True, slots=True)
class Target:
    """Target on which versions run."""

    name: str
    region: str
    product: str
    business_unit: str
    event_clock: datetime | None = None
    environment: str = ""
    port: int | None = None  # on which its serving process listens; None for a free one
    grpc_port: int | None = None  # on which it speaks gRPC too
    tls_certificate: str = ""
    tls_key: str = ""
    client_tokens: str = ""
    place: str = (
        "local"  # remote: its serving process runs on another machine; elsewhere: something else serves it
    )
    deployer: dict[str, Any] | None = field(default=None, hash=False)  # command that brings versions there
    limits: dict[str, Any] | None = field(default=None, hash=False)  # how much a remote one may send
    labels: dict[str, str] = field(default_factory=dict, hash=False)
    listed: bool = False  # in targets.toml as it was applied last
