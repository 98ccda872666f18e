"""A batch that was acknowledged survives kill -9, and counts once when it is sent again."""

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from pilothouse.telemetry import TelemetryStore, VersionFacts
from support.flight_batches import NOW_US, batches, flights, specification

CHILD = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from support.flight_batches import NOW_US, batches, flights, specification
    from pilothouse.telemetry import TelemetryStore, VersionFacts
    store, facts = TelemetryStore(Path(sys.argv[1])), VersionFacts(specification())
    for batch in batches(flights().iloc[30_000:34_000], 17):
        store.append(batch, lambda model, version: facts, NOW_US)
        print(batch.sequence, flush=True)
""")


def test_no_acknowledged_batch_is_lost_or_counted_twice(tmp_path: Path) -> None:
    tests = str(Path(__file__).resolve().parent.parent)
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path / "t.db"), tests], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    acknowledged = 0
    for line in child.stdout:
        acknowledged = int(line)
        if acknowledged == 25:
            child.send_signal(signal.SIGKILL)
            break
    acknowledged = int((child.stdout.read().split() or [acknowledged])[-1])
    child.wait()
    store, facts = TelemetryStore(tmp_path / "t.db"), VersionFacts(specification())
    sent = list(batches(flights().iloc[30_000:34_000], 17))
    receipts = [store.append(batch, lambda model, version: facts, NOW_US) for batch in sent]
    assert all(receipt.duplicate for receipt in receipts[:acknowledged])
    assert not receipts[-1].duplicate
    for level in (3_600, 86_400):
        windows = store.windows("flight-delay", 1, "ewr", level, 0, NOW_US)
        assert sum(w.rows for w in windows) == sum(w.profile.rows for w in windows) == 4_000
        assert sum(w.requests for w in windows) == len(sent)
    store.check()
    store.close()
