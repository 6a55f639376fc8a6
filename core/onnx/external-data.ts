import { Failure } from "../../contracts/failures.ts";
import { elementBits } from "./datatypes.ts";
import { serializeModel, type KeyValue, type OnnxModel, type Tensor } from "./model.ts";
import { elementCount, EXTERNAL } from "./tensor-storage.ts";
import { allTensors } from "./walk.ts";

/** A tensor whose elements are in another file, and where. */
export interface ExternalTensor {
  readonly tensor: Tensor;
  /** Path of the file, below the model's folder and without a step out of it; `/` between its parts. */
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/**
 * The tensors of a model that are in other files. Every location is a plain relative path: absolute ones, `..`, drives and backslashes
 * are refused, and so are lengths that are not those of the tensor. What links lead to is for who opens the files to see.
 *
 * @throws Failure MODEL_REFUSED
 */
export function externalTensors(model: OnnxModel, where: string): ExternalTensor[] {
  return allTensors(model)
    .filter(isExternal)
    .map((tensor) => locate(tensor, where));
}

export const isExternal = ({ dataLocation, externalData }: Tensor): boolean =>
  dataLocation === EXTERNAL || externalData.length > 0;

/** Puts the elements into the tensor itself; the bytes are not copied. */
export function embedTensor({ tensor, length }: ExternalTensor, bytes: Uint8Array): void {
  if (bytes.length !== length)
    throw new RangeError(`tensor "${tensor.name}" was given ${bytes.length} bytes of ${length}`);
  tensor.rawData = bytes;
  tensor.externalData = [];
  tensor.dataLocation = 0;
}

/** What `detachData` calls the bytes the elements stay in. */
export const DETACHED = "data";

/** Smaller constants stay where they are: shapes and axes among them are needed to understand the graph. */
const DETACHED_BYTES = 1024;

/**
 * Writes a model without the elements of its large constants, which ONNX Runtime then reads from the bytes the model was parsed from: for a
 * session opened on an edited graph whose weights nobody changed, neither writing nor reading them is needed.
 *
 * @param bytes what the model was parsed from; goes to the runtime as the file DETACHED
 */
export function detachData(model: OnnxModel, bytes: Uint8Array): Uint8Array {
  const { graph } = model;
  if (graph === undefined) throw new TypeError("the model has no graph");
  const initializers = graph.initializers.map((tensor) => {
    const { rawData } = tensor;
    if (rawData === undefined || rawData.length < DETACHED_BYTES || rawData.buffer !== bytes.buffer) return tensor;
    const { rawData: _, ...rest } = tensor;
    const place = { location: DETACHED, offset: rawData.byteOffset - bytes.byteOffset, length: rawData.length };
    const externalData = Object.entries(place).map(([key, value]) => ({ key, value: String(value) }));
    return { ...rest, externalData, dataLocation: EXTERNAL };
  });
  return serializeModel({ ...model, graph: { ...graph, initializers } });
}

function locate(tensor: Tensor, where: string): ExternalTensor {
  const refuse = (found: string, allowed: string) =>
    new Failure("MODEL_REFUSED", { where, found: `tensor "${tensor.name}" ${found}`, allowed });
  const entry = (key: string): string | undefined =>
    tensor.externalData.find((pair: KeyValue) => pair.key === key)?.value;
  const location = entry("location") ?? "";
  if (!isPlain(location)) {
    throw refuse(`has its data in "${location}"`, "a relative path to a file below the model's folder");
  }
  const bits = elementBits(tensor.dataType) ?? 0;
  if (bits === 0) throw refuse("has texts in another file", "numbers in other files");
  const expected = Math.ceil((elementCount(tensor.dims) * bits) / 8);
  const [offset, length] = [wholeNumber(entry("offset"), 0), wholeNumber(entry("length"), expected)];
  if (offset === undefined || length !== expected) {
    const found = `has its data at ${entry("offset") ?? 0} with ${entry("length") ?? "no"} bytes`;
    throw refuse(found, `a whole offset and the ${expected} bytes its shape takes`);
  }
  return { tensor, location, offset, length };
}

function isPlain(location: string): boolean {
  if (location === "" || /[\\:\0]/.test(location)) return false;
  return location.split("/").every((part) => part !== "" && part !== "." && part !== "..");
}

function wholeNumber(text: string | undefined, absent: number): number | undefined {
  if (text === undefined) return absent;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : undefined;
}
