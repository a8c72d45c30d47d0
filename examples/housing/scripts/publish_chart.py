"""Draws a line for every region, as SVG."""

import sys
from html import escape

import afterglow
from housing import read_rows

WIDTH, HEIGHT, MARGIN = 640, 360, 48
COLOURS = ["#1b6ca8", "#c8553d", "#588157", "#6d597a"]

title = afterglow.read_input()["job"].get("title", "Affordability")
rows = read_rows(sys.argv[1])
quarters = sorted({row["quarter"] for row in rows})
values = [float(row["years_of_rent"]) for row in rows]
low, high = min(values), max(values)


def place(quarter, value):
    x = MARGIN + quarters.index(quarter) / max(1, len(quarters) - 1) * (WIDTH - 2 * MARGIN)
    y = HEIGHT - MARGIN - (value - low) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN)
    return "%.1f,%.1f" % (x, y)


parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (WIDTH, HEIGHT)]
parts.append('<text x="%d" y="24" font-size="15">%s (invented figures)</text>' % (MARGIN, escape(title)))
for number, region in enumerate(sorted({row["region"] for row in rows})):
    colour = COLOURS[number % len(COLOURS)]
    points = " ".join(place(row["quarter"], float(row["years_of_rent"])) for row in rows if row["region"] == region)
    parts.append('<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>' % (colour, points))
    parts.append('<text x="%d" y="%d" fill="%s">%s</text>' % (MARGIN + number * 90, HEIGHT - 12, colour, escape(region)))
for value in (low, high):
    parts.append('<text x="8" y="%s">%.1f</text>' % (place(quarters[0], value).split(",")[1], value))
parts.append("</svg>\n")
with open("work/affordability.svg", "w", encoding="utf-8") as file:
    file.write("\n".join(parts))
afterglow.write_result({"output_url": "work/affordability.svg"})
