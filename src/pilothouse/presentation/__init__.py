"""Domain values as table cells, texts and chart descriptions. Pure; shared by the console and the command line."""
