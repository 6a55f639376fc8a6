export { findAddresses, type Addresses } from "./addresses.ts";
export { connect, type DeployRequest, type Modelwright } from "./modelwright.ts";
export type { LifecycleView, Reader } from "./reader.ts";
export { loadSpec, parseSpec } from "./spec.ts";
export { Failure, isFailure } from "../contracts/failures.ts";
export type { LifecycleSpec, LifecycleSpecInput } from "../contracts/spec.ts";
