"""Finds the devices in a refresh loop with DuckDB and SQL written by hand: `duckdb_loops.py FILE regexp|csv`."""

import json
import os
import sys
from pathlib import Path

import duckdb

HERE = Path(__file__).parent


def main() -> None:
    path, how = sys.argv[1:]
    connection = duckdb.connect(config={"threads": os.cpu_count() or 1})
    connection.execute((HERE / f"parse_{how}.sql").read_text(encoding="utf-8"), {"path": path})
    connection.execute((HERE / "loops.sql").read_text(encoding="utf-8"))
    devices = connection.execute("select distinct device from found order by device").fetchall()
    minutes = connection.execute("select count(*) from rate").fetchone()
    print(json.dumps({"devices": [device for (device,) in devices], "minutes": minutes and minutes[0]}))


if __name__ == "__main__":
    main()
