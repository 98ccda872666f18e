"""SQL on other sites that are followed."""
