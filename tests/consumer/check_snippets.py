#!/usr/bin/env python3
# Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
"""Holds the documentation's C++ against the files that it names, which are compiled.

In README.md and docs/ a comment stands before each block of C++:
    <!-- examples/01_bound_acceptor.cpp -->          the whole file after its comment at the top
    <!-- examples/01_bound_acceptor.cpp: server -->  what is between `// [server]` and `// []`
"""

import pathlib
import re
import sys
import textwrap

BLOCK = re.compile(r'(?:<!-- (?P<file>\S+?)(?:: (?P<part>\w+))? -->\n)?```cpp\n(?P<code>.*?)```',
                   re.DOTALL)


def excerpt(path, part):
    lines = path.read_text(encoding='utf-8').splitlines()
    if part is None:
        while lines and lines[0].startswith('//'):
            del lines[0]
        return '\n'.join(lines).strip('\n')
    start = next(i for i, line in enumerate(lines) if line.strip() == f'// [{part}]')
    end = next(i for i, line in enumerate(lines) if i > start and line.strip() == '// []')
    return textwrap.dedent('\n'.join(lines[start + 1:end])).strip('\n')


def main():
    root = pathlib.Path(sys.argv[1])
    mistakes = []
    blocks = 0
    for page in [root / 'README.md', *sorted((root / 'docs').glob('*.md'))]:
        for block in BLOCK.finditer(page.read_text(encoding='utf-8')):
            blocks += 1
            where = f'{page.name}: block {blocks}'
            if block['file'] is None:
                mistakes.append(f'{where} names no file')
                continue
            try:
                expected = excerpt(root / block['file'], block['part'])
            except (OSError, StopIteration):
                mistakes.append(f"{where}: {block['file']} has no part {block['part']}")
                continue
            if block['code'].strip('\n') != expected:
                mistakes.append(f"{where} differs from {block['file']}")
    print(*mistakes, f'{blocks} blocks, {len(mistakes)} mistakes', sep='\n')
    return 1 if mistakes or blocks == 0 else 0


sys.exit(main())
