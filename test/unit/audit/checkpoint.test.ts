import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { checkLog, signLog } from "../../../adapters/checkpoints/audit-log.ts";
import { loadNotes } from "../../../adapters/checkpoints/checkpoint-file.ts";
import {
  createNoteKey,
  findSigner,
  formatPublicKey,
  loadPrivateKey,
  loadPublicKeys,
  signText,
  type PrivateNoteKey,
} from "../../../adapters/checkpoints/note-key.ts";
import type { AuditLog } from "../../../contracts/audit-log.ts";
import { checkpointText, parseCheckpoint, signedNote, splitNotes } from "../../../core/audit/checkpoint.ts";
import { createMemoryLog, treeOver } from "../../support/memory-log.ts";

let directory: string;
let key: PrivateNoteKey;
let files = 0;
const newPath = (name: string) => join(directory, `${(files += 1)}-${name}`);
const newKey = async (name = "example.org/log") => {
  const path = newPath("key");
  await createNoteKey(path, name);
  return loadPrivateKey(path);
};
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "modelwright-checkpoint-"));
  key = await newKey();
});
afterAll(async () => {
  await rm(directory, { recursive: true });
});

const words = (count: number) => Array.from({ length: count }, (_, index) => `event ${index + 1}`);
const logOf = (bodies: readonly string[], problem?: "modified" | "truncated") =>
  createMemoryLog({ modelwright: bodies.map((body) => Buffer.from(body)) }, problem);
const sign = (path: string, bodies: readonly string[], formerKeys: PrivateNoteKey[] = [], by = key, whole = false) =>
  signLog(logOf(bodies), { path, key: by, formerKeys, whole });
const signed = (size: number, written = true) => ({ checkpoints: [{ stream: "modelwright", size, written }] });

