"""Versions of ``delay``, or of a model like it, in a small workspace, registered as after a training, and promoted."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from pilothouse.domain.jobs.jobs import JobStatus
from pilothouse.domain.records import Snapshot, VersionStatus
from pilothouse.inference.safe_format import dump_model
from pilothouse.inference.schema import InputColumn, InputSchema
from pilothouse.operations.promotion import promotions
from pilothouse.statistics import reference as references
from pilothouse.statistics.profiles.specification import ProfileSpecification, build_specification
from pilothouse.store.models import models, versions
from pilothouse.store.work import jobs, runs
from support.small_workspace import SmallWorkspace

SCHEMA = InputSchema(
    "delay", "binary", ("0", "1"), "at", (InputColumn("wind", "number"), InputColumn("load", "number"))
)
NOW = datetime(2025, 3, 1, tzinfo=UTC)


def register(
    shop: SmallWorkspace, number: int, model_name: str = "delay", *, watched: bool = False
) -> tuple[str, str]:
    """A version of a model such as ``delay`` as a finished training leaves it; returns the digests of model and schema.
    ``watched``: with a reference by which its performance is judged; without one nothing of it is."""
    from pilothouse.training.models.estimators import build_pipeline

    rng = np.random.default_rng(number)
    rows = rng.normal(10, 3, (400, 2))
    pipeline = build_pipeline(
        "sklearn.ensemble.HistGradientBoostingClassifier", {"max_iter": 5}, SCHEMA, seed=number, threads=1
    )
    import pandas as pd

    pipeline.fit(pd.DataFrame(rows, columns=["wind", "load"]), (rows[:, 0] > 10).astype(int))
    columns = {"wind": rows[:, 0], "load": rows[:, 1]}
    specification = build_specification("binary", columns, {}, rng.random(400), ("0", "1"))
    store, of = shop.services.artifacts, replace(SCHEMA, model=model_name)
    model_bytes = dump_model(pipeline)
    model, schema = store.put_bytes(model_bytes), store.put_bytes(of.to_bytes())
    other = store.put_bytes(f"snapshot {number}".encode())
    snapshot = Snapshot(other, other, other, 400, 300, 100, NOW, NOW, NOW)
    with shop.services.registry.transaction() as connection:
        stored = models.spec_in_force(connection, model_name)
        found = models.find(connection, model_name)
        assert stored is not None
        assert found is not None
        training = jobs.NewJob(
            kind="train", model_id=found.id, spec_id=stored.id, created_by="sam", reason="", options={}
        )
        job = jobs.add(connection, training, at=NOW)
        jobs.end_waiting(connection, job, JobStatus.SUCCEEDED, "", at=NOW)
        key = runs.add_snapshot(connection, snapshot, schema={}, at=NOW)
        run = runs.NewRun(
            found.id,
            job,
            stored.id,
            key,
            None,
            stored.spec,
            {},
            0,
            "sam",
            "",
            NOW,
            NOW,
            1.0,
            1.0,
            {},
            {},
            {},
            None,
        )
        run_id = runs.add(connection, run, {}, at=NOW)
        version = versions.NewVersion(
            model_id=found.id,
            number=number,
            run_id=run_id,
            status=VersionStatus.CANDIDATE,
            model_digest=model,
            model_bytes=len(model_bytes),
            schema_digest=schema,
            profile_spec_digest=store.put_bytes(specification.to_bytes()),
            reference_digest=store.put_bytes(_reference(specification, rows)) if watched else other,
            predictions_digest=other,
        )
        versions.add(connection, version, at=NOW)
    return model, schema


def _reference(specification: ProfileSpecification, rows: np.ndarray) -> bytes:
    """Reference of a version that is nearly always right: half of the rows are those it was trained on."""
    late = rows[:, 0] > 10
    scores = np.where(late, 0.7, 0.3) + 0.02 * (rows[:, 1] - 10)
    texts = late.astype(int).astype(str).astype(object)
    dated = references.DatedRows(
        np.arange(len(rows)) // 20, {"wind": rows[:, 0], "load": rows[:, 1]}, {}, scores, texts, texts
    )
    trained = np.arange(len(rows)) < len(rows) // 2
    built = references.build_reference(specification, "auc", dated.where(trained), dated.where(~trained), {})
    return references.encode(specification, built)


def promote(shop: SmallWorkspace, number: int, *targets: str) -> None:
    """Put a version live on ``ewr``, or on the targets that are named."""
    on = list(targets) or ["ewr"]
    asked = promotions.request_promotion(shop.services, shop.scientist, f"delay/{number}", on, "a test")
    promotions.approve(shop.services, shop.approver, asked.id, asked.evidence_digest)
