"""Pure: domain values to table cells, texts and chart descriptions. Shared by the console and the command line."""
