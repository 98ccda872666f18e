"""For the auditor: inventory and reviews of models, dossiers of versions, exports of the audit log."""
