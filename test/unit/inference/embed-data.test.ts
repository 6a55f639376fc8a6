import { mkdir, mkdtemp, readFile, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as ort from "onnxruntime-node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { embedData } from "../../../adapters/inference/embed-data.ts";
import { createModel, createNode, createTensor, createValueInfo } from "../../../core/onnx/create.ts";
import { inspectModel } from "../../../core/onnx/inspect.ts";
import { parseModel, serializeModel } from "../../../core/onnx/model.ts";
import { normals } from "../quantization/random-weights.ts";

let directory: string;
let folder: string;
const weights = normals(1, 8 * 4, 1);
const shift = normals(2, 4, 1);
const data = Buffer.concat([Buffer.alloc(16), Buffer.from(weights.buffer), Buffer.from(shift.buffer)]);

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-embed-"));
  folder = join(directory, "model");
  await mkdir(join(folder, "parts"), { recursive: true });
  await writeFile(join(folder, "parts", "weights.bin"), data);
  await writeFile(join(directory, "secret"), data);
  await symlink(join(directory, "secret"), join(folder, "link"));
  await symlink(directory, join(folder, "up"));
  await symlink(join(folder, "parts", "weights.bin"), join(folder, "inside"));
});
afterAll(() => rm(directory, { recursive: true }));

type Place = Readonly<Record<string, string>>;
const FIRST = { location: "parts/weights.bin", offset: "16", length: "128" };
const SECOND = { location: "parts/weights.bin", offset: "144" };

/** x · w + b, with the data of both constants where they are said to be. */
async function write(first: Place = FIRST, second: Place = SECOND, dims: readonly number[] = [8, 4]): Promise<string> {
  const outside = (name: string, of: readonly number[], place: Place) => ({
    ...createTensor(name, "FP32", [], Float32Array.of(0)),
    rawData: undefined as never,
    dims: [...of],
    externalData: Object.entries(place).map(([key, value]) => ({ key, value })),
    dataLocation: 1,
  });
  const model = createModel({
    nodes: [createNode("Gemm", ["x", "w", "b"], ["y"])],
    inputs: [createValueInfo("x", "FP32", ["rows", 8])],
    outputs: [createValueInfo("y", "FP32", ["rows", 4])],
    initializers: [outside("w", dims, first), outside("b", [4], second)],
  });
  const path = join(folder, "model.onnx");
  await writeFile(path, serializeModel(model));
  return path;
}
const embed = (path: string) => embedData(path, join(directory, "whole.onnx"));

describe("a model whose data is in other files", () => {
  it("becomes one file that ONNX Runtime runs as it runs the parts", async () => {
    const path = await write();
    const whole = await embed(path);
    const bytes = await readFile(whole);
    expect(() => inspectModel(bytes, whole)).not.toThrow();
    expect(() => inspectModel(new Uint8Array(bytes), whole)).not.toThrow();
    const x = new ort.Tensor("float32", normals(3, 16, 1), [2, 8]);
    const results = [];
    for (const source of [path, whole]) {
      const session = await ort.InferenceSession.create(source);
      results.push([...((await session.run({ x }))["y"]!.data as Float32Array)]);
      await session.release();
    }
    expect(results[0]).toEqual(results[1]);
    expect(results[0]!.some((value) => value !== 0)).toBe(true);
  });

  it("is left as it is when all its data is inside", async () => {
    const whole = await embed(await write());
    expect(await embedData(whole, join(directory, "again.onnx"))).toBe(whole);
  });

  it("may link to a file inside its folder", async () => {
    await expect(embed(await write({ ...FIRST, location: "inside" }))).resolves.toContain("whole.onnx");
  });

  it.each<[string, Place, RegExp]>([
    ["an absolute path", { location: "/etc/hostname" }, /has its data in "\/etc\/hostname"; allowed: a relative path/],
    ["a step out of the folder", { location: "../secret" }, /has its data in "\.\.\/secret"/],
    ["a step out further down", { location: "parts/../../secret" }, /has its data in/],
    ["a path of Windows", { location: "..\\secret" }, /has its data in/],
    ["a drive", { location: "C:secret" }, /has its data in/],
    ["no path", {}, /has its data in ""/],
    ["a link to a file outside", { ...FIRST, location: "link" }, /"link", which is a link out of its folder/],
    ["a link to a folder outside", { ...FIRST, location: "up/secret" }, /"up\/secret", which is a link out/],
    ["a folder", { ...FIRST, location: "parts" }, /"parts", which is no file/],
    ["a file that is missing", { ...FIRST, location: "other" }, /no such file \(data of the model/],
    ["too few bytes", { ...FIRST, length: "12" }, /with 12 bytes; allowed: a whole offset and the 128 bytes/],
    ["a negative offset", { ...FIRST, offset: "-16" }, /has its data at -16/],
    ["an offset of 2^63", { ...FIRST, offset: String(2n ** 63n) }, /has its data at 9223372036854775808/],
    ["bytes behind the end", { ...FIRST, offset: "160" }, /ends at byte 288 of "parts\/weights\.bin"; allowed: 160/],
    ["bytes of another tensor", { ...FIRST, offset: "32" }, /tensor "b" overlaps another in "parts\/weights\.bin"/],
  ])("is refused for %s", async (_, place, wording) => {
    await expect(embed(await write(place))).rejects.toThrow(wording);
  });

  it("is refused when it does not fit one file, before a byte of the data is read", async () => {
    const count = 2 ** 29;
    const path = await write({ location: "sparse", length: String(4 * count) }, SECOND, [count]);
    await writeFile(join(folder, "sparse"), "");
    await truncate(join(folder, "sparse"), 4 * count);
    await expect(embed(path)).rejects.toThrow(
      /2147483\d{3} bytes; allowed: at most 2147483647 bytes, the most that fits one ONNX file/,
    );
  });
});

it("a file of more than 2 GB is refused by its size, without being read", async () => {
  const path = join(directory, "huge.onnx");
  await writeFile(path, serializeModel(parseModel(await readFile(await embed(await write())), "whole")));
  await truncate(path, 3 * 2 ** 30);
  await expect(embed(path)).rejects.toMatchObject({ code: "MODEL_REFUSED" });
  await expect(embed(path)).rejects.toThrow("3221225472 bytes; allowed: at most 2147483647 bytes");
});
