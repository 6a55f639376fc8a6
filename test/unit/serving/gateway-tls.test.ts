import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type PeerCertificate } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createGrpcClient } from "./grpc-client.ts";
import { eventually, runGateway, tensors, type RunningGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

const models = new Models();
const directory = mkdtempSync(join(tmpdir(), "modelwright-tls-"));
const certificatePath = join(directory, "certificate.pem");
const keyPath = join(directory, "key.pem");
let running: RunningGateway;

/** A certificate for the loopback address that is its own authority. */
function renew(name: string): void {
  const subject = ["-subj", `/CN=${name}`, "-addext", "subjectAltName=IP:127.0.0.1"];
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
  execFileSync("openssl", [...kind, ...subject, "-keyout", keyPath, "-out", certificatePath], { stdio: "ignore" });
}

beforeAll(async () => {
  renew("first");
  running = await runGateway(models, new MemoryRoutes(route(models.add(3, 0.1))), {
    tls: { certificatePath, keyPath, reloadMs: 20 },
  });
});
afterAll(async () => {
  await running.gateway.stop();
  models.remove();
  rmSync(directory, { recursive: true, force: true });
});

/** What the server at an address shows a client that trusts the present certificate. */
async function shownAt(address: string): Promise<string> {
  const { hostname, port } = new URL(address.includes("//") ? address : `https://${address}`);
  return await new Promise((resolve, reject) => {
    const options = {
      host: hostname,
      port: Number(port),
      ca: readFileSync(certificatePath),
      ALPNProtocols: ["h2", "http/1.1"],
    };
    const socket = connect(options, () => {
      const found: PeerCertificate = socket.getPeerCertificate();
      socket.destroy();
      resolve(String(found.subject.CN));
    });
    socket.on("error", reject);
  });
}

async function inferStatus(): Promise<number | undefined> {
  return await new Promise((resolve, reject) => {
    const options = { method: "POST", ca: readFileSync(certificatePath), agent: false };
    const asked = request(`${running.url}/v2/models/delay/infer`, options, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject);
    asked.end(JSON.stringify(tensors([0, 0, 0])));
  });
}

async function grpcCode(): Promise<number> {
  const client = createGrpcClient(running.gateway.grpcAddress, readFileSync(certificatePath));
  const { code } = await client.call("ServerLive");
  client.close();
  return code;
}

test("with a certificate both protocols speak TLS and nothing else", async () => {
  expect(running.url).toMatch(/^https:/);
  expect(await inferStatus()).toBe(200);
  expect(await grpcCode()).toBe(0);
  await expect(fetch(running.url.replace("https", "http"))).rejects.toThrow("fetch failed");
  const plain = createGrpcClient(running.gateway.grpcAddress);
  expect((await plain.call("ServerLive")).code).toBe(14);
  plain.close();
});

test("a renewed certificate is shown without a restart, and one half of a pair is not", async () => {
  const key = readFileSync(keyPath);
  writeFileSync(keyPath, "not yet");
  await eventually("the problem is told", () => running.lines.some((line) => line.includes("could not be renewed")));
  expect(await shownAt(running.url)).toBe("first");
  writeFileSync(keyPath, key);
  renew("second");
  for (const address of [running.url, running.gateway.grpcAddress]) {
    await eventually("the second", async () => (await shownAt(address).catch(() => "")) === "second");
  }
  expect([await inferStatus(), await grpcCode()]).toEqual([200, 0]);
});

test("files that are no certificate and its key are refused at the start", async () => {
  const tls = { certificatePath: keyPath, keyPath };
  const starting = runGateway(models, new MemoryRoutes(), { tls });
  await expect(starting).rejects.toMatchObject({ code: "STACK_NOT_STARTED" });
});
