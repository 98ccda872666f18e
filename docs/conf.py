"""The documents as a site: ``make site`` builds ``build/site`` with Sphinx. The pages are read on a forge as they are, too."""

import re
from typing import Any

project = "Pilothouse"
author = "The Pilothouse authors"
copyright = author  # noqa: A001 - Sphinx reads this name
extensions = ["myst_parser"]
exclude_patterns = ["ci", "deployers", "grafana", "prometheus", "systemd"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
html_theme = "furo"
html_title = "Pilothouse"
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
_OUT = re.compile(r"\[([^\]]+)\]\(\.\./([^)\s#]+)(?:#[^)\s]+)?\)")


def _name_files(_app: Any, _page: str, source: list[str]) -> None:
    """Show a link that leaves the documents as the file's name: the site does not hold it."""
    source[0] = _OUT.sub(r"\1 (`\2`)", source[0])


def setup(app: Any) -> None:
    app.connect("source-read", _name_files)
