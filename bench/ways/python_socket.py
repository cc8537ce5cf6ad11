#!/usr/bin/env python3
# Copyright (c) 2026 The berth authors. SPDX-License-Identifier: BSL-1.0
"""The original in its own language. Reads lines "OPERATIONS TIMED", and answers each with the
latencies in nanoseconds if they were asked for, else with an empty line."""

import socket
import sys
import time


def find_unused_port():  # as test.support.socket_helper has it
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tempsock:
        tempsock.bind(('127.0.0.1', 0))
        return tempsock.getsockname()[1]


def bind_port():
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
        sock.listen()
        return port


def timed(operation):
    start = time.perf_counter_ns()
    operation()
    return time.perf_counter_ns() - start


operation = {'find': find_unused_port, 'listen': bind_port}[sys.argv[1]]
for line in sys.stdin:
    operations, want_latencies = map(int, line.split())
    latencies = []
    if want_latencies:
        latencies = [timed(operation) for _ in range(operations)]
    else:
        for _ in range(operations):
            operation()
    print(*latencies, flush=True)
