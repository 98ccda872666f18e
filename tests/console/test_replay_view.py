"""A replay in the console: asked for on a version, read as a page, and reached from the request whose evidence it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from test_hostile_text import texts_on
from textual.pilot import Pilot

from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
from pilothouse.console.screenshots import settle
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.operations.jobs import replays
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from support.replayed import MODEL, NOW, actor, make_replayed, run_next, serve

JOB = 3


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """A workspace whose version 2 has been replayed, and is requested with that."""
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 10)
    ann = actor(services, "ann")
    assert replays.start_replay(services, ann, f"{MODEL}/2").id == JOB
    run_next(services)
    promotions.request_promotion(services, ann, f"{MODEL}/2")
    return services


@pytest.fixture
def console(services: Services) -> Iterator[Callable[..., Console]]:
    made: list[Console] = []

    def opener() -> Services:
        opened = open_workspace(services.paths.root)
        opened.now = lambda: NOW
        return opened

    def make(name: str, start: str) -> Console:
        made.append(Console(opener, ConsoleOptions(user="eve", as_name=name, start=start), watching=False))
        return made[-1]

    yield make
    for one in made:
        one.session.close()


async def press(pilot: Pilot[int], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


def shown(app: Console) -> str:
    return "\n".join(texts_on(app))


async def test_the_page_of_a_replay_fits_a_small_screen(console) -> None:
    app = console("bob", f"replay {JOB}")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        text = shown(app)
        assert "late version 2 against version 1" in text
        assert "north south" in text
        assert "CHECK ON ITSELF" in text
        assert "equal to the bit" in text
        await press(pilot, "l")
        assert app.view.SCOPE == "job"
        await press(pilot, "s")
        assert app.view.SCOPE == "replay"
        await press(pilot, "v")
        assert app.view.SCOPE == "version"


async def test_the_evidence_shows_its_line_and_leads_to_all_of_it(console) -> None:
    app = console("bob", "evidence 2")
    async with app.run_test(size=(120, 60)) as pilot:
        await settle(pilot)
        text = shown(app)
        assert text.index("on 600 rows of 10–19 Feb 2026 it would have decided") < text.index("CHANGES SINCE")
        assert "REPLAY OF RECORDED TRAFFIC" in text
        await press(pilot, "p")
        assert app.view.SCOPE == "replay"


async def test_a_replay_is_asked_for_on_a_version(console, services: Services) -> None:
    app = console("ann", f"version {MODEL}/2")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "p", "enter")
        assert "Replay recorded traffic" not in shown(app)
    with services.registry.read() as connection:
        (kind, status) = connection.execute(
            "SELECT kind, status FROM jobs ORDER BY id DESC LIMIT 1"
        ).fetchone()
    assert (kind, status) == ("replay", "queued")


async def test_a_job_that_is_no_replay_has_no_page(console) -> None:
    app = console("bob", "job 1")
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await press(pilot, "s")
        assert app.view.SCOPE == "job"
        assert "a train replays nothing" in shown(app)
