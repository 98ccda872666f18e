"""Sections as one HTML page that stands by itself: no script, nothing from elsewhere, readable on a phone and on paper."""

from collections.abc import Sequence
from html import escape

from pilothouse.domain.formats.safe_text import safe_block
from pilothouse.presentation.charts.vector import figure_svg
from pilothouse.presentation.dossier.blocks import Block, Charts, Facts, Grid, Section

_LONGEST = 100_000
_LONG_WORD = 24
"""Characters from which a word in a table, such as a digest, may be broken anywhere."""
_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; border-bottom: 1px solid #8888; }
nav ol { columns: 15rem; column-gap: 2.5rem; padding-left: 1.8rem; } nav li { break-inside: avoid; } a { color: inherit; }
.wide { overflow-x: auto; margin: .5rem 0; } table { border-collapse: collapse; font-size: .85rem; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid #8884; }
th, td { overflow-wrap: normal; } td { max-width: 26rem; } td.h { overflow-wrap: anywhere; min-width: 12rem; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
dl { display: grid; grid-template-columns: minmax(7rem, 12rem) 1fr; gap: .15rem .8rem; margin: .5rem 0; font-size: .9rem; }
dt { opacity: .75; } dd { margin: 0; } pre { font-size: .75rem; line-height: 1.4; white-space: pre-wrap; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .8rem; }
figure { margin: 0; } figure svg { display: block; width: 100%; height: auto; }
footer { margin-top: 3rem; font-size: .8rem; opacity: .8; }
@media screen and (max-width: 40rem) {
  body { padding: .6rem; } dl { grid-template-columns: 1fr; } dt { margin-top: .4rem; }
  table, tbody, tr { display: block; } thead { display: none; } tr { padding: .4rem 0; border-bottom: 1px solid #8888; }
  td, td.n, td.h { display: grid; grid-template-columns: 7rem 1fr; gap: .6rem; min-width: 0; max-width: none; border: 0;
    padding: .1rem 0; text-align: left; white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-name); opacity: .75; } td:empty { display: none; } }
@media print { body { max-width: none; font-size: 10pt; } nav { display: none; } h2, tr { break-inside: avoid; }
  h2 { break-after: avoid; } .wide { overflow: visible; } }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def html_page(title: str, sections: Sequence[Section], footer: str) -> str:
    """The page, with a table of contents."""
    contents = "".join(f'<li><a href="#{one.key}">{_text(one.title)}</a></li>' for one in sections)
    body = "".join(_section(one) for one in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><h1>{_text(title)}</h1>\n<nav><ol>{contents}</ol></nav>\n{body}"
        f"<footer>{_text(footer)}</footer></body></html>\n"
    )


def _section(section: Section) -> str:
    blocks = "\n".join(_block(block) for block in section.blocks)
    return f'<section id="{section.key}"><h2>{_text(section.title)}</h2>\n{blocks}</section>\n'


def _block(block: Block) -> str:
    if isinstance(block, Facts):
        rows = "".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in block.rows)
        return f"<dl>{rows}</dl>"
    if isinstance(block, Grid):
        return _table(block)
    if isinstance(block, Charts):
        figures = "\n".join(f"<figure>{figure_svg(chart)}</figure>" for chart in block.rows)
        return f'<div class="charts">{figures}</div>'
    if block.drawn:
        return f"<pre>{_text(block.text)}</pre>"
    return f"<p>{_text(block.text)}</p>"


def _table(grid: Grid) -> str:
    """A table; on a narrow screen each row is a list of its cells, each behind the name of its column."""
    head = "".join(f"<th{_kind(name in grid.numbers, '')}>{_text(name)}</th>" for name in grid.columns)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td{_kind(name in grid.numbers, cell)} data-name="{_text(name)}">{_text(cell)}</td>'
            for name, cell in zip(grid.columns, row, strict=True)
        )
        + "</tr>\n"
        for row in grid.rows
    )
    table = f"<table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table>"
    return f'<div class="wide">{table}</div>'


def _kind(is_number: bool, cell: str) -> str:
    """Class of a cell: a number, or one with a word that may be broken."""
    if is_number:
        return ' class="n"'
    return ' class="h"' if any(len(word) >= _LONG_WORD for word in cell.split()) else ""


def _text(text: str) -> str:
    """Text from outside, without characters that hide or turn others round, escaped."""
    return escape(safe_block(text, _LONGEST), quote=True)
