import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";

import { projectRoot } from "../../local/data-directory.ts";

interface Service {
  readonly image?: string;
  readonly build?: string;
  readonly command?: readonly string[];
  readonly ports?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: object;
  readonly restart?: string;
  readonly deploy?: { readonly replicas?: number };
}

let text: string;
let services: Readonly<Record<string, Service>>;
let dockerfile: string;

beforeAll(async () => {
  text = await readFile(join(projectRoot, "docker-compose.yml"), "utf8");
  ({ services } = parse(text, { merge: true }) as { services: Readonly<Record<string, Service>> });
  dockerfile = await readFile(join(projectRoot, "Dockerfile"), "utf8");
});

const missing = (paths: readonly string[]): string[] => paths.filter((path) => !existsSync(join(projectRoot, path)));

describe("docker-compose.yml", () => {
  it("ships no password: each comes from a variable without a default, and missing it stops the start", () => {
    const secret = /PASSWORD|PWD/;
    const interpolations = [...text.matchAll(/\$\{([A-Z_]+)([^}]*)\}/g)];
    const ofSecrets = interpolations.filter(([, name = ""]) => secret.test(name));
    expect(ofSecrets.length).toBeGreaterThan(0);
    for (const [, , modifier] of ofSecrets) expect(modifier).toMatch(/^:\?/);
    const variables = Object.values(services).flatMap(({ environment = {} }) => Object.entries(environment));
    const literal = variables.filter(([name, value]) => secret.test(name) && !/^\$\{[A-Z_]+:\?[^}]+\}$/.test(value));
    expect(literal).toEqual([]);
    const literalInAddress = variables.filter(([, value]) => /:\/\/[^:@/]+:(?!\$\{[A-Z_]+:\?)[^@]+@/.test(value));
    expect(literalInAddress).toEqual([]);
  });

  it("publishes ports on the loopback interface only", () => {
    const published = Object.values(services).flatMap(({ ports = [] }) => ports);
    expect(published.length).toBeGreaterThan(0);
    for (const port of published) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it("names a version for each image it fetches, and never the deprecated all-in-one server", () => {
    const fetched = Object.values(services).filter(({ build }) => build === undefined);
    for (const { image } of fetched) {
      expect(image).toMatch(/:\d+(\.\d+)*$/);
      expect(image).not.toContain("auto-setup");
    }
  });

  it("starts each service after the ones it needs, waiting for a health check or the end of a job", () => {
    const needs = Object.values(services).flatMap(({ depends_on = {} }) => Object.entries(depends_on));
    expect(needs.filter(([name]) => services[name] === undefined)).toEqual([]);
    const healthy = needs.filter(([, { condition }]) => condition === "service_healthy");
    expect(healthy.filter(([name]) => services[name]?.healthcheck === undefined)).toEqual([]);
    // A job that is started again whenever it ends never counts as completed.
    const jobs = needs.filter(([, { condition }]) => condition === "service_completed_successfully");
    expect(jobs.filter(([name]) => services[name]?.restart === "unless-stopped")).toEqual([]);
    expect(healthy.length + jobs.length).toBe(needs.length);
  });

  it("runs programs that are there and that the image contains", () => {
    const ours = Object.values(services).filter(({ build }) => build !== undefined);
    expect(ours.length).toBe(4);
    for (const { command: [program = ""] = [] } of ours) {
      expect(missing([program])).toEqual([]);
      expect(dockerfile).toContain(`COPY ${program.split("/")[0]} ./`);
    }
  });

  it("lets workers and gateways be many", () => {
    for (const name of ["control", "compute", "gateway"])
      expect(services[name]).toMatchObject({ deploy: { replicas: 1 } });
    expect(services["gateway"]?.ports?.[0]).toMatch(/\d+-\d+\}:\d+$/);
  });
});

describe("Dockerfile", () => {
  it("copies only what is there", () => {
    const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \.\/?\S*$/gm)].flatMap(([, names = ""]) =>
      names.split(" "),
    );
    expect(copied.length).toBeGreaterThan(0);
    expect(missing(copied)).toEqual([]);
  });

  it("runs as an ordinary user", () => {
    expect(dockerfile.match(/^USER (\S+)$/gm)?.at(-1)).toBe("USER node");
  });
});
