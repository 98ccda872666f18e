"""Cost of the transparency log: its share of a transaction, verification beside the chain alone, proofs at a million rows.

``python tests/benchmarks/bench_transparency.py [ROWS]``; CPU time, medians.
"""

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bench import show

from pilothouse.composition import open_workspace
from pilothouse.domain.identity.roles import DAEMON, Actor
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import anchored, heads, proofs
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.sqlite import Connection
from pilothouse.store.log import audit, log_tree

_BETWEEN_HEADS = heads.EVERY_ROWS
_TRANSACTIONS, _ROUNDS = 512, 7


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with tempfile.TemporaryDirectory() as folder:
        workspaces.initialise(Path(folder) / "w", "ada")
        services = open_workspace(Path(folder) / "w")
        ada = workspaces.identify(services, "ada")
        transactions(services)
        fill(services, rows)
        verification(services, ada, rows)
        tree(services, ada, rows)
        services.close()


def transactions(services: Services) -> None:
    """Transactions with one entry each, of which two complete a subtree; the tree's part is timed inside of them."""
    grow, inside = log_tree.grow, [0.0]

    def timed(connection: Connection, before: int, after: int) -> None:
        begun = time.process_time()
        grow(connection, before, after)
        inside[0] += time.process_time() - begun

    def run() -> float:
        inside[0] = 0.0
        begun = time.process_time()
        for number in range(_TRANSACTIONS):
            add(services, 1, number)
        return time.process_time() - begun

    log_tree.grow = timed
    runs = [(run(), inside[0]) for _ in range(_ROUNDS)]
    log_tree.grow = grow
    show(
        "a transaction with one entry",
        f"{statistics.median(whole for whole, _ in runs) / _TRANSACTIONS * 1e6:.0f} µs",
    )
    show("share of the tree", f"{statistics.median(part / whole for whole, part in runs):.2%}")


def add(services: Services, count: int, number: int = 0) -> None:
    at: datetime = services.now()
    detail = {"reason": "a benchmark", "before": number}
    changes = [("tests.wrote", f"row {number + i}", detail) for i in range(count)]
    with services.registry.transaction() as connection:
        audit.append_all(connection, at=at, actor="tests", changes=changes)


def fill(services: Services, rows: int) -> None:
    for first in range(0, rows, _BETWEEN_HEADS):
        add(services, min(_BETWEEN_HEADS, rows - first), first)
        heads.sign(services, DAEMON)


def cpu(act: Callable[[], object]) -> float:
    begun = time.process_time()
    act()
    return time.process_time() - begun


def verification(services: Services, ada: Actor, rows: int) -> None:
    heads.sign(services, ada)
    chain, compared = [], []
    for _ in range(3):
        chain.append(cpu(lambda: audits.verify_chain(services, ada)))
        compared.append(cpu(lambda: anchored.compare(services, ada)))
    ratio = statistics.median((a + b) / a for a, b in zip(chain, compared, strict=True))
    show(f"chain of {rows:,} rows", f"{statistics.median(chain):.2f} s")
    show(
        f"tree and {rows // _BETWEEN_HEADS:,} signed heads beside it", f"{statistics.median(compared):.2f} s"
    )
    show("both together against the chain alone", f"{ratio:.2f} ×")


def tree(services: Services, ada: Actor, rows: int) -> None:
    olds = [rows // 7 * part + 13 for part in range(1, 7)]
    times = [cpu(lambda old=old: proofs.consistency(services, ada, old)) for old in olds]  # type: ignore[misc]
    show("a proof of consistency with its two roots, longest", f"{max(times) * 1e3:.1f} ms")
    times = [cpu(lambda seq=seq: proofs.row_proof(services, ada, seq)) for seq in olds]  # type: ignore[misc]
    show("a proof of a row, longest", f"{max(times) * 1e3:.1f} ms")
    add(services, 1)
    show("a head signed", f"{cpu(lambda: heads.sign(services, ada)) * 1e3:.1f} ms")

    def again() -> None:
        with services.registry.transaction() as connection:
            for name in ("update", "delete"):
                connection.execute(f"DROP TRIGGER log_subtrees_refuses_{name}")
            connection.execute("DELETE FROM log_subtrees")
            log_tree.grow(connection, 0, audit.head(connection).count)

    show("the tree of an older workspace made at its opening", f"{cpu(again):.2f} s")


if __name__ == "__main__":
    main()
