"""What the scripts of the example share."""

import csv
import os
import sqlite3

WORK = "work"


def read_rows(path):
    """Gives the rows of a CSV file as dicts; lines that begin with # are comments."""
    with open(path, newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def write_rows(path, rows):
    """Writes a CSV file in one piece: whoever reads it meanwhile sees the old one or the new one."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".part", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    os.replace(path + ".part", path)


def grab(source, target):
    """Copies a table from its source; where yours is on the web, this is the place to fetch it."""
    rows = read_rows(source)
    if not rows:
        raise SystemExit("%s has no rows" % source)
    write_rows(target, rows)
    quarters = sorted(row["quarter"] for row in rows)
    return {
        "source_url": source, "file_type": "csv", "output_url": target, "size": os.path.getsize(target),
        "row_count": len(rows), "start_date": quarters[0], "end_date": quarters[-1],
    }


def database():
    """Opens the example's database, a file."""
    os.makedirs(WORK, exist_ok=True)
    return sqlite3.connect(os.path.join(WORK, "housing.db"), timeout=30)
