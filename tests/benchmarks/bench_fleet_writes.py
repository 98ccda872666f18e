"""Writes of a large fleet, by CPU time: applying 1,000 models on 200 targets, an approval for 200 targets, log, doctor.

``python tests/benchmarks/bench.py fleet_writes``; smaller with the environment's ``FLEET_MODELS``, ``FLEET_TARGETS``.
"""

import csv
import os
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench import show

from fixtures.registries import Example, make_example
from pilothouse.operations.promotion import activation, promotions
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits, doctor
from pilothouse.store.log import audit
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.intake.admission import Clock

MODELS = int(os.environ.get("FLEET_MODELS", "1000"))
TARGETS = int(os.environ.get("FLEET_TARGETS", "200"))
LOG = int(os.environ.get("FLEET_LOG", "1000000"))
_REGIONS = ("us-east", "us-west", "eu", "asia")

MODEL = """
name = "{name}"
task = "binary"
owner = "team"

[data]
source = "../../data/rows.csv"
target = "late"
timestamp = "at"
features = ["wind", "load"]

[training]
estimator = "sklearn.linear_model.LogisticRegression"
seed = {seed}

[targets]
select = {{ environment = "production" }}
match = {{ place = "{{name}}" }}
"""


def run() -> None:
    """Every figure."""
    with tempfile.TemporaryDirectory() as folder:
        example = make_example(Path(folder) / "workspace")
        try:
            build(example.root)
            applies(example)
            approvals(example)
            logs(example)
        finally:
            example.close()


def build(root: Path, models: int = MODELS, targets: int = TARGETS) -> None:
    """Write the files of a fleet into a workspace: targets, models that select them all, and rows to train on."""
    (root / "targets.toml").write_text(
        "\n".join(
            f'[[target]]\nname = "t{i:03d}"\nregion = "{_REGIONS[i % 4]}"\nenvironment = "production"\n'
            f'labels = {{ tier = "{("gold", "silver")[i % 2]}" }}\n'
            for i in range(targets)
        )
    )
    for i in range(models):
        write_model(root, i)
    (root / "data").mkdir(exist_ok=True)
    chance = random.Random(1)
    with (root / "data" / "rows.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["at", "wind", "load", "place", "late"])
        for day in range(100):
            at = f"2026-01-01T{day % 24:02d}:00:00+00:00"
            writer.writerow([at, chance.gauss(10, 3), chance.random(), f"t{day:03d}", day % 2])


def write_model(root: Path, number: int, seed: int = 7) -> None:
    """Model file of one model of the fleet."""
    folder = root / "models" / f"m{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(MODEL.format(name=folder.name, seed=seed))


def applies(example: Example) -> None:
    """All models new, none changed, one changed."""
    services, sam = example.services, example.actor("sam")
    what = f"writes: apply {MODELS:,} models × {TARGETS} targets"
    with _holding(services) as held:
        show(what, f"{_seconds(lambda: apply_models.apply(services, sam)):.1f} s", "all new")
    show(f"{what}: the write lock", f"{sum(held):.1f} s")
    show(f"{what}, unchanged", f"{_seconds(lambda: apply_models.apply(services, sam)):.1f} s")
    write_model(example.root, 0, seed=8)
    show(f"{what}, one changed", f"{_seconds(lambda: apply_models.apply(services, sam)):.1f} s")


def approvals(example: Example) -> None:
    """The last approval of a request for every target, where every target has sent events."""
    services = example.services
    del services.event_clocks, services.event_clock  # the fixture's own clocks
    services.telemetry.clock("t000")
    at_us = int(example.time.timestamp() * 1e6)
    with services.telemetry.transaction() as connection:
        for i in range(TARGETS):
            streams.write_clocks(connection, {("m0000", f"t{i:03d}"): Clock(at_us, at_us)})
    pat, sam = example.actor("pat"), example.actor("sam")
    live, approved = [], []
    put_live: Callable[..., Any] = activation.put_live

    def timed(*arguments: Any, **options: Any) -> Any:
        began = time.process_time()
        try:
            return put_live(*arguments, **options)
        finally:
            live.append(time.process_time() - began)

    activation.put_live = timed
    try:
        for number in range(1, 6):
            before = tuple(range(1, number))[-1:]
            example.add_version("m0000", incumbents=before)
            request = promotions.request_promotion(services, sam, f"models:/m0000/{number}")
            approved.append(
                _seconds(lambda: promotions.approve(services, pat, request.id, request.evidence_digest))  # noqa: B023 - called at once
            )
    finally:
        activation.put_live = put_live
    show(f"writes: approval for {TARGETS} targets", f"{1e3 * sorted(approved)[2]:.0f} ms", "median of 5")
    show(f"writes: put live on {TARGETS} targets, with audit rows", f"{1e3 * sorted(live)[2]:.0f} ms")


def logs(example: Example) -> None:
    """The doctor at 100,000 rows; the chain of all rows computed again."""
    services, aud = example.services, example.actor("aud")
    for rows in (100_000, LOG):
        _log(services, rows)
        for full in (False, True):
            doctor_s = _seconds(lambda: doctor.diagnose(services, aud, full=full))  # noqa: B023 - called at once
            show(f"writes: doctor{' --full' if full else ''}, {rows:,} audit rows", f"{doctor_s:.2f} s")
        verify_s = _seconds(lambda: audits.verify_chain(services, aud))
        show(f"writes: audit verify, {rows:,} rows", f"{verify_s:.1f} s")


def _log(services: Services, rows: int) -> None:
    """Fill the log up to so many rows, as alerts, jobs and tokens would."""
    with services.registry.read() as connection:
        first = audit.head(connection).count
    actions = ("job.succeeded", "alert.opened", "alert.acknowledged", "token.issued")
    for begin in range(first, rows, 50_000):
        with services.registry.transaction() as connection:
            audit.append_all(
                connection,
                at=services.now() + timedelta(seconds=begin),
                actor="daemon",
                changes=[
                    (
                        actions[i % 4],
                        f"job {i}",
                        {"reason": "as the schedule says", "number": i, "share": 0.25},
                    )
                    for i in range(begin, min(rows, begin + 50_000))
                ],
            )


@contextmanager
def _holding(services: Services) -> Iterator[list[float]]:
    """Seconds for which the registry's write lock was held in here."""
    held: list[float] = []
    registry, transaction = services.registry, services.registry.transaction

    @contextmanager
    def timed() -> Iterator[Any]:
        with transaction() as connection:
            began = time.process_time()
            yield connection
        held.append(time.process_time() - began)

    registry.transaction = timed  # type: ignore[method-assign]
    try:
        yield held
    finally:
        del registry.transaction  # type: ignore[method-assign]


def _seconds(act: Callable[[], object]) -> float:
    began = time.process_time()
    act()
    return time.process_time() - began
