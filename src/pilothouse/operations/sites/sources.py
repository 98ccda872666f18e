"""Where the published files of a site are read: a folder, a web server of static files, or the site itself over SSH."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from pilothouse.domain.errors import InvalidInputError, NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.sites.addresses import SiteAddress, read_address, ssh_command
from pilothouse.sending.http_post import Bounds, NotSentError, ask
from pilothouse.system import files
from pilothouse.system.programs.bounded_output import output_of

PATIENCE_S = 10.0
_LONGEST_PLACE = 1_000
_FILE = re.compile(r"state|checkpoint|tile/[0-9]{1,2}(?:/x[0-9]{3}){0,6}/[0-9]{3}(?:\.p/[0-9]{1,3})?")
_NO_FILE = 3

Read = Callable[[str], bytes]
"""Gives a published file by its path. Raises NotFoundError, UnavailableError or IntegrityError."""


def check_file(path: str) -> str:
    """The path. Raises InvalidInputError unless it can be that of a published file."""
    if not _FILE.fullmatch(path):
        raise InvalidInputError(
            f"{one_line(path, 60)!r} is no published file: expected state, checkpoint or a tile"
        )
    return path


def check_place(place: str) -> str:
    """The place. Raises InvalidInputError unless it is an absolute path, a URL, or an address over SSH."""
    if place.startswith(("http://", "https://")):
        try:
            parts = urlsplit(place)
            sound = bool(parts.hostname) and (parts.port or 80) > 0
        except ValueError:
            sound = False
        if (
            not sound
            or parts.username
            or parts.query
            or parts.fragment
            or not place.isascii()
            or " " in place
        ):
            raise InvalidInputError(
                f"{one_line(place, 80)!r}: expected a URL without a user, a query or a fragment"
            )
        return place.rstrip("/")
    address = read_address(place)
    if address.is_here and (not Path(place).is_absolute() or len(place) > _LONGEST_PLACE):
        raise InvalidInputError(
            f"{one_line(place, 80)!r}: expected an absolute path, a URL, or ssh://USER@HOST/PATH"
        )
    return place


def reader(place: str, most: int) -> Read:
    """What reads files of up to ``most`` bytes at a place."""
    if place.startswith(("http://", "https://")):
        parts = urlsplit(place)
        return lambda path: _by_http(parts, path, most)
    address = read_address(place)
    if address.is_here:
        return lambda path: files.read_plain_file(Path(place) / check_file(path), most)
    return lambda path: _over_ssh(address, path, most)


def _by_http(parts: SplitResult, path: str, most: int) -> bytes:
    where = f"{parts.scheme}://{parts.netloc}{parts.path}/{path}"
    # its host may be reached wherever it is: a person has named it
    bounds = Bounds((parts.hostname or "",), timeout_s=PATIENCE_S, longest=most + 1, reads_success=True)
    url = f"{parts.scheme}://{parts.netloc}{parts.path}/{check_file(path)}"
    try:
        answer = ask(url, None, {"Cache-Control": "no-cache"}, bounds, "GET")
    except NotSentError as error:
        raise UnavailableError(f"{where}: {one_line(str(error), 200)}") from None
    if answer.status == 404:
        raise NotFoundError(f"{where}: no such file")
    if answer.status != 200:
        raise UnavailableError(f"{where} answered {answer.status}; redirects are not followed")
    if len(answer.said) > most:
        raise UnavailableError(f"{where} has more than {most:,} bytes")
    return answer.said


def _over_ssh(address: SiteAddress, path: str, most: int) -> bytes:
    command = ssh_command(address, ["site", "file", check_file(path)], terminal=False)
    try:
        output = output_of(command, timeout_s=PATIENCE_S * 3, most=most)
    except OSError as error:
        raise UnavailableError(f"ssh cannot be run: {error.strerror}") from None
    said = one_line(output.ended or output.said or f"the command there ended with {output.code}")
    if output.code == _NO_FILE:
        raise NotFoundError(f"{address.text}: {said}")
    if output.code != 0:
        raise UnavailableError(f"{address.text}: {said}")
    return output.out
