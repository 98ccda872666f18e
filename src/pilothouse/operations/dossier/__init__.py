"""What an auditor takes away: the dossier of a version, exports of the audit log."""
