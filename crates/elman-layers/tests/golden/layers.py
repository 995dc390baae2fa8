"""Generates layers.safetensors in this folder: outputs and gradients of dense layers and a feed-forward network, from
PyTorch in float64.

    pip install torch safetensors numpy && python layers.py

Each case `<case>` has the input `<case> x`, the parameters as PyTorch names and lays them out, the output `<case> y`,
hidden activations `<case> hidden.<i>`, the output's gradient `<case> dy`, and the gradient of each as `<case> d <name>`.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
tensors = {}


def exact(*shape):
    """Random numbers that are exact in f32, in which the test computes."""
    return torch.randn(*shape).float().double()


def case(name, layers, activations, d_input):
    for layer in layers:
        for parameter in layer.parameters():
            parameter.data = exact(*parameter.shape) / 2
            parameter.data = parameter.data.float().double()
    x = exact(3, 5, d_input).requires_grad_()
    h, hidden = x, []
    for layer, activation in zip(layers, activations):
        h = activation(layer(h))
        hidden.append(h)
    dy = exact(*h.shape)
    h.backward(dy)
    tensors.update({f"{name} x": x, f"{name} y": h, f"{name} dy": dy, f"{name} d x": x.grad})
    for i, layer in enumerate(layers):
        for key, parameter in layer.named_parameters():
            tensors[f"{name} {i}.{key}"] = parameter
            tensors[f"{name} d {i}.{key}"] = parameter.grad
    for i, activation in enumerate(hidden[:-1]):
        tensors[f"{name} hidden.{i}"] = activation


identity = nn.Identity()
for bias in (True, False):
    suffix = "bias" if bias else "no_bias"
    case(f"dense identity {suffix}", [nn.Linear(4, 6, bias)], [identity], 4)
    case(f"dense tanh {suffix}", [nn.Linear(4, 6, bias)], [nn.Tanh()], 4)
    case(f"dense gelu {suffix}", [nn.Linear(4, 6, bias)], [nn.GELU()], 4)
    stack = [nn.Linear(4, 7, bias), nn.Linear(7, 6, bias), nn.Linear(6, 3, bias)]
    case(f"feed_forward silu {suffix}", stack, [nn.SiLU(), nn.SiLU(), nn.Sigmoid()], 4)

save_file({k: v.detach().contiguous() for k, v in tensors.items()}, Path(__file__).with_suffix(".safetensors"))
