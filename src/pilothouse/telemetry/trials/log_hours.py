"""Arms of a canary whose answers come as logs: rows belong to the arm of their version, hour by hour.

A row is of the trial where its time lies in a span in which the share held, and where it has a prediction id of its own:
without one it would count again in a log that is handed in anew. An hour comes into the trial whole and once: when the logs of
both versions have gone beyond its end and every outcome is known, or when it has waited for as long as it may. Then rows
without an outcome stay without; an hour whose end the log of a version has not reached is left out, for half of a comparison
says nothing. What comes for an hour after that is counted and is in no test.

Everything here that writes runs inside the caller's transaction: killed in between, the same hours are taken to the same rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pilothouse.domain.formats.time_units import HOUR_US
from pilothouse.domain.identifiers import parse_prediction_id
from pilothouse.sqlite import Connection
from pilothouse.statistics.arrays import Flags
from pilothouse.statistics.profiles import latency
from pilothouse.telemetry.intake.kept_rejections import OF_A_FILE
from pilothouse.telemetry.outcomes.outcome_matching import known_rows, read_outcomes
from pilothouse.telemetry.rows.columns import Ints, Predictions, decode_predictions
from pilothouse.telemetry.trial_pairs import TrialName, find_trial
from pilothouse.telemetry.trials import register
from pilothouse.telemetry.trials.draws import log_keys, note_keys

_BATCHES_AT_ONCE = 100
"""Batches that are looked through in one transaction."""


@dataclass(frozen=True, slots=True)
class Span:
    """Share of the challenger among the rows with a time in [``since_us``, ``until_us``); None: it holds still."""

    share: float
    since_us: int
    until_us: int | None
    patience_us: int
    """For how long an hour waits, from the arrival of its first row on, by the wall clock."""

    def holds(self, times: Ints) -> Flags:
        """At which of these times the share held."""
        inside: Flags = times >= self.since_us
        return inside if self.until_us is None else inside & (times < self.until_us)


@dataclass(frozen=True, slots=True)
class TrialLog:
    """Logs of both versions of a trial on one target. ``classes``: of each version that has sent any, by its number; empty for
    a regression."""

    trial: TrialName
    champion: int
    challenger: int
    spans: Sequence[Span]
    classes: Mapping[int, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_labelled(self) -> bool:
        """True of a classification."""
        return any(self.classes.values())


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the logs of a trial are: number of hours in it, the end of the newest one (microseconds of event time, 0: none),
    rows in it and those with an outcome; hours that wait, for outcomes of so many rows, and for the log of which versions;
    hours left out; what came late; rows that have no id of their own, and rows without a key."""

    hours: int = 0
    up_to_us: int = 0
    rows: int = 0
    judged: int = 0
    waiting: int = 0
    waiting_outcomes: int = 0
    waiting_logs: tuple[int, ...] = ()
    left_out: int = 0
    late_rows: int = 0
    late_outcomes: int = 0
    nameless: int = 0
    keyless: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Rows of one batch in an hour, with the numbers of those whose outcome is known."""

    batch_id: int
    version: int
    received_us: int
    rows: Ints
    known: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Hour:
    start_us: int
    span: Span
    parts: Sequence[_Part]
    behind: tuple[int, ...]
    """Versions whose log has not reached its end."""

    @property
    def unknown(self) -> int:
        """Rows whose outcome is not known."""
        return sum(len(part.rows) - len(part.known) for part in self.parts)

    def is_due(self, now_us: int) -> bool:
        """True where it waits for nothing, or has waited for as long as it may."""
        if not self.behind and not self.unknown:
            return True
        return now_us - min(part.received_us for part in self.parts) >= self.span.patience_us


# --- looking through batches that are new


def take(connection: Connection, log: TrialLog, now_us: int) -> bool:
    """Look through batches that have come, and take hours that are due into the trial. Returns whether there is more. The
    classes of the log are those that this very connection sees."""
    classes = log.classes.get(log.champion) or log.classes.get(log.challenger, ())
    trial = register.trial_id(
        connection, log.trial.rollout, log.trial.model, log.trial.target, classes, now_us
    )
    seen, found = _new(connection, trial, log)
    nameless = keyless = 0
    for batch_id in found:
        answered = _stored(connection, batch_id)[0]
        own = _own_ids(answered)
        for share in {span.share for span in log.spans}:
            inside = np.zeros(answered.rows, np.bool_)
            for span in log.spans:
                if span.share == share:
                    inside |= span.holds(answered.times)
            nameless += int((inside & ~own).sum())
            rows = np.flatnonzero(inside & own)
            keyless += int((log_keys(connection, batch_id, rows) == 0).sum())
            _note_rows(connection, trial, share, batch_id, (rows, answered.times[rows]))
    connection.execute(
        "INSERT INTO trial_logs VALUES (?,?,?,?) ON CONFLICT (trial_id) DO UPDATE SET seen = excluded.seen, "
        "nameless = nameless + excluded.nameless, keyless = keyless + excluded.keyless",
        (trial, seen, nameless, keyless),
    )
    more = len(found) == _BATCHES_AT_ONCE
    if not more:
        for hour in list(_open_hours(connection, trial, log)):
            if hour.is_due(now_us):
                _close(connection, trial, log, hour, now_us)
    return more


def is_due(connection: Connection, log: TrialLog, now_us: int) -> bool:
    """True where ``take`` has something to do: most looks find nothing, and write nothing."""
    found = find_trial(connection, log.trial)
    trial = found[0] if found else -1
    return bool(_new(connection, trial, log)[1]) or any(
        hour.is_due(now_us) for hour in _open_hours(connection, trial, log)
    )


def _new(connection: Connection, trial: int, log: TrialLog) -> tuple[int, list[int]]:
    """The newest batch there is, or the last of those returned where there are more; and batches that were not looked at."""
    row = connection.execute("SELECT seen FROM trial_logs WHERE trial_id=?", (trial,)).fetchone()
    (newest,) = connection.execute("SELECT coalesce(max(id), 0) FROM batches").fetchone()
    rows = connection.execute(
        "SELECT b.id FROM streams t JOIN segments s ON s.stream_id = t.id AND s.last_event >= ? "
        "JOIN batches b ON b.segment_id = s.id WHERE t.model=? AND t.target=? AND t.version IN (?,?) AND b.id>? AND b.rows>0 "
        "ORDER BY b.id LIMIT ?",
        (
            min(span.since_us for span in log.spans),
            log.trial.model,
            log.trial.target,
            log.champion,
            log.challenger,
            min(row[0], newest) if row else 0,
            _BATCHES_AT_ONCE,
        ),
    )
    found = [number for (number,) in rows]
    return (found[-1] if len(found) == _BATCHES_AT_ONCE else newest), found


def _stored(connection: Connection, batch_id: int) -> tuple[Predictions, Ints | None]:
    """Predictions of a batch, and the latency of each row in microseconds (None: the log does not say)."""
    data, start, count = connection.execute(
        "SELECT s.predictions, b.segment_start, b.rows FROM batches b JOIN segments s ON s.id = b.segment_id WHERE b.id=?",
        (batch_id,),
    ).fetchone()
    whole = decode_predictions(data)
    took = np.frombuffer(whole.requests.latency_us, "<i8").astype(np.int64)
    # a request of a log is a row; where rows were rejected or erased, theirs are not told from the others
    latencies = took[start : start + count] if len(took) == whole.rows else None
    return whole.part(start, count), latencies


def _own_ids(answered: Predictions) -> Flags:
    """Which rows came with an id of their own, and not with one of their place in a file."""
    if not answered.ids:
        return np.zeros(answered.rows, np.bool_)
    places = (parse_prediction_id(text) if text.startswith(OF_A_FILE) else None for text in answered.ids)
    named = (bool(text) and place is None for text, place in zip(answered.ids, places, strict=True))
    return np.fromiter(named, np.bool_, answered.rows)


def _note_rows(
    connection: Connection, trial: int, share: float, batch_id: int, found: tuple[Ints, Ints]
) -> None:
    """Note rows (numbers and times) of a batch for the hours they are of; those of an hour that is closed are late."""
    rows, times = found
    hours = times - times % HOUR_US
    for hour in np.unique(hours).tolist():
        mine = rows[hours == hour]
        late = connection.execute(
            "UPDATE trial_hours SET late_rows = late_rows + ? WHERE trial_id=? AND hour=? AND share=?",
            (len(mine), trial, hour, share),
        ).rowcount
        if not late:
            connection.execute(
                "INSERT OR IGNORE INTO trial_hour_rows VALUES (?,?,?,?,?)",
                (trial, hour, share, batch_id, mine.astype("<i8").tobytes()),
            )


# --- hours


def _open_hours(connection: Connection, trial: int, log: TrialLog) -> Iterator[_Hour]:
    """Hours with rows that are not in the trial yet, in the order of time. Rows that retention has deleted are left out."""
    reached = connection.execute(
        "SELECT version, last_event FROM streams WHERE model=? AND target=? AND version IN (?,?)",
        (log.trial.model, log.trial.target, log.champion, log.challenger),
    )
    ends: dict[int, int] = dict(reached.fetchall())
    waiting: dict[tuple[int, float], list[_Part]] = {}
    known: dict[int, Ints] = {}
    for hour, share, batch_id, packed, version, received, count in connection.execute(
        "SELECT w.hour, w.share, b.id, w.rows, t.version, b.received, b.rows FROM trial_hour_rows w "
        "JOIN batches b ON b.id = w.batch_id JOIN streams t ON t.id = b.stream_id "
        "WHERE w.trial_id=? AND b.segment_id IS NOT NULL ORDER BY w.hour, w.share, b.id",
        (trial,),
    ):
        if batch_id not in known:
            known[batch_id] = known_rows(read_outcomes(connection, batch_id, count, log.is_labelled))
        rows = np.frombuffer(packed, "<i8").astype(np.int64)
        part = _Part(batch_id, version, received, rows, np.intersect1d(rows, known[batch_id]))
        waiting.setdefault((hour, share), []).append(part)
    for (hour, share), parts in waiting.items():
        span = _span_of(log, hour, share)
        end = min(hour + HOUR_US, span.until_us) if span.until_us is not None else hour + HOUR_US
        behind = tuple(
            version for version in (log.champion, log.challenger) if ends.get(version, end - 1) < end
        )
        yield _Hour(hour, span, parts, behind)


def _span_of(log: TrialLog, hour_us: int, share: float) -> Span:
    """The last span of a share that reaches into an hour."""
    return next(
        span for span in reversed(log.spans) if span.share == share and span.since_us < hour_us + HOUR_US
    )


def _close(connection: Connection, trial: int, log: TrialLog, hour: _Hour, now_us: int) -> None:
    """Take an hour into the trial, or leave it out, for good."""
    share, is_out = hour.span.share, bool(hour.behind)
    if not is_out:
        _count(connection, trial, log, hour, now_us)
    connection.execute(
        "INSERT INTO trial_hours VALUES (?,?,?,?,?,?,?,0,0)",
        (
            trial,
            hour.start_us,
            share,
            now_us,
            is_out,
            sum(len(part.rows) for part in hour.parts),
            sum(len(part.known) for part in hour.parts),
        ),
    )
    connection.execute(
        "DELETE FROM trial_hour_rows WHERE trial_id=? AND hour=? AND share=?", (trial, hour.start_us, share)
    )


def _count(connection: Connection, trial: int, log: TrialLog, hour: _Hour, now_us: int) -> None:
    """Count the rows of an hour in the trial's arms: of each key the first one, of rows without a key all."""
    opened = [_stored(connection, part.batch_id) for part in hour.parts]
    keys = [log_keys(connection, part.batch_id, part.rows) for part in hour.parts]
    times = [answered.times[part.rows] for part, (answered, _) in zip(hour.parts, opened, strict=True)]
    drawn = _first_of_keys(connection, trial, hour.parts, times, keys)
    for part, (answered, latencies), own in zip(hour.parts, opened, drawn, strict=True):
        counted = part.rows[own]
        bits = np.zeros(answered.rows, np.bool_)
        bits[counted] = True
        packed = np.packbits(bits).tobytes()
        register.note_part(
            connection, trial, register.Part(part.batch_id, hour.span.share, hour.start_us, packed)
        )
        known = np.intersect1d(counted, part.known)
        if known.size:
            outcomes = read_outcomes(connection, part.batch_id, answered.rows, log.is_labelled)
            judged = known, log.classes[part.version], outcomes[known]
            register.put_outcomes(connection, trial, ("batch_id", part.batch_id), *judged, now_us)
        every, of_draws = (_profile(latencies, rows) for rows in (part.rows, counted))
        numbers = register.Counted(len(part.rows), len(part.rows), 0, every, len(counted), 0, of_draws)
        register.note_arm(connection, trial, (hour.span.share, part.version), numbers, now_us)


