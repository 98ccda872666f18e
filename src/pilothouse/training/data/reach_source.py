"""Main function of a process that reads a source by URL or looks at it, where no job does: ``python -I -m`` this module.

The request comes on its standard input and the answer goes to its standard output, as JSON. It opens no database, and gives up,
by what the kernel offers, every file but the source, its libraries and ``folder``, before it opens the source.
"""

import json
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from pilothouse.confinement import confined, probe
from pilothouse.domain.errors import PilothouseError
from pilothouse.domain.models.model_spec import CsvSpec
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import ColumnKind, TableForm
from pilothouse.system.processes import die_with_parent


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What is to be said of a request: ``rows`` (a parquet file in its folder), ``columns`` or ``mark``; ``error`` and its
    ``kind`` where it failed."""
    folder = Path(request["folder"])
    url = source_url(request["source"])
    if not url.is_remote:
        url = replace(url, location=request["location"])
    offered = probe.try_here()  # before there are threads
    own = [] if url.is_remote else [Path(url.location)]
    network = list(confined.NETWORK_FILES) if url.is_remote else []
    confined.confine_step(offered, [*own, *network], folder, network=url.is_remote)
    tempfile.tempdir = str(folder)
    # libraries of data come after the confinement: some start threads
    import pyarrow.parquet as pq

    from pilothouse.tables.urls.fetching import Wanted, fetch
    from pilothouse.tables.urls.looking import look

    wanted = Wanted(
        url=url,
        form=form_of(request["form"]),
        query=request["query"],
        version=request["version"],
        timeout_s=request["timeout_s"],
        secret=request["secret"],
        allow=None if request["allow"] is None else tuple(request["allow"]),
        later=tuple(request["later"]),
    )
    try:
        if request["act"] == "rows":
            fetched = fetch(wanted, folder / "objects")
            pq.write_table(fetched.table, folder / "rows.parquet")
            return {"rows": str(folder / "rows.parquet"), "facts": fetched.facts}
        found = look(wanted, folder / "objects", timestamp=request["timestamp"])
        return {"columns": found.columns, "mark": found.mark}
    except PilothouseError as error:
        return {"error": str(error), "kind": type(error).__name__}


def form_of(plain: dict[str, Any]) -> TableForm:
    """Form of the table, as the request has it."""
    return TableForm(
        kinds={name: ColumnKind(kind) for name, kind in plain["kinds"].items()},
        missing=tuple(plain["missing"]),
        csv=CsvSpec(**plain["csv"]),
        timezone=plain["timezone"],
    )


def main() -> int:
    """Answer one request. What libraries print goes to standard error."""
    die_with_parent()
    said = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    request = json.load(sys.stdin)
    json.dump(answer(request), said, default=str)
    said.flush()
    os._exit(0)  # threads of drivers are not waited for


if __name__ == "__main__":
    sys.exit(main())
