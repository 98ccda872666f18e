"""Promotion, decisions and roll-backs in any order, held against a plain model of the rules."""

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import ConflictError, NotAllowedError, PilothouseError
from pilothouse.domain.identity.roles import Role
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.promotion import deployments, promotions
from pilothouse.operations.workspace import workspaces
from pilothouse.store.log import audit, audit_agreement
from support.soak_plan import size

TARGETS = ("ewr", "jfk")
ASKERS, DECIDERS = ("sam", "oscar"), ("pat", "pia", "sam", "oscar")
SEVEN_DAYS_H = 7 * 24
APPLIER = "sam"
"""The person who applied the model file."""


@dataclass
class Asked:
    """A request as the rules see it."""

    version: int
    targets: tuple[str, ...]
    by: str
    trained_by: str
    made_h: int
    shown: dict[str, int | None]
    asked_before: set[str]
    """Persons whose requests for the version have come to nothing."""
    status: str = "open"
    decided: dict[str, str] = field(default_factory=dict)


class Promotions(RuleBasedStateMachine):
    """Two approvals, four eyes, seven days. ``live`` is a stack of versions a target: a roll-out puts one on it, a roll-back
    takes one off."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="promotions-"))
        self.example: Example = make_example(self.folder / "w", promotion={"approvals": 2, "four_eyes": True})
        ada = self.example.actor("ada")
        workspaces.grant_role(self.example.services, ada, "sam", Role.APPROVER)
        self.hour = 0
        self.versions: dict[int, tuple[bool, str]] = {}
        self.asked: dict[int, Asked] = {}
        self.live: dict[str, list[int]] = {target: [] for target in TARGETS}

    def teardown(self) -> None:
        self.example.services.close()
        shutil.rmtree(self.folder)

    @initialize()
    def begin(self) -> None:
        self.train(True, "sam")

    @rule(passed=st.sampled_from((True, True, True, False)), by=st.sampled_from(ASKERS))
    def train(self, passed: bool, by: str) -> None:
        version = self.example.add_version(passed=passed, by=by)
        self.versions[version.number] = (passed, by)

    @rule(hours=st.sampled_from((1, 30, 100)))
    def wait(self, hours: int) -> None:
        self.hour += hours
        self.example.pass_time(hours=hours)

    def _at(self, target: str) -> int | None:
        return self.live[target][-1] if self.live[target] else None

    def _open(self, number: int) -> bool:
        asked = self.asked[number]
        return asked.status == "open" and self.hour - asked.made_h < SEVEN_DAYS_H

    @rule(
        data=st.data(),
        by=st.sampled_from((*ASKERS, "vera")),
        where=st.sampled_from((TARGETS, ("ewr",), ("jfk",))),
    )
    def ask(self, data: st.DataObject, by: str, where: tuple[str, ...]) -> None:
        version = data.draw(st.sampled_from(sorted(self.versions)))
        passed, trained_by = self.versions[version]
        left = tuple(target for target in where if self._at(target) != version)
        allowed = by != "vera" and passed and bool(left)
        try:
            request = promotions.request_promotion(
                self.example.services, self.example.actor(by), f"delay/{version}", where
            )
        except (NotAllowedError, ConflictError):
            assert not allowed
            return
        assert allowed
        assert request.status is RequestStatus.OPEN
        for other in self.asked.values():
            if other.status == "open" and set(other.targets) & set(left):
                other.status = "superseded"
        shown = {target: self._at(target) for target in left}
        before = {a.by for a in self.asked.values() if a.version == version and a.status != "deployed"}
        self.asked[request.id] = Asked(version, left, by, trained_by, self.hour, shown, before)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), by=st.sampled_from((*DECIDERS, "ada", "vera")))
    def approve(self, data: st.DataObject, by: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.asked)))
        asked = self.asked[number]
        services = self.example.services
        allowed = (
            by in ("pat", "pia", "sam")
            and self._open(number)
            and by not in (asked.by, asked.trained_by, APPLIER, *asked.decided, *asked.asked_before)
            and asked.shown == {target: self._at(target) for target in asked.targets}
        )
        request = promotions.get_request(services, self.example.actor("ada"), number)
        try:
            promotions.approve(services, self.example.actor(by), number, request.evidence_digest)
        except (NotAllowedError, ConflictError):
            assert not allowed
            return
        assert allowed
        asked.decided[by] = "approve"
        if len(asked.decided) == 2:
            asked.status = "deployed"
            for target in asked.targets:
                self.live[target].append(asked.version)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), by=st.sampled_from(DECIDERS))
    def reject(self, data: st.DataObject, by: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.asked)))
        asked = self.asked[number]
        allowed = by in ("pat", "pia", "sam") and self._open(number) and by not in asked.decided
        try:
            promotions.reject(self.example.services, self.example.actor(by), number, "no")
        except (NotAllowedError, ConflictError):
            assert not allowed
            return
        assert allowed
        asked.status = "rejected"

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), by=st.sampled_from((*ASKERS, "pat", "ada")))
    def withdraw(self, data: st.DataObject, by: str) -> None:
        number = data.draw(st.sampled_from(sorted(self.asked)))
        asked = self.asked[number]
        allowed = self._open(number) and by in (asked.by, "ada")
        try:
            promotions.withdraw(self.example.services, self.example.actor(by), number)
        except (NotAllowedError, ConflictError):
            assert not allowed
            return
        assert allowed
        asked.status = "withdrawn"

    @rule()
    def expire(self) -> None:
        closed = {request.id for request in promotions.expire_requests(self.example.services)}
        late = {n for n, a in self.asked.items() if a.status == "open" and not self._open(n)}
        assert closed == late
        for number in late:
            self.asked[number].status = "expired"

    @rule(
        by=st.sampled_from(("oscar", "ada", "sam", "pat")), where=st.sampled_from((None, ("ewr",), ("jfk",)))
    )
    def roll_back(self, by: str, where: tuple[str, ...] | None) -> None:
        asked = where or tuple(target for target in TARGETS if len(self.live[target]) > 1)
        able = bool(asked) and all(len(self.live[target]) > 1 for target in asked)
        allowed = by in ("oscar", "ada") and able
        try:
            done = deployments.roll_back(
                self.example.services, self.example.actor(by), "delay", where, "it is wrong"
            )
        except PilothouseError:
            assert not allowed
            return
        assert allowed
        assert {d.target: d.version for d in done} == {target: self.live[target][-2] for target in asked}
        for target in asked:
            self.live[target].pop()

    @invariant()
    def what_is_live_is_what_the_rules_say(self) -> None:
        with self.example.services.registry.read() as connection:
            rows = connection.execute(
                "SELECT t.name, v.number FROM deployments d JOIN targets t ON t.id = d.target_id "
                "JOIN versions v ON v.id = d.version_id WHERE d.ended_at IS NULL"
            ).fetchall()
            assert {row[0]: row[1] for row in rows} == {t: s[-1] for t, s in self.live.items() if s}
            assert len(rows) == len({row[0] for row in rows})
            assert list(audit_agreement.disagreements(connection)) == []
            audit.verify(connection)
        for number, asked in self.asked.items():
            request = promotions.get_request(self.example.services, self.example.actor("ada"), number)
            assert str(request.status) == asked.status


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(
    max_examples=size(12, 150),
    stateful_step_count=size(15, 40),
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
