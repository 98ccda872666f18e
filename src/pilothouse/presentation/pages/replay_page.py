"""Page of a replay: what a version would have answered to recorded traffic, beside the version that answered it."""

from collections.abc import Iterator, Mapping, Sequence

from pilothouse.domain.formats.safe_text import safe
from pilothouse.domain.formats.time_units import from_us
from pilothouse.domain.jobs.replays import (
    ReplayExample,
    ReplaySlice,
    TrafficReplay,
    check_text,
    replay_line,
    share_text,
    stored_text,
)
from pilothouse.domain.models.model_spec import higher_is_better
from pilothouse.presentation.cells import Cell, Tone, cell, sparkline
from pilothouse.presentation.documents import Line, aligned, section, text_line
from pilothouse.presentation.texts import figure, signed_figure, time_text, value_text

Inputs = Mapping[str, Mapping[str, float | str | None] | None]
"""Stored features of examples by prediction id; None where the row is not stored any more."""

_WIDEST = 24


def replay_page(replay: TrafficReplay, inputs: Inputs | None = None) -> list[Line]:
    """Everything that a replay found: first its one line, whether it checked, and the figures. ``inputs``: what is stored of
    its examples; without them only their answers are shown."""
    return [
        Line((cell(f"{replay.model} version {replay.version} against version {replay.against}", "strong"),
              cell(f"  on {' '.join(replay.traffic.targets)}"))),
        text_line(f"{_capital(replay_line(replay))}.", _tone(replay)),
        Line(),
        *section("Check on itself", [text_line(check_text(replay), _check_tone(replay), hang=2)]),
        *section("Recorded traffic", _traffic(replay)),
        *section("Where outcomes are known", _figures(replay)),
        *section(_changed_title(replay), _ways(replay)),
        *section("By slice", _slices(replay)),
        *section("Scores", _scores(replay)),
        *section("A call of one row, on this machine in this run", _latency(replay)),
        *section(f"Inputs that version {replay.version} met", _inputs(replay)),
        *section("Rows that changed most", _examples(replay.found.examples, inputs)),
    ]  # fmt: skip


def _tone(replay: TrafficReplay) -> Tone:
    figures = replay.found.outcomes.figures
    if not figures or figures[0].low <= 0 <= figures[0].high:
        return ""
    return "good" if figures[0].low > 0 else "bad"


def _check_tone(replay: TrafficReplay) -> Tone:
    check = replay.found.check
    return "good" if check.rows and check.equal == check.rows else "warn"


def _traffic(replay: TrafficReplay) -> Iterator[Line]:
    traffic, found = replay.traffic, replay.found
    span = f"{from_us(traffic.since_us):%Y-%m-%d %H:%M} to {from_us(traffic.until_us):%Y-%m-%d %H:%M} UTC"
    yield text_line(f"{span}: {stored_text(traffic)}", hang=2)
    if traffic.sample is not None:
        yield text_line(
            f"a sample of {traffic.sample:,} rows, each version, target and day in its proportion; seed {traffic.seed}",
            hang=2,
        )
    for part in found.left_out:
        yield text_line(f"{part.rows:,} rows are left out: {part.why}", "warn", hang=2)
    if len(found.answered_by) > 1 or any(one.version != replay.against for one in found.answered_by):
        for one in found.answered_by:
            otherwise = f"{one.changed:,} otherwise than it did ({share_text(one.changed, one.rows)})"
            yield text_line(
                f"v{one.version} answered {one.rows:,} of them then; v{replay.version} answers {otherwise}",
                hang=2,
            )
    private = (
        f"never stored, so neither replayed nor shown: {', '.join(traffic.private)}"
        if traffic.private
        else ""
    )
    if private:
        yield text_line(private, "dim", hang=2)
    if traffic.not_sliced:
        yield text_line(f"not stored, so not cut by: {', '.join(traffic.not_sliced)}", "dim", hang=2)


def _figures(replay: TrafficReplay) -> Iterator[Line]:
    outcomes = replay.found.outcomes
    if not outcomes.figures:
        yield text_line(outcomes.why or "no outcomes are known", "warn", hang=2)
        return
    older = outcomes.known - outcomes.rows
    left = f"; {older:,} more are left out, no newer than what one of the two was trained on" if older else ""
    yield text_line(
        f"{outcomes.rows:,} rows, {outcomes.blocks}; 95 % intervals of the difference{left}", "dim", hang=2
    )
    rows = [_head("metric", f"v{replay.against}", f"v{replay.version}", "better by", "interval")]
    for one in outcomes.figures:
        verdict: Tone = "good" if one.low > 0 else "bad" if one.high < 0 else ""
        lower = "" if higher_is_better(one.metric) else " ↓"
        interval = f"[{signed_figure(one.low, 4)}, {signed_figure(one.high, 4)}]"
        rows.append(
            (
                cell(one.metric + lower, "strong"),
                cell(figure(one.against)),
                cell(figure(one.version)),
                cell(signed_figure(one.difference, 4), verdict),
                cell(interval, "dim"),
            )
        )
    yield from aligned(rows, widest=_WIDEST)


