"""Quantizes each model of a folder by onnxruntime.quantization; a JSON line each, times without the start of Python.

    python bench/quantize/peer.py DIRECTORY
"""
import json
import pathlib
import resource
import sys
import time

import numpy as np
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_dynamic, quantize_static

folder = pathlib.Path(sys.argv[1])
rows = np.loadtxt(folder / "training.csv", delimiter=",", skiprows=1, dtype=np.float32)[:500, :64]


class Reader(CalibrationDataReader):
    def __init__(self):
        self.batches = iter([{"x": rows[at:at + 64]} for at in range(0, len(rows), 64)])

    def get_next(self):
        return next(self.batches, None)


def static(source, target):
    quantize_static(source, target, Reader(), per_channel=True, activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8)


def dynamic(source, target):
    quantize_dynamic(source, target, per_channel=True, weight_type=QuantType.QInt8)


for source in sorted(folder.glob("*.onnx")):
    for name, quantize in (("dynamic", dynamic), ("static", static)):
        target = folder / "peer" / f"{source.stem}.{name}.onnx"
        target.parent.mkdir(exist_ok=True)
        start = time.perf_counter()
        try:
            quantize(source, target)
        except Exception as problem:  # a model it cannot take is a result, not an end
            print(json.dumps({"model": source.stem, "pass": name, "problem": str(problem)[:200]}), flush=True)
            continue
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(json.dumps({"model": source.stem, "pass": name, "seconds": time.perf_counter() - start, "bytes": target.stat().st_size, "peakBytes": peak}), flush=True)
