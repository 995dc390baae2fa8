"""Creates recurrence.safetensors: outputs, final states and all gradients of all kinds of layers, from PyTorch in
float64.

    pip install torch safetensors numpy
    python recurrence.py

RNN, GRU and LSTM are torch.nn's; ragged batches are packed sequences. The networks that torch.nn lacks (GRU with the
reset gate before the product, minGRU, minLSTM, the Elman network with one dense layer) are implemented here from the
equations, for one row and time step at a time, and differentiated by torch. Their common loop is first checked against
torch.nn.GRU.
"""
import itertools, pathlib
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from safetensors.torch import save_file

B, T, I, H, P, O = 3, 5, 3, 4, 2, 2
LENGTHS = [2, 5, 3]
GATES = {"gru": 3, "gru_before": 3, "min_gru": 2, "min_lstm": 3}
torch.manual_seed(1990)
out = {}


def rand(*shape):
    """Exactly representable in float32."""
    return (torch.rand(*shape) * 2 - 1).double()


def positive(v):
    return torch.where(v >= 0, v + 0.5, torch.sigmoid(v))


def cell_step(kind, w, x, h):
    """One step of one row. x: [I], h: [H]."""
    wx = w["weight_ih"] @ x + w.get("bias_ih", 0)
    if kind == "min_gru":
        z, n = wx.chunk(2)
        z = torch.sigmoid(z)
        return (1 - z) * h + z * positive(n)
    if kind == "min_lstm":
        f, i, n = wx.chunk(3)
        f, i = torch.sigmoid(f), torch.sigmoid(i)
        return f / (f + i) * h + i / (f + i) * positive(n)
    bias = w.get("bias_hh", torch.zeros(3 * H).double())
    xr, xz, xn = wx.chunk(3)
    hr, hz, hn = (w["weight_hh"] @ h + bias).chunk(3)
    r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
    if kind == "gru":
        n = torch.tanh(xn + r * hn)
    else:
        n = torch.tanh(xn + w["weight_hh"][2 * H :] @ (r * h) + bias[2 * H :])
    return (1 - z) * n + z * h


def loop(step, weights, x, h0, lengths, layers, directions):
    """weights[layer][direction]; returns ([B, T, directions*H], [layers*directions, B, H])."""
    last = []
    for l in range(layers):
        outputs = []
        for d in range(directions):
            rows, finals = [], []
            for b in range(B):
                n = lengths[b] if lengths else T
                h, hs = h0[l * directions + d, b], [torch.zeros(H).double()] * T
                for t in reversed(range(n)) if d else range(n):
                    h = step(weights[l][d], x[b, t], h)
                    hs[t] = h
                rows.append(torch.stack(hs)), finals.append(h)
            outputs.append(torch.stack(rows)), last.append(torch.stack(finals))
        x = torch.cat(outputs, 2)
    return x, torch.stack(last)


def record(case, inputs, weights, run):
    """Runs the network, samples a cotangent for each result, and stores everything."""
    for t in itertools.chain(inputs.values(), weights.values()):
        t.requires_grad_(True)
    results = run()
    cotangents = {n: rand(*r.shape) for n, r in results.items()}
    for t in itertools.chain(inputs.values(), weights.values()):
        t.grad = None
    sum((r * cotangents[n]).sum() for n, r in results.items()).backward()
    for group, tensors in (("in", inputs), ("w", weights), ("out", results), ("cot", cotangents)):
        for n, t in tensors.items():
            out[f"{case}.{group}.{n}"] = t.detach().float().contiguous().clone()
    for group, tensors in (("gin", inputs), ("gw", weights)):
        for n, t in tensors.items():
            out[f"{case}.{group}.{n}"] = t.grad.float().contiguous().clone()


def torch_nn(case, kind, layers, directions, bias, lengths):
    options = {"num_layers": layers, "bidirectional": directions == 2, "bias": bias, "batch_first": True}
    net = {
        "rnn_tanh": lambda: nn.RNN(I, H, nonlinearity="tanh", **options),
        "rnn_relu": lambda: nn.RNN(I, H, nonlinearity="relu", **options),
        "gru": lambda: nn.GRU(I, H, **options),
        "lstm": lambda: nn.LSTM(I, H, **options),
        "lstm_proj": lambda: nn.LSTM(I, H, proj_size=P, **options),
    }[kind]().double()
    for p in net.parameters():
        p.data.copy_(rand(*p.shape))
    width = P if kind == "lstm_proj" else H
    inputs = {"x": rand(B, T, I), "h": rand(layers * directions, B, width)}
    if kind.startswith("lstm"):
        inputs["c"] = rand(layers * directions, B, H)

    def run():
        state = (inputs["h"], inputs["c"]) if "c" in inputs else inputs["h"]
        x = inputs["x"]
        if lengths:
            x = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, last = net(x, state)
        if lengths:
            y, _ = pad_packed_sequence(y, batch_first=True, total_length=T)
        last = last if isinstance(last, tuple) else (last,)
        return {"y": y} | dict(zip("hc", last))

    record(case, inputs, dict(net.named_parameters()), run)
    return net


