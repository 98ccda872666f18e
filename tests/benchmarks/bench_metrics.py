"""Processor time of the daemon's page of metrics on a fleet: ``PYTHONPATH=tests python tests/benchmarks/bench_metrics.py``.

``MODELS=100 TARGETS=100 SHOWN=1000`` are the size of the fleet and the deployments with series of their own.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from pilothouse.composition import open_workspace
from pilothouse.domain.formats import openmetrics
from pilothouse.domain.integrations.metric_table import families
from pilothouse.operations.integrations import metrics
from pilothouse.operations.workspace import apply_models, workspaces
from support import fleet_workspace, raw_writes

_TIMES = 21


def main() -> int:
    """Build the fleet, gather the page, print the figures."""
    raw_writes.allow()
    models, targets, shown = (
        int(os.environ.get(n, d)) for n, d in (("MODELS", 100), ("TARGETS", 100), ("SHOWN", 1_000))
    )
    with tempfile.TemporaryDirectory(prefix="ph-") as folder:
        root = Path(folder) / "w"
        fleet_workspace.build(root, models, targets, versions=1, audit=20_000)
        (root / "integrations.toml").write_text(f"[metrics]\ndeployments = {shown}\n")
        services = open_workspace(root)
        try:
            actor = workspaces.identify(services, fleet_workspace.ADMIN)
            apply_models.apply(services, actor)
            taken = []
            for _ in range(_TIMES):
                began = time.process_time()
                page = openmetrics.page(families(metrics.gather(services, actor)), openmetrics=True)
                taken.append(1_000 * (time.process_time() - began))
        finally:
            services.close()
    lines = page.count(b"\n")
    sys.stdout.write(
        f"{models * targets:,} deployments, {shown:,} shown: {min(taken):.0f} ms at best, {statistics.median(taken):.0f} ms in "
        f"the middle of {_TIMES}; {lines:,} lines, {len(page) / 1e6:.1f} MB\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
