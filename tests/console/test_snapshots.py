"""Every screen at both sizes, on the frozen workspace, as a picture that is compared."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from pilothouse.console.screenshots import settle

SIZES = {"80x24": (80, 24), "120x40": (120, 40)}
VIEWS = (
    "overview", "models", "versions flight-delay", "version flight-delay/2", "compare flight-delay/1 flight-delay/3",
    "approvals", "evidence 3", "monitor flight-delay jfk", "jobs", "job 5", "train flight-delay", "deployments",
    "alerts", "incident 1", "alert 3", "schedules", "audit", "entry 7",
    "fleet", "lineage flight-delay/3", "affected flight-delay/1", "rejected", "inventory",
)  # fmt: skip
PAGES = [
    f"version flight-delay/3 {page}"
    for page in ("metrics", "pictures", "gates", "parameters", "data", "code", "lineage")
]
CASES = [(view, size) for view in VIEWS for size in SIZES] + [(page, "80x24") for page in PAGES]
KEYS: dict[str, tuple[str, list[str]]] = {
    "help": ("overview", ["question_mark"]),
    "approve": ("evidence 3", ["a"]),
    "roll-back": ("deployments", ["ctrl+l"]),
    "features": ("monitor flight-delay jfk", ["f"]),
    "zoomed": ("monitor flight-delay jfk", ["z", "z"]),
    "cursor": ("monitor flight-delay jfk", ["z", "i", "left", "left"]),
    "heat": ("monitor flight-delay jfk", ["x", "down"]),
    "distribution": ("monitor flight-delay jfk", ["enter"]),
    "beside": ("monitor flight-delay jfk", ["b"]),
    "past": ("overview", ["at", *"2013-08-10", "enter"]),
    "searched": ("job 5", ["slash", *"ITER", "enter"]),
    "command": ("overview", ["colon", "m", "o", "n"]),
    "filter": ("audit", ["slash", "j", "o", "b", "enter"]),
    "history": ("deployments", ["h"]),
}


@pytest.mark.parametrize(
    ("view", "size"), CASES, ids=[re.sub(r"\W+", "-", f"{view} {size}") for view, size in CASES]
)
def test_view_looks_as_it_did(snap_compare: Callable[..., bool], make_console, view: str, size: str) -> None:
    app = make_console(
        "olga" if view in ("deployments", "alerts", "incident 1", "alert 3") else "pat", start=view
    )

    async def wait(pilot: Pilot[int]) -> None:
        await settle(pilot, view)

    assert snap_compare(app, terminal_size=SIZES[size], run_before=wait)


@pytest.mark.parametrize("name", KEYS)
def test_what_keys_open_looks_as_it_did(
    snap_compare: Callable[..., bool], make_console, workspace: Path, name: str
) -> None:
    view, keys = KEYS[name]
    app = make_console("olga" if view == "deployments" else "pat", start=view)

    async def press(pilot: Pilot[int]) -> None:
        await settle(pilot, view)
        for key in keys:
            await pilot.press(key)
            await settle(pilot, view)
        for field in app.screen.query("Input"):
            field.cursor_blink = False  # type: ignore[attr-defined]

    assert snap_compare(app, terminal_size=SIZES["80x24"], run_before=press)
