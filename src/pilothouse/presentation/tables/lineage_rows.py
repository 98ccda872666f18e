"""A lineage as a tree that folds, and the versions affected by something bad in it, as tables."""

from collections.abc import Collection, Iterator

from pilothouse.domain.audit.lineage import Affected, AffectedVersion, LineageNode
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, Tone, cell, stage_cell
from pilothouse.presentation.tables.table import Row, Table, read_columns, table_of
from pilothouse.presentation.texts import counted, day_text

_TONES: dict[str, Tone] = {
    "version": "strong",
    "alert": "warn",
    "deployment": "good",
    "request": "info",
    "decision": "info",
}
_FOLDED_FROM = 3
"""Levels below which a tree opens folded."""

Path = tuple[int, ...]


def walk(node: LineageNode, path: Path = ()) -> Iterator[tuple[Path, LineageNode]]:
    """Every node with its path: the numbers of the branches that lead to it."""
    yield path, node
    for number, child in enumerate(node.children):
        yield from walk(child, (*path, number))


def folded_at_first(root: LineageNode) -> frozenset[Path]:
    """The folded nodes of a tree that is shown for the first time."""
    return frozenset(path for path, node in walk(root) if node.children and len(path) >= _FOLDED_FROM)


def key_of(path: Path) -> str:
    """The key of a node's row."""
    return ".".join(map(str, path)) or "root"


def path_of(key: str) -> Path:
    """The path of a row's node."""
    return () if key in ("", "root") else tuple(int(part) for part in key.split("."))


def node_at(root: LineageNode, path: Path) -> LineageNode | None:
    """The node at a path, or None where there is none any more."""
    node = root
    for number in path:
        if number >= len(node.children):
            return None
        node = node.children[number]
    return node


def tree_table(root: LineageNode, folded: Collection[Path]) -> Table:
    """One node a row: lines of the tree, kind and label, then the detail."""
    rows: list[Row] = []
    _branch(root, (), "", "", set(folded), rows)
    return Table(read_columns("LINEAGE ~30", "DETAIL ~16"), tuple(rows))


def _branch(node: LineageNode, path: Path, lead: str, below: str, folded: set[Path], rows: list[Row]) -> None:
    closed = path in folded
    sign = ("▸ " if closed else "▾ ") if node.children else "  "
    hidden = f" (+{sum(1 for _ in walk(node)) - 1})" if closed and node.children else ""
    label = f"{lead}{sign}{node.kind} {safe(node.label, 120)}{hidden}"
    tone = _TONES.get(node.kind, "")
    rows.append(Row(key_of(path), (Cell(label, tone), cell(safe(node.detail, LINE_LIMIT), "dim"))))
    if closed:
        return
    for number, child in enumerate(node.children):
        last = number == len(node.children) - 1
        _branch(
            child,
            (*path, number),
            below + ("└─" if last else "├─"),
            below + ("  " if last else "│ "),
            folded,
            rows,
        )


def affected_table(affected: Affected) -> Table:
    """One version a row: what it shares, where it is live, where and when it was, open requests."""
    return table_of(
        affected.versions,
        {
            "VERSION ~12-24": lambda v: cell(f"{v.model}/{v.number}", "strong"),
            "SHARES ~8": lambda v: cell(", ".join(v.how)),
            "STAGE !2": lambda v: stage_cell(v.stage),
            "LIVE NOW ~10": _live_stays,
            "ASKED FOR !1": lambda v: cell(
                " ".join(map(str, v.open_requests)), "warn" if v.open_requests else ""
            ),
            "WAS LIVE ~10": _ended_stays,
        },
        key=lambda v: f"{v.model}/{v.number}",
        empty="no version has to do with it",
    )


def _live_stays(version: AffectedVersion) -> Cell:
    live = [f"{safe(s.target)} since {day_text(s.since)}" for s in version.stays if s.until is None]
    return cell(", ".join(live), "bad" if live else "")


def _ended_stays(version: AffectedVersion) -> Cell:
    ended = (stay for stay in version.stays if stay.until is not None)
    return cell(", ".join(f"{safe(s.target)} {day_text(s.since)} – {day_text(s.until)}" for s in ended))


def affected_line(affected: Affected) -> Cell:
    """``3 versions affected: 1 live now on jfk, 1 more were, 1 request open``."""
    live = sorted({target for version in affected.versions for target in version.live_on})
    live_versions = sum(bool(version.live_on) for version in affected.versions)
    ended = sum(bool(version.stays) and not version.live_on for version in affected.versions)
    requests = sum(len(version.open_requests) for version in affected.versions)
    text = (
        f" {counted(len(affected.versions), 'version')} affected: {live_versions} live now"
        + (f" on {', '.join(map(safe, live))}" if live else "")
        + f", {ended} more were, {counted(requests, 'request')} open"
    )
    return Cell(text, "bad" if live else "warn" if requests else "strong")
