"""One promotion request: the frozen evidence, the decisions, and the keys that decide."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from pilothouse.console.dialogs import Ask
from pilothouse.console.screens.page import PageView
from pilothouse.console.screens.promotion import asking_again, breaking_glass, conditions, deciding
from pilothouse.console.session.actions import Action, key_of
from pilothouse.domain.audit.dossier import Changes
from pilothouse.domain.identity.roles import Actor
from pilothouse.domain.promotion.break_glass import BrokenGlass, Review
from pilothouse.domain.promotion.conditions import NewCondition, wording
from pilothouse.domain.promotion.request_rules import RequestAct, is_left_to_deploy, obstacle_to
from pilothouse.domain.promotion.teams import teams_text
from pilothouse.domain.records import PromotionRequest, RequestStatus
from pilothouse.operations.services import Services
from pilothouse.presentation.pages.request_page import obstacle_text, request_page


class EvidenceView(PageView[PromotionRequest]):
    """An approval binds to the digest of exactly the evidence that this screen showed."""

    SCOPE = "evidence"
    TOP = "approvals"
    RECORD_NAME = "a request"
    _now: datetime
    _glass: BrokenGlass | None = None
    _changes: Changes | None = None

    def crumbs(self) -> Sequence[str]:
        if self.data is None:
            return ("approvals", f"request {self.number}")
        request = self.data
        return (
            "approvals",
            f"request {request.id}",
            f"{request.model} v{request.version} → {' '.join(request.targets)}",
        )

    def load(self, services: Services, actor: Actor) -> PromotionRequest:
        from pilothouse.operations.promotion import approved_before, break_glass, promotions

        self._now = services.now()
        self._glass = break_glass.of_request(services, actor, self.record_number())
        request = promotions.get_request(services, actor, self.record_number())
        self._changes = approved_before.changes_of_request(services, actor, request)
        return replace(request, glass=self._glass)

    def show(self, data: PromotionRequest) -> None:
        again = f"{key_of(self.actions(), 'again')} asks anew, with evidence against what is live now."
        self.put_page(request_page(data, self._now, again=again, glass=self._glass, changes=self._changes))

    def subject_model(self) -> str:
        return self.data.model if self.data else ""

    def refusal(self, action: Action) -> str:
        """The rule of promotion, applied before the operation applies it."""
        request = self.data
        if request is None:
            return "the request is not there"
        if action.name in (breaking_glass.KEEP, breaking_glass.TAKE_BACK):
            return breaking_glass.refusal_to_review(self._glass, self.session.actor)
        if action.name == breaking_glass.BREAK:
            return "" if request.status is RequestStatus.OPEN else f"the request is {request.status}"
        if action.name == "replay":
            return "" if _replay_job(request) else "the evidence holds no replay: pilothouse replay makes one"
        if action.name == "confirm":
            return conditions.to_confirm(request, self.session.actor)[1]
        services = self.session.services
        if action.name == "on_condition" and services is not None:
            obstacle = obstacle_to(RequestAct.APPROVE, request, self.session.actor, services.now())
            return obstacle_text(obstacle, request, self.session.actor) if obstacle else ""
        if action.name not in set(RequestAct) or services is None:
            return ""
        act = RequestAct(action.name)
        actor = self.session.actor
        obstacle = obstacle_to(act, request, actor, services.now())
        return obstacle_text(obstacle, request, actor, key_of(self.actions(), "again")) if obstacle else ""

    def offers(self, action: Action) -> bool:
        """Keys that decide are offered while there is something to decide, those for what was deployed while that waits."""
        request = self.data
        if request is None:
            return True
        if action.name in ("approve", "reject", "withdraw", "on_condition"):
            return request.status is RequestStatus.OPEN and action.footer
        if action.name == "again":
            return not self.refusal(action)
        if action.name in (breaking_glass.KEEP, breaking_glass.TAKE_BACK):
            return self._glass is not None and not self.refusal(action)
        return not self.refusal(action) if action.name == "confirm" else action.footer

    async def do_on_condition(self) -> None:
        if self.data is not None and self.session.services is not None:
            conditions.ask(self, self.session.services.now(), self._approve_on)

    def do_confirm(self) -> None:
        if self.data is not None:
            condition, _ = conditions.to_confirm(self.data, self.session.actor)
            if condition is not None:
                conditions.ask_to_confirm(self, condition)

    def _approve_on(self, condition: NewCondition) -> None:
        self.run_worker(self._approve(condition))

    async def do_approve(self) -> None:
        await self._approve(None)

    async def _approve(self, condition: NewCondition | None) -> None:
        if self.data is None:
            return
        request = self.data
        needed = request.approvals_needed
        last = request.approvals + 1 >= needed
        targets = " ".join(request.targets)
        attached = " and the documents" if request.documents else ""
        asked = request.in_force.missing_teams if request.in_force else {}
        effect = (
            f"version {request.version} goes live on {targets} at once" if last else "nothing is deployed yet"
        )
        if last and asked:
            effect = (
                f"version {request.version} goes live on {targets} once {teams_text(asked)} are among them"
            )
        verdict = deciding.Verdict(
            "approve",
            f"Approve {request.model} version {request.version} on {targets}?",
            (
                f"All approvals are there: {effect}."
                if is_left_to_deploy(request)
                else f"This is approval {request.approvals + 1} of {needed}: {effect}.",
                *([f"On condition: {wording(condition)}."] if condition else []),
                f"You approve as {self.session.actor.name}, on the evidence{attached} shown:",
                f"sha256 {request.shown_digest[:32]}…",
            ),
            condition=condition,
        )
        await deciding.ask(self, request, verdict)

    async def do_reject(self) -> None:
        if self.data is None:
            return
        verdict = deciding.Verdict(
            "reject",
            f"Reject {self.data.model} version {self.data.version}?",
            ("The request is closed; nothing that is live changes. The requester reads the reason.",),
            "bad",
        )
        await deciding.ask(self, self.data, verdict)

    def do_comment(self) -> None:
        if self.data:
            question = Ask(
                f"Comment on request {self.data.id}",
                ["Everybody who reads the request sees it."],
                field="comment",
                required=True,
                confirm="comment",
            )
            self._decide(question, "comment", self.data)

    def do_withdraw(self) -> None:
        if self.data:
            question = Ask(
                f"Withdraw request {self.data.id}?",
                ["It is closed without a decision."],
                field="reason",
                confirm="withdraw",
            )
            self._decide(question, "withdraw", self.data)

    def do_again(self) -> None:
        if self.data:
            asking_again.ask(self, self.data)

    async def do_break_glass(self) -> None:
        if self.data:
            await breaking_glass.ask(self, self.data.model, self.data.version, self.data.targets)

    def do_keep(self) -> None:
        if self._glass:
            breaking_glass.ask_review(self, self._glass, Review.KEEP)

    def do_take_back(self) -> None:
        if self._glass:
            breaking_glass.ask_review(self, self._glass, Review.TAKE_BACK)

    def do_replay(self) -> None:
        if self.data and (job := _replay_job(self.data)):
            self.open_view("replay", str(job))

    def do_pictures(self) -> None:
        if self.data:
            self.open_view("version", f"{self.data.model}/{self.data.version}", "pictures")

    def do_version(self) -> None:
        if self.data:
            self.open_view("version", f"{self.data.model}/{self.data.version}")

    def _decide(self, question: Ask, verb: str, request: PromotionRequest) -> None:
        def operation(services: Any, actor: Actor, text: str) -> str:
            from pilothouse.operations.promotion import promotions

            if verb == "withdraw":
                decided = promotions.withdraw(services, actor, request.id, text)
                return f"request {decided.id} is {decided.status}"
            promotions.comment(services, actor, request.id, text)
            return f"comment kept with request {request.id}"

        self.confirm(question, operation)


def _replay_job(request: PromotionRequest) -> int | None:
    """Number of the first job whose replay is in the evidence."""
    replays = request.evidence.get("replays")
    jobs = (
        [one.get("job") for one in replays if isinstance(one, dict)]
        if isinstance(replays, list | tuple)
        else []
    )
    return next((job for job in jobs if isinstance(job, int)), None)
