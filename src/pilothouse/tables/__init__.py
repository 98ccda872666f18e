"""Tables from files of others: parquet, csv, csv.gz, jsonl and ndjson, read the same at every door.

Types come from the model file and not from the first rows: see ``domain/table_form``. ``open_table`` reads one file,
``read_folder`` a file or a folder of them.
"""
