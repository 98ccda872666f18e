"""Activation of a version: swap of deployments and champion, or a roll-out by a plan, in the transaction of the decision."""

import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from pilothouse.domain.identifiers import version_uri
from pilothouse.domain.records import Deployment, PromotionRequest, RequestStatus, Version
from pilothouse.domain.rollouts.plan import Plan
from pilothouse.domain.rollouts.rollout import PlaceState, RolloutEvent, RolloutState, first_wave
from pilothouse.operations.authorisation import Change
from pilothouse.operations.catalogue import require_run
from pilothouse.operations.promotion.records import reopen_alerts
from pilothouse.operations.promotion.rules_in_force import judged_looser
from pilothouse.operations.services import Services
from pilothouse.operations.states import states
from pilothouse.store.deployed import deployments
from pilothouse.store.models import aliases
from pilothouse.store.promotion import requests, rollouts
from pilothouse.store.work import jobs

CHAMPION = "champion"
CHALLENGER = "challenger"


def put_live(
    services: Services,
    change: Change,
    version: Version,
    targets: Sequence[str],
    *,
    kind: str,
    reason: str,
    request_id: int | None,
) -> list[Deployment]:
    """Make ``version`` the one live version of its model on each target, and move the champion.

    A roll-back is the way out of an emergency: it goes back to what was live, whatever the gates in force say, and its audit
    rows name those that the version has not passed.
    """
    looser = list(judged_looser(change.connection, version)) if kind == "rollback" else []
    effective = _effective_times(services, change, version, targets)
    new = [
        deployments.NewDeployment(
            model=version.model,
            version=version.number,
            target=target,
            kind=kind,
            actor=change.actor.name,
            reason=reason,
            request_id=request_id,
            effective_at=effective[target],
        )
        for target in targets
    ]
    before = deployments.deploy_all(change.connection, new, at=change.at)
    change.record_all(
        [
            (
                "deployment.rolled_back" if kind == "rollback" else "deployment.made",
                f"{version_uri(version.model, version.number)} on {target}",
                {
                    "kind": kind,
                    "target": target,
                    "version": version.number,
                    "before": before.get(target),
                    "request": request_id,
                    "reason": reason,
                    "model_digest": version.model_digest,
                    "effective_at": effective[target].isoformat(),
                    **({"judged_looser": looser} if looser else {}),
                },
            )
            for target in targets
        ]
    )
    _move_champion(change, version, force=kind != "rollback")
    live = deployments.live(change.connection, model=version.model)
    live = [deployment for deployment in live if deployment.target in effective]
    reopen_alerts(change, live)
    states.refresh(services, change.connection, [(version.model, target) for target in targets])
    return live


def deploy_request(
    services: Services, change: Change, request: PromotionRequest, version: Version, *, kind: str, reason: str
) -> None:
    """Close a request by putting its version live on its targets, or by a roll-out where its evidence shows a plan: breaking
    the glass follows none. Unfinished roll-outs on the same targets are superseded."""
    _supersede(change, request)
    if "plan" in request.evidence and kind != "break-glass":
        _roll_out(change, request, kind=kind)
        return
    requests.close(change.connection, request.id, RequestStatus.DEPLOYED, by=change.actor.name, at=change.at)
    change.record(
        f"request.{RequestStatus.DEPLOYED}", f"request {request.id}", {"kind": kind, **was(request)}
    )
    drop_challenger(change, request)
    put_live(services, change, version, request.targets, kind=kind, reason=reason, request_id=request.id)


def _roll_out(change: Change, request: PromotionRequest, *, kind: str) -> None:
    """Close a request as approved, and record its roll-out by the plan that its evidence shows."""
    shown = request.evidence["plan"]
    plan, waves = Plan.from_plain(shown["plan"]), shown["targets"]
    connection = change.connection
    requests.close(connection, request.id, RequestStatus.APPROVED, by=change.actor.name, at=change.at)
    drop_challenger(change, request)
    new = rollouts.NewRollout(
        request_id=request.id,
        model=request.model,
        version=request.version,
        kind=kind,
        plan=plan,
        waves=waves,
        salt=secrets.token_hex(16),
        first_wave=first_wave(plan, {number for number, names in enumerate(waves) if names}),
        made_by=change.actor.name,
        beside=[int(one["version"]) for one in request.evidence.get("beside", ())],
    )
    number = rollouts.add(connection, new, at=change.at)
    event = RolloutEvent(
        what="made", actor=change.actor.name, recorded_at=change.at, wave=new.first_wave, step=0,
        text=f"request {request.id} was approved",
    )  # fmt: skip
    rollouts.add_event(connection, number, event)
    change.record(
        "rollout.made",
        f"roll-out {number}",
        {
            "request": request.id,
            "version": version_uri(request.model, request.version),
            "targets": list(request.targets),
            "plan": plan.name,
            "plan_digest": plan.digest,
            "kind": kind,
            **({"beside": list(new.beside)} if new.beside else {}),
            **was(request),
        },
    )


