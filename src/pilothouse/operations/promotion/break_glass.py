"""Breaking the glass: one person deploys without the approvals; two others look at it; its time ends."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotAllowedError, NotFoundError
from pilothouse.domain.identifiers import parse_reference, version_uri
from pilothouse.domain.identity.persons import Persons
from pilothouse.domain.identity.roles import DAEMON, Actor, Grant, Permission
from pilothouse.domain.promotion.break_glass import (
    LONGEST,
    REVIEWERS,
    USUAL,
    BrokenGlass,
    Emergency,
    GlassReview,
    Review,
    obstacle_to_review,
)
from pilothouse.domain.promotion.decisions import DecisionSignature
from pilothouse.domain.promotion.statements import Component
from pilothouse.domain.records import PromotionRequest, RequestStatus, RollBackStep, Version, VersionStatus
from pilothouse.operations.authorisation import (
    Change,
    as_now,
    changing,
    permits,
    present,
    reading,
    reason_given,
)
from pilothouse.operations.catalogue import require_version
from pilothouse.operations.promotion.accounted_rows import check_rules, check_version
from pilothouse.operations.promotion.activation import deploy_request
from pilothouse.operations.promotion.components import SecondComponent, proved, signed_with
from pilothouse.operations.promotion.deployments import go_back
from pilothouse.operations.promotion.glass_components import glass_component
from pilothouse.operations.promotion.request_filing import file_request, targets_to_request
from pilothouse.operations.promotion.rules_in_force import (
    parts_where_four_eyes,
    present_policy,
    require_with_rules,
)
from pilothouse.operations.services import Services
from pilothouse.sqlite import Connection
from pilothouse.store import workspace
from pilothouse.store.deployed import deployments
from pilothouse.store.governance import access, broken_glass, persons
from pilothouse.store.models import targets as target_store
from pilothouse.store.promotion import requests

SETTING = "break_glass"
"""Setting, ``yes`` where somebody may deploy alone in an emergency; ``no`` where nothing is set."""
_SHORTEST = timedelta(minutes=5)


def break_glass(
    services: Services,
    actor: Actor,
    reference: str,
    targets: Sequence[str] | None = None,
    *,
    reason: str,
    lasts: timedelta = USUAL,
    component: SecondComponent | None = None,
) -> BrokenGlass:
    """Put a version live on targets (where None, on all of the model) without the approvals that the policy asks for.

    The version has passed the gates it was judged by; gates that were tightened since, and a comparison with what is live
    that is missing, are no obstacle and stand in the evidence. An open request for the same is what is deployed; others that
    are open for any of the targets are superseded, and named. ``lasts``: time after which the daemon takes the deployment back,
    five minutes to three days; ``component``: what the policy asks for beside the session.

    Raises NotFoundError, NotAllowedError (role, workspace, failed gate, second component), InvalidInputError (no reason, time)
    or ConflictError (live there already, deploys itself).
    """
    reason = reason_given(reason, "breaking the glass")
    if not _SHORTEST <= lasts <= LONGEST:
        raise InvalidInputError(
            f"breaking the glass lasts {lasts}: expected five minutes to {LONGEST.days} days"
        )
    model = parse_reference(reference).model
    proof = proved(services, actor, component)
    with changing(services, actor, Permission.BREAK_GLASS, model, targets, act="break the glass") as change:
        if workspace.setting(change.connection, SETTING) != "yes":
            raise NotAllowedError(
                "this workspace lets nobody break the glass: an admin allows it with pilothouse policy set --break-glass"
            )
        version = require_version(change.connection, reference)
        if version.status is not VersionStatus.CANDIDATE:
            raise NotAllowedError(
                f"{version_uri(version.model, version.number)} failed a gate: no emergency deploys it; "
                f"pilothouse rollback {version.model} goes back to what was live"
            )
        targets = targets_to_request(change.connection, version, targets)
        check_rules(change.connection, version.model)
        check_version(change.connection, version, targets)
        request = _open_request(change.connection, version, targets) or file_request(
            services, change, version, targets, f"break glass: {reason}"
        )
        if request.status is not RequestStatus.OPEN:
            raise ConflictError(
                f"{version.model} deploys without hands by its policy: request the version, nothing needs to be broken"
            )
        emergency = Emergency(reference, targets, reason, lasts)
        signature = glass_component(change, version, emergency, request.rules.signature, proof)
        number = _record(change, request, emergency, signature)
        deploy_request(services, change, request, version, kind="break-glass", reason=reason)
        return _required(change.connection, number)


def asked_component(services: Services, actor: Actor, reference: str) -> Component:
    """Second component that breaking the glass for a model's version needs by the rules in force. Raises NotFoundError."""
    with reading(services, actor) as connection:
        version = require_version(connection, reference)
        asked = [present_policy(connection, version.model).signature]
        for request in requests.open_for(
            connection, version.model, target_store.targets_of(connection, version.model)
        ):
            if request.version == version.number:
                asked.append(require_with_rules(connection, request.id).rules.signature)
        return max(asked, key=lambda component: component.rank)


