"""Trains seven models of different kinds on scikit-learn's digits (is it 5 or more?) and a deep one on a table, and writes them as ONNX
beside their rows and the signature of the seven. Any of them can then be optimized alone:

    python examples/digits/train.py models
    npx modelwright optimize models/cnn.onnx --data models/test.csv --calibration models/training.csv --passes static-int8 dynamic-int8 store-f16

Versions: jax 0.10.2, optax 0.2.8, scikit-learn 1.9.1, skl2onnx 1.20.0, onnx 1.23.2, numpy 2.4.6.

`npm run bench -- quantize` trains them itself, and compares what comes of them with `onnxruntime.quantization`.
"""
import json
import pathlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import optax
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier

HIDDEN = 128
rng = np.random.default_rng(3)


def dense(rows, columns):
    return rng.normal(0, 1 / np.sqrt(rows), (rows, columns)).astype(np.float32)


def zeros(*shape):
    return np.zeros(shape, np.float32)


def head(p, h):
    return jax.nn.sigmoid(h @ p["head"] + p["head_b"])[:, 0]


HEAD = [("Gemm", ["h", "head", "head_b"], "score", {}), ("Sigmoid", ["score"], "probability", {})]


def mlp():
    p = {"w1": dense(64, 512), "b1": zeros(512), "w2": dense(512, 512), "b2": zeros(512), "head": dense(512, 1), "head_b": zeros(1)}
    forward = lambda p, x: head(p, jax.nn.relu(jax.nn.relu(x @ p["w1"] + p["b1"]) @ p["w2"] + p["b2"]))
    nodes = [("Gemm", ["x", "w1", "b1"], "a", {}), ("Relu", ["a"], "r", {}), ("Gemm", ["r", "w2", "b2"], "c", {}), ("Relu", ["c"], "h", {}), *HEAD]
    return p, forward, nodes, {}


def embedding():
    """Every pixel's grey level, 0 to 16, is looked up in a table of its own rows."""
    p = {"table": rng.normal(0, 0.5, (17 * 64, 16)).astype(np.float32), "w1": dense(1024, 256), "b1": zeros(256), "head": dense(256, 1), "head_b": zeros(1)}
    offsets = np.arange(64, dtype=np.int64) * 17

    def forward(p, x):
        rows = p["table"][(x * 16).round().astype(int) + offsets]
        return head(p, jax.nn.relu(rows.reshape(len(x), 1024) @ p["w1"] + p["b1"]))

    nodes = [("Mul", ["x", "sixteen"], "levels", {}), ("Round", ["levels"], "whole", {}), ("Cast", ["whole"], "codes", {"to": TensorProto.INT64}),
             ("Add", ["codes", "offsets"], "places", {}), ("Gather", ["table", "places"], "rows", {}), ("Reshape", ["rows", "flat"], "f", {}),
             ("Gemm", ["f", "w1", "b1"], "a", {}), ("Relu", ["a"], "h", {}), *HEAD]
    return p, forward, nodes, {"sixteen": np.float32(16), "offsets": offsets, "flat": np.array([-1, 1024])}


