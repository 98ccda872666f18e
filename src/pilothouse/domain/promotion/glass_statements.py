"""Statement of who breaks the glass, where the policy asks for a second component: one line of JSON by RFC 8785.

It names no request: it is signed before one is made.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.canonical import rfc8785_json
from pilothouse.domain.promotion.statements import LogHead, differing, signer, signer_from_plain

FORM = "pilothouse/break-glass/1"
MEANING = "In an emergency I deploy this version on these targets alone, without the approvals that the policy asks for."
_LONGEST = 64 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassStatement:
    """What one person says who deploys alone. ``key``: fingerprint of the key that signs it; empty under a passphrase."""

    model: str
    version: int
    artifact: str
    """sha256 of the model file."""
    targets: tuple[str, ...]
    lasts_s: int
    reason: str
    name: str
    key: str
    time: datetime
    log: LogHead

    def to_bytes(self) -> bytes:
        """The bytes that are signed. Raises InvalidInputError where a text is not valid Unicode."""
        try:
            return rfc8785_json(
                {
                    "form": FORM,
                    "model": self.model,
                    "version": self.version,
                    "artifact": {"sha256": self.artifact},
                    "targets": list(self.targets),
                    "seconds": self.lasts_s,
                    "meaning": MEANING,
                    "reason": self.reason,
                    **signer(self.name, self.key, self.time, self.log),
                }
            )
        except ValueError as error:
            raise InvalidInputError(f"the statement cannot be written: {error}") from None

    def differences(self, other: "GlassStatement") -> Iterator[str]:
        """Words for each respect in which it is not what ``other`` says; time, log and key are left out."""
        return differing(_COMPARED, self, other)


_COMPARED = {
    "name": "it is in the name of",
    "model": "it is for the model",
    "version": "it is for the version",
    "artifact": "it is for the model file",
    "targets": "it is for the targets",
    "lasts_s": "it lasts in seconds",
    "reason": "its reason is",
}


def parse_glass_statement(data: bytes) -> GlassStatement:
    """Statement of the bytes that were signed, which must be the canonical ones; one newline after them is taken too. Raises
    InvalidInputError."""
    wrong = "the statement is none of breaking the glass: print one with pilothouse break-glass statement"
    if len(data) > _LONGEST:
        raise InvalidInputError(f"the statement has {len(data):,} bytes; expected {_LONGEST:,} at most")
    try:
        plain = parse_json(data)
        statement = GlassStatement(
            model=plain["model"],
            version=plain["version"],
            artifact=plain["artifact"]["sha256"],
            targets=tuple(plain["targets"]),
            lasts_s=plain["seconds"],
            reason=plain["reason"],
            **signer_from_plain(plain),
        )
        own = statement.to_bytes()
    except (JsonError, KeyError, TypeError, ValueError):
        raise InvalidInputError(wrong) from None
    if data.removesuffix(b"\n") != own:
        raise InvalidInputError(wrong)
    numbers = (statement.version, statement.lasts_s, statement.log.count)
    texts = (statement.model, statement.reason, statement.name, statement.key, *statement.targets)
    if not all(type(number) is int for number in numbers) or not all(isinstance(text, str) for text in texts):
        raise InvalidInputError(wrong)
    return statement
