import assert from "node:assert/strict";
import type { HttpAnswer } from "./http-target.ts";
import { inputName, isHalf, outputName, SAMPLES, SHAPE, type Sample } from "./samples.ts";
import type { Target } from "./check.ts";

/** The model that has the sample's datatype. */
export const modelOf = (target: Target, sample: Sample): string => target.model + (isHalf(sample) ? "-half" : "");

export const inferPath = (model: string, version?: string): string =>
  `/v2/models/${model}${version === undefined ? "" : `/versions/${version}`}/infer`;

interface Metadata {
  readonly name: string;
  readonly versions?: readonly string[];
  readonly platform: string;
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly number[] }[];
  readonly outputs: Metadata["inputs"];
}

export async function metadataOf(target: Target, model: string): Promise<Metadata> {
  return json<Metadata>(await target.http.get(`/v2/models/${model}`));
}

/** Samples of the inputs that a model declares: one without BF16 is asked the other questions all the same. */
export async function samplesOf(target: Target, model: string): Promise<readonly Sample[]> {
  const { inputs } = await metadataOf(target, model);
  const declared = new Set(inputs.map(({ name }) => name));
  return SAMPLES.filter((sample) => declared.has(inputName(sample)));
}

export async function samplesWith(target: Target, sample: Sample): Promise<readonly Sample[]> {
  const samples = await samplesOf(target, modelOf(target, sample));
  assert(samples.includes(sample), `the model declares no ${sample.datatype}`);
  return samples;
}

/** An input as JSON text. */
export function jsonInput(sample: Sample, fields: Readonly<Record<string, string>> = {}): string {
  const whole: Record<string, string> = {
    name: JSON.stringify(inputName(sample)),
    datatype: JSON.stringify(sample.datatype),
    shape: JSON.stringify(SHAPE),
    data: `[${sample.tokens.join(",")}]`,
    ...fields,
  };
  const kept = Object.entries(whole).filter(([, text]) => text !== "");
  return `{${kept.map(([name, text]) => `"${name}":${text}`).join(",")}}`;
}

export const requestOf = (inputs: readonly string[], more = ""): string => `{"inputs":[${inputs.join(",")}]${more}}`;

export const asking = (sample: Sample, parameters = ""): string =>
  `,"outputs":[{"name":"${outputName(sample)}"${parameters}}]`;

/** A request in the binary extension: `binary` inputs as bytes behind the JSON, the others within it. */
export function binaryRequest(
  samples: readonly Sample[],
  options: { readonly more?: string; readonly isBinary?: (sample: Sample) => boolean } = {},
): { readonly body: Buffer; readonly headers: Record<string, string> } {
  const { more = "", isBinary = () => true } = options;
  const inputs = samples.map((sample) =>
    isBinary(sample)
      ? jsonInput(sample, { data: "", parameters: `{"binary_data_size":${sample.bytes.length}}` })
      : jsonInput(sample),
  );
  const header = Buffer.from(requestOf(inputs, more), "utf8");
  const bytes = samples.filter(isBinary).map((sample) => sample.bytes);
  return {
    body: Buffer.concat([header, ...bytes]),
    headers: {
      "content-type": "application/octet-stream",
      "inference-header-content-length": String(header.length),
    },
  };
}

// eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- says at the call what is expected
export function json<Body>(answer: HttpAnswer): Body {
  assert.equal(answer.status, 200, `status ${answer.status}: ${answer.text.slice(0, 120)}`);
  assert.equal(mediaType(answer), "application/json", `content-type ${answer.headers["content-type"]}`);
  return JSON.parse(answer.text) as Body;
}

export const mediaType = ({ headers }: HttpAnswer): string | undefined =>
  headers["content-type"]?.split(";")[0]?.trim();

/** The protocol's error: a status of the client's fault ("most typically 400"), JSON, and the text in `error`. */
export function expectError(answer: HttpAnswer): void {
  assert(answer.status >= 400 && answer.status < 500, `status ${answer.status}, allowed: 400 to 499`);
  assert.equal(mediaType(answer), "application/json", `content-type ${answer.headers["content-type"]}`);
  const { error } = JSON.parse(answer.text) as { error?: unknown };
  assert(typeof error === "string" && error !== "", `no "error": ${answer.text.slice(0, 120)}`);
}

interface Output {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly parameters?: { readonly binary_data_size?: number };
}

interface Outputs {
  readonly model_name: string;
  readonly model_version?: string;
  readonly id?: string;
  readonly outputs: readonly Output[];
}

/** The one output asked for, in JSON, equals the sample: 64-bit integers digit by digit. */
export function expectEcho(answer: HttpAnswer, sample: Sample): void {
  const { outputs } = json<Outputs>(answer);
  assert.equal(outputs.length, 1, `${outputs.length} outputs, one was asked for`);
  expectHead(outputs[0], sample);
  // The text itself: parsing would round what is to be compared.
  const [, data = ""] = /"data"\s*:\s*(\[.*?\])\s*[,}]\s*(?:"|\]|\})/s.exec(answer.text) ?? [];
  const found = data.match(/"(?:[^"\\]|\\.)*"|[^\s,[\]]+/g) ?? [];
  assert.deepEqual(
    found.map((token) => plain(sample, token)),
    sample.tokens.map((token) => plain(sample, token)),
  );
}

function expectHead(output: Output | undefined, sample: Sample): void {
  assert.equal(output?.name, outputName(sample));
  assert.equal(output?.datatype, sample.datatype);
  assert.deepEqual(output?.shape, [...SHAPE]);
}

/** A token as what it means: servers may print a number or a truth value in more than one way. */
function plain({ datatype }: Sample, token: string): unknown {
  if (datatype === "BYTES") return JSON.parse(token);
  if (datatype === "BOOL")
    return token === "true" || token === "1" ? true : token === "false" || token === "0" ? false : token;
  if (datatype.endsWith("INT64")) return token;
  return datatype === "FP32" ? Math.fround(Number(token)) : Number(token);
}

/** Outputs that came as bytes behind the JSON, by name. */
export function binaryOutputs(answer: HttpAnswer): ReadonlyMap<string, Buffer> {
  assert.equal(answer.status, 200, `status ${answer.status}: ${answer.text.slice(0, 120)}`);
  const length = Number(answer.headers["inference-header-content-length"]);
  assert(Number.isInteger(length), "no Inference-Header-Content-Length");
  const { outputs } = JSON.parse(answer.bytes.toString("utf8", 0, length)) as Outputs;
  let at = length;
  const found = new Map<string, Buffer>();
  for (const { name, parameters } of outputs) {
    const size = parameters?.binary_data_size;
    if (size === undefined) continue;
    found.set(name, answer.bytes.subarray(at, at + size));
    at += size;
  }
  assert.equal(at, answer.bytes.length, `${answer.bytes.length - at} bytes that belong to no output`);
  return found;
}

export function expectBinaryEcho(answer: HttpAnswer, sample: Sample): void {
  const bytes = binaryOutputs(answer).get(outputName(sample));
  assert(bytes, `${outputName(sample)} did not come as bytes`);
  assert.equal(bytes.toString("hex"), sample.bytes.toString("hex"));
}
