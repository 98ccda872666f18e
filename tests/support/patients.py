"""A workspace with patients in it: rows of a training, answers on the hold-out, logs, predictions of two kinds, backups."""

import io
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilothouse.composition import open_workspace
from pilothouse.domain.erasure import Plan, Selection
from pilothouse.domain.formats.wire import Outcome, PredictionBatch, RequestTiming
from pilothouse.domain.identity.roles import Actor
from pilothouse.operations.erasure import residue
from pilothouse.operations.jobs import results
from pilothouse.operations.services import Services
from pilothouse.statistics.profiles.specification import build_specification
from pilothouse.telemetry.intake.admission import VersionFacts
from pilothouse.telemetry.rows.columns import decode_features, decode_predictions
from support.job_workspace import ADMIN, actor, applied, claim, outcome_of, queue

PERSON, OTHER = "PAT-0857-Q", "PAT-0035-Q"
ROWS, HELD_OUT = 100, 14
NOW_US = 1_790_000_000_000_000
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = [PERSON if i % 9 == 4 else OTHER if i % 9 == 5 else f"PAT-{i:04d}-Q" for i in range(ROWS)]
SELECTION = Selection(where=(("patient_id", PERSON),))


def table() -> pa.Table:
    """The rows of the training, those of the person among them."""
    return pa.table(
        {
            "at": pa.array([_FIRST + timedelta(days=i) for i in range(ROWS)], pa.timestamp("us", "UTC")),
            "patient_id": PEOPLE,
            "distance": [float(i) for i in range(ROWS)],
            "carrier": pa.array(["AA" if i % 2 else "UA" for i in range(ROWS)]),
            "late": [i % 2 for i in range(ROWS)],
        }
    )


def parquet(rows: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(rows, out, compression="zstd")
    return out.getvalue()


def make(root: Path) -> Services:
    """The workspace with version demo/1, and predictions of it."""
    services = applied(root)
    train(services)
    predict(services)
    return services


def train(services: Services) -> None:
    """A training whose files are real tables."""
    queue(services)
    held = claim(services)
    rows = table()
    counted = {PERSON: PEOPLE.count(PERSON), OTHER: PEOPLE.count(OTHER), PEOPLE[0]: 1}
    column = {"name": "patient_id", "kind": "category", "missing": 0, "distinct": 80, "frequent": counted}
    outcome = outcome_of(services, held, snapshot={"columns": [column]})
    cut = ROWS - HELD_OUT
    answers = pa.table({"score": np.linspace(0, 1, HELD_OUT), "label": ["1"] * HELD_OUT})
    for step, files in {
        "snapshot": {"snapshot": rows, "train": rows.slice(0, cut), "holdout": rows.slice(cut)},
        "evaluate": {"predictions": answers},
    }.items():
        for name, part in files.items():
            Path(outcome.steps[step].outputs[name]).write_bytes(parquet(part))
    folder = Path(outcome.steps["fit"].outputs["model"]).parent
    (folder / "log.txt").write_text(f"begun\nlook at {PERSON}\nended\n")
    (folder / "result.json").write_text(f'{{"odd": "{PERSON}"}}')
    results.record_training(services, held, outcome)


SPECIFICATION = build_specification(
    "binary",
    {"distance": np.arange(200.0)},
    {"carrier": ["AA", "UA"] * 100, "patient_id": ["x", "y"] * 100},
    np.linspace(0, 1, 200),
    ("0", "1"),
)


def lookup(model: str, version: int) -> VersionFacts | None:
    return VersionFacts(SPECIFICATION)


def batch(
    sequence: int, people: Sequence[str], ids: Sequence[str] = (), model: str = "demo"
) -> PredictionBatch:
    """A batch as a serving process sends it, a row a person."""
    count = len(people)
    times = np.array([NOW_US - 10_000_000_000 + i * 1_000_000 for i in range(count)], "<i8")
    return PredictionBatch(
        producer="ewr-1", sequence=sequence, model=model, version=1, target="ewr", rows=count,
        event_times=times.tobytes(), scores=np.linspace(0.1, 0.9, count).astype("<f8").tobytes(),
        labels=["1"] * count, requests=[RequestTiming(count, 900, NOW_US)],
        numeric={"distance": np.arange(count, dtype="<f8").tobytes()},
        categorical={"carrier": ["AA"] * count, "patient_id": list(people)}, foreign_ids=list(ids),
    )  # fmt: skip


def predict(services: Services) -> None:
    """Two batches with rows of the person, one under ids of its sender that name her, with outcomes; and one that waits."""
    store = services.telemetry
    store.append(batch(0, PEOPLE[:20]), lookup, NOW_US)
    store.append(batch(1, PEOPLE[:10], [f"{who}/{i}" for i, who in enumerate(PEOPLE[:10])]), lookup, NOW_US)
    known = [Outcome(f"ewr-1.0.{i}", "1" if i % 2 else "0") for i in range(20)]
    waits = [Outcome(f"{PERSON}/later", "1"), Outcome("ewr-1.0.4", "1")]  # the second contradicts
    store.add_outcomes([*known, *waits], NOW_US)


def admin(services: Services) -> Actor:
    return actor(services, ADMIN)


def everything(root: Path) -> list[str]:
    """Every place below a folder in which the person stands, with what is packed in files and databases."""
    with closing(open_workspace(root)) as services:
        return residue.search(services, [PERSON], Plan("", (), 0, ""))


def blobs(services: Services) -> list[bytes]:
    """A piece out of each packed part of a segment, as it lies on the disk."""
    with services.telemetry.read() as connection:
        rows = connection.execute("SELECT predictions, features FROM segments").fetchall()
    return [part[24:88] for row in rows for part in row]


def stored(services: Services) -> list[tuple[int, str, float, str]]:
    """(batch, patient, score, outcome known) of each stored prediction, in their order."""
    found = []
    with services.telemetry.read() as connection:
        for segment, head, body in connection.execute(
            "SELECT id, predictions, features FROM segments ORDER BY id"
        ):
            predictions, features = decode_predictions(head), decode_features(body)
            for batch_id, first, count in connection.execute(
                "SELECT id, segment_start, rows FROM batches WHERE segment_id=? ORDER BY segment_start",
                (segment,),
            ).fetchall():
                row = connection.execute("SELECT data FROM outcomes WHERE batch_id=?", (batch_id,)).fetchone()
                outcomes = np.frombuffer(row[0], "<u2") if row else np.full(count, 0xFFFF)
                assert len(outcomes) == count
                people = features.categorical["patient_id"].texts()[first : first + count]
                scores = predictions.scores[first : first + count]
                found += [
                    (batch_id, str(who), float(score), str(outcome))
                    for who, score, outcome in zip(people, scores, outcomes, strict=True)
                ]
    return found
