"""The documents as a site: every page is in it, every link leads somewhere, and a browser asks nobody else for anything."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from documents import DOCUMENTS, ROOT


class _Page(HTMLParser):
    """What a page fetches, what it links to, and the places in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        of = dict(attributes)
        if tag in ("script", "img", "iframe", "source") and of.get("src"):
            self.fetched.append(str(of["src"]))
        if tag == "link" and of.get("rel") in ("stylesheet", "icon", "preload", "preconnect"):
            self.fetched.append(str(of.get("href")))
        if tag == "a" and of.get("href"):
            self.links.append(str(of["href"]))
        if of.get("id"):
            self.places.add(str(of["id"]))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built with every warning an error: a page in no list, a link to a heading that is not there."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / "trees"), str(DOCUMENTS), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_every_document_is_a_page(site: Path) -> None:
    assert {page.stem for page in DOCUMENTS.glob("*.md")} <= {page.stem for page in site.glob("*.html")}
    assert "watched model" in (site / "searchindex.js").read_text("utf-8")


def test_pages_fetch_from_the_site_alone_and_their_links_lead_somewhere(site: Path) -> None:
    pages = {path.name: _Page(path.read_text("utf-8")) for path in site.glob("*.html")}
    for name, page in pages.items():
        for address in page.fetched:
            parts = urlsplit(address)
            assert (parts.scheme, parts.netloc) in (("", ""), ("data", "")), (name, address)
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = pages.get(parts.path or name)
            assert target is not None or (site / unquote(parts.path)).exists(), (name, link)
            if target is not None and parts.fragment:
                assert unquote(parts.fragment) in target.places, (name, link)


def test_styles_ask_nobody_else(site: Path) -> None:
    found = [
        path.name
        for path in site.rglob("*.css")
        if re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", path.read_text("utf-8"))
    ]
    assert found == []
