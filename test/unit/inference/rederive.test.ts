import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { optimize } from "../../../adapters/compute/optimize.ts";
import { rederive } from "../../../adapters/compute/rederive.ts";
import { QUANTIZATION_PASSES } from "../../../contracts/names.ts";
import {
  optimizationReportSchema,
  optimizationSettingsSchema,
  type OptimizationReport,
} from "../../../contracts/optimization.ts";
import { METHOD_VERSION } from "../../../core/quantization/method.ts";
import { signature, writeFlights, writeModel } from "./small-model.ts";

const context = { progress: () => undefined };
let directory: string;
let report: OptimizationReport;
let model: Awaited<ReturnType<typeof writeModel>>;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-rederive-"));
  model = await writeModel(directory, "wide.onnx", { width: 128 });
  const data = await writeFlights(directory, 800);
  const settings = optimizationSettingsSchema.parse({
    passes: QUANTIZATION_PASSES,
    objective: "size",
    sampleRows: 400,
    batches: [1],
    reduceRange: true,
    nodesToExclude: ["MatMul_2"],
    calibration: { method: "entropy", rows: 300 },
  });
  const outputDirectory = join(directory, "out");
  report = await optimize({ model, signature, data, calibrationData: data, settings, outputDirectory }, context);
  // As it is read again from the artifact.
  report = optimizationReportSchema.parse(JSON.parse(JSON.stringify(report)));
});
afterAll(() => rm(directory, { recursive: true }));

const again = (changed: OptimizationReport, candidate: string) =>
  rederive({ parent: model, report: changed, candidate }, context);

describe("a candidate made again from its parent and its report", () => {
  it("has the same bytes, whichever pass made it, without data", async () => {
    expect(report.candidates.length).toBeGreaterThan(4);
    for (const { name, digest } of report.candidates) {
      expect([name, (await again(report, name)).digest]).toEqual([name, digest]);
    }
  });

  it("has others when an option, a range or a fallback in the report was changed", async () => {
    const { digest } = report.candidates.find(({ name }) => name === "static-int8")!;
    const calibration = report.calibrations["static-int8"]!;
    const [value, [low, high]] = Object.entries(calibration.ranges)[0]!;
    const ranges = { ...calibration.ranges, [value]: [low, high * 1.01] as [number, number] };
    const changes: OptimizationReport[] = [
      { ...report, settings: { ...report.settings, reduceRange: false } },
      { ...report, settings: { ...report.settings, nodesToExclude: [] } },
      { ...report, calibrations: { "static-int8": { ...calibration, ranges } } },
    ];
    for (const changed of changes) {
      const found = await again(changed, "static-int8").catch((thrown: unknown) => ({ digest: String(thrown) }));
      expect(found.digest).not.toBe(digest);
    }
  });

  it("is told with what makes it now, and what made it", async () => {
    const { recorded, present } = await again(report, "dynamic-int8");
    expect(recorded).toEqual(present);
    expect(present.method).toBe(String(METHOD_VERSION));
    expect(present.release).toMatch(/^\d+\.\d+\.\d+/);
    const { modelwright: _release, quantizationMethod: _method, ...runtime } = report.runtime;
    const ofFirstRelease = optimizationReportSchema.parse({ ...report, runtime });
    const older = await again(ofFirstRelease, "dynamic-int8");
    expect(older.recorded).toEqual({ release: "0.1.0", method: "1", runtime: present.runtime });
  });

  it("is refused for a parent with other bytes", async () => {
    const other = await writeModel(directory, "other.onnx", { seed: 2, width: 128 });
    await expect(rederive({ parent: other, report, candidate: "dynamic-int8" }, context)).rejects.toMatchObject({
      code: "DIGEST_MISMATCH",
    });
  });
});
