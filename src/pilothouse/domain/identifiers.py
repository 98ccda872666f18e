"""Names and references: ``models:/flight-delay/7``, ``models:/flight-delay@champion``, prediction ids."""

import hashlib
import re
from dataclasses import dataclass

from pilothouse.domain.errors import InvalidInputError

NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
"""Models, targets and actors: lower-case letters, digits and inner hyphens, 64 at most. Safe as a folder name."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_REFERENCE = re.compile(r"(?:models:/)?([^/@]+)(?:/([0-9]{1,18})|@([a-z0-9-]{1,64}))?")
_NUMBER = re.compile("[0-9]{1,19}")
_OWN_PRODUCER = re.compile("([0-9a-f]{8})-[0-9a-f]{12}")
_LARGEST = 2**63 - 1
"""Largest integer that SQLite stores."""


@dataclass(frozen=True, slots=True)
class VersionReference:
    """A model with a version number, an alias, or neither (the newest version)."""

    model: str
    number: int | None = None
    alias: str | None = None


def version_uri(model: str, number: int) -> str:
    """``models:/NAME/NUMBER``, the way a version is written everywhere."""
    return f"models:/{model}/{number}"


def parse_reference(text: str) -> VersionReference:
    """Read ``models:/NAME/7``, ``NAME/7``, ``NAME@champion`` or ``NAME``. Raises InvalidInputError."""
    match = _REFERENCE.fullmatch(text.strip())
    if not match or not NAME.fullmatch(match[1]):
        raise InvalidInputError(
            f"{text[:80]!r} does not name a version: expected models:/NAME/NUMBER or models:/NAME@ALIAS"
        )
    return VersionReference(match[1], int(match[2]) if match[2] else None, match[3])


def check_name(text: str, kind: str) -> str:
    """Return ``text`` if it can name a model, target or actor. Raises InvalidInputError."""
    if not NAME.fullmatch(text):
        raise InvalidInputError(
            f"{text[:80]!r} is not a name for a {kind}: use 1 to 64 lower-case letters, digits and inner hyphens"
        )
    return text


def check_digest(text: str) -> str:
    """Return ``text`` if it is a sha256 in lower-case hex. Raises InvalidInputError."""
    if not _DIGEST.fullmatch(text):
        raise InvalidInputError(f"{text[:80]!r} is not a sha256 digest: expected 64 lower-case hex digits")
    return text


@dataclass(frozen=True, slots=True)
class PredictionId:
    """Id of a prediction: its batch (producer, sequence) and its row in it."""

    producer: str
    sequence: int
    offset: int

    def __str__(self) -> str:
        return f"{self.producer}.{self.sequence}.{self.offset}"


def parse_prediction_id(text: str) -> PredictionId | None:
    """Read an id that a serving process of ours gave out; None for a foreign id."""
    producer, _, position = text.partition(".")
    sequence, _, offset = position.partition(".")
    if not (producer and _NUMBER.fullmatch(sequence) and _NUMBER.fullmatch(offset)):
        return None
    prediction = PredictionId(producer, int(sequence), int(offset))
    return prediction if max(prediction.sequence, prediction.offset) <= _LARGEST else None


def producer_name(target: str, draw: str) -> str:
    """Name of a producer of a target: its mark, and ``draw``, 12 hexadecimal digits that nobody has had."""
    return f"{_mark_of(target)}-{draw}"


def is_producer_of(producer: str, target: str) -> bool:
    """False for a name with another target's mark. One without a mark, as earlier releases drew them, may be anybody's."""
    found = _OWN_PRODUCER.fullmatch(producer)
    return found is None or found[1] == _mark_of(target)


def _mark_of(target: str) -> str:
    return hashlib.sha256(target.encode()).hexdigest()[:8]