def cnn():
    filters = lambda out, into: rng.normal(0, 1 / np.sqrt(9 * into), (out, into, 3, 3)).astype(np.float32)
    p = {"w1": filters(24, 1), "b1": zeros(24), "w2": filters(48, 24), "b2": zeros(48), "w3": dense(48 * 16, 64), "b3": zeros(64), "head": dense(64, 1), "head_b": zeros(1)}

    def convolve(x, w, b):
        return jax.nn.relu(jax.lax.conv_general_dilated(x, w, (1, 1), "SAME") + b[None, :, None, None])

    def forward(p, x):
        first = convolve(x.reshape(-1, 1, 8, 8), p["w1"], p["b1"])
        pooled = jax.lax.reduce_window(first, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")
        second = convolve(pooled, p["w2"], p["b2"])
        return head(p, jax.nn.relu(second.reshape(len(x), -1) @ p["w3"] + p["b3"]))

    pads = {"pads": [1, 1, 1, 1], "kernel_shape": [3, 3]}
    nodes = [("Reshape", ["x", "image"], "i", {}), ("Conv", ["i", "w1", "b1"], "c1", pads), ("Relu", ["c1"], "r1", {}),
             ("MaxPool", ["r1"], "m", {"kernel_shape": [2, 2], "strides": [2, 2]}), ("Conv", ["m", "w2", "b2"], "c2", pads), ("Relu", ["c2"], "r2", {}),
             ("Flatten", ["r2"], "f", {}), ("Gemm", ["f", "w3", "b3"], "a", {}), ("Relu", ["a"], "h", {}), *HEAD]
    return p, forward, nodes, {"image": np.array([-1, 1, 8, 8])}


def recurrent(kind, gates, hidden=HIDDEN):
    p = {"w": dense(gates * hidden, 8)[None] * 0.5, "r": dense(gates * hidden, hidden)[None] * 0.5, "b": zeros(1, 2 * gates * hidden), "head": dense(hidden, 1), "head_b": zeros(1)}

    def step(p, state, x):
        h, c = state
        a = x @ p["w"][0].T + p["b"][0, : gates * hidden]
        b = h @ p["r"][0].T + p["b"][0, gates * hidden:]
        if kind == "LSTM":
            i, o, f, g = jnp.split(a + b, 4, axis=1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return (jax.nn.sigmoid(o) * jnp.tanh(c), c), None
        (az, ar, ah), (bz, br, bh) = jnp.split(a, 3, axis=1), jnp.split(b, 3, axis=1)
        z = jax.nn.sigmoid(az + bz)
        return ((1 - z) * jnp.tanh(ah + jax.nn.sigmoid(ar + br) * bh) + z * h, c), None

    def forward(p, x):
        start = jnp.zeros((len(x), hidden))
        return head(p, jax.lax.scan(lambda s, row: step(p, s, row), (start, start), x.reshape(-1, 8, 8).swapaxes(0, 1))[0][0])

    attributes = {"hidden_size": hidden, **({"linear_before_reset": 1} if kind == "GRU" else {})}
    nodes = [("Reshape", ["x", "sequence"], "s", {}), ("Transpose", ["s"], "t", {"perm": [1, 0, 2]}), (kind, ["t", "w", "r", "b"], ["", "last"], attributes),
             ("Squeeze", ["last", "first"], "h", {}), *HEAD]
    return p, forward, nodes, {"sequence": np.array([-1, 8, 8]), "first": np.array([0])}


def transformer():
    d, names = HIDDEN, ["q", "k", "v", "o"]
    p = {"embed": dense(8, d), "place": rng.normal(0, 0.1, (8, d)).astype(np.float32), **{name: dense(d, d) for name in names}, "g1": np.ones(d, np.float32), "n1": zeros(d),
         "up": dense(d, 4 * d), "up_b": zeros(4 * d), "down": dense(4 * d, d), "down_b": zeros(d), "g2": np.ones(d, np.float32), "n2": zeros(d), "head": dense(d, 1), "head_b": zeros(1)}

    def normal(x, gain, shift):
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain + shift

    def forward(p, x):
        t = x.reshape(-1, 8, 8) @ p["embed"] + p["place"]
        weights = jax.nn.softmax((t @ p["q"]) @ (t @ p["k"]).swapaxes(1, 2) / np.sqrt(d))
        t = normal(t + weights @ (t @ p["v"]) @ p["o"], p["g1"], p["n1"])
        t = normal(t + jax.nn.relu(t @ p["up"] + p["up_b"]) @ p["down"] + p["down_b"], p["g2"], p["n2"])
        return head(p, t.mean(1))

    layer = {"axis": -1, "epsilon": 1e-5}
    nodes = [("Reshape", ["x", "tokens"], "s", {}), ("MatMul", ["s", "embed"], "e", {}), ("Add", ["e", "place"], "t", {}),
             *((("MatMul", ["t", name], f"t_{name}", {})) for name in "qkv"), ("Transpose", ["t_k"], "kt", {"perm": [0, 2, 1]}), ("MatMul", ["t_q", "kt"], "qk", {}),
             ("Div", ["qk", "root"], "scaled", {}), ("Softmax", ["scaled"], "attention", {"axis": -1}), ("MatMul", ["attention", "t_v"], "mixed", {}), ("MatMul", ["mixed", "o"], "out", {}),
             ("Add", ["t", "out"], "sum1", {}), ("LayerNormalization", ["sum1", "g1", "n1"], "l1", layer), ("MatMul", ["l1", "up"], "u", {}), ("Add", ["u", "up_b"], "ub", {}),
             ("Relu", ["ub"], "ur", {}), ("MatMul", ["ur", "down"], "dn", {}), ("Add", ["dn", "down_b"], "db", {}), ("Add", ["l1", "db"], "sum2", {}),
             ("LayerNormalization", ["sum2", "g2", "n2"], "l2", layer), ("ReduceMean", ["l2"], "h", {"axes": [1], "keepdims": 0}), *HEAD]
    return p, forward, nodes, {"tokens": np.array([-1, 8, 8]), "root": np.float32(np.sqrt(d))}


def train(parameters, forward, x, y):
    optimizer = optax.adam(2e-3)

    def loss(p):
        scores = jnp.clip(forward(p, x), 1e-6, 1 - 1e-6)
        return -jnp.mean(y * jnp.log(scores) + (1 - y) * jnp.log(1 - scores))

    @jax.jit
    def step(p, state):
        updates, state = optimizer.update(jax.grad(loss)(p), state)
        return optax.apply_updates(p, updates), state

    p = jax.tree.map(jnp.asarray, parameters)
    state = optimizer.init(p)
    for _ in range(120):
        p, state = step(p, state)
    return {name: np.asarray(value) for name, value in p.items()}


def deep(folder):
    """24 layers with a way around every second one, on 32 columns whose products and waves decide; 10,000 rows to compare on."""
    width, blocks = 128, 11
    columns = rng.normal(size=(14_000, 32)).astype(np.float32)
    score = columns[:, 0] * columns[:, 1] + np.sin(2 * columns[:, 2]) + 0.5 * columns[:, 3:8].sum(1) * columns[:, 8] + rng.logistic(0, 0.5, 14_000)
    labels = (score > 0).astype(np.int64)
    p = {"in": dense(32, width), "in_b": zeros(width), "head": dense(width, 1), "head_b": zeros(1)}
    nodes, row = [("Gemm", ["x", "in", "in_b"], "h0", {})], "h0"
    for block in range(blocks):
        p |= {f"up{block}": dense(width, width), f"up_b{block}": zeros(width), f"down{block}": dense(width, width) * 0.3, f"down_b{block}": zeros(width)}
        nodes += [("Gemm", [row, f"up{block}", f"up_b{block}"], f"a{block}", {}), ("Relu", [f"a{block}"], f"r{block}", {}),
                  ("Gemm", [f"r{block}", f"down{block}", f"down_b{block}"], f"d{block}", {}), ("Add", [row, f"d{block}"], f"h{block + 1}", {})]
        row = f"h{block + 1}"

    def forward(p, x):
        h = x @ p["in"] + p["in_b"]
        for block in range(blocks):
            h = h + jax.nn.relu(h @ p[f"up{block}"] + p[f"up_b{block}"]) @ p[f"down{block}"] + p[f"down_b{block}"]
        return head(p, h)

    write_rows(folder, "deep.training", columns[:4000], labels[:4000], "c")
    write_rows(folder, "deep.test", columns[4000:], labels[4000:], "c")
    trained = train(p, forward, columns[:4000], labels[:4000])
    save(folder / "deep.onnx", [*nodes, ("Gemm", [row, "head", "head_b"], "score", {}), ("Sigmoid", ["score"], "probability", {})], trained, 32)


def wide(folder):
    """140 MB of weights that were never trained: for time and memory alone."""
    width = 1536
    constants = {"in": dense(64, width), "head": dense(width, 1), **{f"w{layer}": dense(width, width) for layer in range(15)}}
    nodes = [("MatMul", ["x", "in"], "h0", {})]
    for layer in range(15):
        nodes += [("MatMul", [f"h{layer}", f"w{layer}"], f"a{layer}", {}), ("Relu", [f"a{layer}"], f"h{layer + 1}", {})]
    save(folder / "wide.onnx", [*nodes, ("MatMul", ["h15", "head"], "score", {}), ("Sigmoid", ["score"], "probability", {})], constants)


def write_rows(folder, name, columns, labels, letter):
    lines = [",".join([*map(str, row.tolist()), str(label)]) for row, label in zip(columns, labels)]
    header = ",".join([*(f"{letter}{at}" for at in range(columns.shape[1])), "high"])
    (folder / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")


# Of every model here but the deep one: 64 pixels a row, the probability that the digit is 5 or more.
SIGNATURE = {
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 64], "features": [{"kind": "number", "column": f"p{at}"} for at in range(64)]}],
    "outputs": [{"name": "probability", "datatype": "FP32", "shape": [-1, 1]}],
    "label": "high",
    "prediction": {"kind": "binary", "output": "probability"},
}


