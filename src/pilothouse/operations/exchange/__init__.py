"""MLflow in and out: its registry imported as records of their own kind, versions of ours written as its models."""
