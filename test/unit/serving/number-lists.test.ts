import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../contracts/data.ts";
import { isFailure } from "../../../contracts/failures.ts";
import type { TensorDatatype } from "../../../contracts/signature.ts";
import { createRandom } from "../../../core/stats/random.ts";
import { parseInferRequest } from "../../../serving/protocol/infer-request.ts";
import { readJsonData } from "../../../serving/protocol/json-data.ts";
import { parseLosslessJson } from "../../../serving/protocol/lossless-json.ts";
import { cutNumberLists, readNumberList } from "../../../serving/protocol/number-lists.ts";

/** Of a text that is read by itself. */
function readList(text: string, datatype: TensorDatatype, shape: readonly number[]): Tensor["data"] | null {
  const count = shape.reduce((product, size) => product * size, 1);
  return readNumberList({ bytes: Buffer.from(text) }, datatype, shape, count);
}

const bits = (values: Tensor["data"] | null) =>
  values === null || !ArrayBuffer.isView(values)
    ? values
    : Buffer.from(values.buffer, values.byteOffset, values.byteLength).toString("hex");

/** What the parser of JSON and the reader of parsed data make of it; null where one of them refuses. */
function plainly(text: string, datatype: TensorDatatype, shape: readonly number[]): Tensor["data"] | null {
  const count = shape.reduce((product, size) => product * size, 1);
  try {
    return readJsonData("x", { datatype, shape, data: parseLosslessJson(text) }, count);
  } catch (thrown) {
    if (isFailure(thrown) || thrown instanceof SyntaxError) return null;
    throw thrown;
  }
}

/** A number written in any of the ways that JSON allows, most of them near what rounds either way. */
function writeNumber(random: ReturnType<typeof createRandom>): string {
  const kind = Math.floor(random.uniform() * 10);
  const real = (random.uniform() - 0.5) * 10 ** Math.floor(random.uniform() * 90 - 50);
  const single = Math.fround(real);
  const next = new Float32Array(1);
  next[0] = single;
  const [word = 0] = new Uint32Array(next.buffer);
  new Uint32Array(next.buffer)[0] = word + 1;
  const midpoint = (single + (next[0] ?? 0)) / 2;
  const digits = Array.from({ length: 1 + Math.floor(random.uniform() * 24) }, () => Math.floor(random.uniform() * 10));
  if (kind === 0) return String(single);
  if (kind === 1) return String(real);
  if (kind === 2) return Number.isFinite(midpoint) ? midpoint.toPrecision(17 + Math.floor(random.uniform() * 8)) : "0";
  if (kind === 3) return String(Math.floor(random.uniform() * 2e5) - 1e5);
  if (kind === 4) return `${random.uniform() < 0.5 ? "-" : ""}0.${digits.join("")}`;
  if (kind === 5) return `${1 + (digits[0] ?? 0)}${digits.join("")}.${digits.join("")}`;
  if (kind === 6) return `-0.${digits.join("")}E${Math.floor(random.uniform() * 80 - 40)}`;
  if (kind === 9) {
    const near = Math.fround((random.uniform() - 0.5) * 20);
    return (near * (1 + 2 ** -24)).toPrecision(17 + Math.floor(random.uniform() * 8));
  }
  if (kind === 7) return `${digits[0]}e${random.uniform() < 0.5 ? "+" : "-"}0${Math.floor(random.uniform() * 50)}`;
  return ["-0", "0", "0.0", "-0.0e5", "1e-45", "1.4e-45", "5e-324", "3.4028235e38", "1e-30"][digits[0] ?? 0] ?? "-0";
}