def from_equations(case, kind, layers, directions, bias, lengths):
    weights = {}
    for l, d in itertools.product(range(layers), range(directions)):
        end = f"_l{l}" + ("_reverse" if d else "")
        weights["weight_ih" + end] = rand(GATES[kind] * H, I if l == 0 else H * directions)
        if kind.startswith("gru"):
            weights["weight_hh" + end] = rand(GATES[kind] * H, H)
        if bias:
            weights["bias_ih" + end] = rand(GATES[kind] * H)
            if kind.startswith("gru"):
                weights["bias_hh" + end] = rand(GATES[kind] * H)

    def nested():
        def direction(l, d):
            end = f"_l{l}" + ("_reverse" if d else "")
            return {n[: -len(end)]: w for n, w in weights.items() if n.endswith(end)}

        return [[direction(l, d) for d in range(directions)] for l in range(layers)]

    inputs = {"x": rand(B, T, I), "h": rand(layers * directions, B, H)}

    def run():
        step = lambda w, x, h: cell_step(kind, w, x, h)
        y, h = loop(step, nested(), inputs["x"], inputs["h"], lengths, layers, directions)
        return {"y": y, "h": h}

    record(case, inputs, weights, run)


def elman_network(case, kind, layers, directions, bias, lengths):
    weights = {}
    for l, d in itertools.product(range(layers), range(directions)):
        weights[f"w0.{l}.{d}.weight"] = rand(H, (I if l == 0 else H * directions) + H)
        if bias:
            weights[f"w0.{l}.{d}.bias"] = rand(H)
    weights["w1.weight"] = rand(O, H * directions)
    if bias:
        weights["w1.bias"] = rand(O)
    inputs = {"x": rand(B, T, I), "h": rand(layers * directions, B, H)}

    def run():
        w0 = [[{n: weights.get(f"w0.{l}.{d}.{n}") for n in ("weight", "bias")} for d in range(directions)] for l in range(layers)]
        step = lambda w, x, h: torch.tanh(nn.functional.linear(torch.cat([x, h]), w["weight"], w["bias"]))
        hs, h = loop(step, w0, inputs["x"], inputs["h"], lengths, layers, directions)
        return {"y": nn.functional.linear(hs, weights["w1.weight"], weights.get("w1.bias")), "h": h}

    record(case, inputs, weights, run)


def check_loop():
    """Checks the loop above against torch.nn.GRU."""
    net = nn.GRU(I, H, num_layers=2, bidirectional=True, batch_first=True).double()
    x, h0 = rand(B, T, I), rand(4, B, H)
    w = dict(net.named_parameters())
    ends = [["_l0", "_l0_reverse"], ["_l1", "_l1_reverse"]]
    nested = [[{n: w[n + e] for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")} for e in pair] for pair in ends]
    y, h = loop(lambda w, x, h: cell_step("gru", w, x, h), nested, x, h0, None, 2, 2)
    want_y, want_h = net(x, h0)
    assert torch.allclose(y, want_y, atol=1e-12) and torch.allclose(h, want_h, atol=1e-12)


check_loop()
KINDS = {k: torch_nn for k in ("rnn_tanh", "rnn_relu", "gru", "lstm", "lstm_proj")}
KINDS |= {k: from_equations for k in ("gru_before", "min_gru", "min_lstm")} | {"simple": elman_network}
for kind, make in KINDS.items():
    for layers, directions, bias, ragged in itertools.product((1, 2), (1, 2), (True, False), (False, True)):
        name = f"{kind}-{layers}-{'bi' if directions == 2 else 'uni'}-{'bias' if bias else 'nobias'}-{'ragged' if ragged else 'full'}"
        make(name, kind, layers, directions, bias, LENGTHS if ragged else None)
save_file(out, pathlib.Path(__file__).with_name("recurrence.safetensors"), metadata={"torch": torch.__version__})
print(len(out), "tensors")
# a small PyTorch file for the parser, which reads pickle without executing it
net = torch_nn("unused", "lstm", 2, 2, True, None).float()
torch.save({"encoder." + n: p.detach() for n, p in net.named_parameters()}, pathlib.Path(__file__).with_name("lstm.pt"))
save_file({n: p.detach().contiguous() for n, p in net.named_parameters()}, pathlib.Path(__file__).with_name("lstm.safetensors"))
