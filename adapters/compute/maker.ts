import { readFileSync } from "node:fs";
import { METHOD_VERSION } from "../../core/quantization/method.ts";
import { RUNTIME_VERSION } from "../inference/session.ts";

const manifest = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
  readonly version: string;
};

/** What a candidate's bytes depend on beside its model, data and options. */
export interface Maker {
  /** Of Modelwright. */
  readonly release: string;
  /** `METHOD_VERSION`: releases of one method write the same bytes. */
  readonly method: string;
  /** Of ONNX Runtime: what its basic level folds is the one step that is not ours. */
  readonly runtime: string;
}

export const PRESENT_MAKER: Maker = {
  release: manifest.version,
  method: String(METHOD_VERSION),
  runtime: RUNTIME_VERSION,
};

/** As an optimization's report has it. */
export const recordMaker = ({ release, method, runtime }: Maker): Readonly<Record<string, string>> => ({
  modelwright: release,
  quantizationMethod: method,
  "onnxruntime-node": runtime,
});

/** As it was recorded; reports of release 0.1.0 name the runtime alone. */
export const recordedMaker = (record: Readonly<Record<string, string>>): Maker => ({
  release: record["modelwright"] ?? "0.1.0",
  method: record["quantizationMethod"] ?? "1",
  runtime: record["onnxruntime-node"] ?? "unknown",
});
