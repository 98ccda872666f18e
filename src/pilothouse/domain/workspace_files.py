"""Files of a workspace beside its models that ``apply`` reads, each described in one place and written by people."""

from pilothouse.domain.integrations.integration_file import INTEGRATIONS_FILE
from pilothouse.domain.models.target_file import TARGETS_FILE
from pilothouse.domain.outbox.settings_file import ALERTS_FILE
from pilothouse.domain.rollouts.plan_file import PLANS_FILE

WORKSPACE_FILES = (TARGETS_FILE, PLANS_FILE, INTEGRATIONS_FILE, ALERTS_FILE)
"""Their names, below the workspace's root. Backups hold them, and what two people agree on is bound to them."""
