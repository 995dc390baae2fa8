"""Times torch.nn.RNN, GRU and LSTM as the Rust program times elman's layers. Needs torch; see peer.py."""

import torch
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import peer

LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
VARIANTS = {"plain": {}, "ragged": {}, "bidirectional": {"bidirectional": True}}


def prepare(options):
    batch, steps, d_input, d_hidden = options.case
    device = options.device
    torch.set_num_threads(options.threads)
    settings = VARIANTS[options.variant]
    layer = LAYERS[options.cell](d_input, d_hidden, batch_first=True, device=device, **settings)
    x = torch.randn(batch, steps, d_input, device=device)
    lengths = options.lengths and torch.tensor(options.lengths)  # stay on the host, as PyTorch wants them

    def outputs():
        if lengths is None:
            return layer(x)[0]
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(layer(packed)[0], batch_first=True, total_length=steps)[0]

    def finish(element):
        element.item()  # waits for the device
        if device != "cpu":
            getattr(torch, device).synchronize()

    def forward():
        with torch.no_grad():
            finish(outputs()[-1, -1, -1])

    def training():
        layer.zero_grad()
        loss = outputs().sum()
        loss.backward()
        finish(loss)

    return forward, training


peer.run("torch " + torch.__version__, list(LAYERS), list(VARIANTS), prepare)
