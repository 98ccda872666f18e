"""Cost of the transparency log: its share of a transaction, verification beside the chain alone, proofs at a million rows.

``python tests/benchmarks/bench_transparency.py [ROWS]``; CPU time, medians of pairs that are measured by turns.
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
from pilothouse.domain.roles import Actor
from pilothouse.operations.services import Services
from pilothouse.operations.transparency import anchored, heads, proofs
from pilothouse.operations.workspace import audits, workspaces
from pilothouse.store import audit, log_tree

_AT_ONCE = 20_000
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
    """Transactions with one entry each, with and without the tree, by turns: 512 entries complete two subtrees."""

    def run() -> float:
        begun = time.process_time()
        for number in range(_TRANSACTIONS):
            add(services, 1, number)
        return time.process_time() - begun

    grow, with_tree, without = log_tree.grow, [], []
    run()
    for _ in range(_ROUNDS):
        with_tree.append(run())
        log_tree.grow = lambda *_: None
        without.append(run())
        log_tree.grow = grow
        with services.registry.transaction() as connection:
            grow(connection, 0, audit.head(connection).count)
    per = 1e6 / _TRANSACTIONS
    share = statistics.median(a / b for a, b in zip(with_tree, without, strict=True)) - 1
    show("a transaction with one entry, with the tree", f"{statistics.median(with_tree) * per:.0f} µs")
    show("… without", f"{statistics.median(without) * per:.0f} µs")
    show("share of the tree", f"{share:+.1%}")


def add(services: Services, count: int, number: int = 0) -> None:
    at: datetime = services.now()
    detail = {"reason": "a benchmark", "before": number}
    changes = [("tests.wrote", f"row {number + i}", detail) for i in range(count)]
    with services.registry.transaction() as connection:
        audit.append_all(connection, at=at, actor="tests", changes=changes)


def fill(services: Services, rows: int) -> None:
    for first in range(0, rows, _AT_ONCE):
        add(services, min(_AT_ONCE, rows - first), first)


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
    show("tree, heads and anchors beside it", f"{statistics.median(compared):.2f} s")
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
