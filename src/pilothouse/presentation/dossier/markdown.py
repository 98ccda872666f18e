"""Sections as Markdown, for a repository's page or a wiki."""

from collections.abc import Iterator, Sequence

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe, safe_block
from pilothouse.presentation.dossier.blocks import Block, Charts, Facts, Grid, Section

_MEANT = str.maketrans({character: f"\\{character}" for character in "\\`*_{}[]<>#|~!"})


def markdown(title: str, sections: Sequence[Section]) -> str:
    """The sections below a title."""
    lines = [f"# {_text(title)}", ""]
    for section in sections:
        lines += [f"## {_text(section.title)}", ""]
        for block in section.blocks:
            lines += [*_block(block), ""]
    return "\n".join(lines).rstrip() + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Facts):
        yield from (f"- **{_text(name)}**: {_text(value)}" for name, value in block.rows)
    elif isinstance(block, Grid):
        yield _row(block.columns)
        yield _row(["--:" if column in block.numbers else ":--" for column in block.columns], meant=True)
        yield from (_row(row) for row in block.rows)
    elif isinstance(block, Charts):
        yield from (f"- {_text(chart.title)}: {_text(chart.headline.text)}" for chart in block.rows)
    elif block.drawn:
        yield from (f"    {line}" for line in safe_block(block.text).split("\n"))
    else:
        yield _text(block.text)


def _row(cells: Sequence[str], *, meant: bool = False) -> str:
    return f"| {' | '.join(cell if meant else _text(cell) for cell in cells)} |"


def _text(text: str) -> str:
    """Text from outside on one line, with nothing that Markdown or HTML obeys."""
    return safe(text, LINE_LIMIT).translate(_MEANT)
