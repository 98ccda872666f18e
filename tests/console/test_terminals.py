"""What arrives on a real terminal, read back by a terminal emulator: hostile text by the thousand and by the megabyte, any
size, any moment.

``HOSTILE_STRINGS`` and ``RESIZES`` make it the long form (``make proof-console``).
"""

import contextlib
import os
import random
import re
from pathlib import Path

import pytest
from tampering import write_everywhere
from test_hostile_text import FORBIDDEN, NASTY, SEQUENCES, quiet

from pilothouse.console.session.views import VIEWS, parse_command
from pilothouse.operations.jobs import jobs
from support import example, example_extras, wait_until
from support.terminals import Terminal, screen_of

STRINGS = int(os.environ.get("HOSTILE_STRINGS", "400"))
RESIZES = int(os.environ.get("RESIZES", "60"))
LONG_FORM = STRINGS >= 10_000
GIANT = 1_000_000 if LONG_FORM else 20_000
"""Characters of the longest strings."""
PIECES = (
    *NASTY[:-3], "\x1b]0;title\x07", "\x1b[?1049l", "\x1b[31m", "\x1bP+q\x1b\\", "\x1b[6n", "\x9d52;c;eA==\x9c",
    "\x85", "\u2028", "[b]", "[link=file:///etc/passwd]x[/link]", "$(reboot)", "`x`", "\x1b[200~q\x1b[201~",
    "\U0001f44d\U0001f3fd", "\ufdfa", "\U0001d54f", "e\u0301", "\u0301", "\ufeff", "\u200b", "\U000e0041", "q", "\r\nq",
    "y", "\t", "%s", "{0}", "\\x1b[2J", "\u754c", "\u0e01\u0e47\u0e47\u0e47\u0e47",
)  # fmt: skip


