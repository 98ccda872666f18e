"""``make soak-ingest``: kill the process that takes telemetry in, several hundred times, at random moments.

``python tests/telemetry/soak_kills.py [KILLS] [SEED]``; ends with an error at the first row lost or counted twice.
"""

import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

if __name__ == "__main__":
    from test_safety import soak

    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        soak(Path(folder), kills, seed)
    print(f"{kills} kills: nothing acknowledged was lost, nothing counted twice")
