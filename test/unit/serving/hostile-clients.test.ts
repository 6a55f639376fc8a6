import { execFileSync, fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect as connectHttp2, constants, type ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { loadServiceDefinition } from "../../../serving/grpc/server.ts";
import { createGrpcClient } from "./grpc-client.ts";
import { eventually, runGateway, tensors } from "./running-gateway.ts";
import { MemoryRoutes, Models } from "./served-model.ts";

const MEBIBYTE = 2 ** 20;
const BODY_LIMIT = 4 * MEBIBYTE;
const ARRIVE_WITHIN_MS = 1_500;
/** The stated bound: three times what all bodies together may hold, because reading one takes copies of it. */
const BOUND_BYTES = 3 * 16 * BODY_LIMIT;
const CONNECTION_BYTES = 40 * 1024;

let child: ChildProcess;
let url: URL;
let grpc: string;
const sockets: Socket[] = [];
const sessions: ClientHttp2Session[] = [];

beforeAll(async () => {
  const program = fileURLToPath(new URL("./gateway-of-a-test.ts", import.meta.url));
  child = fork(program, [String(BODY_LIMIT), String(ARRIVE_WITHIN_MS)], { execArgv: ["--import", "tsx"] });
  const [ready] = (await once(child, "message")) as [{ url: string; grpc: string }];
  url = new URL(ready.url);
  grpc = ready.grpc;
});
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const session of sessions.splice(0)) session.destroy();
});
afterAll(async () => {
  const ended = once(child, "exit");
  child.disconnect();
  await ended;
});

async function memoryBytes(): Promise<number> {
  const answered = once(child, "message") as Promise<[number]>;
  child.send("memory");
  return (await answered)[0];
}

/** Waits until something holds, and says how much the gateway held at most meanwhile. */
async function peakUntil(what: string, holds: () => boolean): Promise<number> {
  let peak = 0;
  await eventually(what, async () => {
    peak = Math.max(peak, await memoryBytes());
    return holds();
  });
  return peak;
}

interface Connection {
  readonly received: () => string;
  readonly isClosed: () => boolean;
}

/** A connection with what it was sent. */
async function open(text = "", body: Uint8Array = Buffer.alloc(0)): Promise<Connection> {
  let received = "";
  const socket = connect(Number(url.port), url.hostname);
  sockets.push(socket);
  socket.on("data", (chunk) => (received += chunk.toString("latin1")));
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.write(text);
  socket.write(body);
  return { received: () => received, isClosed: () => socket.closed };
}

const head = (fields: string) => `POST /v2/models/delay/infer HTTP/1.1\r\nhost: x\r\n${fields}\r\n\r\n`;
const statusOf = ({ received }: Connection): string => received().split(" ", 2)[1] ?? "";

/** Somebody else, on a connection of his own. */
async function somebodyElse(): Promise<number> {
  const body = JSON.stringify(tensors([0, 1, 2]));
  const response = await fetch(`${url.origin}/v2/models/delay/infer`, { method: "POST", body });
  await response.arrayBuffer();
  return response.status;
}

test("10,000 connections that say nothing cost little, and somebody else is answered", async () => {
  const allowed = Number(execFileSync("sh", ["-c", "ulimit -n"], { encoding: "utf8" })) || 20_000;
  const count = Math.min(10_000, allowed - 1_000);
  const before = await memoryBytes();
  for (let opened = 0; opened < count; opened += 500) {
    await Promise.all(Array.from({ length: Math.min(500, count - opened) }, () => open()));
  }
  expect(await somebodyElse()).toBe(200);
  expect((await memoryBytes()) - before).toBeLessThan(count * CONNECTION_BYTES);
});

test("2,000 gRPC connections without a call cost little and leave in the end, and somebody else is answered", async () => {
  const count = 2_000;
  const before = await memoryBytes();
  for (let opened = 0; opened < count; opened += 500) {
    await Promise.all(Array.from({ length: 500 }, () => once(openSession(), "remoteSettings")));
  }
  expect((await memoryBytes()) - before).toBeLessThan(count * CONNECTION_BYTES);
  const client = createGrpcClient(grpc);
  expect((await client.call("ServerLive")).message).toEqual({ live: true });
  client.close();
  await eventually("the end of each", () => sessions.every(({ closed }) => closed));
});

