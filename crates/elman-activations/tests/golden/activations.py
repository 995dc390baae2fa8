"""Generates activations.safetensors in this folder: values and derivatives from PyTorch's autograd in float64.

    pip install torch safetensors numpy && python activations.py

Tensors: `x`; for each activation, named with its parameter, `<name> f` and `<name> df`; for softmax and log_softmax
along each axis of `table`, `<name> <axis> f` and the gradient `<name> <axis> dx` for the output's gradient `dy`.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

inf, nan = float("inf"), float("nan")

# Multiples of 1/16, which include the points without a derivative, then magnitudes at which exp or a naive formula
# overflows or underflows in f32 or f64. All are exact in f32.
grid = torch.arange(-128, 129, dtype=torch.float64) / 16
magnitudes = [0.0, 2.0**-30, 2.0**-20, 2.0**-10, 12, 16, 20, 50, 88, 89, 100, 800, 1000, inf]
x = torch.cat([grid, torch.tensor([s * m for m in magnitudes for s in (1.0, -1.0)] + [nan], dtype=torch.float64)])

functions = {
    "identity": lambda x: x.clone(),
    "relu": F.relu,
    "leaky_relu(0.01)": lambda x: F.leaky_relu(x, 0.01),
    "leaky_relu(0.25)": lambda x: F.leaky_relu(x, 0.25),
    "elu(1)": F.elu,
    "elu(0.5)": lambda x: F.elu(x, 0.5),
    "selu": F.selu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_sigmoid": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": F.silu,
    "mish": F.mish,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": F.hardsigmoid,
    "tanh": torch.tanh,
    "hard_tanh": F.hardtanh,
    "softplus": F.softplus,
    "softsign": F.softsign,
}

tensors = {"x": x}
for name, f in functions.items():
    leaf = x.clone().requires_grad_()
    y = f(leaf)
    y.backward(torch.ones_like(y))
    tensors[f"{name} f"] = y.detach()
    tensors[f"{name} df"] = leaf.grad

torch.manual_seed(0)
table = torch.randn(6, 6, dtype=torch.float64).float().double()
table[1] *= 30
table[2, 3] = -inf
table[:, 4] = 50 * torch.sign(table[:, 4])
table[5, 5] = nan
dy = torch.randn(6, 6, dtype=torch.float64).float().double()
tensors |= {"table": table, "dy": dy}
for name, f in {"softmax": torch.softmax, "log_softmax": torch.log_softmax}.items():
    for axis in (0, 1):
        leaf = table.clone().requires_grad_()
        y = f(leaf, axis)
        y.backward(dy)
        tensors[f"{name} {axis} f"] = y.detach()
        tensors[f"{name} {axis} dx"] = leaf.grad

save_file({name: t.contiguous() for name, t in tensors.items()}, Path(__file__).with_suffix(".safetensors"))
