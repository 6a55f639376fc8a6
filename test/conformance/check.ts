import type { GrpcClient } from "../unit/serving/grpc-client.ts";
import type { HttpTarget } from "./http-target.ts";

/** A server under test. */
export interface Target {
  readonly http: HttpTarget;
  /** Absent where no gRPC address was given. */
  readonly grpc?: GrpcClient;
  /** The echo model; MODEL-half and MODEL-one stand beside it. `echo-model.ts` says what they are. */
  readonly model: string;
}

/** One sentence that holds of a conforming server. */
export interface Check {
  readonly title: string;
  /** Throws where it does not hold; the message says what was found. */
  readonly run: (target: Target) => Promise<void>;
}

export interface Section {
  readonly title: string;
  /** Skipped without an address. */
  readonly needs?: "grpc";
  readonly checks: readonly Check[];
}

export interface Result {
  readonly section: string;
  readonly title: string;
  readonly outcome: "pass" | "fail" | "skip";
  /** What was found instead; empty when it holds. */
  readonly found: string;
}

export const check = (title: string, run: Check["run"]): Check => ({ title, run });
