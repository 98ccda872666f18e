"""The Python package: what a program says and is told. It holds no database; a desk of its own does (``desk``)."""
