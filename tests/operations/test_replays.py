"""Replays of recorded traffic: what they find is what the models answer, and what is not stored is said."""

import dataclasses
import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pilothouse.domain.erasure import Selection
from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError, StaleAttemptError
from pilothouse.domain.formats.time_units import DAY_US, to_us
from pilothouse.domain.identifiers import VersionReference
from pilothouse.domain.jobs.replays import ReplaySlice, TrafficReplay, is_worse, read_replay
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.models.model_spec import Task
from pilothouse.domain.records import RequestStatus
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.erasure import carrying_out, planning
from pilothouse.operations.jobs import job_attempts, jobs, replays
from pilothouse.operations.jobs.replays import ReplayOptions
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.attached import required_replay
from pilothouse.operations.promotion.evidence import worst_replays
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import retention as retention_rules
from pilothouse.operations.workspace import apply_models, audits, workspaces
from pilothouse.statistics.performance.metrics import compute_metrics
from pilothouse.statistics.profiles.scored_rows import scored_rows
from pilothouse.store.models import versions
from pilothouse.telemetry.rows import retention
from support import replayed
from support.replayed import (
    MODEL,
    NORTH,
    SOUTH,
    TRAFFIC,
    HereRunner,
    actor,
    make_replayed,
    predictor_of,
    run_next,
    serve,
)


def replay(services: Services, version: int = 2, **options: Any) -> TrafficReplay:
    """A replay to its end."""
    replays.start_replay(services, actor(services, "ann"), f"{MODEL}/{version}", ReplayOptions(**options))
    found = read_replay(run_next(services).result)
    assert found is not None
    return found


def answers(services: Services, number: int, rows: pd.DataFrame) -> Any:
    columns = {
        "wind": rows["wind"].to_numpy(),
        "rain": rows["rain"].to_numpy(),
        "port": rows["port"].tolist(),
    }
    return predictor_of(services, number).predict(columns, len(rows))


def slices(found: TrafficReplay, by: str) -> dict[str, ReplaySlice]:
    return {one.value: one for one in found.found.slices if one.by == by}


def test_a_version_answers_last_months_traffic_again(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 20, outcomes=0.7)
    result = replay(services)
    found, traffic = result.found, result.traffic

    then, now = (np.array(answers(services, number, rows).labels) for number in (1, 2))
    assert (found.rows, found.changed) == (len(rows), int((then != now).sum()))
    assert 0 < found.changed < found.rows
    assert {(way.then, way.now): way.rows for way in found.ways} == {
        pair: count
        for pair in (("0", "1"), ("1", "0"))
        if (count := int(((then == pair[0]) & (now == pair[1])).sum()))
    }
    assert (found.check.rows, found.check.equal, found.check.why) == (len(rows), len(rows), ())
    assert [(one.version, one.rows) for one in found.answered_by] == [(1, len(rows))]

    for by, column in (("target", rows["target"]), ("port", rows["port"])):
        expected = {
            str(value): (int((column == value).sum()), int(((then != now) & (column == value)).sum()))
            for value in set(column)
        }
        assert {name: (one.rows, one.changed) for name, one in slices(result, by).items()} == expected
    assert {name: one.rows for name, one in slices(result, "region").items()} == {
        "eu": slices(result, "target")[NORTH].rows, "us": slices(result, "target")[SOUTH].rows}  # fmt: skip
    assert set(slices(result, "month")) == {"2026-02", "2026-03"}
    assert sum(one.rows for one in slices(result, "score").values()) == len(rows)

    assert (traffic.days, traffic.days_served, traffic.days_stored) == (28, 20, 20)
    assert (traffic.rows_served, traffic.rows_stored, traffic.kept_s) == (len(rows), len(rows), None)
    assert found.latency is not None
    assert found.latency.calls > 0
    assert {one.version for one in found.drift} == {1, 2}
    assert [(one.feature, one.missing, one.unseen) for one in found.inputs] == [
        ("wind", int(rows["wind"].isna().sum()), 0)
    ]
    scores = found.scores
    assert sum(scores.against) == sum(scores.version) == len(rows)


