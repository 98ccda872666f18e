"""Sources by URL, read into Arrow tables: databases, DuckDB, objects of stores, Delta Lake and Iceberg tables."""
