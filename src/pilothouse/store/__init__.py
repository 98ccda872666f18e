"""SQL on the registry: connection, migrations, one repository for each noun, the chained audit log."""