def test_figures_are_of_rows_whose_outcome_is_known(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 20, outcomes=0.7)
    outcomes = replay(services).found.outcomes
    known = np.random.default_rng(0).random(len(rows)) < 0.7  # as ``serve`` draws them
    assert (outcomes.known, outcomes.rows, outcomes.blocks) == (int(known.sum()),) * 2 + (
        "20 whole days drawn again",
    )
    of = rows[known]
    for side, number in (("against", 1), ("version", 2)):
        answer = answers(services, number, of)
        coded = scored_rows(
            "binary", of["late"].astype(str).to_numpy(object), answer.scores, answer.labels, ("0", "1")
        )
        values = {one.metric: one.value for one in compute_metrics(coded)}
        for figure in outcomes.figures:
            assert getattr(figure, side) == pytest.approx(values[figure.metric], rel=1e-9, abs=1e-12), (
                figure.metric
            )
    assert outcomes.figures[0].metric == "auc"
    assert {figure.metric for figure in outcomes.figures} > {"accuracy", "brier", "f1"}
    assert all(figure.low <= figure.difference <= figure.high for figure in outcomes.figures)


def test_rows_that_a_version_was_trained_on_are_no_evidence_of_it(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 20)
    source = services.paths.root / "data" / "rows.parquet"
    pd.concat([pd.read_parquet(source), rows.drop(columns="target")]).to_parquet(source, index=False)
    job = replayed.train(services, {}, until=TRAFFIC + timedelta(days=20))
    outcomes = replay(services, job.version or 0).found.outcomes
    held_out = rows["at"] >= pd.Timestamp(TRAFFIC + timedelta(days=9))
    assert outcomes.known == len(rows)
    assert 0 < outcomes.rows <= int(held_out.sum())


def test_without_outcomes_there_are_no_figures(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 5, outcomes=0.0)
    outcomes = replay(services).found.outcomes
    assert (outcomes.figures, outcomes.why) == ((), "no outcomes of these rows are known: 30 are needed")


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_other_tasks(tmp_path: Path, task: Task) -> None:
    services = make_replayed(tmp_path / "w", task)
    rows = serve(services, 0, 20, outcomes=0.8)
    result = replay(services)
    found = result.found
    then, now = (answers(services, number, rows) for number in (1, 2))
    assert found.check.equal == found.check.rows == len(rows)
    if task == "regression":
        assert found.tolerance == pytest.approx(float(np.std(then.scores)) / 10)
        assert found.changed == int((np.abs(then.scores - now.scores) > found.tolerance).sum())
        assert [figure.metric for figure in found.outcomes.figures] == ["mae", "rmse", "r2"]
        assert found.ways == ()
        assert found.examples[0].outcome != found.examples[0].label_now == ""
    else:
        assert found.changed == sum(a != b for a, b in zip(then.labels, now.labels, strict=True))
        assert found.outcomes.figures[0].metric == "accuracy"
        assert {way.then for way in found.ways} <= {"much", "none", "some"}
    assert 0 < found.changed < len(rows)


