"""A machine that queues, claims, beats, fails, parks, cancels and loses jobs at random, against a model of the rules."""

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fixtures.registries import Example, make_example
from pilothouse.domain.errors import ConflictError, StaleAttemptError
from pilothouse.domain.jobs.jobs import Cause, JobStatus
from pilothouse.execution.pipeline import JobOutcome
from pilothouse.operations.jobs import job_attempts, jobs, trainings
from pilothouse.operations.jobs.jobs import ClaimedJob
from pilothouse.operations.workspace import audits
from support.job_workspace import finish
from support.soak_plan import seeded, size

LEASE = timedelta(seconds=30)
CONCURRENCY, ATTEMPTS, FIRST_BACK_OFF = 3, 3, 30
PASSING: dict[JobStatus, Cause] = {
    JobStatus.FAILED: "source",
    JobStatus.CRASHED: "killed",
    JobStatus.DISK_FULL: "disk full",
}
FINAL: dict[JobStatus, Cause] = {
    JobStatus.FAILED: "data",
    JobStatus.USER_EXCEPTION: "user",
    JobStatus.CRASHED: "",
    JobStatus.OUT_OF_MEMORY: "",
    JobStatus.TIMED_OUT: "",
}


@dataclass
class Known:
    """A job as the rules say that it must be."""

    priority: int
    after: list[int]
    status: JobStatus = JobStatus.QUEUED
    attempt: int = 0
    failures: int = 0
    not_before: datetime | None = None
    lease_until: datetime | None = None
    cancel: bool = False
    ends: int = 0
    waits_ended: list[int] = field(default_factory=list)


