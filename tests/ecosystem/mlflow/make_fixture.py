"""Makes ``tests/fixtures/mlflow``: a small store that MLflow itself has written, and the answers of its server for an import.

``PYTHONPATH=tests .venv/bin/python tests/ecosystem/mlflow/make_fixture.py .ecosystem/mlflow/bin/python``
"""

import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from ecosystem.mlflow.server import tracking_server
from pilothouse.foreign.opening import open_mlflow
from support.recorded_http import Answers, served, write_answers

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures" / "mlflow"


def main() -> None:
    python = Path(sys.argv[1]).absolute()
    FIXTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "store"
        # MLflow notes the repository that a script lies in
        script = shutil.copy(HERE / "write_small.py", name)
        subprocess.run([python, script, folder], check=True, cwd=name)
        for pickle in folder.rglob("*.pkl"):
            pickle.write_bytes(b"a pickle was here\n")  # nobody loads it, here neither
        answers: Answers = {}
        with tracking_server(python, folder) as upstream, served(answers, upstream) as (address, _):
            source = open_mlflow(address)
            models = [one for page in source.models(()) for one in page]
            assert models
            versions = [one for page in source.versions(()) for one in page]
            for _ in source.runs(sorted({one.run for one in versions}), frozenset()):
                pass
            for version in versions:
                for file in source.files(version):
                    if not file.path.endswith(".pkl"):
                        b"".join(file.chunks())
            source.close()
        write_answers(FIXTURES / "server.json.gz", answers)
        with zipfile.ZipFile(FIXTURES / "store.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    archive.write(path, path.relative_to(folder).as_posix())


if __name__ == "__main__":
    main()
