"""The feed says in words what somebody who comes on watch wants to know, and leaves the rest to the audit log."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pilothouse.domain.records import AuditEntry
from pilothouse.presentation.pages.feed import feed_table

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def entry(seq: int, action: str, subject: str, **detail: Any) -> AuditEntry:
    return AuditEntry(seq, NOW - timedelta(minutes=seq), "petra", action, subject, detail, "", "")


def sentences(*entries: AuditEntry) -> list[str]:
    return [" ".join(cell.text for cell in row.cells) for row in feed_table(entries, NOW).rows]


def test_what_happened_is_told_newest_first() -> None:
    assert sentences(
        entry(1, "deployment.made", "models:/delay/4 on ewr", before=3),
        entry(2, "request.approved", "request 8", reason="fine"),
        entry(3, "alert.opened", "alert 5", model="delay", summary="auc 0.6 on ewr", severity="critical"),
        entry(4, "version.registered", "models:/delay/4", failed_gates=["comparison.v3"]),
    ) == [
        "1m ago petra models:/delay/4 on ewr is live, in place of v3",
        "2m ago petra approved request 8: fine",
        "3m ago petra alert 5 on delay: auc 0.6 on ewr",
        "4m ago petra models:/delay/4 refused by comparison.v3",
    ]


def test_a_failed_job_is_told_and_one_that_went_well_is_not() -> None:
    assert sentences(
        entry(1, "job.ended", "job 3", status="succeeded"),
        entry(2, "job.ended", "job 4", status="timed out", error="fit: took longer than 60 s"),
        entry(3, "job.queued", "job 4"),
    ) == ["2m ago petra job 4 timed out: fit: took longer than 60 s"]


def test_a_locked_passphrase_is_told_and_a_slip_is_not() -> None:
    assert sentences(
        entry(1, "passphrase.unlocked", "pat", reason="she called"),
        entry(2, "passphrase.wrong", "pat", wrong=5, locked=True),
        entry(3, "passphrase.wrong", "pat", wrong=4, locked=False),
    ) == [
        "1m ago petra unlocked the passphrase of pat: she called",
        "2m ago petra 5 wrong passphrases in the name of pat: it is locked",
    ]


def test_text_from_outside_cannot_reach_the_terminal() -> None:
    (sentence,) = sentences(entry(1, "request.rejected", "request 1", reason="\x1b]52;c;x\x07[red]"))
    assert "\x1b" not in sentence
    assert "\x07" not in sentence


def test_each_step_of_a_roll_out_is_told_and_what_holds_it() -> None:
    of = {"version": "models:/delay/4"}
    assert sentences(
        entry(1, "rollout.entered", "roll-out 2", why="wave first, shadow: ewr", **of),
        entry(2, "rollout.passed", "roll-out 2", why="shadow of first: not worse", **of),
        entry(3, "rollout.paused", "roll-out 2", why="no traffic: 0 of 100 requests, for 1w", **of),
    ) == [
        "1m ago petra roll-out 2 of delay/4: wave first, shadow: ewr",
        "3m ago petra roll-out 2 of delay/4 is paused: no traffic: 0 of 100 requests, for 1w",
    ]
