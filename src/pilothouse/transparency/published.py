"""State of a site as it is published: a signed note whose first line no head of a log has, with the head that it stands on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilothouse.domain.errors import IntegrityError, InvalidInputError
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.transparency import checkpoints, notes
from pilothouse.transparency.checkpoints import SignedCheckpoint
from pilothouse.transparency.notes import Note, PrivateKey, PublicKey

FIRST_LINE = "pilothouse-site-state/v1"
STATE, CHECKPOINT = "state", "checkpoint"
"""Names of the two files that change; the tiles beside them only grow."""
LONGEST = notes.LONGEST_NOTE


@dataclass(frozen=True, slots=True)
class PublishedState:
    """What a site has published: its figures as JSON values, the signed head of its log, and the note that carries both."""

    figures: object
    head: SignedCheckpoint
    note: Note


def sign(figures: Mapping[str, Any], head: SignedCheckpoint, key: PrivateKey) -> Note:
    """The state, signed by the key of the site's log."""
    line = json.dumps({"figures": figures, "checkpoint": str(head)}, sort_keys=True)
    return notes.signed(f"{FIRST_LINE}\n{line}\n", key)


def parse(text: str) -> PublishedState:
    """State of its text; no signature is verified. Raises InvalidInputError."""
    note = notes.parse_note(text)
    lines = note.text.split("\n")
    if lines[0] != FIRST_LINE or len(lines) != 3:
        raise InvalidInputError(f"this is no state of a site: expected {FIRST_LINE!r} and one line of JSON")
    try:
        plain = parse_json(lines[1])
        return PublishedState(plain["figures"], checkpoints.parse(plain["checkpoint"]), note)
    except (JsonError, LookupError, TypeError, AttributeError) as error:
        raise InvalidInputError(f"this is no state of a site: {type(error).__name__}") from None


def check(state: PublishedState, key: PublicKey) -> None:
    """Raise IntegrityError unless state and head are signed by the key."""
    notes.check_signed(state.note, [key])
    if state.head.checkpoint.origin != key.name:
        raise IntegrityError(f"its head is of another log than {key.name}")
    checkpoints.check(state.head, [key])
