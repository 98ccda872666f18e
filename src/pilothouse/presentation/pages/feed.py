"""The feed of recent events: those entries of the audit log that matter to an operator, as sentences."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.monitoring.deployment_state import outage_text
from pilothouse.domain.promotion.conditions import Condition
from pilothouse.domain.promotion.request_standing import WaitingRequest
from pilothouse.domain.promotion.waiting import WaitingItems
from pilothouse.domain.records import AuditEntry
from pilothouse.presentation.break_glass import to_review_text
from pilothouse.presentation.cells import Cell, Tone, cell
from pilothouse.presentation.tables.table import Table, table_of
from pilothouse.presentation.texts import age_text

Sentence = tuple[str, Tone]


def feed_table(entries: Sequence[AuditEntry], now: datetime) -> Table:
    """``2m ago  petra  approved request 8``: in the order given, without entries that only an auditor needs."""
    described = [(entry, sentence) for entry in entries if (sentence := _describe(entry)) is not None]
    return table_of(
        described,
        {
            ">LATELY": lambda item: cell(age_text(item[0].recorded_at, now), "dim"),
            "WHO ~6": lambda item: Cell(safe(item[0].actor), "dim"),
            "WHAT ~20": lambda item: cell(*item[1]),
        },
        key=lambda item: item[0].seq,
        empty="nothing has happened yet",
    )


def waiting_text(request: WaitingRequest, now: datetime) -> str:
    """``flight-delay v3, asked by sam 2d ago``."""
    origin = f"asked by {safe(request.requested_by)} {age_text(request.recorded_at, now)}"
    return f"{safe(request.model)} v{request.version}, {origin}"


def waiting_texts(items: WaitingItems, now: datetime) -> tuple[str, ...]:
    """A text for each item that waits for a person: broken glass first."""
    return (
        *map(to_review_text, items.reviews),
        *(waiting_text(request, now) for request in items.requests),
        *map(to_confirm_text, items.conditions),
    )


def to_confirm_text(condition: Condition) -> str:
    """``condition 3 of delay v7, due 2026-12-29: reviewed after 30 days``."""
    of = f"condition {condition.id} of {condition.model} v{condition.version}"
    return safe(f"{of}, due {condition.due:%Y-%m-%d}: {condition.text}", 200)


def late_text(conditions: Sequence[Condition]) -> str:
    """Conditions that are late, and who is to confirm them; empty where none is."""
    return safe("; ".join(f"{to_confirm_text(one)} ({one.by})" for one in conditions), 1_000)


def _describe(entry: AuditEntry) -> Sentence | None:
    sentence_of = _SENTENCES.get(entry.action)
    return sentence_of(entry.subject, entry.detail) if sentence_of else None


def _plain(template: str, tone: Tone = "") -> Callable[[str, Mapping[str, Any]], Sentence]:
    """``template`` with the subject in it, followed by the reason where there is one."""

    def sentence(subject: str, detail: Mapping[str, Any]) -> Sentence:
        reason = detail.get("reason") or detail.get("note") or ""
        return template.format(subject) + (f": {reason}" if reason else ""), tone

    return sentence


def _alert_opened(subject: str, detail: Mapping[str, Any]) -> Sentence:
    tone: Tone = "bad" if detail.get("severity") == "critical" else "warn"
    return f"{subject} on {detail.get('model')}: {detail.get('summary')}", tone


def _job_ended(subject: str, detail: Mapping[str, Any]) -> Sentence | None:
    status = detail.get("status")
    if status in ("succeeded", "cancelled"):
        return None
    return f"{subject} {status}: {detail.get('error')}", "bad"


def _wrong_passphrase(subject: str, detail: Mapping[str, Any]) -> Sentence | None:
    """One or two are slips of the fingers."""
    if not detail.get("locked"):
        return None
    return f"{detail.get('wrong')} wrong passphrases in the name of {subject}: it is locked", "warn"


def _registered(subject: str, detail: Mapping[str, Any]) -> Sentence:
    failed = detail.get("failed_gates") or ()
    if failed:
        return f"{subject} refused by {', '.join(map(str, failed))}", "warn"
    return f"{subject} trained, passed every gate", "good"


def _requested(subject: str, detail: Mapping[str, Any]) -> Sentence:
    return f"asks for {detail.get('version')} on {' '.join(detail.get('targets') or ())} ({subject})", "info"


def _deployed(subject: str, detail: Mapping[str, Any]) -> Sentence:
    before = detail.get("before")
    instead = f", in place of v{before}" if before else ""
    if detail.get("kind") == "break-glass":
        return f"{subject} is live by breaking the glass{instead}", "bad"
    return f"{subject} is live{instead}", "good"


def _glass_broken(subject: str, detail: Mapping[str, Any]) -> Sentence:
    return f"BROKE THE GLASS for {detail.get('version')} ({subject}): {detail.get('reason')}", "bad"


def _rolled_back(subject: str, detail: Mapping[str, Any]) -> Sentence:
    return f"rolled back to {subject}, from v{detail.get('before')}: {detail.get('reason')}", "warn"


def _reproduced(subject: str, detail: Mapping[str, Any]) -> Sentence:
    same = bool(detail.get("identical"))
    return f"{subject} trained again: {'identical' if same else 'NOT identical'}", "good" if same else "bad"


def _target_down(subject: str, detail: Mapping[str, Any]) -> Sentence:
    why = outage_text(detail.get("cause", ""), detail.get("end", "")) or "no word of its process"
    return f"{subject} answers nothing: {why}", "bad"


def _of_receiver(text: str) -> Callable[[str, Mapping[str, Any]], Sentence]:
    """What is the matter with a receiver or an anchor, with its error."""
    return lambda subject, detail: (f"{subject} {text}: {detail.get('error')}", "bad")


def _of_rollout(text: str, tone: Tone = "") -> Callable[[str, Mapping[str, Any]], Sentence]:
    """What became of a roll-out, and why; that one went back is told by its alert."""

    def sentence(subject: str, detail: Mapping[str, Any]) -> Sentence:
        named = f"{subject} of {str(detail.get('version')).removeprefix('models:/')}{text}"
        return named + (f": {detail['why']}" if detail.get("why") else ""), tone

    return sentence


_SENTENCES: dict[str, Callable[[str, Mapping[str, Any]], Sentence | None]] = {
    "alert.opened": _alert_opened,
    "alert.revised": lambda subject, detail: (
        f"{subject} says after late data: {detail.get('summary')}",
        "info",
    ),
    "alert.acknowledged": _plain("looks after {}", "info"),
    "alert.escalated": lambda subject, detail: (
        f"nobody has acknowledged {subject}: told {', '.join(map(str, detail.get('to') or ()))}",
        "warn",
    ),
    "alert.resolved": _plain("{} resolved"),
    "alerts.described": _plain("described receivers and routes anew", "warn"),
    "anchor.failing": _of_receiver("takes no heads"),
    "anchor.recovered": _plain("{} takes heads again", "good"),
    "site.contradicts": lambda subject, detail: (
        f"{subject} contradicts itself: {detail.get('said')}",
        "bad",
    ),
    "site.failing": lambda subject, detail: (
        f"{subject} is {detail.get('standing')}: {detail.get('said')}",
        "warn",
    ),
    "site.recovered": _plain("{} is current again", "good"),
    "site.followed": _plain("follows {}"),
    "site.left": _plain("follows {} no more", "warn"),
    "site.publishing_set": _plain("set where the state of this site is published"),
    "message.dead": _of_receiver("did not get a message"),
    "receiver.failing": _of_receiver("takes no messages"),
    "receiver.recovered": _plain("{} takes messages again", "good"),
    "rollout.aborted": _of_rollout(" was aborted", "warn"),
    "rollout.arm_out": _of_rollout(" lets a version go", "warn"),
    "rollout.completed": _of_rollout(" is complete", "good"),
    "rollout.entered": _of_rollout("", "info"),
    "rollout.paused": _of_rollout(" is paused", "warn"),
    "rollout.resumed": _of_rollout(" was resumed"),
    "silence.made": _plain("made {}", "warn"),
    "silence.ended": _plain("ended {}"),
    "automation.paused": _plain("paused all automation", "warn"),
    "automation.resumed": _plain("resumed automation", "good"),
    "condition.confirmed": lambda subject, detail: (
        f"confirmed a condition of {subject}: {detail.get('remark')}",
        "good",
    ),
    "daemon.started": _plain("the daemon started", "dim"),
    "daemon.stopped": _plain("the daemon stopped", "dim"),
    "daemon.ended": _plain("the daemon had ended without saying so", "warn"),
    "deployment.made": _deployed,
    "deployment.rolled_back": _rolled_back,
    "document.attached": lambda subject, detail: (
        f"attached {detail.get('document')} to {subject}"
        + (", in place of another" if detail.get("before") else ""),
        "info",
    ),
    "freeze.lifted": _plain("lifted the freeze {}", "warn"),
    "freeze.set": lambda subject, detail: (f"set the freeze {subject}: {detail.get('rule')}", "info"),
    "glass.broken": _glass_broken,
    "glass.closed": _plain("{} is closed: two others have looked at it", "info"),
    "glass.reviewed": lambda subject, detail: (
        f"looked at {subject}, {detail.get('verdict')}: {detail.get('reason')}",
        "info",
    ),
    "glass.taken_back": lambda subject, detail: (f"took {subject} back: {detail.get('why')}", "warn"),
    "hold.lifted": _plain("lifted the hold on {}"),
    "incident.acknowledged": _plain("looks after {}", "info"),
    "incident.assigned": lambda subject, detail: (
        f"{detail.get('assignee') or 'nobody'} looks after {subject}",
        "info",
    ),
    "job.ended": _job_ended,
    "model.created": _plain("applied {} for the first time"),
    "model.updated": _plain("applied a change of {}"),
    "passphrase.taken": _plain("took the passphrase of {} away", "warn"),
    "passphrase.unlocked": _plain("unlocked the passphrase of {}", "info"),
    "passphrase.wrong": _wrong_passphrase,
    "policy.set": _plain("set the workspace's policy", "warn"),
    "promotion.not_requested": lambda subject, detail: (
        f"{subject} not asked for: {detail.get('why')}",
        "warn",
    ),
    "request.approved": _plain("approved {}", "good"),
    "request.completed": _plain("deployed {}, which all have approved", "good"),
    "request.commented": lambda subject, detail: (f"on {subject}: {detail.get('text')}", ""),
    "request.expired": _plain("{} expired", "warn"),
    "request.made": _requested,
    "request.rejected": _plain("rejected {}", "warn"),
    "request.superseded": lambda subject, detail: (f"request {detail.get('by')} supersedes {subject}", ""),
    "request.withdrawn": _plain("withdrew {}"),
    "role.granted": lambda subject, detail: (f"made {subject} {detail.get('role')}", ""),
    "role.revoked": lambda subject, detail: (f"took {detail.get('role')} from {subject}", ""),
    "solo.ended": lambda subject, detail: (
        f"four eyes holds now: {detail.get('approver')} may approve",
        "warn",
    ),
    "target.answers": _plain("{} answers again", "good"),
    "target.down": _target_down,
    "version.registered": _registered,
    "version.replayed": lambda subject, detail: (
        f"{subject} replayed against v{detail.get('against')}: {detail.get('found')}",
        "info",
    ),
    "version.reproduced": _reproduced,
    "workspace.backed_up": _plain("backed up the workspace"),
    "workspace.upgraded": _plain("upgraded the workspace"),
}


def open_item_cells(waiting: Sequence[str], late: str, reviews: str) -> list[Cell]:
    """What waits for the user, then conditions that are late, and what is open in the inventory."""
    items: tuple[tuple[str, Tone, str], ...] = (
        ("◆ waits for you (i): ", "strong", " · ".join(waiting)),
        ("◆ late conditions: ", "bad", late),
        ("◆ open (:inventory): ", "warn", safe(reviews, 1_000)),
    )
    shown = [(Cell(head, tone), Cell(text)) for head, tone, text in items if text]
    return [cell for number, pair in enumerate(shown) for cell in ([Cell("   ")] if number else []) + [*pair]]
