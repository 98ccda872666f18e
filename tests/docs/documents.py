"""The documents as the tests read them."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
DOCUMENTS = ROOT / "docs"
PAGES = (ROOT / "README.md", ROOT / "sample_data" / "README.md", *sorted(DOCUMENTS.glob("*.md")))


def blocks(page: Path, language: str) -> list[str]:
    """The contents of a page's fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def tables_module() -> ModuleType:
    """``docs/tables.py``, which is no package."""
    found = importlib.util.spec_from_file_location("document_tables", DOCUMENTS / "tables.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def words_of(*names: str) -> str:
    """The text of pages of the documents, wherever their lines end."""
    return " ".join(" ".join((DOCUMENTS / name).read_text("utf-8").split()) for name in names)
