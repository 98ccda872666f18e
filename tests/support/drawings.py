"""What a drawing says."""

from pilothouse.presentation.charts.braille import Drawing


def plain_text(drawing: Drawing) -> list[str]:
    """The lines without tones."""
    return ["".join(cell.text for cell in line).rstrip() for line in drawing.lines]
