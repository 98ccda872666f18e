"""Statement that a person signs when they decide on a request: one line of JSON by RFC 8785, for everybody to read."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.canonical import rfc8785_json
from pilothouse.domain.promotion.conditions import NewCondition, condition_from_plain

NAMESPACE = "approval@pilothouse"
"""Namespace of the signatures: one over something else counts for nothing here, and one from here for nothing elsewhere."""
FORM = "pilothouse/decision/1"
MEANINGS = {
    "approve": "I have reviewed the evidence and approve the deployment of this version on these targets.",
    "reject": "I have reviewed the evidence and reject the deployment of this version on these targets.",
}
"""What a signature means, by verdict."""
_LONGEST = 64 << 10


class Component(StrEnum):
    """Second component that a decision needs beside the person's session, the weakest first."""

    NONE = "none"
    PASSPHRASE = "passphrase"  # noqa: S105 - a name, no secret
    KEY = "key"
    HARDWARE_KEY = "hardware-key"

    @property
    def rank(self) -> int:
        return list(Component).index(self)

    @property
    def words(self) -> str:
        return _WORDS[self]


_WORDS = {
    Component.NONE: "no signature",
    Component.PASSPHRASE: "a passphrase",
    Component.KEY: "a signature by an SSH key",
    Component.HARDWARE_KEY: "a signature by a hardware key",
}


@dataclass(frozen=True, slots=True)
class LogHead:
    """Head of the audit log: number of entries, and the hash of the last."""

    count: int
    hash: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What somebody says of a request."""

    verdict: str
    """``approve`` or ``reject``."""
    reason: str = ""
    condition: NewCondition | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one person says of one request. ``key``: fingerprint of the key that signs it; empty under a passphrase."""

    request: int
    model: str
    version: int
    targets: tuple[str, ...]
    evidence: str
    """sha256 of the evidence, as the policy's."""
    policy: str
    verdict: str
    reason: str
    name: str
    key: str
    time: datetime
    log: LogHead
    documents: Mapping[str, str] = field(default_factory=dict)
    """sha256 of each document that is attached, by its name."""
    condition: NewCondition | None = None
    """Condition on which it approves."""

    @property
    def meaning(self) -> str:
        return MEANINGS[self.verdict]

    def to_bytes(self) -> bytes:
        """The bytes that are signed. Raises InvalidInputError where a text is not valid Unicode."""
        try:
            return rfc8785_json(
                {
                    "form": FORM,
                    "request": self.request,
                    "model": self.model,
                    "version": self.version,
                    "targets": list(self.targets),
                    "evidence": {"sha256": self.evidence},
                    "policy": {"sha256": self.policy},
                    "verdict": self.verdict,
                    "meaning": self.meaning,
                    "reason": self.reason,
                    **signer(self.name, self.key, self.time, self.log),
                    **self._added(),
                }
            )
        except ValueError as error:
            raise InvalidInputError(f"the statement cannot be written: {error}") from None

    def _added(self) -> dict[str, object]:
        """What statements say only where there is any."""
        attached = {name: {"sha256": digest} for name, digest in self.documents.items()}
        return {
            **({"documents": attached} if attached else {}),
            **({"condition": self.condition.plain} if self.condition else {}),
        }

    def differences(self, other: "Statement") -> Iterator[str]:
        """Words for each respect in which it is not what ``other`` says; time, log and key are left out."""
        return differing(_COMPARED, self, other)


_COMPARED = {
    "request": "it is for request",
    "name": "it is in the name of",
    "verdict": "its verdict is",
    "model": "it is for the model",
    "version": "it is for the version",
    "targets": "it is for the targets",
    "evidence": "it is on the evidence",
    "policy": "it is under the policy",
    "documents": "it is on the documents",
}


def signer(name: str, key: str, time: datetime, log: LogHead) -> dict[str, object]:
    """Who signs a statement, with which key, when, and after which row of the log: as every statement says it."""
    return {
        "name": name,
        "key": key,
        "time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "log": {"count": log.count, "hash": log.hash},
    }


def signer_from_plain(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Fields ``name``, ``key``, ``time`` and ``log`` of a statement's plain data. Raises KeyError, TypeError or ValueError."""
    return {
        "name": plain["name"],
        "key": plain["key"],
        "time": datetime.strptime(plain["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
        "log": LogHead(plain["log"]["count"], plain["log"]["hash"]),
    }


def differing(compared: Mapping[str, str], mine: object, theirs: object) -> Iterator[str]:
    """Words for each field in which two statements differ; ``compared``: the words for each field that is compared."""
    for name, words in compared.items():
        if (one := getattr(mine, name)) != (other := getattr(theirs, name)):
            yield f"{words} {_shown(one)}, not {_shown(other)}"


def _shown(value: object) -> str:
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    if isinstance(value, Mapping):
        text = ", ".join(f"{name} {digest[:12]}" for name, digest in value.items()) or "none"
    return text if len(text) <= 40 else f"{text[:24]}…"


def parse_statement(data: bytes) -> Statement:
    """Statement of the bytes that were signed, which must be the canonical ones; one newline after them is taken too, since
    editors add it. Raises InvalidInputError."""
    if len(data) > _LONGEST:
        raise InvalidInputError(f"the statement has {len(data):,} bytes; expected {_LONGEST:,} at most")
    try:
        statement = _statement(parse_json(data))
    except (AttributeError, JsonError, KeyError, TypeError, ValueError):
        raise InvalidInputError(
            "the statement is none of Pilothouse's: print it with pilothouse statement"
        ) from None
    if data not in signable_forms(statement):
        raise InvalidInputError(
            "the statement was changed: its bytes are not those that pilothouse statement prints"
        )
    return statement


def signable_forms(statement: Statement) -> tuple[bytes, bytes]:
    """Bytes of a statement as they are printed, and as an editor leaves them."""
    data = statement.to_bytes()
    return data, data + b"\n"


def _statement(plain: Any) -> Statement:
    """Raises AttributeError, KeyError, TypeError or ValueError where it is none."""
    if plain["form"] != FORM or plain["meaning"] != MEANINGS[plain["verdict"]]:
        raise ValueError("another form")
    statement = Statement(
        request=plain["request"],
        model=plain["model"],
        version=plain["version"],
        targets=tuple(plain["targets"]),
        evidence=plain["evidence"]["sha256"],
        policy=plain["policy"]["sha256"],
        verdict=plain["verdict"],
        reason=plain["reason"],
        **signer_from_plain(plain),
        documents={name: one["sha256"] for name, one in plain.get("documents", {}).items()},
        condition=condition_from_plain(plain["condition"]) if "condition" in plain else None,
    )
    texts = (statement.model, statement.evidence, statement.policy, statement.reason, statement.name)
    numbers = (statement.request, statement.version, statement.log.count)
    if not all(
        isinstance(text, str)
        for text in (
            *texts,
            *statement.targets,
            *statement.documents.values(),
            statement.key,
            statement.log.hash,
        )
    ):
        raise TypeError("a text is none")
    if not all(type(number) is int for number in numbers):
        raise TypeError("a number is none")
    return statement


def digest_of(data: bytes) -> str:
    """sha256 in hex of bytes that were signed."""
    return hashlib.sha256(data).hexdigest()