def _supersede(change: Change, request: PromotionRequest) -> None:
    """End the unfinished roll-outs on a request's targets: what is live by them stays, trials end."""
    for old in rollouts.unfinished_on(change.connection, request.model, request.targets):
        trials = [one.target for one in old.targets if one.state.is_trial]
        rollouts.set_targets(change.connection, old.id, PlaceState.BACK, dict.fromkeys(trials), at=change.at)
        why = f"request {request.id} for v{request.version} took its place; what is live by it stays"
        rollouts.end(
            change.connection,
            old.id,
            RolloutState.SUPERSEDED,
            why=why,
            by=change.actor.name,
            at=change.at,
            superseded_by=request.id,
        )
        figures = {"state": str(PlaceState.BACK), "targets": trials} if trials else {}
        event = RolloutEvent(
            what=str(RolloutState.SUPERSEDED), actor=change.actor.name, recorded_at=change.at, wave=old.wave,
            step=old.step, text=why, figures=figures,
        )  # fmt: skip
        rollouts.add_event(change.connection, old.id, event)
        change.record(
            "rollout.superseded", f"roll-out {old.id}", {"by": request.id, "before": str(old.state)}
        )


def was(request: PromotionRequest) -> dict[str, str]:
    """Status of a request before it is closed, for the entry that says so."""
    return {"before": str(request.status)}


def drop_challenger(change: Change, request: PromotionRequest) -> None:
    """Remove the alias challenger from the version of a request that is closed."""
    if aliases.aliases_of(change.connection, request.model).get(CHALLENGER) == request.version:
        aliases.drop_alias(change.connection, request.model, CHALLENGER)
        change.record("alias.dropped", f"{request.model}@{CHALLENGER}", {"before": request.version})


def move_alias(change: Change, model: str, alias: str, number: int) -> None:
    """Point an alias at a version, with an audit row where that is a change."""
    before = aliases.move_alias(change.connection, model, alias, number, by=change.actor.name, at=change.at)
    if before != number:
        change.record("alias.moved", f"{model}@{alias}", {"before": before, "after": number})


def _move_champion(change: Change, version: Version, *, force: bool) -> None:
    """Make a promoted version champion; after a roll-back only if the champion then runs on fewer targets."""
    if not force:
        live = Counter(d.version for d in deployments.live(change.connection, model=version.model))
        champion = aliases.aliases_of(change.connection, version.model).get(CHAMPION)
        if champion is not None and live[champion] == max(live.values()):
            return
    move_alias(change, version.model, CHAMPION, version.number)


def _effective_times(
    services: Services, change: Change, version: Version, targets: Sequence[str]
) -> dict[str, datetime]:
    """The event clock of the model on each target; now where its traffic is live, for that clock stands between two events.

    Before its first event, a version trained as of an earlier time takes effect at that time (a replayed history begins
    where its training ended), any other version now; never before the deployment that it replaces.
    """
    clocks = services.event_clocks(version.model)
    clocks |= {t: max(clocks[t], change.at) for t in services.live_targets(version.model) if t in clocks}
    if clocks.keys() >= set(targets):
        return {target: clocks[target] for target in targets}
    run = require_run(change.connection, version)
    job = jobs.find(change.connection, run.job_id)
    # A training without a time of its own is recorded as of the moment at which it was queued.
    replayed = run.as_of is not None and job is not None and run.as_of < job.created_at
    since = run.as_of if replayed and run.as_of is not None else change.at
    replaced = {d.target: d.effective_at for d in deployments.live(change.connection, model=version.model)}
    return {
        target: clocks.get(target) or min(max(since, replaced.get(target, since)), change.at)
        for target in targets
    }