KINDS = (
    "[bold][red]x[/]", "[@click=app.quit]x[/]", "\x1b[31m\x1b[2J\x1b[H", "\x1b]52;c;cm0gLXJm\x07", "\x00\x07\x08\x7f",
    "\x9b31m\x90q\x9c", "a\u202etxt\u2066x\u2069", "👩‍👩‍👧‍👦🏳️‍🌈",
    "漢字かな交じり文", "z" + "\u0301" * 300, "line\r\n", "two words ", "x",
)  # fmt: skip
GIANTS = tuple((kind * (GIANT // len(kind) + 1))[:GIANT] for kind in KINDS)
"""One very long string of each kind; lone surrogates, which no database takes, come in files."""
OPENED = (
    "version flight-delay/3 gates", "job 5", "incident 1", "audit", "overview", "models", "versions flight-delay",
    "version flight-delay/3 code", "version flight-delay/2 data", "compare flight-delay/1 flight-delay/3", "approvals",
    "evidence 3", "monitor flight-delay jfk", "jobs", "job 6", "trials 7", "deployments", "history",
    "fleet", "lineage flight-delay/3", "affected flight-delay/1", "alerts", "alert 3", "alert 4", "schedules", "triggers",
    "legal-holds", "outcomes", "rejected", "entry 7", "log",
    "train flight-delay",  # the last: its fields take keys
)[: None if LONG_FORM else 4]  # fmt: skip
LOOKED_AT = (b"\x1b", b"y", b"\x1b", b"\x1b[F", b"\x17", b"\x17") if LONG_FORM else (b"\x1b",)
"""After the description of what the cursor is on: its raw record, the end of the list, every column whole."""


def hostile_string(chance: random.Random) -> str:
    """A few pieces in a row; one in a hundred is very long."""
    text = "".join(chance.choice(PIECES) for _ in range(chance.randint(1, 6)))
    return (text * 5_000)[:3_900] if chance.random() < 0.01 else text


@pytest.fixture
def full_of_it(workspace: Path) -> Path:
    """A registry whose jobs, alerts, log and people say hostile things, in every column that takes text."""
    chance = random.Random(20_130_904)
    with example.opened(workspace) as services, services.registry.transaction() as connection:
        start = int(example.NOW.timestamp() * 1e6)
        texts = [hostile_string(chance) for _ in range(STRINGS - len(GIANTS))]
        texts[7:7] = GIANTS  # among the first alerts, and the jobs at the end of the list
        connection.executemany(
            "INSERT INTO jobs (kind, model_id, spec_id, status, step, message, created_by, reason, created_at, started_at, "
            "ended_at, attempt, error, trigger_key) VALUES ('train', 1, (SELECT max(id) FROM model_specs WHERE model_id = 1), "
            "'failed', ?, ?, ?, ?, ?, ?, ?, 1, ?, ?)",
            [
                (a, b, c, d, start + i, start + i, start + i + 1, e, f"{i}{a}")
                for i, (a, b, c, d, e) in enumerate(zip(*(texts[n::5] for n in range(5)), strict=False))
            ],
        )
        version = connection.execute("SELECT id FROM versions WHERE model_id = 1 AND number = 1").fetchone()[
            "id"
        ]
        connection.executemany(
            "INSERT INTO alerts (model_id, version_id, target_id, kind, subject, severity, effective_at, recorded_at, summary, "
            "explanation, figures) VALUES (1, ?, 1, 'data_drift', ?, 'critical', ?, ?, ?, ?, '{}')",
            [
                (version, f"{i}{text}", start + i, start + i, text, text * 3)
                for i, text in enumerate(texts[: STRINGS // 4])
            ],
        )
        (newest,) = connection.execute("SELECT max(id) FROM jobs").fetchone()
        folder = services.paths.step_folder(newest, 1, 1, "fit")
    folder.mkdir(parents=True)
    (folder / "log.txt").write_bytes(
        "\n".join(texts).encode("utf-8", "surrogatepass") + b"\n" + b"\x9b2Jx" * 200_000
    )
    return workspace


@pytest.fixture
def giant(workspace: Path) -> Path:
    """Every column of both databases that takes a text says a very long hostile one, in its newest rows; logs do, too."""
    example_extras.add(workspace)
    with example.opened(workspace) as services:
        registry, telemetry, jobs_folder = (
            services.paths.registry,
            services.paths.telemetry,
            services.paths.jobs,
        )
    assert write_everywhere(registry, GIANTS) > 100
    write_everywhere(telemetry, GIANTS)
    for log in jobs_folder.rglob("log.txt"):
        log.write_bytes("\n".join((*GIANTS, "\ud800" * GIANT)).encode("utf-8", "surrogatepass"))
    return workspace


def assert_clean(written: bytes) -> None:
    """Nothing but the console's own sequences and printable text."""
    assert b"\x1b]52" not in written
    text = SEQUENCES.sub("", written.decode("utf-8"))
    assert [
        text[max(0, m.start() - 20) : m.end() + 20] for m in FORBIDDEN.finditer(text) if m[0] not in "\r\n"
    ] == []


def test_hostile_strings_neither_act_nor_reach_the_terminal(full_of_it: Path) -> None:
    with Terminal(full_of_it, "jobs", size=(132, 43)) as terminal:
        wait_until(lambda: b"failed" in terminal.output(), 30)
        with example.opened(full_of_it) as services:
            pat = example.person(services, "pat")
            before = [(job.id, job.status) for job in jobs.list_jobs(services, pat, limit=2_000)]
        pages = STRINGS // 5 // 38 + 1
        down, back = b"\x1b[6~", b"\x1b"
        keys = [*[down] * pages, b"\x17", b"\x1b[C", b"\x1b[C", b"\x17", b"d", b"y", back, b"\r", down, back]
        keys += [b"8", *[down] * 3, b"d", back, b"\r", back, b"0", down, b"\r", back, b"1", b"?", back, b"7"]
        for key in keys:
            terminal.write(key)
            quiet(terminal)
        assert terminal.process.poll() is None, "no text has ended it"
        try:
            wait_until(lambda: "deployments" in screen_of(terminal, 132, 43).display[0], 10, 0.5)
        except AssertionError:
            print("\n".join(screen_of(terminal, 132, 43).display))
            raise
        screen = screen_of(terminal, 132, 43)
        assert screen.display[1].strip().startswith("1 Overview"), "no text has painted over the frame"
        assert_clean(terminal.output())
        with example.opened(full_of_it) as services:
            after = [(job.id, job.status) for job in jobs.list_jobs(services, pat, limit=2_000)]
        assert after == before, "no text has done anything"
        terminal.write(b"q")
        assert terminal.process.wait(20) == 0


def test_a_very_long_text_in_every_field_neither_acts_nor_holds_a_view_up(giant: Path) -> None:
    with Terminal(giant, "jobs", size=(132, 43)) as terminal:
        wait_until(lambda: b"running" in terminal.output(), 30)
        for view in OPENED:
            terminal.write(f":{view}\r".encode())
            top = VIEWS[parse_command(view).view].top
            wait_until(lambda top=top: screen_of(terminal, 132, 43).display[0].split()[0] == top, 10, 0.5)
            quiet(terminal)
            for key in (b"d", *LOOKED_AT):
                terminal.write(key)
                quiet(terminal)
            assert terminal.process.poll() is None, view
        terminal.write(b"\x1b")  # out of the field
        quiet(terminal)
        screen = screen_of(terminal, 132, 43)
        assert screen.display[1].strip().startswith(("1 Overview", "1Over")), (
            "no text has painted over the frame"
        )
        assert_clean(terminal.output())
        terminal.write(b"q")
        assert terminal.process.wait(20) == 0


def test_any_size_at_any_moment(workspace: Path) -> None:
    chance = random.Random(7)
    with Terminal(workspace) as terminal:
        wait_until(lambda: b"flight-delay" in terminal.output(), 30)
        for number in range(RESIZES):
            terminal.resize(
                chance.choice((1, 2, 7, 20, 79, 80, 120, 400)), chance.choice((1, 2, 5, 23, 24, 40, 120))
            )
            if number % 5 == 0:
                terminal.write(
                    chance.choice(
                        [b"1", b"2", b"4", b"5", b"6", b"7", b"8", b"0", b"j", b"?", b"\x1b", b"\x17"]
                    )
                )
            size = len(terminal.output())
            with contextlib.suppress(AssertionError):  # the same size again paints nothing
                wait_until(lambda size=size: len(terminal.output()) > size, 0.3)
            assert terminal.process.poll() is None
        terminal.resize(80, 24)
        terminal.write(b"\x1b\x1b")
        quiet(terminal)
        terminal.write(b"1")
        quiet(terminal)
        terminal.write(b"\x12")
        quiet(terminal)
        display = "\n".join(screen_of(terminal, 80, 24).display)
        assert re.search(r"\bmodels?\b", display)
        assert "flight-delay" in display
        terminal.write(b"q")
        assert terminal.process.wait(20) == 0
