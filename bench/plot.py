# SPDX-License-Identifier: Apache-2.0
"""Draws a run of the benchmark: plot.py RESULTS.json OUT.svg. A row for each workload and two bars in it, share of the
bound: ours, and below it the best other library."""

import html
import json
import pathlib
import sys

ROW, LEFT, WIDTH, RIGHT = 30, 110, 520, 190
OURS, PEER = "#1f6feb", "#b0b7c0"


def bar(x, y, width, height, colour, title):
    return (f'<rect x="{x}" y="{y}" width="{width:.1f}" height="{height}" fill="{colour}"><title>{html.escape(title)}</title>'
            "</rect>")


def panel(rows, threads, cpu, x, y):
    """One number of threads. Returns the pieces and the height."""
    pieces = [f'<text x="{x + LEFT}" y="{y + 20}" class="head">{threads} thread{"s" if threads > 1 else ""}: % of the bound'
              f" (arithmetic or bytes), {html.escape(cpu)}</text>"]
    top, bottom = y + 44, y + 44 + ROW * len(rows)
    for percent in (0, 25, 50, 75, 100):
        at = x + LEFT + WIDTH * percent / 100
        pieces.append(f'<line x1="{at}" y1="{top}" x2="{at}" y2="{bottom}" class="grid"/>'
                      f'<text x="{at}" y="{top - 6}" text-anchor="middle" class="axis">{percent}</text>')
    for i, row in enumerate(rows):
        at = top + i * ROW
        pieces.append(f'<text x="{x + LEFT - 8}" y="{at + 19}" text-anchor="end">{html.escape(row["workload"])}</text>')
        ours = row["percent_of_bound"]
        pieces.append(bar(x + LEFT, at + 4, WIDTH * min(ours, 110) / 100, 10, OURS, f"batchdot {ours} %, {row['gflops']} Gflop/s"))
        best = row["peers"].get(row["best_peer"])
        if best:
            share = best["percent_of_bound"]
            pieces.append(bar(x + LEFT, at + 15, WIDTH * min(share, 110) / 100, 8, PEER,
                              f"{row['best_peer']} {share} %, {best['gflops']} Gflop/s"))
            pieces.append(f'<text x="{x + LEFT + WIDTH * 1.1 + 10}" y="{at + 19}" class="axis">{row["ratio"]:.2f} x '
                          f"{html.escape(row['best_peer'])}</text>")
    return pieces, bottom - y + 20


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    document = json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))
    pieces, y = [], 40
    for threads in sorted({row["threads"] for row in document["rows"]}):
        rows = [row for row in document["rows"]
                if row["threads"] == threads and row["group"] == "main" and row["percent_of_bound"] is not None]
        if rows:
            drawn, height = panel(rows, threads, document["cpu"], 0, y)
            pieces += drawn
            y += height
    width = LEFT + int(WIDTH * 1.1) + RIGHT
    legend = (f'<rect x="{LEFT}" y="14" width="14" height="10" fill="{OURS}"/><text x="{LEFT + 20}" y="24">batchdot</text>'
              f'<rect x="{LEFT + 120}" y="14" width="14" height="10" fill="{PEER}"/>'
              f'<text x="{LEFT + 140}" y="24">the best other library</text>')
    style = ("text{font:13px sans-serif;fill:#57606a}.head{font-weight:bold}.axis{font-size:11px}"
             ".grid{stroke:#8c959f;stroke-opacity:.35}")
    pathlib.Path(sys.argv[2]).write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y}" viewBox="0 0 {width} {y}">'
        f"<style>{style}</style>{legend}" + "\n".join(pieces) + "</svg>\n", encoding="utf-8")


if __name__ == "__main__":
    main()