test("connections beyond the maximum are closed as they come, over HTTP and gRPC, and one that leaves makes room", async () => {
  const models = new Models();
  const { gateway } = await runGateway(models, new MemoryRoutes(), { maximumConnections: 3 });
  for (const address of [gateway.url, `http://${gateway.grpcAddress}`]) {
    const { hostname, port } = new URL(address);
    const knock = () => {
      const socket = connect(Number(port), hostname);
      socket.on("error", () => undefined);
      sockets.push(socket);
      return socket;
    };
    const first = [knock(), knock(), knock()];
    await Promise.all(first.map((socket) => once(socket, "connect")));
    await once(knock(), "close");
    expect(first.map(({ closed }) => closed)).toEqual([false, false, false]);
    first[0]?.destroy();
    await eventually("room for another", async () => {
      const socket = knock();
      const isClosed = once(socket, "close").then(() => true);
      const isKept = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50));
      return !(await Promise.race([isClosed, isKept]));
    });
  }
  for (const socket of sockets) socket.destroy();
  await gateway.stop();
  models.remove();
});

test("connections that dribble their headers or their body are cut off with 408, and others are answered meanwhile", async () => {
  const slow = await Promise.all([
    ...Array.from({ length: 100 }, () => open("POST /v2/models/delay/infer HTTP/1.1\r\nhost: x\r\nx-")),
    ...Array.from({ length: 100 }, () => open(head("content-length: 100"), Buffer.from("{"))),
  ]);
  const dribble = setInterval(() => {
    for (const socket of sockets) if (socket.writable) socket.write("a");
  }, 100);
  expect(await somebodyElse()).toBe(200);
  await eventually("every refusal", () => slow.every((connection) => statusOf(connection) === "408"));
  clearInterval(dribble);
});

test("a gigabyte that is only announced is refused at once, in the body and in the header of the binary extension", async () => {
  const before = await memoryBytes();
  const announced = await Promise.all(
    Array.from({ length: 200 }, () => open(head(`content-length: ${2 ** 30}`), Buffer.from("{"))),
  );
  const within = await Promise.all(
    Array.from({ length: 200 }, () =>
      open(head(`content-length: 2\r\ninference-header-content-length: ${2 ** 30}`), Buffer.from("{}")),
    ),
  );
  await eventually("every refusal", () => announced.every((each) => statusOf(each) === "413"));
  await eventually("every refusal", () => within.every((each) => statusOf(each) === "400"));
  expect((await memoryBytes()) - before).toBeLessThan(BOUND_BYTES);
  expect(await somebodyElse()).toBe(200);
});

test("headers of a megabyte are refused", async () => {
  const large = await open(head(`x-large: ${"x".repeat(MEBIBYTE)}`));
  await eventually("its refusal", () => statusOf(large) === "431");
  expect(await somebodyElse()).toBe(200);
});

test("bodies that never end hold no more than all bodies may, and somebody else is answered afterwards", async () => {
  const before = await memoryBytes();
  const body = Buffer.alloc(BODY_LIMIT - 1, " ");
  const bodies = await Promise.all(Array.from({ length: 60 }, () => open(head(`content-length: ${BODY_LIMIT}`), body)));
  const statuses = () => bodies.map(statusOf);
  // There is room for sixteen; what is not refused came too slowly. Who still sends when he is cut off may miss why.
  const isOver = (each: Connection) => each.isClosed() || ["503", "408"].includes(statusOf(each));
  const peak = await peakUntil("the end of each", () => bodies.every(isOver));
  expect(statuses()).toContain("503");
  expect(peak - before).toBeLessThan(BOUND_BYTES);
  for (const socket of sockets) socket.destroy();
  await eventually("somebody's answer", async () => (await somebodyElse()) === 200);
});

test("bodies that unpack to the limit each are unpacked a few at a time", async () => {
  const before = await memoryBytes();
  const packed = gzipSync(Buffer.alloc(BODY_LIMIT, " "));
  const fields = `content-encoding: gzip\r\ncontent-length: ${packed.length}`;
  const bombs = await Promise.all(Array.from({ length: 200 }, () => open(head(fields), packed)));
  const peak = await peakUntil("their answers", () => bombs.every((each) => ["400", "503"].includes(statusOf(each))));
  expect(peak - before).toBeLessThan(BOUND_BYTES);
  expect(await somebodyElse()).toBe(200);
});

