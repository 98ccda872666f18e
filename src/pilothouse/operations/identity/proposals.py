"""Proposals under dual control: one admin proposes a command, another one runs it by accepting."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pilothouse.domain.errors import ConflictError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.promotion.proposals import LASTS, Proposal, ProposalStatus, Second, check_words
from pilothouse.domain.workspace_files import WORKSPACE_FILES
from pilothouse.operations.authorisation import (
    DUAL_CONTROL,
    TWO_PEOPLE,
    Change,
    as_now,
    changing,
    clean_text,
    present,
    reading,
    reason_given,
)
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.governance import access, persons, proposals

_READ = (".toml", ".py", ".json", ".yaml", ".yml", ".txt")
"""Ends of the names of files that a model's rules can lie in."""


def propose(services: Services, actor: Actor, words: Sequence[str], reason: str) -> Proposal:
    """Propose a command of ``domain.proposals.COMMANDS``; nothing is done before somebody else accepts it.

    Raises InvalidInputError (another command, no reason) or NotAllowedError (not an admin).
    """
    reason = reason_given(reason, "a proposal")
    check_words(tuple(words))
    files = _digest(services) if words[0] == "apply" else None
    with changing(services, actor, Permission.PROPOSE) as change:
        number = proposals.add(
            change.connection,
            words,
            files=files,
            by=actor.name,
            reason=reason,
            at=change.at,
            expires_at=change.at + LASTS,
        )
        change.record("proposal.made", f"proposal {number}", {"words": list(words), "reason": reason})
        return _required(change.connection, number)


@contextmanager
def accepting(services: Services, actor: Actor, number: int, reason: str = "") -> Iterator[Proposal]:
    """Accept a proposal: the caller runs its words meanwhile, in one transaction with the acceptance.

    Raises NotFoundError, NotAllowedError (role, the same person) or ConflictError (decided, expired, files changed since).
    """
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.PROPOSE) as change:
        proposal = _open(services, change, number)
        if as_now(change.connection, actor).has_name(proposal.proposed_by):
            raise NotAllowedError(f"{actor.name} made proposal {number}: another admin accepts it")
        if proposal.files is not None and proposal.files != _digest(services):
            raise ConflictError(
                f"proposal {number}: {', '.join(WORKSPACE_FILES)} or files of models are not what they were when it was "
                "made: propose it anew"
            )
        _close(change, proposal, ProposalStatus.ACCEPTED, reason)
        services.second = Second(proposal.proposed_by, number)
        try:
            yield proposal
        finally:
            services.second = None


def reject(services: Services, actor: Actor, number: int, reason: str) -> Proposal:
    """Reject a proposal, or withdraw one's own. Raises NotFoundError, NotAllowedError, ConflictError or InvalidInputError."""
    reason = reason_given(reason, "rejecting a proposal")
    with changing(services, actor, Permission.PROPOSE) as change:
        proposal = _open(services, change, number)
        own = as_now(change.connection, actor).has_name(proposal.proposed_by)
        _close(change, proposal, ProposalStatus.WITHDRAWN if own else ProposalStatus.REJECTED, reason)
        return _required(change.connection, number)


def set_dual_control(services: Services, actor: Actor, *, on: bool, reason: str = "") -> None:
    """Set whether changes of access and rules need two people. Raises ConflictError where fewer than two persons are admins."""
    reason = clean_text(reason, "the reason")
    with changing(services, actor, Permission.SET_POLICY) as change:
        known = persons.persons(change.connection)
        held = access.all_grants(change.connection)
        admins = {
            known.subject(name)
            for name, grants in held.items()
            if all(Actor(name, grants).allows(permission) for permission in TWO_PEOPLE)
        }
        if on and len(admins) < 2:
            raise ConflictError(
                "dual control needs two admins, and there is one: grant the role admin to somebody else first"
            )
        before = workspace.setting(change.connection, DUAL_CONTROL)
        workspace.set_setting(change.connection, DUAL_CONTROL, "yes" if on else "no")
        change.record(
            "dual_control.on" if on else "dual_control.off", "workspace", {"reason": reason, "before": before}
        )


def is_on(services: Services, actor: Actor) -> bool:
    """Whether changes of access and rules need two people."""
    with reading(services, actor) as connection:
        return workspace.setting(connection, DUAL_CONTROL) == "yes"


def list_proposals(services: Services, actor: Actor, *, open_only: bool = False) -> list[Proposal]:
    """Proposals, newest first; ``open_only``: those that can be accepted now."""
    with reading(services, actor) as connection:
        now = present(services, connection)
        found = proposals.listed(connection, open_only=open_only)
        return [one for one in found if not open_only or one.expires_at > now]


def _close(change: Change, proposal: Proposal, status: ProposalStatus, reason: str) -> None:
    proposals.decide(
        change.connection, proposal.id, status, by=change.actor.name, reason=reason, at=change.at
    )
    change.record(
        f"proposal.{status}",
        f"proposal {proposal.id}",
        {"words": list(proposal.words), "proposed_by": proposal.proposed_by, "reason": reason},
    )


def _open(services: Services, change: Change, number: int) -> Proposal:
    proposal = _required(change.connection, number)
    standing = proposal.standing(change.at)
    if standing != ProposalStatus.OPEN:
        raise ConflictError(f"proposal {number} is {standing}: propose it anew")
    return proposal


def _required(connection: Connection, number: int) -> Proposal:
    found = proposals.listed(connection, number=number)
    if not found:
        raise NotFoundError(f"there is no proposal {number}: pilothouse proposals list names them")
    return found[0]


def _digest(services: Services) -> str:
    """Digest of the workspace's files and of those of models in which rules can lie, with their names."""
    root = services.paths.root
    digest = hashlib.sha256()
    files = [*(root / name for name in WORKSPACE_FILES), *sorted((root / "models").rglob("*"))]
    for file in files:
        if file.suffix in _READ and file.is_file():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{file.relative_to(root)}\0{content}\n".encode())
    return digest.hexdigest()
