"""What a key has started is opened: the job, with its log; Esc comes back."""

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console.screenshots import settle


async def press(pilot, *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(pilot)


@pytest.mark.parametrize(
    ("start", "keys", "kind", "words"),
    [
        ("train flight-delay", ["ctrl+s", "enter"], "train", "is queued"),
        ("version flight-delay/1", ["x", "enter"], "reproduce", "trains it again"),
        ("job 1", ["r", "enter"], "train", "does job 1 again"),
    ],
)
async def test_a_job_that_was_started_is_on_the_screen(
    make_console, start: str, keys: list[str], kind: str, words: str
) -> None:
    app = make_console("sam", start=start)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        before = app.view
        await press(pilot, *keys)
        for _ in range(200):
            await pilot.pause(0.02)
            if app.view is not before:
                break
        await settle(pilot)
        assert (app.view.SCOPE, app.view.data.job.kind) == ("job", kind)
        assert app.view.data.job.id > 6
        assert words in footer(app)
        await press(pilot, "escape")
        assert app.view is before