class JobRules(RuleBasedStateMachine):
    """Every rule does the same to the registry and to the model, and the two must agree."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="pilothouse-rules-"))
        self.example: Example = make_example(self.folder / "w")
        self.known: dict[int, Known] = {}
        self.claims: list[ClaimedJob] = []

    def teardown(self) -> None:
        audits.verify(self.example.services, self.example.actor("aud"))
        self.example.services.close()
        shutil.rmtree(self.folder)

    @initialize()
    def apply(self) -> None:
        self.example.apply(
            training={"estimator": "sklearn.linear_model.LogisticRegression", "concurrency": CONCURRENCY}
        )

    @rule(priority=st.integers(-2, 2), data=st.data())
    def queue(self, priority: int, data: st.DataObject) -> None:
        after = (
            data.draw(st.lists(st.sampled_from(sorted(self.known)), max_size=2, unique=True))
            if self.known
            else []
        )
        options = trainings.TrainingOptions(priority=priority, after=after)
        job = trainings.start_training(self.example.services, self.example.actor("sam"), "delay", options)
        self.known[job.id] = Known(priority, after)

    @rule()
    def claim(self) -> None:
        expected = self._next()
        found = jobs.claim_job(self.example.services, "daemon", LEASE.total_seconds())
        assert (found.job.id if found else None) == expected
        if found is not None:
            known = self.known[found.job.id]
            known.status, known.attempt = JobStatus.RUNNING, known.attempt + 1
            known.not_before, known.lease_until = None, self.example.time + LEASE
            assert found.attempt == known.attempt
            self.claims.append(found)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        if self._holds(claim):
            assert jobs.heartbeat(self.example.services, claim) == self.known[claim.job.id].cancel
            self.known[claim.job.id].lease_until = self.example.time + LEASE
        else:
            self._refused(lambda: jobs.heartbeat(self.example.services, claim))

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def succeed(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        outcome = JobOutcome(JobStatus.SUCCEEDED, "")
        if self._holds(claim):
            finish(self.example.services, claim, outcome)
            self._end(claim.job.id, JobStatus.SUCCEEDED)
        else:
            self._refused(lambda: finish(self.example.services, claim, outcome))

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), passing=st.booleans())
    def fail(self, data: st.DataObject, passing: bool) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        kinds = PASSING if passing else FINAL
        status = data.draw(st.sampled_from(sorted(kinds)))
        outcome = JobOutcome(status, "bad luck", cause=kinds[status])
        if not self._holds(claim):
            self._refused(lambda: job_attempts.settle(self.example.services, claim, outcome))
            return
        job_attempts.settle(self.example.services, claim, outcome)
        known = self.known[claim.job.id]
        if passing and not known.cancel and known.failures + 1 < ATTEMPTS:
            known.failures += 1
            pause = timedelta(seconds=FIRST_BACK_OFF * 2 ** (known.failures - 1))
            self._wait(known, self.example.time + pause)
        else:
            self._end(claim.job.id, status)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), park=st.booleans())
    def let_go(self, data: st.DataObject, park: bool) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        others = [number for number in self.known if number > claim.job.id][:1] if park else []

        def go() -> object:
            if others:
                return job_attempts.park(self.example.services, claim, others, "waits")
            return job_attempts.hand_over(self.example.services, claim)

        if self._holds(claim):
            go()
            known = self.known[claim.job.id]
            known.waits_ended += others
            self._wait(known, None)
        else:
            self._refused(go)

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.known)))
        known, sam = self.known[number], self.example.actor("sam")
        try:
            jobs.cancel_job(self.example.services, sam, number)
        except ConflictError:
            assert known.status.ended
            return
        assert not known.status.ended
        if known.status is JobStatus.QUEUED:
            self._end(number, JobStatus.CANCELLED, told=False)
        else:
            known.cancel = True

    @rule(seconds=st.sampled_from([1, 10, 31, 90]))
    def pass_time(self, seconds: int) -> None:
        self.example.pass_time(seconds=seconds)

    @rule(new_leader=st.booleans())
    def find_lost(self, new_leader: bool) -> None:
        job_attempts.requeue_lost(self.example.services, leader="another" if new_leader else None)
        for number, known in self.known.items():
            assert known.lease_until is not None or known.status is not JobStatus.RUNNING
            over = known.lease_until is not None and known.lease_until <= self.example.time
            if known.status is not JobStatus.RUNNING or not (new_leader or over):
                continue
            if known.cancel:
                self._end(number, JobStatus.CANCELLED)
            elif known.failures + 1 >= ATTEMPTS:
                self._end(number, JobStatus.LOST)
            else:
                known.failures += 1
                self._wait(known, None)

    @rule()
    def end_hopeless(self) -> None:
        job_attempts.end_hopeless(self.example.services)
        gone = [
            number
            for number, known in self.known.items()
            if known.status is JobStatus.QUEUED and any(self._failed(other) for other in known.after)
        ]
        for number in gone:
            self._end(number, JobStatus.CANCELLED)

    @invariant()
    def registry_and_model_agree(self) -> None:
        with self.example.services.registry.read() as connection:
            rows = connection.execute("SELECT * FROM jobs ORDER BY id").fetchall()
            ends = connection.execute(
                "SELECT subject, count(*) AS n FROM audit WHERE action IN ('job.ended', 'job.cancelled') GROUP BY subject"
            ).fetchall()
        assert [row["id"] for row in rows] == sorted(self.known)
        for row in rows:
            known = self.known[row["id"]]
            found = (row["status"], row["attempt"], row["failures"], row["not_before"] is None)
            assert found == (known.status, known.attempt, known.failures, known.not_before is None)
        assert {row["subject"]: row["n"] for row in ends} == {
            f"job {number}": 1 for number, known in self.known.items() if known.status.ended
        }
        assert sum(known.status is JobStatus.RUNNING for known in self.known.values()) <= CONCURRENCY

    def _next(self) -> int | None:
        running = sum(known.status is JobStatus.RUNNING for known in self.known.values())
        if running >= CONCURRENCY:
            return None
        free = [
            (-known.priority, number)
            for number, known in self.known.items()
            if known.status is JobStatus.QUEUED
            and (known.not_before is None or known.not_before <= self.example.time)
            and all(self.known[other].status is JobStatus.SUCCEEDED for other in known.after)
            and all(self.known[other].status.ended for other in known.waits_ended)
        ]
        return min(free)[1] if free else None

    def _holds(self, claim: ClaimedJob) -> bool:
        known = self.known[claim.job.id]
        return known.status is JobStatus.RUNNING and known.attempt == claim.attempt

    def _refused(self, call: object) -> None:
        try:
            call()  # type: ignore[operator]
        except StaleAttemptError:
            return
        raise AssertionError("a stale attempt got through")

    def _wait(self, known: Known, until: datetime | None) -> None:
        known.status, known.not_before, known.lease_until = JobStatus.QUEUED, until, None

    def _failed(self, number: int) -> bool:
        status = self.known[number].status
        return status.ended and status is not JobStatus.SUCCEEDED

    def _end(self, number: int, status: JobStatus, told: bool = True) -> None:
        known = self.known[number]
        known.status, known.lease_until, known.ends = status, None, known.ends + 1
        assert known.ends == 1


def test_jobs_follow_the_rules_whatever_happens_in_whatever_order() -> None:
    chance = seeded("job rules")
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        seed(chance.randrange(2**31))(JobRules),
        settings=settings(
            max_examples=size(6, 300),
            stateful_step_count=size(40, 80),
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink],
        ),
    )
