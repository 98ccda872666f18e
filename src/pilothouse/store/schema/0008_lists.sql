-- What the lists of incidents and deployments are sorted and filtered by.
CREATE INDEX alerts_in_incident ON alerts (incident_id, effective_at, status, severity, target_id);
CREATE INDEX alerts_by_time ON alerts (effective_at, id);
CREATE INDEX alerts_searched ON alerts (incident_id, lower(kind || ' ' || subject || ' ' || summary));
CREATE INDEX incidents_standing ON incidents (id) WHERE merged_into IS NULL;
CREATE INDEX incidents_of_model ON incidents (model_id, id) WHERE merged_into IS NULL;
CREATE INDEX incidents_by_person ON incidents (assignee, id) WHERE merged_into IS NULL;
CREATE INDEX deployments_by_time ON deployments (effective_at, id);
CREATE INDEX deployments_by_record ON deployments (recorded_at, id);
CREATE INDEX deployments_by_end ON deployments (coalesce(ended_effective_at, 9223372036854775807), id);
CREATE INDEX deployments_by_kind ON deployments (kind, id);
CREATE INDEX deployments_by_person ON deployments (actor, id);
CREATE INDEX deployments_searched ON deployments (id, lower(kind || ' ' || actor || ' ' || reason), model_id, target_id);
CREATE INDEX deployments_live_of_version ON deployments (version_id) WHERE ended_at IS NULL;