def _profile(latencies: Ints | None, rows: Ints) -> latency.LatencyProfile:
    if latencies is None or not rows.size:
        return latency.empty_latencies()
    return latency.profile_latencies(latencies[rows], np.ones(len(rows), np.int64))


def _first_of_keys(
    connection: Connection, trial: int, parts: Sequence[_Part], times: Sequence[Ints], keys: Sequence[Ints]
) -> list[Flags]:
    """Which rows of each part are a draw. A key is drawn once in a whole trial: by its first row in the order of time."""
    every = np.concatenate([np.empty(0, np.int64), *keys])
    of_part = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
    order = np.lexsort((np.arange(len(every)), np.concatenate([np.empty(0, np.int64), *times])))
    named = order[every[order] != 0]
    firsts = named[np.sort(np.unique(every[named], return_index=True)[1])]
    places: dict[int, tuple[int, int]] = {}
    for row in firsts.tolist():
        part = parts[of_part[row]]
        within = row - int(np.searchsorted(of_part, of_part[row]))
        places[int(every[row])] = part.batch_id, int(part.rows[within])
    fresh = note_keys(connection, trial, places)
    drawn = every == 0
    drawn[firsts] = np.isin(every[firsts], fresh)
    return [drawn[of_part == number] for number in range(len(parts))]


