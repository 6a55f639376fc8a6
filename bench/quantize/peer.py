"""Quantizes a model by onnxruntime.quantization, several times, and says what it took: one JSON line, the start of Python left out and told.

    python bench/quantize/peer.py dynamic|static MODEL TRAINING.csv TARGET TIMES
"""
import json
import sys
import time

import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

name, source, training, target, times = sys.argv[1:]
rows = np.loadtxt(training, delimiter=",", skiprows=1, dtype=np.float32, max_rows=500)[:, :-1]


class Reader(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"x": rows[at:at + 64]} for at in range(0, len(rows), 64)])

    def get_next(self):
        return next(self.batches, None)


def start_runtime():
    """With its first session, as on the other side."""
    values = [helper.make_tensor_value_info(value, TensorProto.FLOAT, [1]) for value in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "nothing", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnxruntime.InferenceSession(model.SerializeToString())


def peak_bytes():
    """Of this process alone: what getrusage says begins with the parent's."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


start_runtime()
seconds, peak = [], 0
try:
    for _ in range(int(times)):
        start = time.perf_counter()
        if name == "dynamic":
            quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)
        else:
            quantize_static(source, target, Reader(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)
        seconds.append(time.perf_counter() - start)
        peak = peak or peak_bytes()
except Exception as problem:  # a model it cannot take is a result, not an end
    print(json.dumps({"problem": str(problem)[:200]}))
    sys.exit()
print(json.dumps({"seconds": seconds, "peakBytes": peak}))
