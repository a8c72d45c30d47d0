"""Loads what was grabbed into the database, a table for each file that it is given, in the place of what was there."""

import os
import sys

import afterglow
from housing import database, read_rows

given = afterglow.read_input()
counts = {}
with database() as connection:
    for place, path in enumerate(sys.argv[1:]):
        table = os.path.splitext(os.path.basename(path))[0]
        if not table.isidentifier():
            raise SystemExit("%s makes no name of a table" % path)
        rows = read_rows(path)
        columns = list(rows[0])
        connection.execute("drop table if exists %s" % table)
        connection.execute("create table %s (%s, primary key (region, quarter))" % (table, ", ".join(columns)))
        connection.executemany(
            "insert into %s values (%s)" % (table, ", ".join("?" * len(columns))), [[row[column] for column in columns] for row in rows]
        )
        counts[table] = len(rows)
        afterglow.progress((place + 1) / len(sys.argv[1:]))
# What was loaded, so that a change of it is one of this result.
sources = {script: result["output_hashes"] for script, result in given.get("results", {}).items()}
afterglow.write_result({"row_count": sum(counts.values()), "tables": counts, "sources": sources})
