"""Desired states that targets wait for: a question is held until its answer is another, so that nobody has to ask again and
again."""

import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field

from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.formats.wire import DesiredState, DesiredVersion
from pilothouse.operations.promotion.deployments import desired_state
from pilothouse.operations.services import Services
from pilothouse.store.deployed.processes import TOLD_BY_PROCESSES
from pilothouse.store.log import audit

log = logging.getLogger(__name__)

LONGEST_WAIT_S = 10.0
"""Seconds for which a question is held at most."""
_LOOK_EVERY_S = 0.05


def preferred_wait_s(preference: str) -> float:
    """Seconds that a header ``Prefer: wait=SECONDS`` (RFC 7240) asks for; 0 for any other."""
    name, _, seconds = preference.partition("=")
    is_wait = name.strip().lower() == "wait" and seconds.strip().isdecimal() and len(seconds) < 4
    return float(seconds) if is_wait else 0.0


def versions_of(services: Services, target: str) -> list[DesiredVersion]:
    """Versions that a target is to serve or to try. Raises NotFoundError."""
    state = desired_state(services, target)
    return [*state.versions, *(trial.version for trial in state.trials)]


@dataclass(slots=True)
class _Question:
    """Question of a target that knows ``revision``, held until that moment of the monotonic clock."""

    target: str
    revision: str
    until: float
    answer: "Future[DesiredState]" = field(default_factory=Future)


class DesiredStates:
    """Questions that are held. While there are any, a thread looks for news."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._held: dict[str, _Question] = {}
        """By target: of one that asks again, nobody reads the answer before."""
        self._thread: threading.Thread | None = None
        self._ended = False
        self._version = self._seq = -1

    def ask(self, target: str, revision: str, wait_s: float) -> "Future[DesiredState]":
        """Desired state of a target, as a future that is set once it is no longer ``revision``, or after ``wait_s`` seconds.

        Raises NotFoundError.
        """
        question = _Question(target, revision, time.monotonic() + min(wait_s, LONGEST_WAIT_S))
        question.answer.set_running_or_notify_cancel()  # from now on its asker cannot take it back
        if wait_s > 0:
            self._hold(question)
        # only now: a change that comes between the two is seen by one of them
        try:
            state = desired_state(self._services, target)
        except PilothouseError:
            self._let_go(question)
            raise
        if wait_s <= 0 or (state.revision != revision and self._let_go(question)):
            question.answer.set_result(state)
        return question.answer

    def end(self) -> None:
        """Answer all that are held, and hold none any more: the hub ends."""
        with self._lock:
            self._ended = True
        self._look()

    def _hold(self, question: _Question) -> None:
        with self._lock:
            before = self._held.get(question.target)
            self._held[question.target] = question
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="desired states", daemon=True)
                self._thread.start()
        if before is not None:
            self._answer(before)

    def _let_go(self, question: _Question) -> bool:
        """Take a question out; False where another has done so, who answers it."""
        with self._lock:
            if self._held.get(question.target) is not question:
                return False
            del self._held[question.target]
            return True

    def _run(self) -> None:
        while True:
            time.sleep(_LOOK_EVERY_S)
            self._look()
            with self._lock:
                if not self._held:
                    self._thread = None
                    return

    def _look(self) -> None:
        """Answer what has waited long enough, and after news what has another answer now."""
        with self._lock:
            held, is_over = list(self._held.values()), self._ended
        try:
            is_news = self._is_news()
        except PilothouseError as error:  # whoever asks again is told so
            log.debug("cannot look for news: %s", error)
            is_news = False
        except Exception:  # an error of the program: what is held is answered in its time all the same
            log.exception("cannot look for news")
            is_news = False
        now = time.monotonic()
        for question in held:
            is_due = is_over or question.until <= now
            if (is_due or (is_news and self._is_another(question))) and self._let_go(question):
                self._answer(question)

    def _is_news(self) -> bool:
        """True where somebody has acted since the last look. Reports of processes write the registry too, and change nothing
        that is desired."""
        version = self._services.registry.data_version()
        if version == self._version:
            return False
        with self._services.registry.read() as connection:
            if self._seq < 0:
                self._seq, is_news = audit.head(connection).count, True
            else:
                self._seq, is_news = audit.acts_since(connection, self._seq, TOLD_BY_PROCESSES)
        self._version = version
        return is_news

    def _is_another(self, question: _Question) -> bool:
        try:
            return desired_state(self._services, question.target).revision != question.revision
        except Exception:  # noqa: BLE001 - the answer says why
            return True

    def _answer(self, question: _Question) -> None:
        try:
            question.answer.set_result(desired_state(self._services, question.target))
        except Exception as error:  # noqa: BLE001 - whoever asked is told, and the others are answered
            question.answer.set_exception(error)
