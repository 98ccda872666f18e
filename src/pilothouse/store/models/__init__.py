"""SQL on models, versions and targets."""