describe("a signing key", () => {
  it("is written for its owner alone, and never over another file", async () => {
    const path = newPath("key");
    await createNoteKey(path, "example.org/log");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    await expect(createNoteKey(path, "example.org/log")).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(createNoteKey(newPath("key"), "two words")).rejects.toMatchObject({ code: "INPUT_INVALID" });
  });

  it("belongs to the public key RFC 8032 says, and its public line reads back", async () => {
    // RFC 8032, 7.1, test 1.
    const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const known = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const id = createHash("sha256")
      .update("example.org/log\n")
      .update(Buffer.from(`01${known}`, "hex"))
      .digest("hex");
    const path = newPath("key");
    const encoded = Buffer.from(`01${seed}`, "hex").toString("base64");
    await writeFile(path, `PRIVATE+KEY+example.org/log+${id.slice(0, 8)}+${encoded}\n`);
    const loaded = await loadPrivateKey(path);
    expect(loaded.key.toString("hex")).toBe(known);
    await writeFile(path, `${formatPublicKey(loaded)}\n\n${formatPublicKey(key)}\n`);
    expect((await loadPublicKeys(path)).map(formatPublicKey)).toEqual([formatPublicKey(loaded), formatPublicKey(key)]);
  });

  it("is refused with a damaged id or key", async () => {
    const path = newPath("pub");
    for (const damaged of [
      formatPublicKey(key).replace(/\+[0-9a-f]{8}\+/, "+00000000+"),
      "nonsense",
      "",
      `x${formatPublicKey(key)}`,
    ]) {
      await writeFile(path, damaged);
      await expect(loadPublicKeys(path)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    }
    await expect(loadPrivateKey(path)).rejects.toMatchObject({ code: "INPUT_INVALID" });
    await expect(loadPrivateKey(newPath("nowhere"))).rejects.toMatchObject({ code: "FILE_MISSING" });
  });
});

describe("a signed checkpoint", () => {
  it("has the three lines, an empty one and the signature, and reads back as it was written", async () => {
    const path = newPath("checkpoints");
    await sign(path, words(5));
    const note = await readFile(path, "utf8");
    expect(note).toMatch(/^example\.org\/log\n5\n[A-Za-z0-9+/]{43}=\n\n— example\.org\/log [A-Za-z0-9+/]{91}=\n$/);
    const read = parseCheckpoint(note);
    expect(read).toMatchObject({ origin: "example.org/log", size: 5 });
    expect(read && signedNote(checkpointText(read), read.signatures)).toBe(note);
    expect(read && findSigner([key], read)).toBe(key);
  });

  it("is not one with a line missing, a padded size, another length of root or no signature", async () => {
    const path = newPath("checkpoints");
    await sign(path, words(5));
    const note = await readFile(path, "utf8");
    for (const changed of [
      note.replace("\n5\n", "\n05\n"),
      note.replace("\n5\n", "\n-5\n"),
      note.replace("\n5\n", "\n5e3\n"),
      note.replace("\n5\n", "\n"),
      note.replace("example.org/log\n5", "\n5"),
      note.slice(0, -1),
      note.slice(0, note.indexOf("—")),
      `${note}trailing`,
      note.replace("=\n\n", "\n\n"),
    ]) {
      expect(parseCheckpoint(changed)).toBeNull();
    }
  });

  it("holds for its own bytes only: one changed character, and nobody signed it", async () => {
    const path = newPath("checkpoints");
    await sign(path, words(5));
    const read = parseCheckpoint(await readFile(path, "utf8"));
    const signatures = read?.signatures ?? [];
    const text = read?.text ?? "";
    for (const index of text.split("").keys()) {
      const other = text[index] === "A" ? "B" : "A";
      expect(findSigner([key], { text: text.slice(0, index) + other + text.slice(index + 1), signatures })).toBeNull();
    }
    expect(findSigner([await newKey()], { text, signatures })).toBeNull();
  });

  it("stands in a file beside others, none of whose characters is lost", async () => {
    const path = newPath("checkpoints");
    for (const size of [1, 4, 9]) await sign(path, words(size));
    const file = await readFile(path, "utf8");
    const notes = splitNotes(file);
    expect(notes.map((note) => parseCheckpoint(note)?.size)).toEqual([1, 4, 9]);
    expect(notes.join("")).toBe(file);
    expect(splitNotes(`${file}torn`).map((note) => parseCheckpoint(note)?.size)).toEqual([1, 4, 9, undefined]);
    expect(splitNotes("")).toEqual([]);
  });
});

describe("signing a log", () => {
  it("appends nothing when there is nothing new", async () => {
    const path = newPath("checkpoints");
    expect(await sign(path, words(3))).toMatchObject(signed(3));
    expect(await sign(path, words(3))).toMatchObject(signed(3, false));
    expect(await loadNotes(path)).toHaveLength(1);
  });

  it.each([
    ["truncated", words(8)],
    ["forked", ["rewritten", ...words(12).slice(1)]],
    ["forked", [...words(9), "rewritten", "event 11"]],
  ])("refuses one that is %s since the last checkpoint, and leaves the file as it was", async (kind, present) => {
    const path = newPath("checkpoints");
    await sign(path, words(6));
    await sign(path, words(10));
    const before = await readFile(path, "utf8");
    expect(await sign(path, present)).toMatchObject({ problem: { kind } });
    expect(await readFile(path, "utf8")).toBe(before);
  });

  it("not before what was read is on disk, or a crash of the server would leave a signature over events that are gone", async () => {
    const path = newPath("log");
    const lost: AuditLog = { ...logOf(words(3)), onDisk: () => Promise.reject(new Error("the server is gone")) };
    await expect(signLog(lost, { path, key, formerKeys: [], whole: false })).rejects.toThrow("the server is gone");
    expect(await loadNotes(path)).toEqual([]);
  });

  it("refuses one whose chain is broken, and a file that another key signed", async () => {
    const path = newPath("checkpoints");
    const broken = logOf(words(4), "modified");
    expect(await signLog(broken, { path, key, formerKeys: [], whole: false })).toMatchObject({
      problem: { kind: "modified" },
    });
    expect(await loadNotes(path)).toEqual([]);
    await sign(path, words(4));
    const successor = await newKey();
    expect(await sign(path, words(5), [], successor)).toMatchObject({ problem: { kind: "unanchored" } });
    expect(await sign(path, words(5), [key], successor)).toMatchObject(signed(5));
    expect(await sign(path, words(6), [key], successor)).toMatchObject(signed(6));
  });
});

describe("comparing a log with its checkpoints", () => {
  const compare = async (bodies: readonly string[], path: string, keys = [key]) =>
    checkLog(logOf(bodies), { notes: await loadNotes(path), keys });

  it("tells how far they cover it", async () => {
    const path = newPath("checkpoints");
    for (const size of [0, 3, 7]) await sign(path, words(size));
    const { streams, events, problem } = await compare(words(20), path);
    expect(streams.flatMap(({ agreed }) => agreed).map(({ size }) => size)).toEqual([0, 3, 7]);
    expect(events).toBe(20);
    expect(problem).toBeUndefined();
  });

  it("tells a cut, a rewritten, an emptied and an unanchored log apart", async () => {
    const path = newPath("checkpoints");
    for (const size of [3, 7]) await sign(path, words(size));
    expect((await compare(words(6), path)).problem?.kind).toBe("truncated");
    expect((await compare([], path)).problem?.kind).toBe("truncated");
    expect((await compare(["a", ...words(20).slice(1)], path)).problem?.kind).toBe("forked");
    // Only the second checkpoint covers event 5.
    expect(await compare([...words(4), "a", "b", "c", "d"], path)).toMatchObject({
      streams: [{ agreed: [{ size: 3 }] }],
      problem: { kind: "forked" },
    });
    expect((await compare(words(20), newPath("nothing"))).problem?.kind).toBe("unanchored");
    expect((await compare(words(20), path, [await newKey()])).problem?.kind).toBe("unanchored");
    await writeFile(path, "a line that is no checkpoint\n", { flag: "a" });
    expect((await compare(words(20), path)).problem?.kind).toBe("unanchored");
  });

  it("does not let a key sign for a log of another name", async () => {
    const path = newPath("checkpoints");
    const other = await newKey("example.org/other");
    const root = treeOver(words(3).map((word) => Buffer.from(word))).root();
    const text = checkpointText({ origin: "example.org/log", size: 3, root });
    await writeFile(path, signedNote(text, [signText(other, text)]));
    expect((await compare(words(3), path, [other])).problem?.kind).toBe("unanchored");
  });
});
