#!/usr/bin/env python3
# Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
"""Makes one report of what the benchmarks wrote: results.json, figures as SVG, and a page that
holds all of it and needs no network.

usage: report.py DIRECTORY QUESTION...    reads DIRECTORY/QUESTION.json
"""

import html
import io
import json
import os
import pathlib
import platform
import subprocess
import sys

import matplotlib

matplotlib.use('svg')
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter

COLOURS = {
    'berth': '#0b6e99', 'berth, system calls': '#63b3d1', 'berth, a context per thread': '#1f4e79',
    'berth, bound': '#0b6e99', 'berth, number': '#63b3d1',
    'bare ring': '#8a8a8a', 'original': '#c8432b', 'original, kept open': '#c8432b',
    'original, number': '#c8432b', 'Asio': '#dd8a2e', 'Asio, bound': '#dd8a2e',
    'libuv': '#7a5195', 'Python': '#4d9150',
}

plt.rcParams.update({
    'svg.fonttype': 'none', 'font.family': 'sans-serif', 'font.size': 10,
    'axes.spines.top': False, 'axes.spines.right': False, 'axes.titlelocation': 'left',
    'axes.grid': True, 'axes.grid.axis': 'y', 'grid.color': '#e6e6e6', 'axes.axisbelow': True,
})


# --- reading ------------------------------------------------------------------------------

def machine():
    def said_by(*command):
        try:
            return subprocess.run(command, capture_output=True, text=True,
                                  check=True).stdout.strip()
        except (OSError, subprocess.CalledProcessError):
            return 'unknown'

    models = [line.split(':', 1)[1].strip() for line in open('/proc/cpuinfo', encoding='utf-8')
              if line.startswith('model name')]
    isolation = pathlib.Path('/sys/devices/system/cpu/vulnerabilities/meltdown')
    return {
        'processor': models[0] if models else platform.machine(),
        'cores': os.cpu_count(),
        'meltdown': isolation.read_text().strip() if isolation.exists() else 'unknown',
        'kernel': platform.release(),
        'compiler': said_by('c++', '--version').splitlines()[0],
        'commit': said_by('git', 'describe', '--always', '--dirty'),
        'load': round(os.getloadavg()[0], 1),
    }


def rows_of(results, question, beginning=''):
    """The rows of the tables of which the titles begin so."""
    return [row for table in results['questions'][question]['tables']
            if table['title'].startswith(beginning) for row in table['rows']]


def lines_of(rows, x, y):
    """For each way its points, in the order of the table."""
    lines = {}
    for row in rows:
        if isinstance(row.get(y), (int, float)):
            lines.setdefault(row['way'], []).append((row[x], row[y]))
    return lines


# --- drawing ------------------------------------------------------------------------------

def short(value, _=None):
    for size, unit in ((1e6, ' M'), (1e3, ' k')):
        if value >= size:
            return f'{value / size:g}{unit}'
    return f'{value:g}'


def label_ends(axes, lines):
    """Writes each name beside the end of its line, moved apart where they would touch."""
    ends = sorted(((points[-1][1], way) for way, points in lines.items()))
    place = axes.transData.transform
    lowest = -1e9
    for value, way in ends:
        x = lines[way][-1][0]
        there = place((x, value))
        wanted = max(there[1], lowest + 13)
        lowest = wanted
        axes.annotate(way, (x, value), xytext=(8, (wanted - there[1]) * 72 / axes.figure.dpi),
                      textcoords='offset points', va='center', fontsize=9,
                      color=COLOURS.get(way, '#333333'), annotation_clip=False)


def draw_lines(axes, lines, xlabel, ylabel, xscale='linear', yscale='log', ticks=None):
    for way, points in lines.items():
        axes.plot(*zip(*points), marker='o', markersize=4, linewidth=2,
                  color=COLOURS.get(way, '#333333'))
    axes.set_xscale(xscale, **({'base': 2} if xscale == 'log' else {}))
    axes.set_yscale(yscale)
    if yscale == 'linear':
        axes.set_ylim(bottom=0)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.yaxis.set_minor_formatter(FuncFormatter(lambda *_: ''))
    if ticks:
        axes.set_xticks(ticks, [short(tick) for tick in ticks])
        axes.xaxis.set_minor_formatter(FuncFormatter(lambda *_: ''))
    axes.figure.canvas.draw()
    label_ends(axes, lines)


