"""The transparency log on the screen: what anchors hold, a contradiction before everything else, and an entry's proof."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from test_approval_by_keyboard import footer
from test_changes import until
from test_hostile_text import texts_on
from test_snapshots import SIZES
from textual.pilot import Pilot
from textual.widgets import Static

from pilothouse.console.app import Console
from pilothouse.console.reader import Reader
from pilothouse.console.screenshots import settle
from pilothouse.domain.audit.log_anchors import (
    Anchor,
    AnchorKind,
    AnchorState,
    Delivery,
    DeliveryFault,
    Held,
    LogStatus,
)
from pilothouse.domain.identity.roles import DAEMON
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import anchors, delivery, heads, proofs
from pilothouse.transparency import proofs as proof_files
from support import example
from support.log_workspace import Owner, add_rows, count

MINUTE = timedelta(minutes=1)


@contextmanager
def anchored(workspace: Path, file: Path) -> Iterator[Services]:
    """The workspace with an anchor in a file that has its newest head."""
    with example.opened(workspace) as services:
        anchors.add(services, example.person(services, "ada"), "vault", AnchorKind.FILE, str(file))
        heads.sign(services, DAEMON)
        delivery.deliver(services, DAEMON)
        yield services


def seen(pilot: Pilot[int]) -> str:
    return "\n".join(texts_on(pilot.app))  # type: ignore[arg-type]


def loud(app: Console) -> str:
    """What stands before everything else, in the place where nothing is cut off."""
    return str(app.view.query_one("#grave", Static).render())


async def test_an_anchor_that_agrees_and_one_that_is_behind(
    make_console, workspace: Path, tmp_path: Path
) -> None:
    with anchored(workspace, tmp_path / "heads.jsonl") as services:
        size = count(services)
        app = make_console("pat", start="log", watching=True)
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            shown = seen(pilot)
            assert "● agrees" in shown
            assert f"{size:,} rows" in shown
            assert "nothing: every anchor was sent the newest head" in shown
            assert "✖" not in shown

            add_rows(services, 3)
            heads.sign(services, DAEMON)
            await until(pilot, lambda: "◌ behind" in seen(pilot))
            assert f"the head of {count(services):,} rows, to vault" in seen(pilot)


async def test_a_log_that_was_written_anew_is_the_first_line_here_and_on_the_overview(
    make_console, workspace: Path, tmp_path: Path
) -> None:
    with anchored(workspace, tmp_path / "heads.jsonl") as services:
        owner = Owner(services)
        owner.write_anew(3, {"another": 1})
        owner.forget_heads()
        owner.leave()
        heads.sign(services, DAEMON)
        (refused,) = delivery.deliver(services, DAEMON)
        assert refused.delivery.fault is DeliveryFault.CONTRADICTS

    app = make_console("pat")
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert loud(app).startswith("✖ vault contradicts this log: its head of")
        await pilot.press("0")
        await settle(pilot)
        await pilot.press("l")
        await settle(pilot)
        assert loud(app).startswith("✖ vault contradicts this log: its head of")
        assert "✖ contradicts" in seen(pilot)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(app.screen, Reader) and "✖ vault (" in seen(pilot))


async def test_an_entry_says_which_head_covers_it_and_writes_its_proof(
    make_console, workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    app = make_console("pat", start="entry 7", watching=True)
    async with app.run_test(size=(100, 40)) as pilot:
        await settle(pilot)
        assert "no: nothing outside holds a head that has it" in seen(pilot)
        await pilot.press("p")
        assert "no signed head has it yet" in footer(app)
        with anchored(workspace, tmp_path / "heads.jsonl") as services:
            await until(pilot, lambda: "yes: vault took a head that has it" in seen(pilot))
            await pilot.press("p")
            await until(pilot, lambda: "row-7.tlog-proof" in footer(app))
            written = tmp_path / "home" / "pilothouse-exports" / "row-7.tlog-proof"
            proof = proof_files.parse(written.read_text())
            with services.registry.read() as connection:
                (row_hash,) = connection.execute("SELECT hash FROM audit WHERE seq = 7").fetchone()
            policy = proofs.policy(services, example.person(services, "pat"))
            proof_files.check(proof, bytes.fromhex(row_hash), policy)
            (tmp_path / "policy").write_text(str(policy))
    (tmp_path / "verify.py").write_text(proofs.verifier())
    words = ["verify.py", str(written), "--policy", "policy", "--entry", row_hash]
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def test_a_log_that_nothing_keeps_says_how_to_have_it_kept(make_console) -> None:
    app = make_console("pat", start="log")
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert "none yet: the daemon signs one" in seen(pilot)
        assert "nothing keeps the heads: pilothouse log anchors add file NAME PATH" in seen(pilot)


async def test_the_past_says_what_is_not_recorded(make_console, workspace: Path, tmp_path: Path) -> None:
    with anchored(workspace, tmp_path / "heads.jsonl"):
        app = make_console("pat", start="log", at="2013-08-10")
        async with app.run_test(size=(100, 30)) as pilot:
            await settle(pilot)
            await until(pilot, lambda: "what anchors and witnesses held then is not recorded" in seen(pilot))
            assert "contradicts" not in seen(pilot)


def made_up(services: Services, _: object) -> LogStatus:
    """Every standing, with values that do not change."""
    at = services.now() - 3 * MINUTE
    root = "n6Vq0yqW0oQnVUeuVbKmNwZqHSnJVdKxoL4Jb2fWqzE="

    def anchor(name: str, kind: AnchorKind, place: str) -> Anchor:
        key = "w.example/1+00000000+A" if kind is AnchorKind.WITNESS else ""
        return Anchor(len(name), name, kind, place, key, "ada", at)

    failed = Delivery(900, at - 60 * MINUTE, at, 3, at - 30 * MINUTE)
    states = [
        AnchorState(
            anchor("vault", AnchorKind.FILE, "/srv/vault/heads.jsonl"),
            Delivery(1200, at, at),
            Held(1200, at, True),
        ),
        AnchorState(anchor("journal", AnchorKind.SYSLOG, "/dev/log"), Delivery(1200, at, at), Held(1200, at)),
        AnchorState(
            anchor("late", AnchorKind.FILE, "/mnt/late/heads.jsonl"),
            Delivery(1000, at - MINUTE, at - MINUTE),
            Held(1000, at - MINUTE, True),
        ),
        AnchorState(
            anchor("w1", AnchorKind.WITNESS, "https://witness.example"),
            Delivery(
                *(failed.sent_size, failed.sent_at, at, 3, failed.failing_since),
                "https://witness.example: connection refused",
                DeliveryFault.UNREACHABLE,
            ),
            Held(900, at - 60 * MINUTE, True),
        ),
        AnchorState(
            anchor("w2", AnchorKind.WITNESS, "unix:/run/witness"),
            Delivery(
                *(failed.sent_size, failed.sent_at, at, 3, failed.failing_since),
                "it has signed a head of 900 rows that this log does not begin with: a row among the first 900 was changed, or "
                "the log was written anew",
                DeliveryFault.CONTRADICTS,
            ),
            Held(900, at - 60 * MINUTE, True),
        ),
    ]
    return LogStatus(
        origin="ops/models/1f2e3d4c", key="ops/models/1f2e3d4c+a1b2c3d4+AZ0yqW0oQnVUeuVbKmNwZqHSnJVdKxoL4Jb2fWqzEabc",
        rows=1_204, signed_size=1_200, signed_root=root, signed_at=at, quorum=2, cosigned_size=900, anchors=states,
    )  # fmt: skip


@pytest.mark.parametrize("size", SIZES)
def test_the_view_looks_as_it_did(
    snap_compare: Callable[..., bool], make_console, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    monkeypatch.setattr(heads, "status", made_up)

    async def wait(pilot: Pilot[int]) -> None:
        await settle(pilot, "log")

    assert snap_compare(make_console("pat", start="log"), terminal_size=SIZES[size], run_before=wait)
