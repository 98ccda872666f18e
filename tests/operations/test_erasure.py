"""Rows of a person are gone from every file, by a signed tombstone; nothing else has changed, and nothing brings them back."""

import json
import os
import signal
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from pilothouse.artifacts.artifact_store import Mark
from pilothouse.composition import open_workspace
from pilothouse.domain.erasure import Erasure, Selection, facts_of, tombstone
from pilothouse.domain.errors import (
    ConflictError,
    IntegrityError,
    InvalidInputError,
    NotAllowedError,
    UnavailableError,
)
from pilothouse.domain.formats.wire import Outcome
from pilothouse.domain.identity.roles import DAEMON, Role
from pilothouse.domain.models.dataclass_reader import to_plain
from pilothouse.domain.promotion.proposals import Second
from pilothouse.interop import signing_keys
from pilothouse.operations.erasure import after_restore, carrying_out, exports, planning, tombstones
from pilothouse.operations.identity import proposals
from pilothouse.operations.jobs import job_inputs, trainings
from pilothouse.operations.models import comparisons, lineage, what_is_left
from pilothouse.operations.models.paired_predictions import Sides
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import backups, restores, retention, telemetry_export
from pilothouse.operations.upkeep.telemetry_export import Selected
from pilothouse.operations.workspace import audits, doctor, erasure_checks, workspaces, write_state
from pilothouse.store import erasures
from pilothouse.store.work import runs
from pilothouse.system.turns import turn
from pilothouse.telemetry.intake import kept_rejections
from pilothouse.telemetry.intake.admission import BY_THE_CLOCK
from support import patients
from support.job_workspace import ADMIN, SCIENTIST, actor, queue
from support.patients import NOW_US, OTHER, PEOPLE, PERSON, SELECTION, admin, batch, lookup, stored

