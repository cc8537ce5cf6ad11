#!/usr/bin/env python3
# Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
"""Who may include whom: the layers of docs/structure.md, held against the sources."""

import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"][^>"]+[>"])', re.MULTILINE)
PLATFORM = re.compile(r'^\s*#\s*(?:if|ifdef|ifndef|elif)\b.*'
                      r'(_WIN32|__linux__|__unix__|BERTH_WINDOWS|BERTH_HAS_IO_URING)',
                      re.MULTILINE)

STANDARD = r'<[a-z_]+>'
PUBLIC = [STANDARD, r'<asio/[a-z0-9_/]+\.hpp>', r'<berth/[a-z_/]+\.hpp>']
POSIX = [r'<(sys|netinet)/[a-z_]+\.h>', r'<(fcntl|pthread|sched|unistd)\.h>']
LIB = PUBLIC + [r'"[a-z_]+\.hpp"']
INSIDE = LIB + [r'"\.\./[a-z_]+\.hpp"']

# What uses the library as anybody does.
USERS = ('examples', 'bench')

# The first pattern that fits a path decides what the file may include.
RULES = [
    ('include/berth/*.hpp', PUBLIC),
    ('include/berth/detail/*.hpp', PUBLIC),
    ('lib/browser_ports.*', [STANDARD, r'"browser_ports\.hpp"']),
    ('lib/candidate_ports.*', [STANDARD, r'"(browser|candidate)_ports\.hpp"',
                               r'<berth/port_(pattern|range|set)\.hpp>']),
    ('lib/counters.*', [STANDARD, r'"counters\.hpp"', r'<berth/counters\.hpp>']),
    ('lib/port_hunt.*', [STANDARD, r'"(candidate_ports|port_hunt)\.hpp"',
                         r'<berth/(error|port_range|port_set)\.hpp>']),
    ('lib/runner_worker.*', [STANDARD, r'"runner_worker\.hpp"']),
    ('lib/*.*pp', LIB),
    ('lib/linux/*.*pp', INSIDE + POSIX + [r'<linux/[a-z_]+\.h>', r'<poll\.h>',
                                          r'"\.\./posix/last_error\.hpp"']),
    ('lib/posix/*.*pp', INSIDE + POSIX),
    ('lib/uring/*.*pp', INSIDE + POSIX + [r'<liburing\.h>', r'"\.\./posix/(open_and_bind|socket_address)\.hpp"']),
    ('lib/win/*.*pp', INSIDE + [r'<[a-z0-9_]+\.h>']),
    ('examples/*.*pp', None),
    ('bench/*.*pp', None),
]

MAY_ASK_FOR_THE_PLATFORM = {'include/berth/detail/config.hpp',
                            'include/berth/detail/native_socket.hpp', 'lib/backend.cpp'}


def check(root):
    mistakes = []
    seen = 0
    for top in ('include', 'lib', 'examples', 'bench'):
        for path in sorted((root / top).rglob('*.[hc]pp')):
            name = path.relative_to(root).as_posix()
            text = path.read_text(encoding='utf-8')
            seen += 1
            allowed = next((allowed for pattern, allowed in RULES
                            if pathlib.PurePosixPath(name).match(pattern)
                            and pattern.count('/') == name.count('/')), None)
            for included in INCLUDE.findall(text):
                if included == '<asio.hpp>':
                    mistakes.append(f'{name}: {included} is every Asio header at once')
                elif top in USERS and included.startswith(('<berth/detail', '"../')):
                    mistakes.append(f'{name}: {included} is not public')
                elif allowed and not any(re.fullmatch(one, included) for one in allowed):
                    mistakes.append(f'{name}: {included} is not for this layer')
            if top not in USERS and name not in MAY_ASK_FOR_THE_PLATFORM:
                mistakes += [f'{name}: asks for the platform ({found})'
                             for found in PLATFORM.findall(text)]
    return seen, mistakes


def main():
    seen, mistakes = check(pathlib.Path(sys.argv[1]))
    print(*mistakes, f'{seen} files, {len(mistakes)} mistakes', sep='\n')
    return 1 if mistakes or seen == 0 else 0


sys.exit(main())