def panels(count, height=4.2):
    figure, axes = plt.subplots(1, count, figsize=(5.6 * count, height), layout='constrained')
    return figure, axes if count > 1 else [axes]


def draw_throughput(results):
    figure, axes = panels(2)
    for axis, job in zip(axes, ('find', 'listen')):
        lines = lines_of(rows_of(results, 'throughput', f'{job}, 1 thread'), 'in_flight', 'rate')
        axis.set_title({'find': 'find + drop', 'listen': 'bind + listen + close'}[job])
        draw_lines(axis, lines, 'coroutines under way', 'allocations per second', xscale='log',
                   yscale='linear', ticks=[1, 8, 64, 512])
    return figure


def draw_processes(results):
    figure, axes = panels(2)
    for axis, job in zip(axes, ('find', 'listen')):
        lines = lines_of(rows_of(results, 'throughput', f'{job}, 8 in flight'), 'processes',
                         'rate')
        axis.set_title({'find': 'find + drop', 'listen': 'bind + listen + close'}[job])
        draw_lines(axis, lines, 'processes', 'allocations per second, all together',
                   xscale='log', yscale='linear', ticks=[1, 4, 16, 64])
    return figure


def draw_occupancy(results):
    figure, axes = panels(2, height=4.8)
    for axis, how in zip(axes, ('taken by bind to port 0', 'taken by chance')):
        rows = [row for row in rows_of(results, 'occupancy') if row['spread'] == how]
        axis.set_title(f'ports {how}')
        draw_lines(axis, lines_of(rows, 'percent', 'steady'),
                   'ephemeral ports in use by others, %', 'microseconds for a number, steady',
                   ticks=[0, 25, 50, 75, 90, 99])
    low = min(axis.get_ylim()[0] for axis in axes)
    high = max(axis.get_ylim()[1] for axis in axes)
    for axis in axes:
        axis.set_ylim(low, high)
        for text in list(axis.texts):
            text.remove()
    figure.canvas.draw()
    for axis, how in zip(axes, ('taken by bind to port 0', 'taken by chance')):
        rows = [row for row in rows_of(results, 'occupancy') if row['spread'] == how]
        label_ends(axis, lines_of(rows, 'percent', 'steady'))
    return figure


def draw_theft(results):
    figure, (axes,) = panels(1)
    rows = rows_of(results, 'theft')
    ways = list(dict.fromkeys(row['way'] for row in rows))
    counts = list(dict.fromkeys(row['processes'] for row in rows))
    width = 0.8 / len(ways)
    for i, way in enumerate(ways):
        values = [row['per_million'] for row in rows if row['way'] == way]
        places = [place + (i - (len(ways) - 1) / 2) * width for place in range(len(counts))]
        axes.bar(places, values, width * 0.92, color=COLOURS[way], label=way)
        for place, value in zip(places, values):
            axes.annotate(short(round(value)) if value < 1000 else f'{value / 1000:.0f} k',
                          (place, value), xytext=(0, 3), textcoords='offset points',
                          ha='center', fontsize=8)
    axes.set_xticks(range(len(counts)), counts)
    axes.set_xlabel('processes')
    axes.set_ylabel('ports lost per million found')
    axes.yaxis.set_major_formatter(FuncFormatter(short))
    axes.legend(frameon=False, loc='upper left')
    return figure


def draw_test_load(results):
    figure, axes = panels(2)
    for axis, percent in zip(axes, (0, 50)):
        rows = [row for row in rows_of(results, 'test_load') if row['percent'] == percent]
        axis.set_title(f'{percent} % of the ephemeral range in use')
        draw_lines(axis, lines_of(rows, 'at_once', 'rate'), 'tests at once', 'tests per second',
                   xscale='log', yscale='linear', ticks=[1, 8, 64, 512])
    return figure