def save(path, nodes, constants, width=64):
    made = [helper.make_node(op, inputs, [out] if isinstance(out, str) else out, f"{op}_{at}", **attributes) for at, (op, inputs, out, attributes) in enumerate(nodes)]
    graph = helper.make_graph(made, path.stem, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", width])],
                              [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1])],
                              [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in constants.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="bench")
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString())


def forest(path, x, y):
    from skl2onnx import to_onnx
    model = to_onnx(RandomForestClassifier(100, max_depth=8, random_state=3).fit(x, y), x[:1], options={"zipmap": False}, target_opset=17)
    graph = model.graph
    # One probability a row, as the other models give.
    graph.initializer.append(numpy_helper.from_array(np.array([1]), "positive"))
    graph.node.append(helper.make_node("Gather", ["probabilities", "positive"], ["probability"], "positive", axis=1))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["batch", 1]))
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    for node in graph.node:
        node.input[:] = ["x" if name == graph.input[0].name else name for name in node.input]
    graph.input[0].name = "x"
    path.write_bytes(model.SerializeToString())


def save_trained(path, model, x, y):
    parameters, forward, nodes, constants = model
    save(path, nodes, {**constants, **train(parameters, forward, x, y)})
    print(path.stem, flush=True)


def main(folder):
    folder.mkdir(parents=True, exist_ok=True)
    x, y = load_digits(return_X_y=True)
    x, y = (x / 16).astype(np.float32), (y >= 5).astype(np.int64)
    order = rng.permutation(len(x))
    for name, rows in (("training", order[:1000]), ("test", order[1000:])):
        write_rows(folder, name, x[rows], y[rows], "p")
    (folder / "signature.json").write_text(json.dumps(SIGNATURE, indent=2) + "\n")
    kinds = {"mlp": mlp, "embedding": embedding, "cnn": cnn, "lstm": lambda: recurrent("LSTM", 4), "gru": lambda: recurrent("GRU", 3), "transformer": transformer}
    learn = lambda name, kind: save_trained(folder / f"{name}.onnx", kind(), x[order[:1000]], y[order[:1000]])
    for name, kind in kinds.items():
        learn(name, kind)
    forest(folder / "forest.onnx", x[order[:1000]], y[order[:1000]])
    print("forest", flush=True)
    deep(folder)
    wide(folder)
    # Last, so that what is drawn for the others stays.
    learn("lstm256", lambda: recurrent("LSTM", 4, 256))


main(pathlib.Path(sys.argv[1]))
