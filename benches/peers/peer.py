"""What the peers' scripts share: the command line that the Rust program writes, the timing, the line of JSON it reads.

    SCRIPT --describe [--device cuda --card NAME]           the library, its cells and variants, and where it computes
    SCRIPT --cell lstm --case 32,64,512,512 [--variant ragged --lengths 3,64,…]      the figures

A case is batch,time,d_input,d_hidden: one layer, biases, float32. Needs only Python.
"""

import argparse
import json
import statistics
import time


def numbers(text):
    return [int(number) for number in text.split(",")]


def figure(work, seconds):
    """Median and quartiles of the milliseconds that `work` takes, after a warm-up of at most three repeats."""
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
    """Why the library cannot compute on the device that was asked for."""


def run(name, cells, variants, prepare, place=lambda options: {"device": options.device}):
    """Does what the command line says.

    `prepare` gets the options and returns the work to time: a function for the forward pass and one for training, or
    None for a pass that the library does not have. `place` gets them before, and returns the `device` to compute on, and
    of a graphics card its name, `card`, the `kernels` and their version, and whether they round to `tf32`.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--describe", action="store_true")
    parser.add_argument("--cell", choices=cells, default=cells[0])
    parser.add_argument("--case", type=numbers, default=[1, 1, 1, 1], metavar="B,T,I,H")
    parser.add_argument("--variant", choices=variants, default=variants[0])
    parser.add_argument("--lengths", type=numbers, help="the rows' time steps, of a ragged batch")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--card", help="what the device is called, if its number is not known")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
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
            work()  # on the smallest case: a device that is not there is noticed before anything takes time
        print(json.dumps({"peer": name, "cells": cells, "variants": variants, "place": where}))
    else:
        figures = [work and figure(work, options.seconds) for work in passes]
        print(json.dumps(dict(zip(("forward", "training"), figures))))
