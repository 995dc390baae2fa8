"""Times torch.nn.RNN, GRU and LSTM as the Rust benchmark times elman's layers; prints a line of JSON per case.

    python torch_rnn.py [--cells lstm,gru] [--cases "1,64,256,256;32,64,512,512"] [--device cpu|cuda|mps]

A case is batch,time,d_input,d_hidden: one layer, one direction, biases, float32. Needs only torch.
"""

import argparse
import json
import time

import torch

GRID = "1,64,256,256; 1,64,1024,1024; 32,64,256,256; 32,64,512,512; 64,256,512,512"
LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


def figure(work, seconds):
    """Median and quartiles of the milliseconds that `work` takes, after a warm-up."""
    for _ in range(3):
        work()
    runs, begin = [], time.perf_counter()
    while len(runs) < 3 or time.perf_counter() < begin + seconds:
        start = time.perf_counter()
        work()
        runs.append((time.perf_counter() - start) * 1e3)
    low, median, high = torch.tensor(runs, dtype=torch.float64).quantile(torch.tensor([0.25, 0.5, 0.75]).double())
    return {"ms": median.item(), "low": low.item(), "high": high.item(), "runs": len(runs)}


def measure(cell, case, device, seconds):
    batch, steps, d_input, d_hidden = case
    layer = LAYERS[cell](d_input, d_hidden, batch_first=True, device=device)
    x = torch.randn(batch, steps, d_input, device=device)

    def finish(element):
        element.item()  # waits for the device
        if device != "cpu":
            getattr(torch, device).synchronize()

    def forward():
        with torch.no_grad():
            finish(layer(x)[0][-1, -1, -1])

    def training():
        layer.zero_grad()
        loss = layer(x)[0].sum()
        loss.backward()
        finish(loss)

    return {"forward": figure(forward, seconds), "training": figure(training, seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", default="rnn,gru,lstm")
    parser.add_argument("--cases", default=GRID)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=1.0, help="for each figure")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for cell in options.cells.split(","):
        for text in options.cases.split(";"):
            case = [int(number) for number in text.split(",")]
            row = dict(zip(("batch", "time", "d_input", "d_hidden"), case))
            row |= {"peer": "torch " + torch.__version__, "threads": options.threads, "device": options.device}
            print(json.dumps({"cell": cell} | row | measure(cell, case, options.device, options.seconds)), flush=True)


main()
