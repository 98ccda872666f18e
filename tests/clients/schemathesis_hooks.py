"""What schemathesis cannot learn from a description: a body in csv."""

import schemathesis
from hypothesis import strategies as st

numbers = st.integers(-1_000, 1_000) | st.floats(-1e9, 1e9, allow_nan=False) | st.just("")
lines = st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5)
schemathesis.openapi.media_type(
    "text/csv",
    lines.map(lambda rows: ("distance,temp\n" + "".join(f"{a},{b}\n" for a, b in rows)).encode()),
)