REASON = "Art. 17, ticket 4711"
POINTS = (
    "erasure ordered",
    "erasure of a file done:1",
    "erasure of files done",
    "erasure before the commit of predictions",
    "erasure of predictions done",
    "erasure of job files done",
    "erasure of summaries done",
    "erasure has written a database anew",
    "erasure complete",
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return patients.make(tmp_path / "work space")


def erased(services: Services, selection: Selection = SELECTION) -> Erasure:
    report = planning.make_plan(services, admin(services), selection, REASON)
    ordered = carrying_out.order(services, admin(services), report.plan.digest[:12])
    return carrying_out.carry_out(services, admin(services), ordered)


def files_with(root: Path, needle: bytes) -> list[str]:
    return [
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and needle in path.read_bytes()
    ]


def test_nothing_in_any_file_names_the_person_any_more(services: Services) -> None:
    root = services.paths.root
    packed = patients.blobs(services)
    assert all(files_with(root, blob) for blob in packed)
    assert (
        len(patients.everything(root)) >= 8
    )  # rows, summaries, logs, records of jobs, segments, outcomes that wait

    erased(services)

    assert patients.everything(root) == []
    assert files_with(root, PERSON.encode()) == []
    assert [
        blob for blob in packed if files_with(root, blob)
    ] == []  # neither in free pages nor in a log of writes
    services.close()
    assert files_with(root, PERSON.encode()) == []


def test_every_other_row_is_as_it_was(services: Services) -> None:
    before, others = stored(services), patients.table().filter([who != PERSON for who in PEOPLE])
    with services.registry.read() as connection:
        run = runs.find(connection, 1)
        files = {name: file.digest for name, file in runs.files_of(connection, 1).items()}
        (predictions,) = connection.execute("SELECT predictions_digest FROM versions").fetchone()
    assert run is not None

    done = erased(services)

    assert stored(services) == [row for row in before if row[1] != PERSON]
    artifacts = services.artifacts
    assert pq.read_table(artifacts.path(artifacts.left_of(run.snapshot.artifact_digest))).equals(others)
    parts = [pq.read_table(artifacts.path(artifacts.left_of(files[name]))) for name in ("train", "holdout")]
    assert [part.column("distance").to_pylist() for part in parts] == [
        [float(i) for i in span if PEOPLE[i] != PERSON] for span in (range(86), range(86, 100))
    ]
    left = pq.read_table(artifacts.path(artifacts.left_of(predictions)))
    assert left.num_rows == parts[1].num_rows == 14 - PEOPLE[86:].count(PERSON)
    log = artifacts.read(artifacts.left_of(files["log"])).decode()
    assert "(a line was erased)\n" in log
    assert "begun" in log
    with services.registry.read() as connection:
        again = runs.find(connection, 1)
        assert {name: file.digest for name, file in runs.files_of(connection, 1).items()} == files
    assert again is not None
    assert again.snapshot.artifact_digest == run.snapshot.artifact_digest
    assert PERSON not in again.snapshot.columns[0].frequent
    assert OTHER in again.snapshot.columns[0].frequent
    count = PEOPLE.count(PERSON)
    assert again.erased == (f"{count} of 100 rows were erased on {done.completed_at:%Y-%m-%d} (tombstone 1)",)


def test_the_record_says_who_when_why_and_what_and_never_whom(services: Services) -> None:
    done = erased(services)
    assert done.statement is not None
    facts = json.loads(done.statement)
    assert (facts["ordered_by"], facts["reason"], facts["named_by"]) == (
        ADMIN,
        REASON,
        {"columns": ["patient_id"], "predictions": 0},
    )
    lost = {file["name"]: (file["rows"], file["of_rows"]) for file in facts["files"]}
    assert lost["snapshot of demo/1"] == (PEOPLE.count(PERSON), 100)
    assert sum(rows["rows"] for rows in facts["predictions"]) == PEOPLE[:20].count(PERSON) + PEOPLE[
        :10
    ].count(PERSON)
    assert facts["elsewhere"]["outcomes"] == PEOPLE[:20].count(PERSON)
    for entry in audits.show(services, admin(services)):
        assert PERSON not in json.dumps(entry.detail)
    assert erasure_checks.examine(services).startswith("1 tombstone, signed and in the log")
    assert audits.examine(services, admin(services)).is_sound
    assert write_state.check_seal(services)
    findings = {finding.check: finding for finding in doctor.diagnose(services, admin(services))}
    for check in (
        "registry",
        "telemetry",
        "audit chain",
        "records",
        "seal",
        "artifacts",
        "erasures",
        "orphans",
    ):
        assert findings[check].ok, findings[check]
    detail = lineage.lineage(services, admin(services), "demo/1").children[0].children[0].detail
    assert "rows were erased" in detail


@pytest.mark.parametrize("point", POINTS)
def test_a_process_that_is_killed_leaves_an_erasure_that_the_next_one_finishes(
    services: Services, point: str
) -> None:
    root = services.paths.root
    report = planning.make_plan(services, admin(services), SELECTION, REASON)
    packed = patients.blobs(services)
    services.close()
    script = (
        "import sys; from pathlib import Path; from pilothouse.composition import open_workspace; "
        "from pilothouse.operations.erasure import carrying_out; from pilothouse.operations.workspace import workspaces; "
        f"s = open_workspace(Path(sys.argv[1])); a = workspaces.identify(s, '{ADMIN}'); "
        "carrying_out.carry_out(s, a, carrying_out.order(s, a, sys.argv[2]))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", script, str(root), report.plan.digest],
        env={**os.environ, "PILOTHOUSE_KILL_AT": point},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()

    again = open_workspace(root)
    if point != "erasure complete":
        with pytest.raises(UnavailableError, match="erasure 1 is ordered and not finished"):
            erasure_checks.examine(again)
    carrying_out.finish(again, admin(again))

    assert erasure_checks.examine(again).startswith("1 tombstone")
    assert carrying_out.finish(again, admin(again)) == []
    assert audits.examine(again, admin(again)).is_sound
    assert write_state.check_seal(again)
    again.close()
    assert patients.everything(root) == []
    assert files_with(root, PERSON.encode()) == []
    assert [blob for blob in packed if files_with(root, blob)] == []


def test_a_batch_that_comes_again_and_an_outcome_that_comes_late_bring_nothing_back(
    services: Services,
) -> None:
    store, row = services.telemetry, PEOPLE.index(PERSON)
    erased(services)
    left = stored(services)

    assert store.append(batch(0, PEOPLE[:20]), lookup, NOW_US).duplicate
    another = batch(7, [PERSON, OTHER], [f"{PERSON}/{row}", "new"])
    assert store.append(another, lookup, NOW_US).reasons == {"erased before": 1}
    late = store.add_outcomes([Outcome(f"ewr-1.0.{row}", "1"), Outcome(f"{PERSON}/{row}", "1")], NOW_US)

    assert late.reasons == {"erased before": 2}
    assert [who for _, who, _, _ in stored(services)] == [who for _, who, _, _ in left] + [OTHER]
    assert erasure_checks.examine(services).startswith("1 tombstone")
    assert patients.everything(services.paths.root) == []


def test_rows_that_were_rejected_and_kept_go_too_and_do_not_come_by_a_retry(services: Services) -> None:
    store = services.telemetry
    late = batch(8, PEOPLE[:20])
    far = replace(late, event_times=(b"\0" * 8) * 20)
    receipt = store.append(far, lookup, NOW_US)
    assert set(receipt.reasons) <= {str(reason) for reason in BY_THE_CLOCK}
    with store.read() as connection:
        (number,) = kept_rejections.numbers_of(connection, "demo", "ewr")

    erased(services)

    with store.read() as connection:
        (number,) = kept_rejections.numbers_of(connection, "demo", "ewr")
        kept = kept_rejections.read(connection, number)
    assert kept is not None
    assert kept.batch.rows == 20 - PEOPLE[:20].count(PERSON)
    believed = store.believed_times(np.zeros(20, "<i8"), "demo", "ewr", NOW_US, history=True)
    part, _ = store.append_part(far, (), believed, lookup, NOW_US)
    assert part.accepted == 20 - PEOPLE[:20].count(PERSON)
    assert patients.everything(services.paths.root) == []


def test_a_version_that_lost_training_rows_is_not_reproduced_and_says_why(services: Services) -> None:
    erased(services)
    with pytest.raises(
        ConflictError, match=r"not comparable .* of 86 training rows were erased on .*tombstone 1"
    ):
        trainings.start_reproduction(services, actor(services, SCIENTIST), "demo/1")


def test_a_training_on_a_source_that_still_holds_the_rows_does_not_store_them_again(
    services: Services,
) -> None:
    erased(services)
    with pytest.raises(ConflictError, match=r"of these \d+ rows were erased .* erase them there"):
        patients.train(services)
    assert erasure_checks.examine(services).startswith("1 tombstone")


def test_a_plan_names_the_sources_in_which_the_person_still_stands(services: Services) -> None:
    assert planning.make_plan(services, admin(services), SELECTION).sources == ()
    source = services.paths.root / "data" / "rows.parquet"
    source.write_bytes(patients.parquet(patients.table()))
    assert planning.make_plan(services, admin(services), SELECTION).sources == (
        f"{source}, the source of demo",
    )


def test_damage_is_told_from_erasure(services: Services) -> None:
    erased(services)
    with services.registry.read() as connection:
        digest = erasures.files_of(connection, 1)[0].digest
        whole = next(d for d in services.artifacts.digests() if d not in erasures.replaced(connection))
    mark = services.artifacts.mark_path(digest)
    text = mark.read_bytes()
    mark.unlink()
    with pytest.raises(IntegrityError, match="the mark of its erasure is gone"):
        erasure_checks.examine(services)
    findings = {finding.check: finding for finding in doctor.diagnose(services, admin(services))}
    assert not findings["artifacts"].ok
    mark.write_bytes(text)
    planted = services.artifacts.mark_path(whole)
    planted.write_text(json.dumps({**json.loads(text), "digest": whole}))
    with pytest.raises(IntegrityError, match="no tombstone on record says so"):
        erasure_checks.examine(services)
    planted.unlink()
    path = services.artifacts.path(services.artifacts.left_of(digest))
    services.artifacts.mark_path(digest).with_name(digest).write_bytes(path.read_bytes())
    with pytest.raises(IntegrityError, match="its file is back"):
        erasure_checks.examine(services)


def test_a_mark_that_no_order_has_made_is_not_followed(services: Services) -> None:
    """Somebody with the files lays other rows in the place of those that a version was judged on."""
    plan = planning.make_plan(services, admin(services), SELECTION, REASON).plan
    with services.registry.read() as connection:
        digest = runs.files_of(connection, 1)["holdout"].digest
    assert what_is_left.left_of(services, digest) == digest
    other = b"other rows"
    services.artifacts.erase(Mark(digest, services.artifacts.put_bytes(other), 1, 14, plan.digest), other)
    with pytest.raises(IntegrityError, match="is replaced, and no erasure on record says so"):
        job_inputs.rows_path(services, digest)
    sides = Sides("auc", "binary", (digest, digest), (digest, digest))
    assert "no erasure on record says so" in str(comparisons.paired_on_record(services, sides))
    ordered = carrying_out.order(services, admin(services), plan.digest)
    assert what_is_left.left_of(services, digest) != digest  # under way: its tombstone is not written yet
    carrying_out.carry_out(services, admin(services), ordered)
    services.artifacts.mark_path(digest).unlink()
    services.artifacts.erase(Mark(digest, services.artifacts.put_bytes(b"more"), 2, 14, plan.digest), b"more")
    with pytest.raises(IntegrityError, match="is replaced, and no erasure on record says so"):
        what_is_left.left_of(services, digest)


def test_what_is_left_of_a_hold_out_can_be_read(services: Services) -> None:
    done = erased(services)
    assert done.statement is not None
    for file in facts_of(done.statement)["files"]:
        assert what_is_left.left_of(services, file["digest"]) == file["left"]
        assert job_inputs.rows_path(services, file["digest"]).endswith(file["left"])


def test_a_backup_of_before_does_not_bring_the_rows_back_where_the_tombstones_are_kept(
    services: Services, tmp_path: Path
) -> None:
    backups.backup(services, admin(services), tmp_path / "before.tar")
    erased(services)
    backups.backup(services, admin(services), tmp_path / "after.tar")

    found = restores.restore(tmp_path / "after.tar", tmp_path / "after")
    assert found.erasures == 1
    with closing(open_workspace(tmp_path / "after")) as again:
        assert erasure_checks.examine(again).startswith("1 tombstone")
        assert doctor.diagnose(again, admin(again))
    assert patients.everything(tmp_path / "after") == []

    found = restores.restore(tmp_path / "before.tar", tmp_path / "before")
    assert found.erasures == 0
    after_restore.note_unknown(tmp_path / "before", found.made_at)
    assert patients.everything(tmp_path / "before") != []
    with closing(open_workspace(tmp_path / "before")) as again:
        with pytest.raises(UnavailableError, match=r"restored from a backup of .* may be here again"):
            erasure_checks.examine(again)
        taken = after_restore.take(again, DAEMON, services.paths.tombstones)
        assert (taken.found, taken.known, len(taken.carried_out)) == (1, 0, 1)
        assert after_restore.take(again, DAEMON, services.paths.root).known == 1
        assert erasure_checks.examine(again).startswith("1 tombstone")
        assert audits.examine(again, admin(again)).is_sound
        assert stored(again) == stored(services)
        said = json.loads(taken.carried_out[0].statement or "")
        assert (said["reason"], len(said["repeats"])) == (REASON, 64)
    assert patients.everything(tmp_path / "before") == []
    assert files_with(tmp_path / "before", PERSON.encode()) == []


def test_a_restored_workspace_of_a_log_that_goes_on_finds_the_tombstones_by_itself(
    services: Services, tmp_path: Path
) -> None:
    backups.backup(services, admin(services), tmp_path / "before.tar")
    erased(services)
    found = restores.restore(tmp_path / "before.tar", tmp_path / "again")

    root, another = services.paths.root, replace(found.head, hash="0" * 64)
    assert after_restore.live_workspace(root, tmp_path / "before.tar", found.head) == root
    assert after_restore.live_workspace(None, root / "backups" / "old.tar", found.head) == root
    assert after_restore.live_workspace(None, root / "backups" / "old.tar", another) is None


def test_a_backup_of_an_erasure_that_is_not_finished_is_restored_and_finished(
    services: Services, tmp_path: Path
) -> None:
    plan = planning.make_plan(services, admin(services), SELECTION, REASON).plan
    ordered = carrying_out.order(services, admin(services), plan.digest)
    carrying_out._erase_files(services, ordered.plan)
    backups.backup(services, admin(services), tmp_path / "middle.tar")

    restores.restore(tmp_path / "middle.tar", tmp_path / "again")

    with closing(open_workspace(tmp_path / "again")) as again:
        with pytest.raises(UnavailableError, match="not finished"):
            erasure_checks.examine(again)
        assert len(carrying_out.finish(again, admin(again))) == 1
        assert erasure_checks.examine(again).startswith("1 tombstone")
    assert patients.everything(tmp_path / "again") == []


def test_no_backup_is_made_while_an_erasure_goes_on_and_none_goes_on_while_one_is_made(
    services: Services, tmp_path: Path
) -> None:
    plan = planning.make_plan(services, admin(services), SELECTION, REASON).plan
    ordered = carrying_out.order(services, admin(services), plan.digest)
    with (
        turn(services.paths.copying_lock, "", alone=False),
        pytest.raises(UnavailableError, match="order stands"),
    ):
        carrying_out.carry_out(services, admin(services), ordered)
    with (
        turn(services.paths.copying_lock, "", alone=True),
        pytest.raises(UnavailableError, match="try again"),
    ):
        backups.backup(services, admin(services), tmp_path / "now.tar")
    assert not (tmp_path / "now.tar").exists()
    assert carrying_out.carry_out(services, admin(services), ordered).is_complete


def test_a_tombstone_that_was_changed_is_not_taken(services: Services, tmp_path: Path) -> None:
    erased(services)
    (file,) = services.paths.tombstones.iterdir()
    file.write_text(file.read_text().replace("ticket 4711", "ticket 4712"))
    with pytest.raises(IntegrityError, match="its signature is not over its statement"):
        tombstones.read_files(services.paths.tombstones)


def test_what_stands_against_an_erasure(services: Services) -> None:
    who = admin(services)
    with pytest.raises(InvalidInputError, match="nothing is named"):
        planning.make_plan(services, who, Selection(), REASON)
    with pytest.raises(InvalidInputError, match="the reason holds the value that names the person"):
        planning.make_plan(services, who, SELECTION, f"asked by {PERSON}")
    plan = planning.make_plan(services, who, SELECTION, REASON).plan
    with pytest.raises(NotAllowedError):
        carrying_out.order(services, actor(services, SCIENTIST), plan.digest)
    hold = retention.place_hold(services, who, "a lawsuit", model="demo")
    with pytest.raises(ConflictError, match="legal hold 1 stands on model demo"):
        carrying_out.order(services, who, plan.digest)
    retention.lift_hold(services, who, hold.id, "settled")
    queue(services)
    patients.claim(services)
    with pytest.raises(ConflictError, match="job 2 runs, and may have read the rows"):
        carrying_out.order(services, who, plan.digest)
    assert stored(services)
    with services.registry.read() as connection:
        assert erasures.every(connection) == []


def test_under_dual_control_another_admin_proposes_it(services: Services) -> None:
    who = admin(services)
    workspaces.grant_role(services, who, "fay", Role.ADMIN)
    proposals.set_dual_control(services, who, on=True)
    plan = planning.make_plan(services, who, SELECTION, REASON).plan
    with pytest.raises(NotAllowedError, match="may not erase a person's rows alone"):
        carrying_out.order(services, who, plan.digest)
    words = ["erase", "apply", plan.digest[:12]]
    number = proposals.propose(services, actor(services, "fay"), words, "asked for").id
    with proposals.accepting(services, who, number):
        ordered = carrying_out.order(services, who, plan.digest[:12])
        assert services.second == Second("fay", number)
    assert stored(services)[4][1] == PERSON  # ordered, and not carried out before the acceptance is on record
    (done,) = carrying_out.finish(services, who)
    assert (done.id, done.second) == (ordered.id, "fay")
    assert patients.everything(services.paths.root) == []


def test_a_tombstone_that_somebody_has_signed_themselves_takes_two_people_too(
    services: Services, tmp_path: Path
) -> None:
    """A file with a plan and a key of one's own is quickly written: dual control must not be walked round by it."""
    who = admin(services)
    workspaces.grant_role(services, who, "fay", Role.ADMIN)
    plan = planning.make_plan(services, who, SELECTION, REASON).plan
    key, place = signing_keys.make_key(), tmp_path / "forged"
    erasure = Erasure(
        id=1, plan=plan, plan_digest=plan.digest, reason=REASON, ordered_by="fay", second="ada", repeats="",
        recorded_at=services.now(),
    )  # fmt: skip
    statement = tombstone(erasure, [], [], {}, (1, "0" * 64), services.now())
    plain = {
        "form": "pilothouse/erasure-file/1",
        "plan": to_plain(plan),
        "statement": statement.decode(),
        "signature": signing_keys.sign(key, statement).hex(),
        "public_key": signing_keys.public_part(key).decode(),
    }
    place.mkdir()
    (place / "forged.json").write_text(json.dumps(plain))
    proposals.set_dual_control(services, who, on=True)
    before = stored(services)
    with pytest.raises(NotAllowedError, match="may not erase a person's rows alone"):
        after_restore.take(services, who, place)
    assert carrying_out.list_erasures(services, who) == []
    assert stored(services) == before
    number = proposals.propose(services, actor(services, "fay"), ["erase", "take", str(place)], "kept").id
    with proposals.accepting(services, who, number):
        assert len(after_restore.take(services, who, place).carried_out) == 1
    assert stored(services) == before  # ordered, and not carried out before the acceptance is on record
    (done,) = carrying_out.finish(services, who)
    assert (done.second, len(done.repeats)) == ("fay", 64)
    assert patients.everything(services.paths.root) == []


def test_a_plan_of_before_another_erasure_is_made_anew(services: Services) -> None:
    who = admin(services)
    selections = SELECTION, Selection(where=(("patient_id", OTHER),))
    first, second = (planning.make_plan(services, who, selection, REASON).plan for selection in selections)
    ordered = carrying_out.order(services, who, first.digest)
    with pytest.raises(ConflictError, match="make the plan anew"):
        carrying_out.order(services, who, second.digest)
    carrying_out.carry_out(services, who, ordered)
    with pytest.raises(ConflictError, match="make the plan anew"):
        carrying_out.order(services, who, second.digest)
    erased(services, selections[1])
    assert not {PERSON, OTHER} & {who for _, who, _, _ in stored(services)}


def test_predictions_are_named_by_ids_too(services: Services) -> None:
    row = PEOPLE.index(PERSON)
    ids = (f"ewr-1.0.{row}", f"{PERSON}/{row}", f"{PERSON}/later")
    plan = planning.make_plan(services, admin(services), Selection(predictions=ids)).plan
    assert [len(one.offsets) for one in plan.batches] == [1, 1]
    assert (len(plan.waiting), plan.files, plan.ids) == (1, (), 3)


def test_a_stranger_verifies_the_tombstone_with_openssl_and_python(
    services: Services, tmp_path: Path
) -> None:
    erased(services)
    exports.write(exports.export(services, admin(services), 1), tmp_path / "for you")

    readme = (tmp_path / "for you" / "README.txt").read_text()
    commands = [line for line in readme.splitlines() if line.startswith(("openssl ", "python3 "))]
    assert len(commands) == 3
    for command in commands:
        said = subprocess.run(
            command.split(), cwd=tmp_path / "for you", capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, (command, said.stdout, said.stderr)
    statement = tmp_path / "for you" / "tombstone.json"
    statement.write_text(statement.read_text().replace("ticket 4711", "ticket 4712"))
    said = subprocess.run(commands[0].split(), cwd=tmp_path / "for you", capture_output=True, check=False)
    assert said.returncode == 1


def test_a_second_person_leaves_what_the_first_has_left(services: Services) -> None:
    erased(services)
    erased(services, Selection(where=(("patient_id", OTHER),)))
    assert not {PERSON, OTHER} & {who for _, who, _, _ in stored(services)}
    with services.registry.read() as connection:
        run = runs.find(connection, 1)
    assert run is not None
    assert [line[-13:] for line in run.erased] == ["(tombstone 1)", "(tombstone 2)"]
    assert erasure_checks.examine(services).startswith("2 tombstones")
    assert write_state.check_seal(services)


def test_exported_predictions_are_named_and_a_repeat_of_the_export_takes_the_rows_out(
    services: Services, tmp_path: Path
) -> None:
    out, away = tmp_path / "out", tmp_path / "away"
    before = telemetry_export.export(services, admin(services), out, Selected())
    telemetry_export.export(services, admin(services), away, Selected())
    away.rename(tmp_path / "carried away")
    report = planning.make_plan(services, admin(services), SELECTION)
    (far, near) = report.exports
    assert far.startswith(f"{away}, exported on ")
    assert "was not searched" in far
    assert near.startswith(f"{out}/predictions/model=")
    erased(services)
    assert planning.make_plan(services, admin(services), SELECTION).exports == report.exports
    after = telemetry_export.export(services, admin(services), out, Selected())
    assert after.written == 1
    assert 0 < after.rows < before.rows
    assert planning.make_plan(services, admin(services), SELECTION).exports == (far,)
