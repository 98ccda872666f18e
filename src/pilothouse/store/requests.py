"""Promotion requests with their frozen evidence and policy, decisions and comments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pilothouse.domain.dataclass_reader import read_dataclass
from pilothouse.domain.errors import IntegrityError
from pilothouse.domain.records import Comment, Decision, EffectivePolicy, PromotionRequest, RequestStatus
from pilothouse.domain.time_units import to_us
from pilothouse.sqlite import Connection, Row
from pilothouse.sqlite.conditions import where
from pilothouse.store.values import columns_of, from_json, from_row, insert

_SELECT = (
    "SELECT r.*, m.name AS model, v.number AS version FROM promotion_requests r "
    "JOIN models m ON m.id = r.model_id JOIN versions v ON v.id = r.version_id "
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """Request to record, with the evidence and the policy that hold for it."""

    model: str
    version: int
    targets: tuple[str, ...]
    requested_by: str
    trained_by: str
    reason: str
    expires_at: datetime
    policy: EffectivePolicy
    evidence: dict[str, Any]
    evidence_digest: str


def find(connection: Connection, request_id: int) -> PromotionRequest | None:
    """Request of that number with its comments, or None."""
    requests = _select(connection, "WHERE r.id = ?", (request_id,), remarks=True)
    return requests[0] if requests else None


def model_of(connection: Connection, request_id: int) -> str | None:
    """Model that a request is about, or None where there is no such request."""
    row = connection.execute(
        "SELECT m.name FROM promotion_requests r JOIN models m ON m.id = r.model_id WHERE r.id = ?",
        (request_id,),
    ).fetchone()
    return row["name"] if row else None


def count_open(connection: Connection, model: str) -> int:
    (count,) = connection.execute(
        "SELECT count(*) FROM promotion_requests r JOIN models m ON m.id = r.model_id "
        "WHERE m.name = ? AND r.status = 'open'",
        (model,),
    ).fetchone()
    return int(count)


def listed(
    connection: Connection, *, status: RequestStatus | None = None, model: str | None = None, limit: int = 500
) -> list[PromotionRequest]:
    """Requests, newest first, without their comments, which may be many."""
    conditions, values = where({"r.status = ?": status and str(status), "m.name = ?": model})
    return _select(connection, f"{conditions} ORDER BY r.id DESC LIMIT ?", (*values, limit))


def open_for(connection: Connection, model: str, targets: Sequence[str]) -> list[PromotionRequest]:
    return [
        request
        for request in listed(connection, status=RequestStatus.OPEN, model=model)
        if set(request.targets) & set(targets)
    ]


def expired(connection: Connection, at: datetime) -> list[PromotionRequest]:
    """Open requests whose time has expired."""
    return _select(connection, "WHERE r.status = 'open' AND r.expires_at <= ? ORDER BY r.id", (to_us(at),))


def add(connection: Connection, request: NewRequest, *, at: datetime, supersedes: Sequence[int] = ()) -> int:
    """Record an open request, closing those that it supersedes; returns its number."""
    keys = connection.execute(
        "SELECT v.model_id, v.id AS version_id FROM versions v JOIN models m ON m.id = v.model_id "
        "WHERE m.name = ? AND v.number = ?",
        (request.model, request.version),
    ).fetchone()
    assert keys is not None, f"{request.model}/{request.version} is not there"
    columns = columns_of(request, "model", "version", "targets")
    columns |= {"policy_digest": request.policy.digest, "recorded_at": at}
    key = insert(connection, "promotion_requests", {**keys, **columns})
    for old in supersedes:
        close(connection, old, RequestStatus.SUPERSEDED, by=request.requested_by, at=at, superseded_by=key)
    for target in request.targets:
        connection.execute(
            "INSERT INTO request_targets (request_id, model_id, target_id) "
            "SELECT r.id, r.model_id, t.id FROM promotion_requests r, targets t WHERE r.id = ? AND t.name = ?",
            (key, target),
        )
    return key


def close(
    connection: Connection,
    request_id: int,
    status: RequestStatus,
    *,
    by: str,
    at: datetime,
    superseded_by: int | None = None,
) -> None:
    """Close an open request for good."""
    connection.execute(
        "UPDATE promotion_requests SET status = ?, closed_at = ?, closed_by = ?, superseded_by = ? WHERE id = ?",
        (str(status), to_us(at), by, superseded_by, request_id),
    )


def add_decision(connection: Connection, request_id: int, decision: Decision) -> None:
    """Record an approval or a rejection."""
    insert(connection, "decisions", {"request_id": request_id, **columns_of(decision)})


def add_comment(connection: Connection, request_id: int, comment: Comment) -> None:
    insert(connection, "comments", {"request_id": request_id, **columns_of(comment)})


def _select(
    connection: Connection, rest: str, values: tuple[Any, ...], *, remarks: bool = False
) -> list[PromotionRequest]:
    rows = connection.execute(_SELECT + rest, values).fetchall()
    return [_request(connection, row, _comments(connection, row["id"]) if remarks else ()) for row in rows]


def _comments(connection: Connection, request_id: int) -> tuple[Comment, ...]:
    rows = connection.execute("SELECT * FROM comments WHERE request_id = ? ORDER BY id", (request_id,))
    return tuple(from_row(Comment, row) for row in rows)


def _request(connection: Connection, row: Row, comments: tuple[Comment, ...]) -> PromotionRequest:
    targets = connection.execute(
        "SELECT t.name FROM request_targets rt JOIN targets t ON t.id = rt.target_id WHERE rt.request_id = ? ORDER BY t.name",
        (row["id"],),
    )
    decisions = connection.execute("SELECT * FROM decisions WHERE request_id = ? ORDER BY id", (row["id"],))
    return from_row(
        PromotionRequest,
        row,
        targets=tuple(target["name"] for target in targets),
        policy=_policy(row),
        decisions=tuple(from_row(Decision, decision) for decision in decisions),
        comments=comments,
    )


def _policy(row: Row) -> EffectivePolicy:
    problems: list[str] = []
    policy = read_dataclass(EffectivePolicy, from_json(row["policy"]), "policy", problems)
    if policy is None:
        raise IntegrityError(
            f"the registry is damaged: request {row['id']}: {problems[0]}: restore a backup into a new folder"
        )
    return policy
