import { credentials, makeGenericClientConstructor, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { InferParameters, InferTensorContents } from "../../../serving/grpc/messages.ts";
import { loadServiceDefinition } from "../../../serving/grpc/server.ts";

/** What the tests read of any answer. */
export interface GrpcMessage {
  readonly live: boolean;
  readonly ready: boolean;
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly versions: readonly string[];
  readonly model_version: string;
  readonly parameters: InferParameters;
  readonly inputs: readonly { readonly name: string; readonly datatype: string; readonly shape: readonly string[] }[];
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly string[];
    readonly contents: InferTensorContents | null;
  }[];
  readonly raw_output_contents: readonly Buffer[];
  readonly models: readonly object[];
  readonly model_stats: readonly { readonly inference_count: string }[];
}

export interface GrpcAnswer {
  /** 0 is OK. */
  readonly code: number;
  readonly details: string;
  /** Initial metadata, or the error's. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly message: GrpcMessage;
}

export interface GrpcClient {
  readonly call: (method: string, request?: object, metadata?: Readonly<Record<string, string>>) => Promise<GrpcAnswer>;
  readonly close: () => void;
}

type UnaryCall = (
  request: object,
  metadata: Metadata,
  callback: (error: ServiceError | null, message: GrpcMessage) => void,
) => { on(event: "metadata", listener: (metadata: Metadata) => void): void };

/** A client of the gateway's own definition; whether that is the protocol's, tritonclient's test tells. Over TLS with an authority. */
export function createGrpcClient(address: string, authority?: Buffer): GrpcClient {
  const Client = makeGenericClientConstructor(loadServiceDefinition(), "GRPCInferenceService");
  const client = new Client(address, authority ? credentials.createSsl(authority) : credentials.createInsecure());
  const call: GrpcClient["call"] = (method, request = {}, fields = {}) =>
    new Promise((resolve) => {
      const metadata = new Metadata();
      for (const [name, value] of Object.entries(fields)) metadata.set(name, value);
      let initial: Readonly<Record<string, unknown>> = {};
      const unary = (client[method] as unknown as UnaryCall).bind(client);
      const started = unary(request, metadata, (error, message) => {
        resolve({
          code: error?.code ?? 0,
          details: error?.details ?? "",
          metadata: error ? { ...initial, ...error.metadata.getMap() } : initial,
          message,
        });
      });
      started.on("metadata", (found) => (initial = found.getMap()));
    });
  return { call, close: () => client.close() };
}
