"""Formats of others, written without their libraries: OpenSSF Model Signing, CycloneDX."""