/** Connections that ask and ask again for so many documents, and read nothing; how many of them were ended. */
function openDeaf(count: number, documentCount: number): { readonly ended: () => number } {
  const asked = "GET /v2/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n".repeat(documentCount);
  let ended = 0;
  const deaf = Array.from({ length: count }, () => {
    const socket = connect(Number(url.port), url.hostname);
    sockets.push(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => (ended += 1));
    return socket;
  });
  // Who reads nothing notices by writing that nobody is there any more.
  const asking = setInterval(() => {
    for (const socket of deaf) if (socket.writable && socket.writableLength === 0) socket.write(asked);
    if (ended === count) clearInterval(asking);
  }, 50);
  return { ended: () => ended };
}

test("connections that ask for thousands of answers at once are ended, and somebody else is answered", async () => {
  const before = await memoryBytes();
  const { ended } = openDeaf(20, 2_000);
  const peak = await peakUntil("the end of each", () => ended() === 20);
  expect(peak - before).toBeLessThan(BOUND_BYTES);
  expect(await somebodyElse()).toBe(200);
});

test("connections that take no answer are ended, once the kernel keeps no more of them, and others are answered meanwhile", async () => {
  const { ended } = openDeaf(3, 20);
  expect(await somebodyElse()).toBe(200);
  await eventually("the end of each", () => ended() === 3);
  expect(await somebodyElse()).toBe(200);
});

const INFER_CALL = {
  ":method": "POST",
  ":path": "/inference.GRPCInferenceService/ModelInfer",
  "content-type": "application/grpc",
  te: "trailers",
} as const;

/** A gRPC call that has sent all but the last of its message. */
function openCall(session: ClientHttp2Session, bytes: number, fields: Readonly<Record<string, string>> = {}) {
  const call = session.request({ ...INFER_CALL, ...fields });
  const answer = { code: "" };
  const note = ({ "grpc-status": code }: { readonly "grpc-status"?: unknown }): void => {
    if (typeof code === "string") answer.code ||= code;
  };
  call.on("response", note);
  call.on("trailers", note);
  call.on("error", () => undefined);
  call.resume();
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(bytes, 1);
  call.write(prefix);
  call.write(Buffer.alloc(bytes - 1));
  return answer;
}

function openSession(): ClientHttp2Session {
  // Its own bound on what waits to be sent is not what is tested.
  const session = connectHttp2(`http://${grpc}`, { maxSessionMemory: 1_000 });
  session.on("error", () => undefined);
  sessions.push(session);
  return session;
}

test("gRPC calls that take no answer are ended", async () => {
  const rows = 200_000;
  const message = loadServiceDefinition()["ModelInfer"]?.requestSerialize({
    model_name: "delay",
    inputs: [
      { name: "origin_code", datatype: "INT64", shape: [rows] },
      { name: "numbers", datatype: "FP32", shape: [rows, 2] },
    ],
    raw_input_contents: [Buffer.alloc(8 * rows), Buffer.alloc(8 * rows)],
  });
  if (!message) throw new Error("the service has no such call");
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.length, 1);
  const call = openSession().request(INFER_CALL);
  const ended = new Promise<number>((resolve) => call.on("close", () => resolve(call.rstCode)));
  call.on("error", () => undefined);
  call.end(Buffer.concat([prefix, message]));
  expect((await once(call, "response"))[0]).toMatchObject({ ":status": 200 });
  expect(await ended).toBe(constants.NGHTTP2_CANCEL);
  expect(await somebodyElse()).toBe(200);
});

test("gRPC messages that never end hold no more over all connections than all of them may, and are cut off in the end", async () => {
  const before = await memoryBytes();
  const calls = [openSession(), openSession()].flatMap((session) =>
    Array.from({ length: 40 }, () => openCall(session, BODY_LIMIT - MEBIBYTE)),
  );
  const UNAVAILABLE = "14";
  const DEADLINE_EXCEEDED = "4";
  const peak = await peakUntil("the end of each", () =>
    calls.every(({ code }) => [UNAVAILABLE, DEADLINE_EXCEEDED].includes(code)),
  );
  expect(calls.map(({ code }) => code)).toContain(UNAVAILABLE);
  expect(peak - before).toBeLessThan(BOUND_BYTES);
  const client = createGrpcClient(grpc);
  await eventually("somebody's answer", async () => {
    const request = { model_name: "delay", inputs: [] };
    // Read and refused for what it says, not for want of room.
    return (await client.call("ModelInfer", request)).code === 3;
  });
  client.close();
});