def waiting_for_review(services: Services, actor: Actor) -> list[BrokenGlass]:
    """Broken glass that two others have not looked at, and that the actor may look at now, oldest first."""
    with reading(services, actor) as connection:
        reader = as_now(connection, actor)
        return [
            glass
            for glass in reversed(judged(connection, open_only=True))
            if permits(connection, reader, Permission.REVIEW_GLASS, glass.model)
            and not obstacle_to_review(glass, reader)
        ]


def _record(
    change: Change, request: PromotionRequest, emergency: Emergency, signature: DecisionSignature | None
) -> int:
    """Record who broke the glass; returns its number."""
    if signature is not None:
        broken_glass.add_signature(change.connection, request.id, change.actor.name, signature)
    number = broken_glass.add(
        change.connection,
        model=request.model,
        request_id=request.id,
        by=change.actor.name,
        reason=emergency.reason,
        at=change.at,
        expires_at=change.at + emergency.lasts,
    )
    superseded = list(_required(change.connection, number).superseded)
    change.record(
        "glass.broken",
        f"break-glass {number}",
        {
            "request": request.id,
            "version": version_uri(request.model, request.version),
            "targets": list(request.targets),
            "reason": emergency.reason,
            "until": (change.at + emergency.lasts).isoformat(),
            "approvals_needed": request.approvals_needed,
            "approvals": request.approvals,
            **({"superseded": superseded} if superseded else {}),
            **signed_with(signature),
        },
    )
    return number


def review(services: Services, actor: Actor, number: int, verdict: Review, reason: str) -> BrokenGlass:
    """Review it as another person. To take it back is done at once; two reviews close it, two to keep let it stand.

    Raises NotFoundError, NotAllowedError (role, who broke it, second review by one person), InvalidInputError (no reason) or
    ConflictError (closed).
    """
    reason = reason_given(reason, "a review")
    act, model = f"review break-glass {number}", _model_of(services, number)
    with changing(services, actor, Permission.REVIEW_GLASS, model, act=act) as change:
        glass = _required(change.connection, number)
        if obstacle := obstacle_to_review(glass, as_now(change.connection, actor)):
            raise (ConflictError if glass.closed_at else NotAllowedError)(obstacle)
        if verdict is Review.KEEP:
            _refuse_authors(change, glass)
        if glass.runs_out(change.at):  # the daemon was away
            _take_back(services, change, glass, _ended(glass))
            glass = _required(change.connection, number)
        broken_glass.add_review(
            change.connection, number, GlassReview(actor.name, verdict, reason, change.at)
        )
        change.record("glass.reviewed", f"break-glass {number}", {"verdict": str(verdict), "reason": reason})
        if verdict is Review.TAKE_BACK and glass.taken_back_at is None:
            _take_back(services, change, glass, reason)
        reviewed = _required(change.connection, number)
        if len({one.person for one in reviewed.counted}) >= REVIEWERS:
            if not reviewed.is_kept and reviewed.taken_back_at is None:
                _take_back(services, change, reviewed, "one of its reviewers said so")
            broken_glass.close(change.connection, number, at=change.at)
            change.record("glass.closed", f"break-glass {number}")
        return _required(change.connection, number)


def take_back_expired(services: Services) -> list[BrokenGlass]:
    """Take back what nobody has let stand and whose time has ended, for the daemon; returns it."""
    with services.registry.read() as connection:
        now = present(services, connection)
        numbers = [glass.id for glass in judged(connection, open_only=True) if glass.runs_out(now)]
    expired: list[BrokenGlass] = []
    for number in sorted(
        numbers
    ):  # a transaction each: one that cannot be taken back keeps none of the others
        with changing(services, DAEMON, Permission.RUN_DAEMON) as change:
            glass = _required(change.connection, number)
            if glass.runs_out(change.at):
                _take_back(services, change, glass, _ended(glass))
                expired.append(glass)
    return expired


