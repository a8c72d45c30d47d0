"""Grabs the rents: region, quarter, median weekly rent, number of bonds."""

import afterglow
from housing import grab

afterglow.write_result({"table_name": "rents", **grab("data/rents.csv", "work/rents.csv")})
