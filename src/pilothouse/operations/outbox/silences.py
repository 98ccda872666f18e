"""Silences: made for a time, ended before it, listed."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.outbox.routing import Silence
from pilothouse.domain.outbox.settings_file import LABEL
from pilothouse.operations.authorisation import changing, present, reading, reason_given
from pilothouse.operations.outbox.silence_reach import Reach, reach, unknown
from pilothouse.operations.services import Services
from pilothouse.store.outbox import deliveries, settings

LONGEST = timedelta(days=30)
_MOST_LABELS, _MOST_PATTERNS, _LONGEST_PATTERN = 20, 20, 200


def add_silence(
    services: Services,
    actor: Actor,
    matchers: Mapping[str, Sequence[str]],
    lasts: timedelta,
    reason: str,
    *,
    anyway: bool = False,
) -> Silence:
    """Let messages with labels that fit wait for so long. What is over by then is not told to whom it was not told before.

    Raises NotAllowedError or InvalidInputError (no reason, no label, no end within 30 days; and but for ``anyway``, a text that
    fits nothing there is: a silence with a name typed wrong holds nothing back).
    """
    reason = reason_given(reason, "a silence")
    _check(matchers)
    if not timedelta(minutes=1) <= lasts <= LONGEST:
        raise InvalidInputError(f"a silence lasts 1m to {LONGEST.days}d: it has an end, and can be made anew")
    with changing(services, actor, Permission.HANDLE_ALERT, _model(matchers)) as change:
        if not anyway and (faults := list(unknown(change.connection, matchers))):
            raise InvalidInputError(f"{'; '.join(faults)}. --anyway makes the silence all the same")
        ends_at = change.at + lasts
        number = settings.add_silence(
            change.connection, matchers, ends_at, reason, by=actor.name, at=change.at
        )
        made = settings.silence(change.connection, number)
        assert made is not None
        detail = {
            "matchers": {label: list(patterns) for label, patterns in matchers.items()},
            "until": ends_at.isoformat(),
            "reason": reason,
        }
        change.record("silence.made", f"silence {number}", detail)
        return made


def reach_of(services: Services, actor: Actor, silence: Silence) -> Reach:
    """What a silence fits now. Raises NotAllowedError."""
    with reading(services, actor) as connection:
        return reach(connection, silence.matchers, present(services, connection))


def end_silence(services: Services, actor: Actor, number: int, reason: str = "") -> Silence:
    """End a silence now; what it holds is told. Raises NotFoundError, NotAllowedError or ConflictError (it is over)."""
    with services.registry.read() as connection:
        known = settings.silence(connection, number)
    model = _model(known.matchers) if known else ""
    with changing(services, actor, Permission.HANDLE_ALERT, model) as change:
        found = settings.silence(change.connection, number)
        if found is None:
            raise NotFoundError(f"there is no silence {number}: pilothouse alerts silences lists them")
        if not found.holds(change.at):
            raise ConflictError(f"silence {number} is over already")
        settings.end_silence(change.connection, number, by=actor.name, at=change.at)
        deliveries.look_again(change.connection, change.at, f"silence {number}")
        change.record(
            "silence.ended", f"silence {number}", {"until": found.ends_at.isoformat(), "reason": reason}
        )
        ended = settings.silence(change.connection, number)
        assert ended is not None
        return ended


def list_silences(services: Services, actor: Actor, *, over: bool = False) -> list[Silence]:
    """Silences in force, those that end first before the others; with ``over`` all, newest first."""
    with reading(services, actor) as connection:
        now = present(services, connection)
        found = settings.silences(connection, since=None if over else now)
    return found if over else sorted((one for one in found if one.holds(now)), key=lambda one: one.ends_at)


def _check(matchers: Mapping[str, Sequence[str]]) -> None:
    if not 0 < len(matchers) <= _MOST_LABELS:
        raise InvalidInputError(
            f"a silence names {len(matchers)} labels; expected 1 to {_MOST_LABELS}, such as model=flight-delay"
        )
    for label, patterns in matchers.items():
        if not LABEL.fullmatch(label):
            raise InvalidInputError(
                f"{label[:60]!r} is no label: expected one such as model, target, kind, severity"
            )
        if not 0 < len(patterns) <= _MOST_PATTERNS or any(
            not 0 < len(one) <= _LONGEST_PATTERN for one in patterns
        ):
            raise InvalidInputError(
                f"{label}: expected 1 to {_MOST_PATTERNS} texts of 1 to {_LONGEST_PATTERN} characters; * stands for any text"
            )


def _model(matchers: Mapping[str, Sequence[str]]) -> str:
    """The one model that a silence is about; empty where it may be about any."""
    named = matchers.get("model", ())
    return named[0] if len(named) == 1 and "*" not in named[0] else ""
