"""A lineage as a tree that folds, and what is affected if something in it was bad, as tables."""

from collections.abc import Collection, Iterator

from pilothouse.domain.lineage import Affected, LineageNode
from pilothouse.domain.safe_text import LINE_LIMIT, safe
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Row, Table, read_columns
from pilothouse.presentation.texts import day_text

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
    """Every node with its place: the numbers of the branches that lead to it."""
    yield path, node
    for number, child in enumerate(node.children):
        yield from walk(child, (*path, number))


def folded_at_first(root: LineageNode) -> frozenset[Path]:
    """What is closed when a tree is first shown."""
    return frozenset(path for path, node in walk(root) if node.children and len(path) >= _FOLDED_FROM)


def key_of(path: Path) -> str:
    """The key of a node's row."""
    return ".".join(map(str, path)) or "root"


def path_of(key: str) -> Path:
    """The place of a row's node."""
    return () if key in ("", "root") else tuple(int(part) for part in key.split("."))


def node_at(root: LineageNode, path: Path) -> LineageNode | None:
    """The node at a place, or None where there is none any more."""
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


def affected_table(found: Affected) -> Table:
    """One version a row: what it shares, where it is live, where and when it was, open requests."""
    rows = []
    for version in found.versions:
        before = [
            f"{safe(s.target)} {day_text(s.since)} – {day_text(s.until)}"
            for s in version.stays
            if s.until is not None
        ]
        now = [f"{safe(s.target)} since {day_text(s.since)}" for s in version.stays if s.until is None]
        rows.append(
            Row(
                f"{version.model}/{version.number}",
                (
                    cell(f"{version.model}/{version.number}", "strong"),
                    cell(", ".join(version.how)),
                    cell(version.status),
                    cell(", ".join(now), "bad" if now else ""),
                    cell(" ".join(map(str, version.open_requests)), "warn" if version.open_requests else ""),
                    cell(", ".join(before)),
                ),
            )
        )
    columns = read_columns(
        "VERSION ~12", "SHARES ~8", "STATUS !2", "LIVE NOW ~10", "ASKED FOR !1", "WAS LIVE ~10"
    )
    return Table(columns, tuple(rows), "no version has to do with it")


def affected_line(found: Affected) -> Cell:
    """``3 versions would be affected: 1 is live, on jfk; 1 more was; 1 request is open``."""
    live = sorted({target for version in found.versions for target in version.live_on})
    count = sum(bool(version.live_on) for version in found.versions)
    were = sum(bool(version.stays) and not version.live_on for version in found.versions)
    asked = sum(len(version.open_requests) for version in found.versions)
    number = len(found.versions)
    words = (
        f" {number} version{'s' if number != 1 else ''} affected: {count} live now"
        + (f" on {', '.join(map(safe, live))}" if live else "")
        + f", {were} more were, {asked} request{'s' if asked != 1 else ''} open"
    )
    return Cell(words, "bad" if live else "warn" if asked else "strong")
