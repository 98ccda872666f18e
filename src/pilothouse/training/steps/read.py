"""``read`` step: the rows of a source by URL, written down for the snapshot. Runs no user code and opens no model file.

Where the source is on a network this step alone may open connections, to public addresses and those of the option ``allow``,
and reads no file of this machine but its libraries.
Input: ``source`` (a path) where it is on this machine. Output: ``source`` (parquet, without private and excluded columns).
Record: ``kind``, ``rows``, ``dialect``, and what was read: ``version``, ``snapshot``, ``sha256``, or ``objects`` with ETag and
version id.
"""

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq

from pilothouse.domain.jobs.jobs import StepRequest, StepResult
from pilothouse.domain.models.model_spec import ConnectionSpec
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import training_form
from pilothouse.tables.urls.fetching import Wanted, fetch
from pilothouse.training.steps.common import Report, output_path, spec_of, step


@step
def run(request: StepRequest, report: Report) -> StepResult:
    """Read the source and write its rows."""
    spec = spec_of(request)
    connection = spec.data.connection or ConnectionSpec()
    url = source_url(spec.data.source)
    if "source" in request.inputs:
        url = replace(url, location=request.inputs["source"])
    report(0.05, f"reading {url.kind}", {})
    wanted = Wanted(
        url=url,
        form=training_form(spec),
        query=spec.data.query,
        version=connection.version,
        timeout_s=connection.timeout,
        memory_mb=request.memory_mb,
        threads=request.threads,
        allow=tuple(request.options.get("allow", ())),
        secret=request.secret,
    )
    fetched = fetch(wanted, Path(request.folder) / "objects")
    report(0.9, f"{fetched.table.num_rows} rows were read", {"rows": fetched.table.num_rows})
    path = output_path(request, "rows.parquet")
    pq.write_table(fetched.table, path, compression="zstd")
    return StepResult(
        ok=True, outputs={"source": str(path)}, record={**fetched.facts, "dialect": fetched.dialect}
    )
