"""Plans of roll-outs: taken in from ``plans.toml``, and which one a model's versions go out by."""