def draw_scaling(results):
    figure, axes = panels(2)
    rows = rows_of(results, 'scaling')
    for axis, key, title in ((axes[0], 'more', 'one more, found and dropped'),
                             (axes[1], 'kib', 'user space, in all')):
        axis.set_title(title)
        draw_lines(axis, lines_of(rows, 'held', key), 'ports held',
                   {'more': 'microseconds', 'kib': 'KiB'}[key], xscale='log',
                   yscale={'more': 'log', 'kib': 'linear'}[key],
                   ticks=[1, 100, 1000, 10000])
    return figure


FIGURES = {
    'throughput': ('Allocations per second on one thread', 'throughput', draw_throughput),
    'processes': ('Allocations per second in many processes', 'throughput', draw_processes),
    'occupancy': ('Cost in a crowded range', 'occupancy', draw_occupancy),
    'theft': ('Ports lost before the server starts', 'theft', draw_theft),
    'test_load': ('Whole tests per second', 'test_load', draw_test_load),
    'scaling': ('Many ports held at once', 'scaling', draw_scaling),
}


# --- the page -----------------------------------------------------------------------------

STYLE = '''
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #222 }
h1, h2 { font-weight: 600 } svg { max-width: 100%; height: auto }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 1rem 0 }
th, td { padding: .15rem .8rem; text-align: right; border-bottom: 1px solid #eee }
th:first-child, td:first-child { text-align: left } .SHORT { color: #c8432b; font-weight: 600 }
summary { cursor: pointer; color: #555 }
'''


def cell(value):
    if isinstance(value, float):
        value = f'{value:,.2f}' if abs(value) < 100 else f'{value:,.0f}'
    return f'<td class="{html.escape(str(value))}">{html.escape(str(value))}</td>'


def table(rows):
    keys = list(dict.fromkeys(key for row in rows for key in row))
    keys.sort(key=lambda key: key not in ('way', 'what'))
    head = ''.join(f'<th>{html.escape(key)}</th>' for key in keys)
    body = ''.join('<tr>' + ''.join(cell(row.get(key, '')) for key in keys) + '</tr>'
                   for row in rows)
    return f'<table><tr>{head}</tr>{body}</table>'


def as_svg(figure):
    text = io.StringIO()
    figure.savefig(text, format='svg')
    plt.close(figure)
    return text.getvalue()


def page(results, drawings):
    facts = ''.join(f'<tr><td>{html.escape(key)}</td><td>{html.escape(str(value))}</td></tr>'
                    for key, value in results['machine'].items())
    parts = [f'<!doctype html><html lang="en"><meta charset="utf-8"><title>berth: measured'
             f'</title><style>{STYLE}</style><h1>berth, measured</h1><table>{facts}</table>']
    if 'ratios' in results['questions']:
        parts += ['<h2>Ratios within one run</h2>', table(rows_of(results, 'ratios'))]
    for name, (title, _, _) in FIGURES.items():
        if name in drawings:
            parts += [f'<h2>{title}</h2>', drawings[name][drawings[name].index('<svg'):]]
    for question, said in results['questions'].items():
        parts.append(f'<details><summary>All of {question}</summary>')
        parts += [f'<h3>{html.escape(one["title"])}</h3>{table(one["rows"])}'
                  for one in said['tables']]
        parts += [f'<p>skipped: {html.escape(reason)}</p>' for reason in said['skipped']]
        parts.append('</details>')
    return '\n'.join(parts) + '</html>\n'


def main():
    directory = pathlib.Path(sys.argv[1])
    results = {'machine': machine(), 'questions': {}}
    for question in sys.argv[2:]:
        path = directory / f'{question}.json'
        if path.exists():
            results['questions'][question] = json.loads(path.read_text(encoding='utf-8'))
    (directory / 'results.json').write_text(json.dumps(results, indent=1), encoding='utf-8')

    drawings = {}
    for name, (_, question, draw) in FIGURES.items():
        if question in results['questions'] and rows_of(results, question):
            drawings[name] = as_svg(draw(results))
            (directory / f'{name}.svg').write_text(drawings[name], encoding='utf-8')
    (directory / 'index.html').write_text(page(results, drawings), encoding='utf-8')
    print(f'report: {directory / "index.html"}')


main()
