"""Grabs the house sales: region, quarter, median price, number of sales."""

import afterglow
from housing import grab

afterglow.write_result({"table_name": "sales", **grab("data/sales.csv", "work/sales.csv")})
