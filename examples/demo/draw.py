#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Draws the README's picture from what the demo wrote.

usage: draw.py demo.json picture.svg
"""
import json
import pathlib
import sys
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 64, 16
PANEL, GAP, TOP, BOTTOM = 96, 46, 58, 44
COLOURS = {"right": "#2a9d8f", "mixed": "#f4a261", "failed": "#d1495b"}


class Picture:
    def __init__(self, height):
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
                      f'font-family="system-ui, sans-serif" font-size="12" fill="#24292f">',
                      f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>']

    def text(self, x, y, text, **attributes):
        more = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in attributes.items())
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}"{more}>{escape(text)}</text>')

    def bar(self, x, y, width, height, colour):
        if height > 0:
            self.parts.append(f'<rect x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" '
                              f'height="{height:.2f}" fill="{colour}"/>')

    def line(self, x1, y1, x2, y2, colour="#8c959f"):
        self.parts.append(f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{colour}"/>')

    def mark(self, x, y):
        self.parts.append(f'<path d="M{x:.1f} {y:.1f}l-3.5 7h7z" fill="#24292f"/>')

    def save(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n", encoding="utf-8")


def panel(picture, system, top, seconds):
    """Answers a second, one bar a bucket, with the kills below."""
    scale = (WIDTH - LEFT - RIGHT) / seconds
    step = system["bucket_s"]
    most = max((sum(answers) for _, *answers in system["buckets"]), default=1) or 1
    base = top + PANEL
    verdict = (f"{system['failed']:,} failed, {system['mixed']:,} mixed of "
               f"{system['answers']:,} answers; "
               f"{system['bad_restarts']} of {len(system['kills'])} restarts bad")
    picture.text(LEFT, top - 8, system["name"], font_weight="bold")
    picture.text(WIDTH - RIGHT, top - 8, verdict, text_anchor="end")
    for at, right, failed, mixed in system["buckets"]:
        x, y = LEFT + at * scale, base
        for kind, number in (("right", right), ("mixed", mixed), ("failed", failed)):
            height = PANEL * number / most
            y -= height
            picture.bar(x, y, step * scale + 0.2, height, COLOURS[kind])
    picture.line(LEFT, base, WIDTH - RIGHT, base)
    picture.text(LEFT - 6, top + 10, f"{most / step:,.0f}/s", text_anchor="end")
    picture.text(LEFT - 6, base, "0", text_anchor="end")
    for at in system["kills"]:
        picture.mark(LEFT + at * scale, base + 3)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    shown = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    systems = shown["systems"]
    seconds = max(at for system in systems for at, *_ in system["buckets"]) + 0.1
    picture = Picture(TOP + len(systems) * (PANEL + GAP) + BOTTOM - 20)
    title = (f"Answers a second while the data of {shown['files']:,} files is rebuilt "
             "and the builder is killed")
    picture.text(LEFT, 22, title, font_size="15", font_weight="bold")
    for i, system in enumerate(systems):
        panel(picture, system, TOP + i * (PANEL + GAP), seconds)
    y = TOP + len(systems) * (PANEL + GAP) - 2
    x = LEFT
    for kind in COLOURS:
        picture.bar(x, y - 10, 10, 10, COLOURS[kind])
        picture.text(x + 15, y, kind)
        x += 75
    picture.mark(x + 4, y - 9)
    picture.text(x + 14, y, "SIGKILL of the builder")
    picture.text(WIDTH - RIGHT, y, f"{seconds:.0f} seconds", text_anchor="end")
    picture.save(pathlib.Path(sys.argv[2]))


if __name__ == "__main__":
    main()
