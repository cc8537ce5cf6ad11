#!/usr/bin/env python3
# Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
"""Installs berth below a scratch directory, builds a program with pkg-config, and runs it."""

import os
import pathlib
import subprocess
import sys
import tempfile


def run(*command, **more):
    print('+', *command, flush=True)
    return subprocess.run(command, check=True, text=True, **more)


def main():
    build, source, prefix, *compiler = sys.argv[1:]
    launcher = os.environ['LAUNCHER'].split()
    with tempfile.TemporaryDirectory(prefix='berth-install-') as scratch:
        run('meson', 'install', '-C', build, '--no-rebuild', '--quiet', '--destdir', scratch)
        root = pathlib.Path(scratch + prefix)
        described = next(root.rglob('berth.pc'))
        os.environ['PKG_CONFIG_PATH'] = str(described.parent)
        flags = run('pkg-config', f'--define-variable=prefix={root}', '--cflags', '--libs',
                    'berth', stdout=subprocess.PIPE).stdout.split()
        program = scratch + '/consumer.exe'
        run(*compiler, '-std=c++20', '-Wall', '-Wextra', '-Wpedantic', '-Werror', source, '-o',
            program, *flags)
        os.environ['LD_LIBRARY_PATH'] = str(described.parent.parent)
        run(*launcher, program, timeout=60)


main()
