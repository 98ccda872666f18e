-- Of what is live: since when, how it came, by whom and why, kept beside the state so that deployments are sorted by them along
-- indexes. They are written with the state.
ALTER TABLE deployment_states ADD COLUMN live_since INTEGER;
ALTER TABLE deployment_states ADD COLUMN live_how TEXT;
ALTER TABLE deployment_states ADD COLUMN live_by TEXT;
ALTER TABLE deployment_states ADD COLUMN live_reason TEXT;
UPDATE deployment_states SET (live_since, live_how, live_by, live_reason) =
  (SELECT d.effective_at, d.kind, d.actor, d.reason FROM deployments d WHERE d.id = deployment_states.deployment_id)
WHERE deployment_id IS NOT NULL;
CREATE INDEX deployment_states_by_deployment ON deployment_states (live_since, id);
CREATE INDEX deployment_states_by_kind ON deployment_states (live_how, id);
CREATE INDEX deployment_states_by_person ON deployment_states (live_by, id);
CREATE INDEX deployment_states_by_words ON deployment_states (live_reason, id);
