"""What is read of the registry for metrics and lineage, and how far each export has come."""
