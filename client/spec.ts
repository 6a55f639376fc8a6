import { dirname, resolve } from "node:path";
import { Failure } from "../contracts/failures.ts";
import { lifecycleSpecSchema, type LifecycleSpec } from "../contracts/spec.ts";
import { requireSound } from "../core/lifecycle/spec-problems.ts";
import { describeProblems, readDocument } from "./document.ts";

/**
 * Reads a lifecycle spec (YAML or JSON) and parses it whole: every problem is reported with its path.
 * Relative paths in it start at the spec's own directory and come back absolute.
 * @throws FILE_MISSING, SPEC_INVALID
 */
export async function loadSpec(path: string): Promise<LifecycleSpec> {
  const { value, problems } = await readDocument(path, "lifecycle spec");
  if (problems !== null) throw new Failure("SPEC_INVALID", { path, problems });
  return parseSpec(value, { path, directory: dirname(resolve(path)) });
}

/** Parses a spec written in TypeScript or read elsewhere. @throws SPEC_INVALID */
export function parseSpec(spec: unknown, where: { path: string; directory: string }): LifecycleSpec {
  const parsed = lifecycleSpecSchema.safeParse(spec);
  if (!parsed.success) {
    throw new Failure("SPEC_INVALID", { path: where.path, problems: describeProblems(parsed.error) });
  }
  requireSound(parsed.data, where.path);
  return withAbsolutePaths(parsed.data, where.directory);
}

function withAbsolutePaths(spec: LifecycleSpec, directory: string): LifecycleSpec {
  const absolute = <Source extends { path: string }>(source: Source): Source => ({
    ...source,
    path: resolve(directory, source.path),
  });
  return {
    ...spec,
    data: { ...spec.data, source: absolute(spec.data.source) },
    training: { ...spec.training, workingDirectory: resolve(directory, spec.training.workingDirectory) },
    ...(spec.monitoring && {
      monitoring: { ...spec.monitoring, ...(spec.monitoring.source && { source: absolute(spec.monitoring.source) }) },
    }),
  };
}
