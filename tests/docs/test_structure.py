"""The structure that ``docs/architecture.md`` promises: no circles, small modules, small folders, few arguments."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "pilothouse"
MODULES = sorted(PACKAGE.rglob("*.py"))
FLAT = {"daemon"}
"""Folders that stay flat: one thread or one page a module."""


def circles(graph: grimp.ImportGraph) -> list[tuple[str, str]]:
    """Imports (importer, imported) that lead back to the importer, those inside functions and for types among them."""
    found = []
    for module in sorted(graph.modules):
        lead_here = graph.find_downstream_modules(module)
        found += [
            (module, o) for o in sorted(graph.find_modules_directly_imported_by(module)) if o in lead_here
        ]
    return found


def test_no_module_reaches_itself_by_imports() -> None:
    graph = grimp.build_graph("pilothouse", exclude_type_checking_imports=False, cache_dir=None)

    assert len(graph.modules) > 300
    assert circles(graph) == []


def test_a_circle_would_be_found() -> None:
    graph = grimp.ImportGraph()
    for importer, imported in (("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")):
        graph.add_import(importer=importer, imported=imported)

    assert circles(graph) == [("a", "b"), ("b", "c"), ("c", "a")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_module_is_small_and_its_functions_take_few_arguments(path: Path) -> None:
    text = path.read_text()

    assert text.count("\n") <= 400
    if "commands" not in path.parts:
        assert list(_long_functions(ast.parse(text))) == []


def _long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            given = node.args
            names = [
                a.arg
                for a in (*given.posonlyargs, *given.args, *given.kwonlyargs)
                if a.arg not in ("self", "cls")
            ]
            if len(names) > 8:
                yield f"{node.name}({', '.join(names)})"


def test_a_folder_holds_no_more_modules_than_one_sees_at_a_glance() -> None:
    folders = {path.parent for path in MODULES}
    sizes = {
        str(folder.relative_to(PACKAGE)): len(
            [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        )
        for folder in folders
        if folder.name not in FLAT
    }

    assert {name: size for name, size in sizes.items() if size > 20} == {}


def test_every_path_in_the_architecture_is_there() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+(?:\.py)?)`", text)) - {"state/jobs"}
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    paths = {name for name in named if name.split("/")[0] in packages}

    assert paths
    assert {p for p in paths if not ((PACKAGE / p).exists() or (PACKAGE / f"{p}.py").exists())} == set()
