"""A site of another machine, over SSH: ``pilothouse`` runs there, by the rights of whom it knows the key of. What it prints is
hostile text: so many bytes in so much time, JSON within bounds, every field by its type."""

from collections.abc import Sequence
from datetime import UTC, datetime

from pilothouse.domain.errors import (
    InvalidInputError,
    NotAllowedError,
    PilothouseError,
    UnavailableError,
)
from pilothouse.domain.formats.bounded_json import JsonError, parse_json
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.sites.addresses import SiteAddress, ssh_command
from pilothouse.domain.sites.answers import SiteAnswer, of_status, read_answer
from pilothouse.system.programs.bounded_output import Output, output_of

TIMEOUT_S = 30.0
_MOST_BYTES = 2 << 20
_MOST_CONTAINERS = 20_000
_NO_CONNECTION, _NO_PROGRAM = 255, 127
"""Exit codes of ssh itself, and of a shell that does not find the program."""
_USAGE, _NOT_FOUND, _NOT_ALLOWED = (InvalidInputError.exit_code, 3, NotAllowedError.exit_code)


def answer(address: SiteAddress) -> SiteAnswer:
    """What the far site says of itself. One of a release before sites says what ``pilothouse status`` does.

    Raises NotAllowedError (it does not let us read), UnavailableError (no way there, or no answer in time) or InvalidInputError
    (what it says is no answer).
    """
    output = _run(address, ["--json", "site", "state"])
    if output.code == 0:
        return read_answer(_json(output))
    if output.code not in (_USAGE, _NOT_ALLOWED) or not _is_unknown(output):
        raise _error(output)
    status = _run(address, ["--json", "status"])
    if not status.out.strip():
        raise _error(status)
    return of_status(_json(status), datetime.now(UTC))


def _is_unknown(output: Output) -> bool:
    """True where the command itself is what the far side does not know, or does not let through."""
    return "'site'" in output.said


def _run(address: SiteAddress, words: Sequence[str]) -> Output:
    try:
        output = output_of(ssh_command(address, words, terminal=False), timeout_s=TIMEOUT_S, most=_MOST_BYTES)
    except OSError as error:
        raise UnavailableError(f"ssh cannot be run: {error.strerror}: install an OpenSSH client") from None
    if output.code is None:
        raise UnavailableError(f"{output.ended}, so the connection was ended")
    return output


def _json(output: Output) -> object:
    try:
        return parse_json(output.out, _MOST_CONTAINERS)
    except JsonError as error:
        raise InvalidInputError(f"what the site says is no answer: {error}") from None


def _error(output: Output) -> PilothouseError:
    said = one_line(output.said) or f"the command there ended with {output.code}"
    if output.code == _NO_CONNECTION:
        return UnavailableError(f"no connection: {said}")
    if output.code == _NO_PROGRAM:
        return UnavailableError(f"no pilothouse there: {said}")
    kind = NotAllowedError if output.code == _NOT_ALLOWED else UnavailableError
    return kind(said.removeprefix("pilothouse: "))
