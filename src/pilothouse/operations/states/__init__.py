"""States of deployments and models: computed from the registry and from closed windows, kept on record."""
