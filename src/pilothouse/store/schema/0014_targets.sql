-- Targets described once, with labels. "listed": in targets.toml as it was applied last.
ALTER TABLE targets ADD COLUMN environment TEXT NOT NULL DEFAULT '';
ALTER TABLE targets ADD COLUMN port INTEGER CHECK (port IS NULL OR port BETWEEN 1 AND 65535);
ALTER TABLE targets ADD COLUMN labels TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels));
ALTER TABLE targets ADD COLUMN listed INTEGER NOT NULL DEFAULT 0 CHECK (listed IN (0, 1));
CREATE INDEX model_targets_of_target ON model_targets (target_id);
