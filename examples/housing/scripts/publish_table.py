"""Publishes the table as JSON, region by region."""

import json
import sys

import afterglow
from housing import read_rows

regions = {}
for row in read_rows(sys.argv[1]):
    regions.setdefault(row["region"], {})[row["quarter"]] = float(row["years_of_rent"])
with open("work/affordability.json", "w", encoding="utf-8") as file:
    json.dump(regions, file, indent=2)
afterglow.write_result({"output_url": "work/affordability.json", "row_count": sum(map(len, regions.values()))})
