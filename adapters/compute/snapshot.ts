import type { DataSource, SnapshotDescription } from "../../contracts/data.ts";
import type { DataWindow, Digest } from "../../contracts/primitives.ts";
import { digestFile } from "../artifacts/file-store.ts";
import { writeSnapshot } from "../tables/write-snapshot.ts";
import type { Job } from "./job.ts";

export interface SnapshotInput {
  readonly source: DataSource;
  readonly select: Readonly<Record<string, string>>;
  readonly time: string;
  readonly window: DataWindow | null;
  readonly outputPath: string;
}

export interface SnapshotOutput extends SnapshotDescription {
  /** SHA-256 of the written bytes, read back from the disk. */
  readonly digest: Digest;
  readonly sizeBytes: number;
}

/** Cuts a window of the source into a Parquet file and names it by its bytes. */
export const snapshot: Job<SnapshotInput, SnapshotOutput> = async (input, { progress }) => {
  progress(0, "selecting and sorting rows");
  const description = await writeSnapshot(input);
  progress(0.9, `${description.rowCount} rows written`);
  const { digest, sizeBytes } = await digestFile(input.outputPath);
  progress(1, `${description.rowCount} rows, ${sizeBytes} bytes`);
  return { ...description, digest, sizeBytes };
};
