"""A promotion request as a page to read before signing: requester, version and targets, policy, evidence."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from pilothouse.domain.audit.dossier import Changes
from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.break_glass import BrokenGlass
from pilothouse.domain.promotion.documents import names_text
from pilothouse.domain.promotion.freezes import freeze_of, freeze_text
from pilothouse.domain.promotion.request_rules import (
    Obstacle,
    is_left_to_deploy,
    missing_documents,
    outdated_text,
    parts_of,
    state_of,
)
from pilothouse.domain.promotion.request_standing import (
    RequestState,
    ends_text,
    judged_looser_text,
)
from pilothouse.domain.promotion.statements import MEANINGS
from pilothouse.domain.promotion.teams import teams_text
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.presentation.break_glass import glass_lines
from pilothouse.presentation.cells import Cell, Tone, request_cell
from pilothouse.presentation.decision_texts import component_text
from pilothouse.presentation.documents import Line, aligned, pairs, section, text_line
from pilothouse.presentation.pages.attached_lines import attached_cells, document_lines
from pilothouse.presentation.pages.change_lines import change_lines
from pilothouse.presentation.pages.evidence import (
    evidence_sections,
    replay_lines_of,
    rolled_back_text,
    worse_replay_lines,
)
from pilothouse.presentation.texts import policy_text, time_text

WIDEST = 26
"""Width of a column of the evidence on a screen."""
_OUTCOMES: dict[str, Tone] = {"●": "good", "✖": "bad", "◌": "dim"}


def request_page(
    request: PromotionRequest,
    now: datetime,
    *,
    again: str,
    glass: BrokenGlass | None = None,
    changes: Changes | None = None,
    widest: int = WIDEST,
    packages: bool = True,
) -> list[Line]:
    """The request; of a closed one who decided; what changed since the last approved version, who has a part in it, gates and
    metrics come first, the environment last. ``again`` says how it is asked anew where it can no longer be decided;
    ``widest``: the width of a column of the evidence; ``packages``: list those of the environment, and every change;
    ``glass``: how it was deployed without its approvals."""
    until = (
        f"expires {time_text(request.expires_by)}"
        if request.status is RequestStatus.OPEN
        else _closing(request)
    )
    trained = "" if request.trained_by == request.requested_by else f", trained by {request.trained_by}"
    facts = [
        ("why", request.reason or "no reason given"),
        ("asked by", f"{request.requested_by} on {time_text(request.recorded_at)}{trained}"),
        ("replaces", _replaced(request)),
        *((("tried beside", _beside(request)),) if request.evidence.get("beside") else ()),
        *((("went back", text),) if (text := rolled_back_text(request.evidence)) else ()),
        *(("replayed", line) for line in replay_lines_of(request.evidence)),
        ("approvals", f"{request.approvals} of {request.approvals_needed}, {until}"),
        ("policy", policy_text(request.policy)),
        *_in_force(request, now),
        ("evidence", request.evidence_digest),
        *([("to approve", f"{request.shown_digest} (evidence and documents)")] if request.documents else []),
    ]
    is_worse = bool(worse_replay_lines(request.evidence))
    status = request_cell(state_of(request, now))
    version = Cell(
        f"  {safe(request.model)} version {request.version}  →  {safe(' '.join(request.targets))}", "strong"
    )
    broken = glass_lines(glass) if glass else []
    lines = [
        Line((status, version)),
        *broken,
        *_lapsed(request, now, again),
        *pairs(facts, {"why": "strong", "went back": "warn", "replayed": "warn" if is_worse else ""}),
        Line(),
    ]
    decisions = section("Decisions", _decisions(request))
    is_open = request.status is RequestStatus.OPEN
    lines += [] if is_open else decisions
    if changes is not None:
        lines += change_lines(
            changes, request.model, request.version, everything=packages and widest > WIDEST
        )
    lines += document_lines(request)
    lines += decisions if is_open else []
    lines += section("Comments", _comments(request))
    if request.rules.four_eyes:
        parts = dict.fromkeys(map(str, request.authors))
        lines += section("Four eyes: who has a part in it", [text_line(safe(part, 400)) for part in parts])
    for title, rows in evidence_sections(
        request.evidence,
        shown=("model", "version", "targets", "incumbents", "rolled_back"),
        packages=packages,
    ):
        lines += section(title, aligned([_evidence_cells(row) for row in rows], widest=widest))
    return lines


def _in_force(request: PromotionRequest, now: datetime) -> Iterator[tuple[str, str]]:
    """What the rules in force ask of an open request beyond its frozen policy, and who can approve it."""
    if request.decided_by and request.decided_by.policy != request.policy:
        yield "decided by", policy_text(request.decided_by.policy)
    rules = request.in_force
    if rules is None:
        return
    if rules.tightened:
        yield "in force", "; ".join(rules.tightened)
    if frozen := freeze_of(rules.freezes, request.model, now):
        yield "frozen", freeze_text(*frozen)
    if missing := missing_documents(request):
        yield "missing", f"{names_text(missing)}: pilothouse attach {request.id} --document … FILE"
    if rules.missing_teams:
        yield "still needed", f"{teams_text(rules.missing_teams)}; one person stands for one team"
    if rules.judged_looser:
        yield "gates", judged_looser_text(request.model, request.version, rules.judged_looser)
    elif state_of(request, now) is RequestState.OPEN:
        yield "approvers", approvers_text(request)


def approvers_text(request: PromotionRequest) -> str:
    """``can be approved by ana, rui (also rp)``: who may sign an open request, by their roles and by four eyes; where these
    are too few, that."""
    rules = request.in_force
    if rules is None or not rules.can_approve:
        return "nobody can approve it: grant the role approver to somebody with no part in it"
    of_teams = f", {teams_text(rules.missing_teams)} among them" if rules.missing_teams else ""
    names = ", ".join(_with_other_names(name, rules.also_named.get(name, ())) for name in rules.can_approve)
    if is_left_to_deploy(request):
        return (
            f"all approvals are there: deploys at the next approval, or once more by who approved ({names})"
        )
    missing = request.approvals_needed - request.approvals
    if len(rules.can_approve) < missing:
        more = " more" if request.approvals else ""
        return f"{missing}{more} needed, and only {names} can approve: grant another approver"
    lacking = missing_documents(request)
    once = f" once {safe(names_text(lacking), 400)} is attached" if lacking else ""
    return f"can be approved by {names}{of_teams}{once}"


def warnings_of(request: PromotionRequest) -> list[str]:
    """What the evidence holds against the version though it may be requested, for whoever files or decides the request."""
    went_back = rolled_back_text(request.evidence)
    return [
        *([f"v{request.version} went back before: {went_back}"] if went_back else []),
        *(f"a replay shows it to be worse: {line}" for line in worse_replay_lines(request.evidence)),
    ]


def left_out_text(asked: Sequence[str], filed: PromotionRequest, existing: Sequence[str]) -> str:
    """Targets that were meant and that the request does not ask for, with the reason; empty where it asks for all."""
    left = [target for target in asked if target not in filed.targets]
    gone = [target for target in left if target not in existing]
    live = [target for target in left if target in existing]
    texts = (
        f"{', '.join(live)} ({filed.model} v{filed.version} is live there already)" if live else "",
        f"{', '.join(gone)} (the model file names it no more)" if gone else "",
    )
    said = " and ".join(filter(None, texts))
    return safe(f"not asked for: {said}", 2_000) if said else ""


def _with_other_names(name: str, others: Sequence[str]) -> str:
    return f"{name} (also {', '.join(others)})" if others else name


def _lapsed(request: PromotionRequest, now: datetime, again: str) -> list[Line]:
    """Why an open request can no longer be decided, and what to do; where the version of a deployed one is live no more."""
    if request.ended_by:
        return [text_line(safe(f"Since then {ends_text(request.ended_by)}.", 2_000), "warn"), Line()]
    match state_of(request, now):
        case RequestState.OUTDATED:
            text = f"Outdated: {outdated_text(request)}. {again}"
        case RequestState.EXPIRED:
            text = f"It expired at {time_text(request.expires_by)} without a decision. {again}"
        case _:
            return []
    return [text_line(safe(text, 2_000), "warn"), Line()]


def obstacle_text(obstacle: Obstacle, request: PromotionRequest, actor: Actor, key: str = "") -> str:
    """Why the reader cannot act on the request; ``key`` asks anew."""
    anew = f": {key} asks anew" if key else ""
    match obstacle:
        case Obstacle.CLOSED:
            return f"the request is {request.status}"
        case Obstacle.EXPIRED:
            return f"the request expired at {time_text(request.expires_by)}{anew}"
        case Obstacle.OUTDATED:
            return f"outdated, {safe(outdated_text(request), 400)}{anew}"
        case Obstacle.WAITS:
            return "it waits for a decision, and its evidence holds: nothing needs asking anew"
        case Obstacle.DECIDED:
            return "you have decided on it already"
        case Obstacle.AUTHOR:
            author = parts_of(request, actor)[0]
            you = "you" if author.name == actor.name else f"you, as {author.name},"
            return f"four eyes: {safe(f'{you} {author.part}', 400)}"
        case Obstacle.GATES:
            return "its version was judged by looser gates than those in force: train again"
        case Obstacle.FROZEN:
            return "frozen: nothing is promoted now"
        case Obstacle.DOCUMENTS:
            return f"missing: {safe(names_text(missing_documents(request)), 400)}"
        case Obstacle.OF_ANOTHER:
            return f"only {safe(request.requested_by)}, who made it, or an admin withdraws it"


def _closing(request: PromotionRequest) -> str:
    """``withdrawn by sam 2026-05-03 14:05``, ``superseded by request 9 of olga …``."""
    by = safe(request.closed_by or "")
    if request.superseded_by is not None:
        by = f"request {request.superseded_by} of {by}"
    return f"{request.status}{f' by {by}' if by else ''} {time_text(request.closed_at)}"


def _beside(request: PromotionRequest) -> str:
    """Versions that the canaries try too."""
    shown = request.evidence.get("beside")
    tables = shown if isinstance(shown, list | tuple) else ()
    return ", ".join(f"v{one.get('version')}" for one in tables if isinstance(one, dict))


def _replaced(request: PromotionRequest) -> str:
    live = request.evidence.get("incumbents")
    if not isinstance(live, dict) or not live:
        return "unknown"
    return ", ".join(f"{target}: {f'v{number}' if number else 'nothing'}" for target, number in live.items())


def _decisions(request: PromotionRequest) -> list[Line]:
    rows = []
    for decision in request.decisions:
        approved = decision.verdict == "approve"
        verdict = Cell(f"{'●' if approved else '✖'} {safe(decision.verdict)}", "good" if approved else "bad")
        void = f"does not count, {decision.void}  " if decision.void else ""
        text = f"{void}{time_text(decision.recorded_at)}  on evidence {decision.evidence_digest[:12]}…  {decision.reason}"
        rows.append((verdict, Cell(safe(decision.actor), "strong"), Cell(safe(text, 2_000))))
        rows += [(Cell(""), Cell(""), cell) for cell in attached_cells(request, decision)]
        if decision.signature is not None:
            rows.append((Cell(""), Cell(""), Cell(component_text(decision), "dim")))
            rows.append((Cell(""), Cell(""), Cell(f"“{MEANINGS[decision.verdict]}”", "dim")))
    return aligned(rows)


def _comments(request: PromotionRequest) -> list[Line]:
    return aligned(
        (
            Cell(safe(comment.actor), "strong"),
            Cell(time_text(comment.recorded_at), "dim"),
            Cell(safe(comment.text, 4_000)),
        )
        for comment in request.comments
    )


def _evidence_cells(row: list[str]) -> tuple[Cell, ...]:
    tone = _OUTCOMES.get(row[0][:1], "")
    return tuple(Cell(text, tone if i == 0 else "") for i, text in enumerate(row))
