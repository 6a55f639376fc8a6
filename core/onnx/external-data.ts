import { Failure } from "../../contracts/failures.ts";
import { elementBits } from "./datatypes.ts";
import type { KeyValue, OnnxModel, Tensor } from "./messages.ts";
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
