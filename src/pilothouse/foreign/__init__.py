"""Registries of others, read and never written: MLflow's server by REST, its SQLite file, and the files of its versions."""
