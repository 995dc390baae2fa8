"""Times ONNX Runtime's RNN, GRU and LSTM operators: forward only, on the CPU. Needs onnxruntime and onnx; see
peer.py."""

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import peer

OPSET = [helper.make_opsetid("", 14)]
GATES = {"rnn": 1, "gru": 3, "lstm": 4}
# `linear_before_reset` matches PyTorch's and elman's GRU
SETTINGS = {"rnn": {}, "gru": {"linear_before_reset": 1}, "lstm": {}}
VARIANTS = {"plain": {}, "ragged": {}, "bidirectional": {"direction": "bidirectional"}}


def prepare(options):
    batch, steps, d_input, d_hidden = options.case
    variant = VARIANTS[options.variant]
    directions = 2 if variant.get("direction") == "bidirectional" else 1
    rows = GATES[options.cell] * d_hidden
    random = numpy.random.default_rng(0)

    def weight(*shape):
        bound = d_hidden**-0.5
        return random.uniform(-bound, bound, (directions, *shape)).astype(numpy.float32)

    weights = {"W": weight(rows, d_input), "R": weight(rows, d_hidden), "B": weight(2 * rows)}
    # the operators are time-major and return [time, direction, batch, hidden]
    feed = {"X": random.standard_normal((steps, batch, d_input), dtype=numpy.float32)}
    inputs = [helper.make_tensor_value_info("X", TensorProto.FLOAT, feed["X"].shape)]
    if options.lengths:
        feed["lengths"] = numpy.array(options.lengths, dtype=numpy.int32)
        inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, [batch]))

    arguments = ["X", *weights] + (["lengths"] if options.lengths else [])
    settings = {"hidden_size": d_hidden, **SETTINGS[options.cell], **variant}
    layer = helper.make_node(options.cell.upper(), arguments, ["Y"], **settings)
    output = helper.make_tensor_value_info("Y", TensorProto.FLOAT, [steps, directions, batch, d_hidden])
    initializers = [numpy_helper.from_array(value, name) for name, value in weights.items()]
    graph = helper.make_graph([layer], options.cell, inputs, [output], initializers)
    # the oldest IR version that works: the runtime may be older than the package `onnx`
    model = helper.make_model(graph, opset_imports=OPSET, ir_version=helper.find_min_ir_version_for(OPSET))
    onnx.checker.check_model(model)

    session_options = onnxruntime.SessionOptions()
    session_options.intra_op_num_threads = options.threads
    session = onnxruntime.InferenceSession(model.SerializeToString(), session_options, ["CPUExecutionProvider"])
    return (lambda: session.run(None, feed)), None


peer.run("onnxruntime " + onnxruntime.__version__, list(GATES), list(VARIANTS), prepare)
