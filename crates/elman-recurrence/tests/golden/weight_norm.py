"""Creates weight_norm.pt, an LSTM with weight normalization of four matrices in four ways, and weight_norm.safetensors,
the weights that PyTorch computes; legacy.pt has the same weights. Run: python weight_norm.py"""

import torch
from safetensors.torch import save_file
from torch.nn.utils import weight_norm as by_hook
from torch.nn.utils.parametrizations import weight_norm as by_parametrization

torch.manual_seed(5)
lstm = torch.nn.LSTM(3, 4, num_layers=2)
by_hook(lstm, "weight_ih_l0")
by_hook(lstm, "weight_hh_l0", dim=1)
by_hook(lstm, "weight_ih_l1", dim=None)
by_parametrization(lstm, "weight_hh_l1")
with torch.no_grad():
    for name, value in lstm.named_parameters():
        if name.endswith("_g") or name.endswith("original0"):
            value.mul_(1.5)
lstm(torch.zeros(1, 1, 3))  # runs the hooks, which compute the weights
torch.save({"net": lstm.state_dict()}, "weight_norm.pt")
names = [f"{kind}_{side}_l{layer}" for kind in ("weight", "bias") for side in ("ih", "hh") for layer in (0, 1)]
save_file({name: getattr(lstm, name).detach().clone() for name in names}, "weight_norm.safetensors")
# the same weights in PyTorch's legacy format
torch.save(
    {name: getattr(lstm, name).detach().clone() for name in names},
    "legacy.pt",
    _use_new_zipfile_serialization=False,
)
