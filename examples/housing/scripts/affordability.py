"""Says for every region and quarter how many years of rent a house costs."""

import afterglow
from housing import database, write_rows

with database() as connection:
    found = connection.execute(
        """select s.region, s.quarter, s.median_price, r.weekly_rent, s.median_price / (r.weekly_rent * 52.0)
             from sales s
             join rents r on r.region = s.region and r.quarter = s.quarter
            order by s.region, s.quarter"""
    ).fetchall()
if not found:
    raise SystemExit("sales and rents have no region and quarter in common")
names = ["region", "quarter", "median_price", "weekly_rent", "years_of_rent"]
write_rows("work/affordability.csv", [dict(zip(names, row[:4] + ("%.2f" % row[4],))) for row in found])
afterglow.write_result({"table_name": "affordability", "output_url": "work/affordability.csv", "row_count": len(found)})
