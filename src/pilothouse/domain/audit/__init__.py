"""What an auditor asks for: inventory, lineage, dossiers, anchors of the log."""
