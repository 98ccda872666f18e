"""Files of a model's folder that the code in one of them can reach, found without running anything.

The code may import its neighbours, open them by name, or import them by a name in a text. Each of these counts, and a package
counts whole: a file too many is compared for nothing, a file too few could change what the code does unseen.
"""

import ast
from collections.abc import Callable, Collection, Iterator

_BY_TEXT = frozenset({"importlib", "import_module", "__import__", "runpy", "exec", "eval", "compile"})
"""Names in code that can turn a text into a module."""


def reached_files(start: str, names: Collection[str], read: Callable[[str], bytes]) -> list[str]:
    """Those of the files ``names`` that the code of ``start`` can reach, itself among them, in order.

    Names are relative to the folder, with ``/``. Code that cannot be parsed is taken to reach everything.
    """
    units: dict[str, list[str]] = {}
    for name in names:
        units.setdefault(_unit(name), []).append(name)
    reached: set[str] = set()
    todo = [start]
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        if not name.endswith(".py"):
            continue
        try:
            tree = ast.parse(read(name), name)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return sorted({start, *names})
        todo += _named_in(tree, units, names)
    return sorted(reached)


def _unit(name: str) -> str:
    """Name by which a file is imported: the first folder, or the file without its endings."""
    first, _, rest = name.partition("/")
    return first if rest else first.partition(".")[0]


def _named_in(tree: ast.Module, units: dict[str, list[str]], names: Collection[str]) -> Iterator[str]:
    """Files that code imports or names. What it puts together from pieces is not found: a step is not given it either."""
    texts: set[str] = set()
    identifiers: set[str] = set()
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                modules = [alias.name.partition(".")[0] for alias in node.names]
                identifiers.update(modules)
                for module in modules:
                    yield from units.get(module, ())
            case ast.ImportFrom():
                module = (node.module or "").partition(".")[0]
                identifiers |= {module, *(alias.name for alias in node.names)}
                yield from units.get(module, ())
            case ast.Constant(value=str() as text) if id(node) not in documents:
                texts.add(text)
            case ast.Constant(value=bytes() as data):
                texts.add(data.decode("utf-8", "replace"))
            case ast.Name(id=identifier) | ast.Attribute(attr=identifier):
                identifiers.add(identifier)
    pieces = {piece for text in texts for piece in text.split("/") if piece}
    by_text = not identifiers.isdisjoint(_BY_TEXT)
    named = {piece.partition(".")[0] for piece in pieces} if by_text else set()
    for name in names:
        if not pieces.isdisjoint(name.split("/")) or _unit(name) in named:
            yield name
