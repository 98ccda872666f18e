"""A version's lineage as a tree that folds, or as one text."""

from collections.abc import Sequence
from dataclasses import replace

from textual.app import ComposeResult
from textual.widgets import Static

from pilothouse.console.screens.base import View
from pilothouse.console.session.actions import Action
from pilothouse.console.widgets.grid import Grid
from pilothouse.console.widgets.pager import Pager
from pilothouse.console.widgets.tones import line
from pilothouse.domain.audit.lineage import LineageNode
from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.documents import text_line
from pilothouse.presentation.tables.lineage_rows import (
    Path,
    folded_at_first,
    key_of,
    node_at,
    path_of,
    tree_table,
    walk,
)
from pilothouse.presentation.texts import tree_lines

_OPENED_BY = {"job": "job", "alert": "alert", "request": "evidence"}
"""Kinds of nodes whose label is the number that a view takes."""


class LineageView(View[LineageNode]):
    """Left folds, right unfolds, Enter opens."""

    SCOPE = "lineage"
    TOP = "models"

    def __init__(self, reference: str) -> None:
        super().__init__()
        self.reference = reference
        self._folded: frozenset[Path] | None = None
        self._text = False

    def body(self) -> ComposeResult:
        yield Grid(id="tree")
        yield Static(markup=False, id="detail", classes="text")
        yield Pager(id="text")

    def crumbs(self) -> Sequence[str]:
        return ("models", "lineage", self.reference.removeprefix("models:/"))

    def load(self, services: Services, actor: Actor) -> LineageNode:
        from pilothouse.operations.models import lineage

        return lineage.lineage(services, actor, self.reference)

    def show(self, data: LineageNode) -> None:
        if self._folded is None:
            self._folded = folded_at_first(data)
        self.query_one("#tree", Grid).put(tree_table(data, self._folded))
        lines = [text_line(text, "" if i else "strong", hang=4) for i, text in enumerate(tree_lines(data))]
        self.query_one("#text", Pager).put(lines)
        self._arrange()

    def _arrange(self) -> None:
        self.query_one("#tree", Grid).display = not self._text
        self.query_one("#detail", Static).display = not self._text
        self.query_one("#text", Pager).display = self._text
        self.show_selected()
        self.focus_body()

    @property
    def path(self) -> Path:
        """The path to the node under the cursor."""
        return path_of(self.query_one("#tree", Grid).key or "")

    @property
    def node(self) -> LineageNode | None:
        return node_at(self.data, self.path) if self.data is not None else None

    def subject(self) -> LineageNode | None:
        """The node under the cursor, without what hangs below it: the tree shows that."""
        return replace(self.node, children=()) if self.node is not None else None

    def show_selected(self) -> None:
        node = self.node
        if node is not None:
            name = Cell(f"{node.kind} {safe(node.label, 120)}  ", "strong")
            detail = line(name, Cell(safe(node.detail, LINE_LIMIT)))
            detail.no_wrap = False
            self.query_one("#detail", Static).update(detail)

    def subject_model(self) -> str:
        return self.reference.removeprefix("models:/").partition("/")[0]

    def refusal(self, action: Action) -> str:
        if self.data is None:
            return "the lineage is not there yet"
        if action.name == "affected" and not self._key():
            return "only data, code and versions can have been bad: choose one of those"
        if self._text and action.name in ("open", "fold", "unfold"):
            return "t shows the tree first"
        return ""

    def _key(self) -> str:
        """The digest, commit or version under the cursor, for ``u``."""
        node = self.node
        if node is None:
            return ""
        return node.label.removeprefix("models:/") if node.kind == "version" else node.key

    def do_open(self) -> None:
        """Open the node's view; fold or unfold where there is none."""
        node = self.node
        if node is None:
            return
        label = node.label.removeprefix("models:/")
        if node.kind == "version" and self.path:
            self.open_view("version", label)
        elif node.kind in _OPENED_BY and label.isdecimal():
            self.open_view(_OPENED_BY[node.kind], label)
        elif node.kind == "deployment":
            self.open_view("monitor", self.subject_model(), label)
        else:
            self._toggle(self.path)

    def _toggle(self, path: Path) -> None:
        self._fold_to((self._folded or frozenset()) ^ {path})

    def _fold_to(self, folded: frozenset[Path]) -> None:
        self._folded = folded
        if self.data is not None:
            self.query_one("#tree", Grid).put(tree_table(self.data, folded))

    def do_fold(self) -> None:
        """Fold; where it is folded or has nothing below, go up."""
        node, path, folded = self.node, self.path, self._folded or frozenset()
        if node is not None and node.children and path not in folded:
            self._fold_to(folded | {path})
        elif path:
            self.query_one("#tree", Grid).select(key_of(path[:-1]))

    def do_unfold(self) -> None:
        """Unfold; where it is unfolded, all below it."""
        node, path, folded = self.node, self.path, self._folded or frozenset()
        if node is None:
            return
        if path in folded:
            self._fold_to(folded - {path})
        else:
            self._fold_to(folded - {(*path, *below) for below, _ in walk(node)})

    def do_text(self) -> None:
        self._text = not self._text
        self._arrange()
        self.refresh_chrome()

    def do_affected(self) -> None:
        self.open_view("affected", self._key())