def _changed_title(replay: TrafficReplay) -> str:
    return "Decisions" if replay.found.tolerance is None else "Answers"


def _ways(replay: TrafficReplay) -> Iterator[Line]:
    found = replay.found
    share = share_text(found.changed, found.rows)
    if found.tolerance is None:
        yield text_line(f"{found.changed:,} of {found.rows:,} are decided otherwise ({share})", hang=2)
        rows = [(cell(f"{way.rows:,}"), cell(f"{way.then} → {way.now}")) for way in found.ways]
        yield from aligned(rows, widest=_WIDEST)
    else:
        yield text_line(
            f"{found.changed:,} of {found.rows:,} move by more than {figure(found.tolerance)}, a tenth of the spread of the "
            f"answers ({share})",
            hang=2,
        )
    moved = f"half by {figure(found.moved_p50)} at most, 95 % by {figure(found.moved_p95)}, at most {figure(found.moved_most)}"
    yield text_line(f"scores move: {moved}", "dim", hang=2)


def _slices(replay: TrafficReplay) -> Iterator[Line]:
    measure = "right" if replay.found.task != "regression" else "mean error"
    rows = [
        _head(
            "slice",
            "rows",
            "changed",
            "share",
            f"{measure} v{replay.against}",
            f"v{replay.version}",
            "outcomes",
        )
    ]
    rows += [_slice_row(one, replay.found.task) for one in replay.found.slices]
    yield from aligned(rows, widest=_WIDEST)


def _slice_row(one: ReplaySlice, task: str) -> tuple[Cell, ...]:
    def measured(value: float | None) -> Cell:
        return cell(
            "–" if value is None else f"{100 * value:.1f} %" if task != "regression" else figure(value)
        )

    return (
        cell(f"{one.by} {one.value}", "strong"),
        cell(f"{one.rows:,}"),
        cell(f"{one.changed:,}"),
        cell(share_text(one.changed, one.rows)),
        measured(one.against),
        measured(one.version),
        cell(f"{one.known:,}", "dim"),
    )


def _scores(replay: TrafficReplay) -> Iterator[Line]:
    scores = replay.found.scores
    low, high = figure(scores.edges[0]), figure(scores.edges[-1])
    drift = {one.version: one for one in replay.found.drift}
    rows = []
    for number, counts in ((replay.against, scores.against), (replay.version, scores.version)):
        own = drift.get(number)
        away = f"JS {own.js:.3f}, KS {own.ks:.3f} from its hold-out" if own else "its hold-out cannot be read"
        rows.append(
            (
                cell(f"v{number}", "strong"),
                cell(low),
                Cell(sparkline(counts, len(counts)), "info"),
                cell(high),
                cell(away),
            )
        )
    yield from aligned(rows, widest=_WIDEST)


def _latency(replay: TrafficReplay) -> list[Line]:
    latency = replay.found.latency
    if latency is None:
        return []
    rows = [_head("version", "median", "p95", "calls")]
    for number, p50, p95 in (
        (replay.against, latency.against_p50, latency.against_p95),
        (replay.version, latency.version_p50, latency.version_p95),
    ):
        rows.append(
            (
                cell(f"v{number}", "strong"),
                cell(f"{p50:.3f} ms"),
                cell(f"{p95:.3f} ms"),
                cell(f"{latency.calls}", "dim"),
            )
        )
    return aligned(rows, widest=_WIDEST)


def _inputs(replay: TrafficReplay) -> Iterator[Line]:
    met = replay.found.inputs
    if not met:
        yield text_line("no value was missing, and no category is one that it has not learnt", hang=2)
        return
    rows = [_head("feature", "missing", "unseen categories")]
    rows += [
        (cell(one.feature, "strong"), cell(share_text(one.missing, replay.found.rows)),
         cell(f"{one.unseen:,} rows" if one.unseen else "–", "warn" if one.unseen else "dim"))
        for one in met
    ]  # fmt: skip
    yield from aligned(rows, widest=_WIDEST)


def _examples(examples: Sequence[ReplayExample], inputs: Inputs | None) -> Iterator[Line]:
    if examples:
        what = "class and score" if examples[0].label_then else "answer"
        yield text_line(f"{what} then → now, and the row as it is stored", "dim")
    for one in examples:
        then, now = (f"{label} {figure(score)}".strip() for label, score in
                     ((one.label_then, one.score_then), (one.label_now, one.score_now)))  # fmt: skip
        truth = f", in truth {one.outcome}" if one.outcome else ""
        yield Line(
            (
                cell(f"{then} → {now}{truth}", "strong"),
                cell(f"  {time_text(from_us(one.at_us))} {one.target}  {one.prediction}", "dim"),
            ),
            2,
        )
        if inputs is not None:
            yield text_line(f"  {_input_text(inputs.get(one.prediction))}", hang=2)


def _input_text(values: Mapping[str, float | str | None] | None) -> str:
    if values is None:
        return "its row is not stored any more"
    return safe(
        " ".join(
            f"{name}={'missing' if value is None else value_text(value)}" for name, value in values.items()
        ),
        1_000,
    )


def _head(*titles: str) -> tuple[Cell, ...]:
    return tuple(cell(title.upper(), "dim") for title in titles)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
