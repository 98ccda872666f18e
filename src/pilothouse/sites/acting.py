"""A command in a site, run for the person who asks, by the rights that they have there. What it prints is hostile text: so many
bytes in so much time, made safe."""

from collections.abc import Sequence
from dataclasses import dataclass

from pilothouse.domain.formats.safe_text import safe
from pilothouse.sites.asking import Site, site_command
from pilothouse.system.programs.bounded_output import Output, output_of

TIMEOUT_S = 60.0
_MOST_BYTES = 256 << 10
_MOST_LINES = 2_000
_NO_CONNECTION = 255


@dataclass(frozen=True, slots=True)
class Told:
    """What a site said of a command. ``done`` None: nobody knows whether it was done, since its answer did not come."""

    done: bool | None
    lines: tuple[str, ...]
    out: bytes = b""
    """What it printed, as it came."""


def tell(site: Site, words: Sequence[str]) -> Told:
    """Run ``pilothouse`` with these words in a site. Raises nothing that a site can cause."""
    try:
        output = output_of(site_command(site, words), timeout_s=TIMEOUT_S, most=_MOST_BYTES)
    except OSError as error:
        return Told(False, (f"nothing was run: {error.strerror}",))
    lines = _lines(output)
    if output.code is None:
        return Told(None, (*lines, output.ended))
    if output.code < 0 or (output.code == _NO_CONNECTION and not site.address.is_here):
        return Told(None, lines or (f"its command ended with {output.code}",))
    return Told(output.code == 0, lines or (f"it ended with exit code {output.code}",), output.out)


def _lines(output: Output) -> tuple[str, ...]:
    text = output.out.decode("utf-8", "replace").splitlines() + output.messages.splitlines()
    cut = [safe(line, 400).rstrip() for line in text[:_MOST_LINES]]
    return tuple(line.removeprefix("pilothouse: ") for line in cut if line)
