"""Makes ``tests/fixtures/mlflow/sent.json.gz``: what MLflow's own server answers to a version that is sent to it twice.

``PYTHONPATH=tests .venv/bin/python tests/ecosystem/mlflow/make_sent_fixture.py .ecosystem/mlflow/bin/python``
"""

import sys
import tempfile
from pathlib import Path

from ecosystem.mlflow.server import tracking_server
from support import example, raw_writes
from support.mlflow_store import FIXTURES, send_twice
from support.recorded_http import Answers, served, write_answers


def main() -> None:
    python = Path(sys.argv[1]).absolute()
    with tempfile.TemporaryDirectory() as name:
        root, store = Path(name) / "workspace", Path(name) / "store"
        store.mkdir()
        raw_writes.allow()
        example.build(root)
        answers: Answers = {}
        with (
            example.opened(root) as services,
            tracking_server(python, store) as upstream,
            served(answers, upstream, in_turn=True) as (address, _),
        ):
            send_twice(services, address)
        write_answers(FIXTURES / "sent.json.gz", answers)


if __name__ == "__main__":
    main()
