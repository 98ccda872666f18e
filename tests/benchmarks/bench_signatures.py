"""What a signature adds to an approval: the same approval with and without, in turns, in one process.

``python tests/benchmarks/bench.py signatures``; more or fewer with the environment's ``APPROVALS``.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import show

from fixtures.registries import Example, make_example
from pilothouse.domain.identity.ssh_keys import read_key
from pilothouse.domain.promotion.statements import Component
from pilothouse.operations.authorisation import present
from pilothouse.operations.identity import passphrases, users
from pilothouse.operations.promotion import promotions
from pilothouse.operations.promotion.components import (
    Passphrase,
    SecondComponent,
    Signed,
    statement_of,
)
from pilothouse.operations.promotion.rules_in_force import require_with_rules
from support.soft_keys import SoftKey

APPROVALS = int(os.environ.get("APPROVALS", "60"))
BOUND = 1.5
_SECRET = "a long enough one"


def run() -> None:
    """Every figure."""
    with tempfile.TemporaryDirectory() as folder:
        example = make_example(Path(folder) / "workspace")
        try:
            measured(example)
        finally:
            example.close()


def measured(example: Example) -> None:
    services, ada = example.services, example.actor("ada")
    soft = SoftKey()
    users.add_user(services, ada, "pat", keys=[read_key(soft.line)])
    passphrases.set_passphrase(services, example.actor("pat"), _SECRET)
    ways: dict[Component, Callable[[int], SecondComponent | None]] = {
        Component.NONE: lambda number: None,
        Component.KEY: lambda number: signed(example, soft, number),
        Component.PASSPHRASE: lambda number: Passphrase(_SECRET),
    }
    models = {component: f"model-{component}" for component in ways}
    for component, name in models.items():
        example.apply(name, promotion={"signature": str(component)})
    wall: dict[Component, list[float]] = {component: [] for component in ways}
    cpu: dict[Component, list[float]] = {component: [] for component in ways}
    for turn in range(APPROVALS):
        for component in sorted(ways, key=lambda one: (one.rank + turn) % len(ways)):
            name = models[component]
            example.pass_time(minutes=1)
            version = example.add_version(name)
            request = promotions.request_promotion(services, example.actor("sam"), f"{name}/{version.number}")
            pat, given = example.actor("pat"), ways[component](request.id)
            begun, used = time.perf_counter(), time.process_time()
            promotions.approve(services, pat, request.id, request.evidence_digest, "", given)
            wall[component].append(time.perf_counter() - begun)
            cpu[component].append(time.process_time() - used)
    for component in ways:
        seconds, cpu_seconds = statistics.median(wall[component]), statistics.median(cpu[component])
        against = ""
        if component is not Component.NONE:
            of_wall = seconds / statistics.median(wall[Component.NONE])
            of_cpu = cpu_seconds / statistics.median(cpu[Component.NONE])
            against = f"{of_wall:.2f} of the time without one, {of_cpu:.2f} of its CPU time"
        show(f"approval, {component.words}", f"{seconds * 1e3:.1f} ms", against)
    ratio = statistics.median(cpu[Component.KEY]) / statistics.median(cpu[Component.NONE])
    assert ratio <= BOUND, f"an approval with a signature takes {ratio:.2f} times as long"


def signed(example: Example, soft: SoftKey, number: int) -> Signed:
    """Statement and signature, as an agent would have made them before the approval."""
    with example.services.registry.read() as connection:
        request = require_with_rules(connection, number)
        at = present(example.services, connection)
        key = soft.public.fingerprint
        data = statement_of(connection, request, "approve", "", "pat", key, at).to_bytes()
    return Signed(soft.sshsig(data), data)
