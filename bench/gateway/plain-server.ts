import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { INFERENCE_HEADERS } from "../../contracts/inference.ts";
import { openSession } from "../../adapters/inference/session.ts";
import { readModelInput } from "../../serving/model-input.ts";
import { parseInferRequest } from "../../serving/protocol/infer-request.ts";
import { writeInferResponse } from "../../serving/protocol/infer-response.ts";
import { BENCH_MODELS, type BenchModelName } from "../gateway-model.ts";

/**
 * Entry of the least that serves a model over the protocol: `node:http` and ONNX Runtime in one process, each request by itself. It routes, bounds,
 * counts and logs nothing, and ends when a model crashes: what the gateway takes beyond it is the price of that.
 */
const [name = "", path = ""] = process.argv.slice(2);
const { signature } = BENCH_MODELS[name as BenchModelName];
const session = await openSession({ model: await readFile(path), digest: null });

const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => void answer(request, Buffer.concat(chunks), response));
});

async function answer({ headers }: IncomingMessage, body: Buffer, response: ServerResponse): Promise<void> {
  const request = parseInferRequest(body, Number(headers[INFERENCE_HEADERS.headerLength]));
  const { tensors } = readModelInput(request, signature, name);
  const outputs = await session.run(tensors);
  const written = writeInferResponse({ modelName: name, modelVersion: "1", id: "plain", outputs }, request);
  response.writeHead(200, {
    "content-type": "application/octet-stream",
    "content-length": Buffer.byteLength(written.body),
    [INFERENCE_HEADERS.headerLength]: String(written.headerLength),
  });
  response.end(written.body);
}

server.listen(0, "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  process.send?.({ kind: "ready", url: `http://127.0.0.1:${port}` });
});
process.on("disconnect", () => process.exit(0));
