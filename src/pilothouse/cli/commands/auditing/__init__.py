"""Commands for the auditor: log, dossier, inventory, erasure."""
