"""The last filter before the terminal: no control, bidirectional or invisible character leaves the console."""

import re

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_FORBIDDEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\U000e0000-\U000e007f]"
)


class Sanitiser(LineFilter):
    """Removes forbidden characters from every segment. They have no width, so the layout stays as it is."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Segments without characters that a terminal could take for a command."""
        if not any(_FORBIDDEN.search(segment.text) for segment in segments):
            return segments
        return [
            Segment(_FORBIDDEN.sub("", segment.text), segment.style, segment.control) for segment in segments
        ]