def list_broken(services: Services, actor: Actor, *, open_only: bool = False) -> list[BrokenGlass]:
    """Deployments by breaking the glass, newest first."""
    with reading(services, actor) as connection:
        return judged(connection, open_only=open_only)


def of_request(services: Services, actor: Actor, request_id: int) -> BrokenGlass | None:
    """How a request was deployed by breaking the glass; None where it was not."""
    with reading(services, actor) as connection:
        return next(iter(judged(connection, request=request_id)), None)


def is_allowed(services: Services, actor: Actor) -> bool:
    """Whether the workspace lets somebody break the glass."""
    with reading(services, actor) as connection:
        return workspace.setting(connection, SETTING) == "yes"


def _open_request(
    connection: Connection, version: Version, targets: Sequence[str]
) -> PromotionRequest | None:
    """Open request for the same, whose evidence holds: what was said of it stays with what is deployed."""
    for request in requests.open_for(connection, version.model, targets):
        same = request.version == version.number and set(request.targets) == set(targets)
        if same and not request.outdated_by:
            return require_with_rules(connection, request.id)
    return None


def _take_back(services: Services, change: Change, glass: BrokenGlass, why: str) -> None:
    """Go back on the targets where its deployment is still live; where nothing was live before, it stays and that is said."""
    live = {
        deployment.target
        for deployment in deployments.live(change.connection, model=glass.model)
        if deployment.request_id == glass.request_id
    }
    before = deployments.versions_before(change.connection, glass.model)
    steps = [
        RollBackStep(glass.model, target, glass.version, before[glass.model, target])
        for target in sorted(live)
        if (glass.model, target) in before
    ]
    if steps:
        go_back(services, change, glass.model, steps, f"break-glass {glass.id} taken back: {why}")
    broken_glass.take_back(change.connection, glass.id, by=change.actor.name, why=why, at=change.at)
    left = sorted(live - {step.target for step in steps})
    change.record(
        "glass.taken_back",
        f"break-glass {glass.id}",
        {
            "why": why,
            "targets": [step.target for step in steps],
            **({"nothing_before": left} if left else {}),
        },
    )


def _ended(glass: BrokenGlass) -> str:
    return f"its time ended at {glass.expires_at:%Y-%m-%d %H:%M} UTC"


def _refuse_authors(change: Change, glass: BrokenGlass) -> None:
    """Raise NotAllowedError where four eyes holds and the person has a part in the version that is to stay."""
    request = require_with_rules(change.connection, glass.request_id)
    if parts := parts_where_four_eyes(request, as_now(change.connection, change.actor)):
        raise NotAllowedError(f"{parts[0]}, and the policy says four eyes: somebody else lets it stand")


def judged(
    connection: Connection, *, number: int | None = None, request: int | None = None, open_only: bool = False
) -> list[BrokenGlass]:
    """Broken glass as it is on record, each review with its person and whether it counts now."""
    found = broken_glass.listed(connection, number=number, request=request, open_only=open_only)
    if not any(glass.reviews for glass in found):
        return found
    known, grants = persons.persons(connection), access.all_grants(connection)
    return [replace(glass, reviews=_reviews(glass, known, grants)) for glass in found]


def _reviews(
    glass: BrokenGlass, known: Persons, grants: Mapping[str, tuple[Grant, ...]]
) -> tuple[GlassReview, ...]:
    counted: list[GlassReview] = []
    breaker = known.subject(glass.actor)
    for review in glass.reviews:
        person = known.subject(review.actor)
        held = Actor(review.actor, tuple(grants.get(review.actor, ())))
        void = ""
        if person == breaker:
            void = f"{review.actor} and {glass.actor}, who broke the glass, are one person"
        elif any(person == other.person for other in counted):
            void = "a second review by one person"
        elif not held.allows(Permission.REVIEW_GLASS, glass.model):
            void = f"{review.actor} may no longer review"
        counted.append(replace(review, person=person, void=void))
    return tuple(counted)


def _required(connection: Connection, number: int) -> BrokenGlass:
    found = judged(connection, number=number)
    if not found:
        raise NotFoundError(f"there is no break-glass {number}: pilothouse break-glass list names them")
    return found[0]


def _model_of(services: Services, number: int) -> str:
    with services.registry.read() as connection:
        return _required(connection, number).model
