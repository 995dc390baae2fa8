"""Shared by the peers' scripts: command line, timing, and JSON output for the Rust program.

    SCRIPT --describe [--device cuda --card NAME]                                print library, cells, variants, device
    SCRIPT --cell lstm --case 32,64,512,512 [--variant ragged --lengths 3,64,…]  print timings

A case is batch,time,d_input,d_hidden: one layer, with biases, in float32. Needs only Python.
"""

import argparse
import json
import statistics
import time


def integers(text):
    return [int(value) for value in text.split(",")]


def timing(work, seconds):
    """Median and quartiles of the duration of `work` in milliseconds, after a warm-up of at most three repeats."""
    begin = time.perf_counter()
    for _ in range(3):
        work()
        if time.perf_counter() > begin + seconds:
            break
    runs, begin = [], time.perf_counter()
    while len(runs) < 3 or time.perf_counter() < begin + seconds:
        start = time.perf_counter()
        work()
        runs.append((time.perf_counter() - start) * 1e3)
    low, median, high = statistics.quantiles(runs, n=4, method="inclusive")
    return {"ms": median, "low": low, "high": high, "runs": len(runs)}


class Absent(Exception):
    """The library cannot run on the requested device."""


def run(name, cells, variants, prepare, place=lambda options: {"device": options.device}):
    """Executes the command line.

    `prepare` receives the options and returns the work to time: a function for the forward pass and one for training,
    or None if the library lacks that pass. `place` is called before with the same options, and returns the `device`;
    for a GPU also its name (`card`), the `kernels` library with its version, and whether it rounds to `tf32`.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--cell", choices=cells, default=cells[0])
    parser.add_argument("--case", type=integers, default=[1, 1, 1, 1], metavar="B,T,I,H")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--lengths", type=integers, help="sequence lengths of a ragged batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--card", help="name of the GPU, if its index is unknown")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="seconds per measurement")
    options = parser.parse_args()
    try:
        where = place(options)
    except Absent as reason:
        print(json.dumps({"peer": name, "absent": str(reason)}))
        return
    options.device = where["device"]
    passes = prepare(options)
    if options.describe:
        for work in filter(None, passes):
            work()  # on the smallest case, so that a missing device fails early
        print(json.dumps({"peer": name, "cells": cells, "variants": variants, "place": where}))
    else:
        timings = [work and timing(work, options.seconds) for work in passes]
        print(json.dumps(dict(zip(("forward", "training"), timings))))