# --- what is said, and what is forgotten


def state(connection: Connection, log: TrialLog) -> LogState:
    """How far the logs of a trial are."""
    found = find_trial(connection, log.trial)
    if found is None:
        return LogState()
    trial = found[0]
    hours, up_to, rows, judged, left_out, late_rows, late_outcomes = connection.execute(
        "SELECT coalesce(sum(left_out=0), 0), coalesce(max(iif(left_out=0, hour, NULL)), 0), "
        "coalesce(sum(iif(left_out=0, rows, 0)), 0), coalesce(sum(iif(left_out=0, judged, 0)), 0), "
        "coalesce(sum(left_out), 0), coalesce(sum(late_rows), 0), coalesce(sum(late_outcomes), 0) "
        "FROM trial_hours WHERE trial_id=?",
        (trial,),
    ).fetchone()
    named = connection.execute(
        "SELECT nameless, keyless FROM trial_logs WHERE trial_id=?", (trial,)
    ).fetchone()
    waiting = list(_open_hours(connection, trial, log))
    return LogState(
        hours,
        up_to + HOUR_US if hours else 0,
        rows,
        judged,
        len(waiting),
        sum(hour.unknown for hour in waiting),
        tuple(sorted({version for hour in waiting for version in hour.behind})),
        left_out,
        late_rows,
        late_outcomes,
        *(named or (0, 0)),
    )


def forget_batch(connection: Connection, batch_id: int) -> None:
    """Delete what waits of a batch of which rows are erased, and its keys."""
    connection.execute("DELETE FROM trial_hour_rows WHERE batch_id=?", (batch_id,))
    connection.execute("DELETE FROM log_keys WHERE batch_id=?", (batch_id,))


def forget_trial(connection: Connection, trial: int, before_us: int) -> None:
    """Delete rows that wait, and keys of logs on the target, of a trial that is over and began before a time."""
    of_trial = connection.execute(
        "SELECT model, target FROM trials WHERE id=? AND first_received<?", (trial, before_us)
    ).fetchone()
    if of_trial is None:
        return
    connection.execute("DELETE FROM trial_hour_rows WHERE trial_id=?", (trial,))
    connection.execute(
        "DELETE FROM log_keys WHERE batch_id IN (SELECT k.batch_id FROM log_keys k JOIN batches b ON b.id = k.batch_id "
        "JOIN streams t ON t.id = b.stream_id WHERE t.model=? AND t.target=? AND b.received<?)",
        (*of_trial, before_us),
    )
