"""Links lead somewhere, pictures are whole, and no document names the machine on which it was made."""

import re
from xml.etree import ElementTree

import pytest
from documents import DOCUMENTS, PAGES, ROOT

PICTURES = sorted((DOCUMENTS / "images").glob("*.svg"))
OF_A_MACHINE = re.compile(r"/tmp/|/work/|/root/|/home/[a-z]|/Users/|\.venv/")


def anchor(heading: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", heading.lower().replace("`", "")).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        name, _, place = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        if place:
            headings = re.findall(r"^#+ (.+)$", target.read_text("utf-8"), flags=re.MULTILINE)
            assert place in [anchor(heading) for heading in headings], link


@pytest.mark.parametrize("page", [*PAGES, *PICTURES], ids=lambda page: str(page.relative_to(ROOT)))
def test_nothing_names_the_machine(page):
    text = page.read_text("utf-8").replace("`.venv`", "").replace("`.venv/bin/pilothouse`", "")
    assert OF_A_MACHINE.findall(text) == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_whole_and_shown(picture):
    ElementTree.parse(picture)
    text = picture.read_text("utf-8")
    assert "url(http" not in text
    assert "Traceback" not in text
    assert any(f"images/{picture.name}" in page.read_text("utf-8") for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_of_modules_are_there(page):
    """``domain/jobs/jobs.py`` is below the package, ``tests/soak`` and ``docs/tables.py`` below the repository."""
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", page.read_text("utf-8"))
    package = ROOT / "src" / "pilothouse"
    assert [path for path in named if not (package / path).exists() and not (ROOT / path).exists()] == []
