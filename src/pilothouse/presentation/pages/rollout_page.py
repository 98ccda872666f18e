"""Page of a roll-out: where it is, what it waits for, its waves with their targets, its evidence, what happened."""

from collections.abc import Iterator
from datetime import datetime

from pilothouse.domain.formats.safe_text import LINE_LIMIT, safe
from pilothouse.domain.rollouts.rollout import Rollout
from pilothouse.domain.rollouts.view import PlaceView, RolloutView
from pilothouse.presentation.cells import Cell
from pilothouse.presentation.documents import Line, pairs, section, text_line
from pilothouse.presentation.tables.rollouts import place_cell, rollout_cell, step_line, step_text
from pilothouse.presentation.texts import ago_text, time_text

_EVENTS = 12
"""Newest events that are shown."""


def rollout_lines(view: RolloutView, now: datetime) -> list[Line]:
    """The page as lines."""
    rollout = view.rollout
    head = Line(
        (
            rollout_cell(rollout.state),
            Cell(f"  {safe(rollout.model)} v{rollout.version}", "strong"),
            Cell(
                f"  roll-out {rollout.id} of request {rollout.request_id}, plan {safe(rollout.plan.name)}",
                "dim",
            ),
        )
    )
    facts = [
        ("made", f"by {rollout.made_by} {time_text(rollout.recorded_at)}"),
        *((("step", _step(rollout)),) if rollout.state.is_open else ()),
        *(
            (("stands", f"in a freeze since {time_text(rollout.stands_since)}"),)
            if rollout.stands_since
            else ()
        ),
        *((("next", _next(view)),) if view.next else ()),
        *((("evidence", view.evidence.words),) if view.evidence.words else ()),
        *((f"{safe(log.target)}", log.text) for log in view.logs),
        *((("why", rollout.why),) if rollout.why else ()),
        *((("ended", f"by {rollout.ended_by} {time_text(rollout.ended_at)}"),) if rollout.ended_at else ()),
        *((("you may", ", ".join(sorted(view.may))),) if view.may else ()),
    ]
    return [
        head,
        *pairs(facts),
        *section("Versions that share the requests", list(_arms(view))),
        *section("Waves", list(_waves(view, now))),
        *section("What happened", _story(view)),
    ]


def _step(rollout: Rollout) -> str:
    """Where it is, and how a person names that step."""
    return step_text(rollout) + (f"  ({rollout.step_name})" if rollout.current else "")


def _arms(view: RolloutView) -> Iterator[Line]:
    """A line for each version of a canary with several: what is known of it beside the live one, and which is best so far."""
    rollout, known = view.rollout, {arm.version: arm for arm in view.arms}
    if not rollout.arms:
        return
    ended = {arm.version: arm for arm in rollout.arms if arm.ended_at is not None}
    estimates = {n: arm.estimate for n, arm in known.items() if arm.estimate is not None and n not in ended}
    best = min(estimates, key=lambda n: estimates[n], default=None)
    for number in (rollout.version, *(arm.version for arm in rollout.arms)):
        arm, out = known.get(number), ended.get(number)
        own = ", of the request" if number == rollout.version else ""
        if out is not None:
            yield Line((Cell(f"  ✖ v{number}", "bad"), Cell(f"  out: {safe(out.why, LINE_LIMIT)}", "dim")))
            continue
        words = arm.words if arm else "nothing has come"
        better = ", better than the live version" if arm and arm.is_better else ""
        mark = "★" if number == best and len(estimates) > 1 else " "
        yield Line(
            (Cell(f"  {mark} v{number}", "strong"), Cell(f"{own}{better}  {safe(words, LINE_LIMIT)}", "dim")),
            hang=6,
        )
    if best not in (None, rollout.version):
        text = f"    to send v{best} out instead: pilothouse request {rollout.model}/{best} (it takes the place of this one)"
        yield text_line(safe(text, LINE_LIMIT), "dim")


def _next(view: RolloutView) -> str:
    """What it waits for, and when it pauses for want of that."""
    pauses = view.until is not None and not view.next.startswith(("bakes until", "about to"))
    return f"{view.next} (it pauses at {time_text(view.until)} for want of that)" if pauses else view.next


def _waves(view: RolloutView, now: datetime) -> Iterator[Line]:
    rollout = view.rollout
    for number, wave in enumerate(rollout.plan.waves):
        places = [one for one in view.places if one.place.wave == number]
        is_here = rollout.state.is_open and number == rollout.wave
        marker = "▶" if is_here else " "
        steps = " → ".join(step_line(step) for step in wave.steps)
        yield Line(
            (
                Cell(f"{marker} {number + 1} {safe(wave.name)}", "strong" if is_here else ""),
                Cell(f"  {steps}", "dim"),
            ),
            hang=4,
        )
        if not places:
            yield text_line("    no target of this request", "dim")
        for one in places:
            yield _place(view, one, now)


def _place(view: RolloutView, one: PlaceView, now: datetime) -> Line:
    place, version = one.place, view.rollout.version
    live = "nothing is live" if one.live is None else f"v{one.live} is live"
    before = "" if place.before in (None, one.live) else f", before v{place.before}"
    since = f", {ago_text(place.entered_at, now)}" if place.entered_at else ""
    serving = f", {one.serving}" if one.live == version or not one.answers else ""
    return Line(
        (
            Cell("    "),
            place_cell(place.state, place.share),
            Cell(f"  {safe(place.target)}", "strong"),
            Cell(f"  {live}{before}{since}{serving}", "dim"),
        ),
        hang=8,
    )


def _story(view: RolloutView) -> list[Line]:
    left_out = len(view.events) - _EVENTS
    lines = [text_line(f"… {left_out} before", "dim")] if left_out > 0 else []
    for event in view.events[-_EVENTS:]:
        text = f": {safe(event.text, LINE_LIMIT)}" if event.text else ""
        lines.append(
            Line(
                (
                    Cell(f"{time_text(event.recorded_at)}  ", "dim"),
                    Cell(safe(event.what)),
                    Cell(f" by {safe(event.actor)}{text}", "dim"),
                ),
                hang=18,
            )
        )
    return lines
