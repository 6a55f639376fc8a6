import type { ColumnBatch, Tensor, TensorValues } from "../../contracts/data.ts";
import { Failure } from "../../contracts/failures.ts";
import type { Agreement, OptimizationReport, OptimizationSettings } from "../../contracts/optimization.ts";
import type { HostClass, ServingRecord, StoredTensor } from "../../contracts/serving-record.ts";
import { encodeFeatures } from "../../core/data/encode-features.ts";
import { percent } from "../../core/quantization/constraints.ts";
import { FLOAT_PARITY_DB } from "../../core/quantization/judge-evidence.ts";
import { judgeGolden } from "../../core/quantization/judge-golden.ts";
import { describeHost } from "./host.ts";
import type { LoadedModel } from "./load-model.ts";
import { RUNTIME_VERSION, SESSION_OPTIONS, type Session } from "./session.ts";
import { spreadRows } from "./take-rows.ts";
import { typedArrayOf } from "./zero-tensors.ts";

const GOLDEN_ROWS = 64;
/** Of the inputs, so that a model of images does not start by reading a file larger than itself. */
const GOLDEN_BYTES = 4 * 2 ** 20;

/** The class of this host, as far as it decides what a model computes. */
async function describeHostClass(): Promise<HostClass> {
  const { cpuFeatures } = await describeHost();
  return { cpuFeatures, runtime: RUNTIME_VERSION, sessionOptions: JSON.stringify(SESSION_OPTIONS) };
}

interface Recording {
  readonly model: LoadedModel;
  readonly agreement: Agreement;
  readonly isInteger: boolean;
  /** At least one row. */
  readonly rows: ColumnBatch;
  /** The data, for failures. */
  readonly where: string;
  readonly serving: OptimizationReport["serving"];
  readonly settings: OptimizationSettings;
}

/**
 * How a version was served best, and what it answers on a few rows, as the bytes of a file: a gateway asks them again before it serves the
 * version.
 *
 * A host may change the outputs by no more than quantizing changed them; of a model that computes in float, by rounding.
 */
export async function recordServing(recording: Recording): Promise<Uint8Array> {
  const { model, agreement, isInteger, rows, where, serving, settings } = recording;
  const { signature } = model;
  const encode = (count: number) => encodeFeatures({ signature, batch: spreadRows(rows, count), where });
  const rowBytes = encode(1).reduce((sum, { data }) => sum + (ArrayBuffer.isView(data) ? data.byteLength : 1), 0);
  const inputs = encode(Math.max(1, Math.min(GOLDEN_ROWS, Math.floor(GOLDEN_BYTES / rowBytes))));
  const outputs = await model.session.run(inputs);
  const own = agreement.signalToNoiseDb ?? FLOAT_PARITY_DB;
  const record: ServingRecord = {
    version: 1,
    model: model.digest,
    host: await describeHostClass(),
    threads: serving.threads,
    maximumBatchRows: serving.maximumBatchRows,
    waitMs: serving.waitMs,
    golden: {
      inputs: inputs.map(storeTensor),
      outputs: outputs.map(storeTensor),
      allowed: {
        minimumSignalToNoiseDb: isInteger ? Math.min(own, FLOAT_PARITY_DB) : FLOAT_PARITY_DB,
        maximumDifferingShare: settings.maximumDisagreementShare,
      },
    },
  };
  return new TextEncoder().encode(`${JSON.stringify(record)}\n`);
}

/**
 * Asks a loaded model its golden rows.
 *
 * @param label names the model in the failure
 * @throws HOST_NOT_PROVEN when it answers otherwise than where it was measured; INFERENCE_FAILED when it cannot answer
 */
export async function checkGolden(label: string, session: Session, record: ServingRecord): Promise<void> {
  const { host: measured, golden } = record;
  const outputs = await session.run(golden.inputs.map(restoreTensor));
  const { holds, found } = judgeGolden(golden.outputs.map(restoreTensor), outputs, golden.allowed);
  if (holds) return;
  const { minimumSignalToNoiseDb: db, maximumDifferingShare: share } = golden.allowed;
  throw new Failure("HOST_NOT_PROVEN", {
    model: label,
    found,
    allowed: `at least ${Number(db.toFixed(1))} dB, or ${percent(share)} of elements that are no floats`,
    measured: describeClass(measured),
    here: describeClass(await describeHostClass()),
  });
}

const describeClass = ({ cpuFeatures, runtime }: HostClass): string => `ONNX Runtime ${runtime} with ${cpuFeatures}`;

function storeTensor({ name, datatype, shape, data }: Tensor): StoredTensor {
  const stored = ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64")
    : [...data];
  return { name, datatype, shape: [...shape], data: stored };
}

function restoreTensor({ name, datatype, shape, data }: StoredTensor): Tensor {
  if (datatype === "BYTES") return { name, datatype, shape, data: typeof data === "string" ? [] : data };
  // A copy that starts where an array of eight-byte numbers may start.
  const bytes = Uint8Array.from(Buffer.from(typeof data === "string" ? data : "", "base64"));
  const array = typedArrayOf(datatype);
  const values: TensorValues = new array(bytes.buffer, 0, bytes.byteLength / array.BYTES_PER_ELEMENT);
  return { name, datatype, shape, data: values };
}
