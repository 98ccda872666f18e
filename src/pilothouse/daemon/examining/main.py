"""Main function of the process that examines a registry: ``python -I -m pilothouse.daemon.examining.main ROOT``.

It reads every row that decides, which takes minutes where there are millions, and writes nothing: what it found goes to its
standard output as one line of JSON, and the daemon acts on it. It gives way to everything else on the machine, and ends with
the daemon.
"""

import json
import os
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from pilothouse.composition import check_schema, open_workspace
from pilothouse.domain.errors import IntegrityError, PilothouseError
from pilothouse.operations.workspace import write_state
from pilothouse.operations.workspace.write_state import Examined
from pilothouse.system.processes import die_with_parent

_NICE = 10


def main() -> int:
    """Examine, and say what was found, or that it could not be examined."""
    die_with_parent()
    os.nice(_NICE)
    root = Path(sys.argv[1])
    try:
        check_schema(root)  # a release that was installed meanwhile changes nothing from here
        with closing(open_workspace(root)) as services:
            found = write_state.examine(services)
    except IntegrityError as error:
        found = Examined(str(error))
    except PilothouseError as error:
        sys.stdout.write(json.dumps({"error": str(error)}))
        return 0
    sys.stdout.write(json.dumps(asdict(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
