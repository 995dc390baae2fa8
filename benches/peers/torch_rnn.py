"""Times torch.nn.RNN, GRU and LSTM the same way as the Rust program times elman's layers. Needs torch; see peer.py."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import peer

LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
VARIANTS = {
    "plain": {},
    "ragged": {},
    "bidirectional": {"bidirectional": True},
    "f16": {"dtype": torch.float16},
    "bf16": {"dtype": torch.bfloat16},
}


def place(options):
    """Finds a CUDA device by index or name; ROCm devices are `cuda` in PyTorch, too."""
    kind, _, index = options.device.partition(":")
    if kind == "mps" and not torch.backends.mps.is_available():
        raise peer.Absent(f"torch {torch.__version__} finds no Metal device")
    if kind != "cuda":
        return {"device": options.device}
    if not torch.cuda.is_available():
        raise peer.Absent(f"torch {torch.__version__} finds no CUDA device")
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    if index:
        found = [int(index)] if int(index) < len(names) else []
    else:
        found = [i for i, name in enumerate(names) if not options.card or same_card(name, options.card)]
    if not found:
        raise peer.Absent(f"none of torch's CUDA devices ({', '.join(names)}) is '{index or options.card}'")
    cudnn = torch.backends.cudnn
    return {
        "device": f"cuda:{found[0]}",
        "card": names[found[0]],
        "kernels": f"{'MIOpen' if torch.version.hip else 'cuDNN'} {cudnn.version()}",
        "tf32": cudnn.allow_tf32,
    }


def same_card(a, b):
    """Drivers may abbreviate the name of a GPU."""
    a, b = a.lower(), b.lower()
    return a in b or b in a


def prepare(options):
    batch, steps, d_input, d_hidden = options.case
    device = options.device
    torch.set_num_threads(options.threads)
    settings = VARIANTS[options.variant]
    layer = LAYERS[options.cell](d_input, d_hidden, batch_first=True, device=device, **settings)
    x = torch.randn(batch, steps, d_input, device=device, dtype=settings.get("dtype"))
    lengths = options.lengths and torch.tensor(options.lengths)  # on the CPU, as pack_padded_sequence requires

    def outputs():
        if lengths is None:
            return layer(x)[0]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=steps)[0]

    def finish(element):
        element.item()  # waits for the device
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        elif device != "cpu":
            getattr(torch, device).synchronize()

    def forward():
        with torch.no_grad():
            finish(outputs()[-1, -1, -1])

    def training():
        layer.zero_grad()
        loss = outputs().sum(dtype=torch.float32)
        loss.backward()
        finish(loss)

    return forward, training


peer.run("torch " + torch.__version__, list(LAYERS), list(VARIANTS), prepare, place)