describe("a long list of numbers", () => {
  test("is read bit for bit as JSON.parse and rounding read it, however its numbers are written", () => {
    const random = createRandom(7);
    let readCount = 0;
    const wrong: string[] = [];
    for (let i = 0; i < 100_000; i++) {
      const number = writeNumber(random);
      // By itself, and among others, where most are read at once.
      for (const [text, size] of [
        [`[${number}]`, 1],
        [`[${number}, ${number},\n${number}, 0.7071067690849304, 1]`, 5],
      ] as const) {
        for (const datatype of ["FP32", "FP64"] as const) {
          const read = readList(text, datatype, [size]);
          // Whole numbers of many digits, and what is too large, are for the plain way.
          if (read === null) continue;
          readCount++;
          if (bits(read) !== bits(plainly(text, datatype, [size]))) wrong.push(`${datatype} ${text}`);
        }
      }
    }
    expect(wrong).toEqual([]);
    expect(readCount).toBeGreaterThan(360_000);
  });

  test("takes no text that JSON.parse does not, nor numbers that do not fit their type", () => {
    const pieces = [
      "1",
      "0",
      "-",
      ".",
      "e",
      "E",
      "+",
      ",",
      "[",
      "]",
      " ",
      "\n",
      "300",
      "1.5",
      "1e2",
      "-7",
      "x",
      "\u00a0",
    ];
    const number = fc.constantFrom("1", "-0", "2.5e1", "300", "-1", "4294967296", "1e400", "12345678901234567890");
    const lists = fc.oneof(
      fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((found) => `[${found.join("")}]`),
      fc.array(number, { maxLength: 5 }).map((found) => `[ ${found.join(" ,\t")}\r\n]`),
      fc.array(number, { minLength: 4, maxLength: 4 }).map(([a, b, c, d]) => `[[${a},${b}], [ ${c},${d}]]`),
    );
    const datatypes = fc.constantFrom<TensorDatatype>(
      "FP32",
      "FP64",
      "INT8",
      "UINT8",
      "INT32",
      "UINT32",
      "INT64",
      "UINT64",
    );
    const shapes = fc.constantFrom([1], [2], [3], [4], [2, 2], [4, 1], [1, 2, 2]);
    const agree = fc.property(lists, datatypes, shapes, (text, datatype, shape) => {
      const read = readList(text, datatype, shape);
      return read === null || bits(read) === bits(plainly(text, datatype, shape));
    });
    expect(fc.check(agree, { numRuns: 20_000, seed: 5 })).toMatchObject({ failed: false });
  });

  test("is read flat, and nested as the shape says", () => {
    expect(readList("[1, 2,3 ,4]", "INT32", [2, 2])).toEqual(new Int32Array([1, 2, 3, 4]));
    expect(readList("[ [1, 2],[3,4 ] ]", "FP32", [2, 2])).toEqual(new Float32Array([1, 2, 3, 4]));
    expect(readList("[[[1],[2]]]", "UINT64", [1, 2, 1])).toEqual(new BigUint64Array([1n, 2n]));
    for (const wrong of ["[1,2,3]", "[[1,2],[3]]", "[[1,2,3,4]]", "[[1,2],[3,4]]]", "[[1,2],3,4]", "[1,2,3,4,]"])
      expect(readList(wrong, "FP32", [2, 2])).toBeNull();
  });

  test("asks for no memory beyond its own size", () => {
    expect(readNumberList({ bytes: Buffer.from("[1,2]") }, "FP32", [2 ** 31], 2 ** 31)).toBeNull();
  });
});

const numbers = Array.from({ length: 3_000 }, (_, i) => Math.fround(Math.sin(i)));
const text = (fields: object) =>
  JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [3_000], data: numbers, ...fields }], id: "7" });
const parse = (body: string) => parseInferRequest(Buffer.from(body), null);

describe("a request with a long list", () => {
  test("reaches the model as the numbers it says", () => {
    expect(parse(text({})).inputs[0]?.payload).toEqual({ kind: "values", data: Float32Array.from(numbers) });
    expect(parse(text({ data: [numbers], shape: [1, 3_000] })).inputs[0]?.payload).toMatchObject({ kind: "values" });
    const own = parse(text({ name: 'a "data":[1] \\' }));
    expect(own).toMatchObject({ id: "7", inputs: [{ name: 'a "data":[1] \\', payload: { kind: "values" } }] });
  });

  test("is read plainly where anything in it is out of the ordinary", () => {
    const strings = numbers.map(String);
    for (const fields of [
      { data: [...numbers.slice(1), null] },
      { datatype: "BYTES", data: strings },
      { datatype: "BOOL", data: numbers.map(() => 1) },
      { datatype: "INT8" },
      { shape: [2_999] },
    ])
      expect(parse(text(fields)).inputs[0]?.payload).toMatchObject({ kind: "json" });
    const long = `[9007199254740993${",1".repeat(2_999)}]`;
    const lossless = parse(text({ datatype: "INT64", data: 0 }).replace('"data":0', `"data":${long}`));
    expect(lossless.inputs[0]?.payload).toMatchObject({ kind: "json", data: { 0: 9007199254740993n } });
  });

  test("is refused in the words of the plain way, wherever the fault is", () => {
    const good = text({});
    const list = JSON.stringify(numbers);
    const broken = [
      good.replace(list, list.replace(",", ",,")),
      good.replace(list, list.slice(0, -1)),
      good.slice(0, -1),
      good.replace(`"id":"7"`, `"data":${list.replace(",", ",01")}`),
      good.replace(`"id":"7"`, `"id":{"data":${list}}`),
      good.replace(`"data":`, `"data":${list.replace("[", "[-,")},"data":`),
      good.replace("FP32", "FP31"),
    ];
    for (const body of broken) expect(() => parse(body)).toThrow(/infer request|inputs\[0\]/);
    expect(() => parse(good.replace(list, list.replace(",", ",,")))).toThrow(/the body is not JSON \(Unexpected token/);
    expect(() => parse(good.replace("FP32", "FP31"))).toThrow(/datatype is "FP31"/);
  });

  test("costs no more than its length where it is made to be looked at again and again", () => {
    const many = Buffer.from(`"data":[ `.repeat(50_000));
    expect(cutNumberLists(many)).toBeNull();
    expect(cutNumberLists(Buffer.from(`"${"\\".repeat(2_000_000)}`))).toBeNull();
  });
});
