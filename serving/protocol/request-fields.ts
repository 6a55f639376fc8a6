import { TENSOR_DATATYPES, type TensorDatatype } from "../../contracts/signature.ts";
import { invalid, kindOf } from "./json-data.ts";
import type { Json } from "./lossless-json.ts";

/** Fields that an infer request has in JSON and in gRPC alike. Each reader throws INPUT_INVALID. */
export type JsonObject = { readonly [key: string]: Json };

export const WHERE = "infer request";
const MAXIMUM_RANK = 32;
/** The log takes 200, and what tells rows and a canary's error apart may follow. */
const MAXIMUM_ID_LENGTH = 180;
/** Ids travel in headers and name rows of the prediction log. */
const HEADER_SAFE = /^[\x20-\x7e]*$/;

export function readName(found: Json | undefined, where: string): string {
  if (typeof found === "string" && found !== "") return found;
  throw invalid(where, `name is ${describe(found)}, allowed: a string`);
}

export function readDatatype(found: Json | undefined, where: string): TensorDatatype {
  const datatype = TENSOR_DATATYPES.find((name) => name === found);
  if (datatype) return datatype;
  throw invalid(where, `datatype is ${describe(found)}, allowed: ${TENSOR_DATATYPES.join(", ")}`);
}

export function readShape(found: Json | undefined, where: string): number[] {
  if (isArray(found) && found.length > 0 && found.length <= MAXIMUM_RANK && found.every(isCount)) return [...found];
  throw invalid(where, `shape is ${describe(found)}, allowed: 1 to ${MAXIMUM_RANK} whole numbers from 0`);
}

export function readId(found: Json | undefined): string | null {
  if (found === undefined || found === null || found === "") return null;
  if (typeof found === "string" && found.length <= MAXIMUM_ID_LENGTH && HEADER_SAFE.test(found)) return found;
  throw invalid(WHERE, `id is ${describe(found)}, allowed: up to ${MAXIMUM_ID_LENGTH} printable ASCII characters`);
}

export function readContentType(found: Json | undefined): "columns" | "tensors" | null {
  if (found === undefined || found === null) return null;
  if (found === "columns" || found === "tensors") return found;
  throw invalid(WHERE, `parameters.content_type is ${describe(found)}, allowed: "columns", "tensors"`);
}

/** Triton's `timeout`, in microseconds, as milliseconds. */
export function readTimeout(found: Json | undefined): number | null {
  if (found === undefined || found === null) return null;
  const microseconds = typeof found === "bigint" ? Number(found) : found;
  if (typeof microseconds === "number" && isCount(microseconds)) return microseconds === 0 ? null : microseconds / 1000;
  throw invalid(WHERE, `parameters.timeout is ${describe(found)}, allowed: a number of microseconds, 0 for none`);
}

export function readRoutingKey(found: Json | undefined): string | null {
  if (found === undefined || found === null || found === "") return null;
  if (typeof found === "string") return found;
  if (typeof found === "number" || typeof found === "bigint") return String(found);
  throw invalid(WHERE, `parameters.routing_key is ${describe(found)}, allowed: a string`);
}

export function object(found: Json | undefined, where: string): JsonObject {
  if (typeof found === "object" && found !== null && !isArray(found)) return found;
  throw invalid(WHERE, `${where} is ${kindOf(found)}, allowed: an object`);
}

export function optionalObject(found: Json | undefined, where: string): JsonObject {
  return found === undefined || found === null ? {} : object(found, where);
}

export function optionalBoolean(found: Json | undefined, where: string): boolean | undefined {
  if (found === undefined || found === null) return undefined;
  if (typeof found === "boolean") return found;
  throw invalid(WHERE, `${where} is ${describe(found)}, allowed: true or false`);
}

export const isArray = (value: Json | undefined): value is readonly Json[] => Array.isArray(value);
export const isCount = (value: Json): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

/** A value for a message, cut short. */
export function describe(found: Json | undefined): string {
  if (typeof found === "string") return JSON.stringify(found.slice(0, 80));
  if (isArray(found) && found.length <= 8 && found.every((size) => typeof size === "number"))
    return `[${found.join(",")}]`;
  return typeof found === "number" || typeof found === "bigint" ? String(found) : kindOf(found);
}