def test_rows_of_several_versions(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    early = serve(services, 0, 8)
    replayed.deploy(services, 2)
    late = serve(services, 8, 8, version=2)
    number = replayed.train(services, {"training.parameters.max_iter": 60}).version or 0
    found = replay(services, number).found
    assert [(one.version, one.rows) for one in found.answered_by] == [(1, len(early)), (2, len(late))]
    assert (found.check.rows, found.check.equal) == (len(late),) * 2
    both = pd.concat([early, late])
    live, now = (np.array(answers(services, n, both).labels) for n in (2, number))
    assert found.changed == int((live != now).sum())
    first = np.array(answers(services, 1, early).labels)
    assert found.answered_by[0].changed == int((first != now[: len(early)]).sum())


def test_answers_that_are_not_those_on_record_are_counted_with_the_cause(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    good = serve(services, 0, 3)
    slight = serve(services, 3, 3, change=lambda scores: np.nextafter(scores, 1.0))
    other = serve(services, 6, 3, change=lambda scores: scores * 0.5)
    check = replay(services).found.check
    assert (check.rows, check.equal) == (len(good) + len(slight) + len(other), len(good))
    assert [part.rows for part in check.why] == [len(slight), len(other)]
    assert check.why[0].why.startswith("the last digits differ")
    assert check.why[1].why.endswith("the stored row or the model is not that of then")


def test_private_columns_are_nowhere_and_examples_are_read_from_what_is_stored(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 10)
    replays.start_replay(services, actor(services, "ann"), f"{MODEL}/2")
    seen: dict[str, bytes] = {}

    def before(request: Any) -> None:
        seen.update(
            {
                name: Path(path).read_bytes()
                for name, path in request.inputs.items()
                if name.startswith("rows_")
            }
        )

    job = run_next(services, HereRunner(before))
    result = read_replay(job.result)
    assert result is not None
    assert len(seen) == 2
    assert not any(b"passenger" in data or b"P1" in data for data in seen.values())
    assert result.traffic.private == ("passenger",)
    assert result.traffic.not_sliced == ("pier",)
    assert "wind" not in json.dumps([one.prediction for one in result.found.examples])

    inputs = replays.inputs_of_examples(services, actor(services, "olga"), result)
    assert set(inputs) == {one.prediction for one in result.found.examples}
    for example in result.found.examples:
        (row,) = rows[rows["at"].map(to_us) == example.at_us].itertuples()
        own = inputs[example.prediction]
        assert own is not None
        assert own["port"] == row.port
        assert own["rain"] == row.rain
        assert own["wind"] == (None if math.isnan(row.wind) else row.wind)

    # what becomes private later is not shown of rows from before either
    text = replayed.model_text().replace('features = ["wind", "rain", "port"]', 'features = ["rain", "port"]')
    text = text.replace('private = ["passenger"]', 'private = ["passenger", "wind"]')
    (services.paths.root / "models" / MODEL / "model.toml").write_text(text)
    apply_models.apply(services, actor(services, "eve"))
    assert all(
        set(own or {}) == {"port", "rain"}
        for own in replays.inputs_of_examples(services, actor(services, "olga"), result).values()
    )


def test_the_exported_rows_of_production_are_gone_when_the_job_has_ended(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 5)
    job = replays.start_replay(services, actor(services, "ann"), f"{MODEL}/2")
    run_next(services)
    assert not [*services.paths.job_folder(job.id).rglob("*.arrow")]


def keep(services: Services, days_before: int) -> None:
    """Delete the rows that came before some days of traffic, as retention does by their arrival."""
    limit = to_us(TRAFFIC + timedelta(days=days_before))
    with services.telemetry.transaction() as connection:
        connection.execute("UPDATE segments SET received = last_event")
        for (stream,) in connection.execute("SELECT id FROM streams").fetchall():
            while retention.delete_some(connection, stream, limit, to_us(services.now())).rows:
                pass


def test_what_retention_has_taken_is_said(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 20)
    retention_rules.keep_rows(services, actor(services, "eve"), 60, "a rule")
    keep(services, 12)
    result = replay(services)
    assert (result.traffic.days_served, result.traffic.kept_s) == (20, 60 * 86_400)
    assert 7 <= result.traffic.days_stored <= 9
    assert result.found.rows == result.traffic.rows_stored < result.traffic.rows_served == 1_200
    examples = replays.inputs_of_examples(services, actor(services, "ann"), result)
    assert all(values is not None for values in examples.values())
    keep(services, 40)
    assert set(replays.inputs_of_examples(services, actor(services, "ann"), result).values()) == {None}


def test_no_stored_rows_is_an_honest_refusal(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    ann = actor(services, "ann")
    with pytest.raises(NotFoundError, match="has no recorded traffic on north, south yet"):
        replays.start_replay(services, ann, f"{MODEL}/2")
    serve(services, 0, 5)
    before = ReplayOptions(since=TRAFFIC - timedelta(days=9), until=TRAFFIC - timedelta(days=2))
    replays.start_replay(services, ann, f"{MODEL}/2", before)
    with pytest.raises(
        NotFoundError, match=r"answered nothing from 2026-02-01 00:00 to .*: there is nothing to replay"
    ):
        run_next(services)
    keep(services, 40)
    replays.start_replay(services, ann, f"{MODEL}/2")
    with pytest.raises(
        NotFoundError, match=r"answered 300 rows .* none of them is stored any more: replay a later time"
    ):
        run_next(services)


def test_a_feature_that_was_not_asked_for_then_leaves_the_rows_out(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 5)
    text = replayed.model_text().replace('"wind", "rain", "port"]', '"wind", "rain", "port", "pier"]')
    text = text.replace('categoricals = ["port"]', 'categoricals = ["port", "pier"]')
    (services.paths.root / "models" / MODEL / "model.toml").write_text(text)
    apply_models.apply(services, actor(services, "eve"))
    number = replayed.train(services, {}).version
    replays.start_replay(services, actor(services, "ann"), f"{MODEL}/{number}")
    with pytest.raises(AssertionError, match="v1 on north was not asked with pier"):
        run_next(services)


def test_a_sample_takes_each_stratum_in_its_proportion_and_the_same_seed_the_same_rows(
    tmp_path: Path,
) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 20, size=7)
    first = replay(services, rows=300, seed=4)
    assert (first.found.rows, first.traffic.sample, first.traffic.seed) == (300, 300, 4)
    assert first.traffic.rows_stored == len(rows)
    north = int((rows["target"] == NORTH).sum())
    # a stratum gives its share to the row
    assert slices(first, "target")[NORTH].rows == pytest.approx(300 * north / len(rows), abs=20)
    with services.telemetry.transaction() as connection:  # segments that retention merges are the same rows
        connection.execute("UPDATE segments SET received = received / ? * ?", (DAY_US, DAY_US))
        (many,) = connection.execute("SELECT count(*) FROM segments").fetchone()
        for (stream,) in connection.execute("SELECT id FROM streams").fetchall():
            for segments in [*retention.mergeable(connection, stream)]:
                merged = retention.merge_segments(connection, segments)
                assert merged is not None
                assert retention.put_merged(connection, merged)
        (few,) = connection.execute("SELECT count(*) FROM segments").fetchone()
    assert few < many
    again, other = replay(services, rows=300, seed=4), replay(services, rows=300, seed=5)
    assert (again.found.changed, again.found.examples) == (first.found.changed, first.found.examples)
    assert other.found.rows == 300
    assert other.found.examples != first.found.examples
    assert replay(services, rows=5_000).traffic.sample is None


def test_only_the_targets_and_the_time_that_were_asked_for(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    rows = serve(services, 0, 10)
    since, until = TRAFFIC + timedelta(days=2, hours=6), TRAFFIC + timedelta(days=5)
    result = replay(services, since=since, until=until, targets=[NORTH])
    inside = (rows["target"] == NORTH) & (rows["at"] >= since) & (rows["at"] < until)
    assert result.found.rows == int(inside.sum())
    assert set(slices(result, "target")) == {NORTH}


@pytest.mark.parametrize(
    ("reference", "options", "error", "message"),
    [
        ("late/1", {}, InvalidInputError, "would be compared with itself"),
        ("late/9", {}, NotFoundError, "no version 9"),
        ("late/2", {"targets": ["mars"]}, NotFoundError, "no target 'mars'"),
        ("late/2", {"rows": 0}, InvalidInputError, "expected 1 or more"),
        ("late/2", {"seed": -1}, InvalidInputError, "seed: found -1"),
        ("late/2", {"since": TRAFFIC, "until": TRAFFIC}, InvalidInputError, "is not before until"),
        ("late/2", {"since": TRAFFIC.replace(tzinfo=None)}, InvalidInputError, "has no time zone"),
    ],
)
def test_what_cannot_be_replayed_is_refused(
    tmp_path: Path, reference: str, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 2)
    with pytest.raises(error, match=message):
        replays.start_replay(services, actor(services, "ann"), reference, ReplayOptions(**options))


def test_where_several_versions_are_live_one_is_named(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 2)
    replayed.deploy(services, 2, (NORTH,))
    number = replayed.train(services, {"training.parameters.max_iter": 30}).version or 0
    with pytest.raises(ConflictError, match="versions 1, 2 of late are live"):
        replays.start_replay(services, actor(services, "ann"), f"{MODEL}/{number}")
    assert replay(services, number, targets=[SOUTH]).against == 1
    assert replay(services, number, against=f"{MODEL}/2").against == 2


def test_a_replay_whose_attempt_was_lost_is_recorded_once(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 5)
    job = replays.start_replay(services, actor(services, "ann"), f"{MODEL}/2")
    lost = jobs.claim_job(services, "here", 600)
    assert lost is not None
    outcome = replayed.outcome_of(job_handlers.prepare(services, lost), HereRunner())
    assert [*services.paths.job_folder(job.id).rglob("*.arrow")]
    job_attempts.hand_over(services, lost)
    done = run_next(services)
    assert (done.attempt, done.status) == (2, "succeeded")
    with pytest.raises(StaleAttemptError):
        job_handlers.record(services, lost, outcome)
    assert not [*services.paths.job_folder(job.id).rglob("*.arrow")]
    entries = audits.show(services, actor(services, "eve"), limit=50)
    assert sum(entry.action == "version.replayed" for entry in entries) == 1


def test_the_newest_replay_is_part_of_the_frozen_evidence(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 10)
    ann = actor(services, "ann")
    without = promotions.request_promotion(services, ann, f"{MODEL}/2")
    assert "replays" not in without.evidence
    replay(services, rows=100)
    newest = replays.start_replay(services, ann, f"{MODEL}/2")
    result = read_replay(run_next(services).result)
    request = promotions.request_promotion(services, ann, f"{MODEL}/2", [NORTH])
    (frozen,) = request.evidence["replays"]
    assert frozen["job"] == newest.id
    nameless = dataclasses.replace(result, found=dataclasses.replace(result.found, examples=()))
    assert read_replay(frozen) == nameless  # examples name rows that can be erased: the job has them
    # a later one does not change what was frozen
    replay(services, rows=50)
    assert promotions.get_request(services, ann, request.id).evidence == request.evidence


def test_a_replay_of_other_targets_or_against_another_version_is_no_evidence(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 10)
    ann = actor(services, "ann")
    replay(services, targets=[SOUTH])
    assert "replays" not in promotions.request_promotion(services, ann, f"{MODEL}/2", [NORTH]).evidence
    assert len(promotions.request_promotion(services, ann, f"{MODEL}/2", [SOUTH]).evidence["replays"]) == 1


DEMANDED = '[promotion]\nreplay = "14d"\n'


def test_a_model_file_can_ask_for_a_replay_before_a_request(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w", extra=DEMANDED)
    serve(services, 0, 20)
    ann = actor(services, "ann")
    with pytest.raises(
        ConflictError, match=r"has not been replayed against version 1, live on north, south, over 2w"
    ):
        promotions.request_promotion(services, ann, f"{MODEL}/2")
    short = replay(services, since=TRAFFIC + timedelta(days=15)).traffic
    later = replay(
        services, since=TRAFFIC + timedelta(days=15), until=TRAFFIC + timedelta(days=9_000)
    ).traffic
    assert (later.since_us, later.until_us) == (short.since_us, short.until_us)  # time to come is no traffic
    assert replay(services, rows=1).traffic.sample == 1
    with pytest.raises(ConflictError, match=r"promotion\.replay"):
        promotions.request_promotion(services, ann, f"{MODEL}/2")
    assert replay(services).traffic.days == 14
    request = promotions.request_promotion(services, ann, f"{MODEL}/2")
    assert len(request.evidence["replays"]) == 1
    promotions.withdraw(services, ann, request.id)
    serve(services, 40, 2)  # traffic has gone on: that replay is of another time
    with pytest.raises(ConflictError, match=r"promotion\.replay"):
        promotions.request_again(services, ann, request.id)


def test_where_nothing_was_ever_asked_no_replay_can_be_asked_for(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w", extra=DEMANDED)
    request = promotions.request_promotion(services, actor(services, "ann"), f"{MODEL}/2")
    assert "replays" not in request.evidence


AUTOMATIC = (
    f"{DEMANDED}automatic = true\napprovals = 0\n[gates.comparison]\nmargin = 1.0\nminimum_rows = 50\n"
)


@pytest.mark.parametrize("good", [True, False])
def test_without_hands_the_request_waits_for_the_replay_and_a_worse_version_is_not_deployed(
    tmp_path: Path, good: bool
) -> None:
    services = make_replayed(tmp_path / "w", extra=DEMANDED)
    replayed.deploy(services, 2)
    serve(services, 0, 20, version=2)
    workspaces.set_workspace_policy(services, actor(services, "eve"), approvals=0, allow_automatic=True)
    (services.paths.root / "models" / MODEL / "model.toml").write_text(replayed.model_text(extra=AUTOMATIC))
    apply_models.apply(services, actor(services, "eve"))
    stump = {"training.parameters.max_iter": 1, "training.parameters.max_leaf_nodes": 2}
    trained = replayed.train(services, {"training.parameters.max_iter": 40} if good else stump)
    (note,) = [text for text in trained.result["notes"] if "replay" in text]
    assert "its request waits for the replay of recorded traffic, job" in note
    assert promotions.list_requests(services, actor(services, "ann"), status=RequestStatus.OPEN) == []
    found = read_replay(run_next(services).result)
    assert found is not None
    assert is_worse(found) is not good
    newest = promotions.list_requests(services, actor(services, "ann"))[0]
    assert newest.version == trained.version
    assert newest.evidence["replays"][0]["replay"]["version"] == trained.version
    assert newest.status is (RequestStatus.DEPLOYED if good else RequestStatus.OPEN)


def test_the_workspace_can_ask_every_model_for_a_replay(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 20)
    ann, eve = actor(services, "ann"), actor(services, "eve")
    with pytest.raises(InvalidInputError, match="a day or more"):
        required_replay.set_floor_replay(services, eve, 3_600, "a bank")
    required_replay.set_floor_replay(services, eve, 14 * 86_400, "a bank")
    with pytest.raises(ConflictError, match=r"over 2w of recorded traffic \(the workspace's policy\)"):
        promotions.request_promotion(services, ann, f"{MODEL}/2")
    assert replay(services).traffic.days == 14
    assert promotions.request_promotion(services, ann, f"{MODEL}/2").evidence["replays"]
    required_replay.set_floor_replay(services, eve, 0, "no bank")


def test_an_erased_row_is_no_example_of_a_replay_any_more(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 10)
    before = replay(services).found.examples
    assert before
    eve = actor(services, "eve")
    selection = Selection(predictions=(before[0].prediction,))
    plan = planning.make_plan(services, eve, selection, "ticket 7").plan
    ordered = carrying_out.order(services, eve, plan.digest[:12])
    carrying_out.carry_out(services, eve, ordered)
    with services.registry.read() as connection:
        (number,) = [row[0] for row in connection.execute("SELECT id FROM jobs WHERE kind = 'replay'")]
    _, found = replays.get_replay(services, eve, number)
    assert found is not None
    assert [one.prediction for one in found.found.examples] == [one.prediction for one in before[1:]]
    for file in services.paths.state.rglob("*.db"):
        assert before[0].prediction.encode() not in file.read_bytes()
    audits.check_rows(services, eve)
    request = promotions.request_promotion(services, actor(services, "ann"), f"{MODEL}/2")
    assert request.evidence["replays"][0]["replay"]["found"]["examples"] == []


def test_whoever_replays_until_it_fits_shows_the_replay_that_did_not(tmp_path: Path) -> None:
    services = make_replayed(tmp_path / "w")
    serve(services, 0, 20)
    first, second = replay(services), replay(services)
    with services.registry.read() as connection:
        numbers = [
            row[0] for row in connection.execute("SELECT id FROM jobs WHERE kind = 'replay' ORDER BY id")
        ]
        version = versions.find(connection, VersionReference(MODEL, 2))
        assert version is not None
        ((newest, _),) = worst_replays(connection, version, list(first.traffic.targets))
    assert newest == numbers[-1]
    figures = first.found.outcomes.figures
    worse = [{**to_plain(one), "low": -0.2, "high": -0.1, "difference": -0.15} for one in figures] or None
    if worse is None:
        pytest.skip("the example has no outcomes")
    with services.registry.transaction() as connection:
        (result,) = connection.execute("SELECT result FROM jobs WHERE id = ?", (numbers[0],)).fetchone()
        changed = json.loads(result)
        (kind,) = [key for key in changed if isinstance(changed[key], dict) and "found" in changed[key]]
        changed[kind]["found"]["outcomes"]["figures"] = worse
        connection.execute("DROP TRIGGER jobs_end_once")
        connection.execute("UPDATE jobs SET result = ? WHERE id = ?", (json.dumps(changed), numbers[0]))
        ((shown, found),) = worst_replays(connection, version, list(second.traffic.targets))
    assert shown == numbers[0]
    assert is_worse(found)
