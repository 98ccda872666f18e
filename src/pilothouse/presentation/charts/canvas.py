"""A canvas of terminal cells, each with braille dots, two wide and four high (Unicode 2800 to 28FF), or a letter."""

from pilothouse.presentation.cell import Tone

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Canvas:
    """Dots and letters in ``width`` × ``height`` cells. A cell has the tone of its last dot or letter."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.dots = [bytearray(width) for _ in range(height)]
        self.letters: list[dict[int, str]] = [{} for _ in range(height)]
        self.tones: list[list[Tone]] = [[""] * width for _ in range(height)]

    def dot(self, x: int, y: int, tone: Tone) -> None:
        """Draw a dot; ``y`` counts from the top."""
        column, row = x >> 1, y >> 2
        if 0 <= column < self.width and 0 <= row < self.height and x >= 0 and y >= 0:
            self.dots[row][column] |= _DOTS[y & 3][x & 1]
            self.tones[row][column] = tone

    def letter(self, column: int, row: int, text: str, tone: Tone) -> None:
        """Draw a letter over the dots of its cell."""
        if 0 <= column < self.width and 0 <= row < self.height:
            self.letters[row][column] = text
            self.tones[row][column] = tone

    def line(
        self, first: tuple[int, int], last: tuple[int, int], tone: Tone, period: tuple[int, int]
    ) -> None:
        """Draw dots from ``first`` to ``last``: of each ``period[0]`` the first ``period[1]``. Gaps are at fixed columns (rows
        where the line is steep), so that the dots of a line stay as they are when it is continued."""
        (x0, y0), (x1, y1) = first, last
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        steep = abs(y1 - y0) > abs(x1 - x0)
        for step in range(steps):
            x, y = x0 + (x1 - x0) * step // steps, y0 + (y1 - y0) * step // steps
            if (y if steep else x) % period[0] < period[1]:
                self.dot(x, y, tone)

    def row(self, number: int) -> list[tuple[str, Tone]]:
        """The characters of a row with their tones."""
        dots, letters, tones = self.dots[number], self.letters[number], self.tones[number]
        return [
            (letters.get(i) or (chr(0x2800 + dots[i]) if dots[i] else " "), tones[i])
            for i in range(self.width)
        ]
