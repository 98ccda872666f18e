"""The program that verifies a proof on a machine without Pilothouse; it is handed out as it is."""
