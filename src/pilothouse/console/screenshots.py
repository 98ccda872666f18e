"""Pictures of the console as SVG, for the documents: the real app on a real workspace, without a terminal."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.pilot import Pilot

from pilothouse.console.app import Console
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.console.widgets.chart import ChartView
from pilothouse.domain.errors import UnavailableError

if TYPE_CHECKING:
    from pilothouse.operations.services import Services

_PATIENCE_S = 20.0
_STEP_S = 0.02


def save_svg(
    root: Path,
    actor: str,
    view: str,
    path: Path,
    size: tuple[int, int],
    *,
    user: str | None = None,
    keys: tuple[str, ...] = (),
) -> None:
    """Write what ``actor`` sees after ``:view`` and ``keys`` on a terminal of ``size`` (columns, rows) to ``path``.

    ``user`` is who hands the name over (the actor itself otherwise). Raises UnavailableError where the view does not
    come up within 20 seconds.
    """

    def opener() -> "Services":
        from pilothouse.composition import open_workspace

        return open_workspace(root)

    app = Console(opener, ConsoleOptions(user=user or actor, as_name=actor, start=view), watching=False)
    try:
        path.write_text(asyncio.run(_picture(app, view, size, keys)))
    finally:
        app.session.close()


async def _picture(app: Console, view: str, size: tuple[int, int], keys: tuple[str, ...]) -> str:
    async with app.run_test(size=size) as pilot:
        await settle(pilot, view)
        for key in keys:
            await pilot.press(key)
            await settle(pilot, view)
        return app.export_screenshot(title="pilothouse")


async def settle(pilot: "Pilot[int]", name: str = "the view") -> None:
    """Wait until all keys are processed, the view on top has its data and its charts are drawn."""
    app = pilot.app
    assert isinstance(app, Console)
    await _until(
        pilot,
        lambda: (
            app.keys_settled
            and app.current_mode != "opening"
            and app.time_travel.settled
            and app.view.settled
        ),
        name,
    )
    await _until(pilot, lambda: all(chart.settled for chart in app.view.query(ChartView)), name)
    await pilot.pause()


async def _until(pilot: "Pilot[int]", ready: Callable[[], bool], name: str) -> None:
    waited = 0.0
    while not ready():
        if waited > _PATIENCE_S:
            raise UnavailableError(f"{name} did not come up within {_PATIENCE_S:.0f} s")
        await pilot.pause(_STEP_S)
        waited += _STEP_S
