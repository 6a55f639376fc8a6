#!/usr/bin/env node
/* oxlint-disable max-lines -- one file, so that one file is all there is to read */
/**
 * Verifies an evidence bundle of a prediction, offline: `node verify-bundle.mjs BUNDLE --public-key FILE`.
 *
 * Stands alone on purpose: one file, Node's own modules only, nothing shared with the system that made the bundle, so that reading
 * these lines is all it takes to trust the answer. What is checked, in this order:
 *   1. the checkpoint is signed by YOUR copy of the public key (the one inside the bundle is never used)      else unanchored
 *   2. the log only grew since every earlier checkpoint, and since your own copy (--checkpoint)        else forked, truncated
 *   3. every event stands in the log the checkpoint signs, at the number it claims                      else modified, truncated
 *   4. every fact of the story agrees with the event it names, and the facts with each other             else modified, missing
 *      and what people signed is what they decided, under the keys their tokens were recorded with
 *   5. every name and text opens the pseudonym or commitment it is given for                                     else modified
 *   6. every file given with --artifact is one the story names                                                   else modified
 * Formats: C2SP signed-note and tlog-checkpoint, RFC 9162 Merkle proofs, Ed25519, SHA-256. docs/evidence.md says what it proves.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

const EXIT = { ok: 0, unreadable: 1, modified: 2, missing: 3, truncated: 4, forked: 5, unanchored: 6 };
const FORMAT = "modelwright-evidence/2";
/** A gateway measures database time over the network; a prediction may seem this much older than its routing epoch. */
const CLOCK_TOLERANCE_MS = 1000;

class Finding extends Error {
  constructor(kind, message) {
    super(message);
    this.kind = kind;
  }
}
const fail = (kind, message) => {
  throw new Finding(kind, message);
};

// ---- hashes and proofs (RFC 9162, 2.1) ----

const sha256 = (...parts) => parts.reduce((hash, part) => hash.update(part), createHash("sha256")).digest();
const hashLeaf = (data) => sha256(Buffer.of(0), data);
const hashNode = (left, right) => sha256(Buffer.of(1), left, right);
const isOdd = (number) => number % 2 === 1;
const half = (number) => Math.floor(number / 2);

/** 2.1.3.2: the root a proof leads to, or null when the proof has the wrong length. */
function rootOfInclusion(index, size, leafHash, proof) {
  let [at, last, root] = [index, size - 1, leafHash];
  for (const sibling of proof) {
    if (last === 0) return null;
    if (isOdd(at) || at === last) {
      root = hashNode(sibling, root);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      root = hashNode(root, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 ? root : null;
}

/** 2.1.4.2: whether the tree `from` is the beginning of the tree `to`. */
function isBeginning(from, to, proof) {
  if (from.size > to.size) return false;
  if (from.size === to.size) return proof.length === 0 && from.root.equals(to.root);
  if (from.size === 0) return proof.length === 0 && from.root.equals(sha256());
  const [first, ...rest] = Number.isInteger(Math.log2(from.size)) ? [from.root, ...proof] : proof;
  if (!first) return false;
  let [at, last, old, present] = [from.size - 1, to.size - 1, first, first];
  while (isOdd(at)) [at, last] = [half(at), half(last)];
  for (const sibling of rest) {
    if (last === 0) return false;
    if (isOdd(at) || at === last) {
      old = hashNode(sibling, old);
      present = hashNode(sibling, present);
      while (!isOdd(at) && at !== 0) [at, last] = [half(at), half(last)];
    } else {
      present = hashNode(present, sibling);
    }
    [at, last] = [half(at), half(last)];
  }
  return last === 0 && old.equals(from.root) && present.equals(to.root);
}

const decodeProof = (proof) => proof.map((hash) => Buffer.from(hash, "base64"));

// ---- signed notes (C2SP signed-note, tlog-checkpoint) ----

/** Lines NAME+ID+BASE64(0x01, key): every key that may sign. */
function parsePublicKeys(text) {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new Error("the public key file is empty");
  return lines.map((line) => {
    const [, name, id, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(line.trim()) ?? [];
    const bytes = Buffer.from(encoded ?? "", "base64");
    const computed = sha256(`${name}\n`, bytes).subarray(0, 4);
    if (bytes.length !== 33 || bytes[0] !== 1 || computed.toString("hex") !== id)
      throw new Error(`no public key: ${line}`);
    const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), bytes.subarray(1)]);
    return { name, id: computed, key: createPublicKey({ key: der, format: "der", type: "spki" }) };
  });
}

/** A checkpoint whose signature holds. */
function openCheckpoint(note, keys, place) {
  const split = typeof note === "string" ? note.lastIndexOf("\n\n") : -1;
  if (split < 0) fail("unanchored", `${place} is no signed checkpoint`);
  const text = note.slice(0, split + 1);
  const [origin, sizeText, rootText] = text.split("\n");
  const root = Buffer.from(rootText ?? "", "base64");
  if (!/^(0|[1-9][0-9]{0,14})$/.test(sizeText ?? "") || root.length !== 32) {
    fail("unanchored", `${place} is no checkpoint`);
  }
  const signed = note
    .slice(split + 2)
    .split("\n")
    .map((line) => /^— ([^\s+]+) ([A-Za-z0-9+/=]+)$/.exec(line))
    .some((match) => {
      const bytes = Buffer.from(match?.[2] ?? "", "base64");
      return keys.some(
        ({ name, id, key }) =>
          name === match?.[1] &&
          name === origin &&
          id.equals(bytes.subarray(0, 4)) &&
          verify(null, Buffer.from(text), key, bytes.subarray(4)),
      );
    });
  if (!signed) fail("unanchored", `${place} is not signed by the given key for log ${origin}`);
  return { origin, size: Number(sizeText), root };
}

/** A file of checkpoints: after a signature line that no other follows, the next begins. */
const splitNotes = (file) => file.split(/(?<=^— .*\n)(?!— )/mu).filter((note) => note !== "");

// ---- 2: the log only grew ----

function checkGrowth(bundle, checkpoint, keys, pinned) {
  const earlier = bundle.earlier.map(({ checkpoint: note, proof }, index) => {
    const place = `earlier checkpoint ${index + 1}`;
    const before = openCheckpoint(note, keys, place);
    if (before.origin !== checkpoint.origin || !isBeginning(before, checkpoint, decodeProof(proof))) {
      fail("forked", `${place}, of ${before.size} events, is not the beginning of the log that is signed now`);
    }
    return before;
  });
  if (pinned.length === 0) return;
  const own = pinned.reduce((largest, one) => (one.size > largest.size ? one : largest));
  if (own.size > checkpoint.size) {
    fail(
      "truncated",
      `your checkpoint has ${own.size} events, the bundle's only ${checkpoint.size}: ask for a newer bundle`,
    );
  }
  for (const { size, root } of pinned) {
    const theirs = [checkpoint, ...earlier].find((one) => one.size === size);
    if (theirs && !theirs.root.equals(root)) fail("forked", `at ${size} events your checkpoint has another root`);
    // A smaller one may be unknown: that the log goes on from your largest is what counts.
    if (!theirs && size === own.size) {
      fail(
        "unanchored",
        `no proof leads to your checkpoint of ${size} events: ask for a bundle made with it in --checkpoint`,
      );
    }
  }
}

// ---- 3: the events stand in the log ----

function openEvents(bundle, checkpoint) {
  const events = new Map();
  for (const { seq, body, proof } of bundle.events) {
    if (seq > checkpoint.size)
      fail("truncated", `event ${seq} lies beyond the ${checkpoint.size} events that are signed`);
    const bytes = Buffer.from(body, "base64");
    const root = seq >= 1 && rootOfInclusion(seq - 1, checkpoint.size, hashLeaf(bytes), decodeProof(proof));
    if (!root || !root.equals(checkpoint.root)) fail("modified", `event ${seq} is not the one in the signed log`);
    const event = JSON.parse(bytes.toString("utf8"));
    if (event.seq !== seq) fail("modified", `event ${seq} says it is event ${event.seq}`);
    events.set(seq, event);
  }
  return events;
}

// ---- 4: the facts are what the events say ----

/** Finds the event a fact names and compares what both say. Returns the event. */
function agree(events, what, fact, kind, subject, said) {
  const event = events.get(fact.event);
  if (!event) fail("missing", `${what}: no event in the bundle proves it`);
  if (event.body.kind !== kind || event.subject !== subject) {
    fail(
      "modified",
      `${what}: event ${fact.event} is ${event.body.kind} of ${event.subject}, not ${kind} of ${subject}`,
    );
  }
  for (const [name, value] of Object.entries(said)) {
    const recorded = name === "actor" ? event.actor : event.body[name];
    if (recorded === undefined) fail("missing", `${what}: event ${fact.event} says nothing about ${name}`);
    if (recorded !== value) {
      fail(
        "modified",
        `${what}: ${name} is ${JSON.stringify(value)}, event ${fact.event} says ${JSON.stringify(recorded)}`,
      );
    }
  }
  return event;
}

const mustEqual = (what, one, other) => {
  if (one !== other) fail("modified", `${what}: ${one} and ${other} should be the same`);
};

function checkVersion(events, what, version) {
  const { versionId, digest, origin, parentVersionId, lifecycle, by } = version;
  const said = { versionId, digest, origin, parentVersionId, lifecycle, actor: by };
  return agree(events, what, version, "version-registered", `model/${version.name}`, said);
}

/** The chain from the prediction down to the data. Returns lines for people. */
function checkFacts({ facts }, events, opened) {
  const { prediction, epoch, version, parent, evaluation, lifecycle, trainingData } = facts;
  const { endpoint, championVersionId, canaryVersionId, canaryShare } = epoch;
  const told = { endpoint, epoch: epoch.epoch, championVersionId, canaryVersionId, canaryShare, actor: epoch.by };
  const routed = agree(events, "routing epoch", epoch, "routing-advanced", `endpoint/${endpoint}`, told);
  mustEqual("endpoint of the prediction", prediction.endpoint, endpoint);
  mustEqual("epoch of the prediction", prediction.epoch, epoch.epoch);
  const arms = { champion: championVersionId, canary: canaryVersionId };
  mustEqual(`version that served as ${prediction.arm}`, arms[prediction.arm], prediction.versionId);
  if (Date.parse(prediction.at) < Date.parse(routed.at) - CLOCK_TOLERANCE_MS) {
    fail("modified", `the prediction is of ${prediction.at}, its routing epoch only of ${routed.at}`);
  }
  const lines = [
    `epoch ${epoch.epoch} of endpoint ${endpoint} since ${routed.at}, by ${epoch.by}: ${routed.body.reason}`,
    ...[...events.values()]
      .filter(({ subject, body }) => subject === `endpoint/${endpoint}` && body.epoch === epoch.epoch + 1)
      .map(({ at }) => `  followed by epoch ${epoch.epoch + 1} at ${at}`),
  ];

  const registered = checkVersion(events, "version", version);
  mustEqual("version of the prediction", prediction.versionId, version.versionId);
  lines.push(`version ${version.name}, bytes ${version.digest}, registered ${registered.at} by ${version.by}`);
  let trained = registered;
  if (version.parentVersionId !== null) {
    if (!parent) fail("missing", `version ${version.name} was made from another one, which is not in the bundle`);
    mustEqual("parent version", parent.versionId, version.parentVersionId);
    trained = checkVersion(events, "parent version", parent);
    lines.push(`  made from ${parent.name}, bytes ${parent.digest}`);
  }
  lines.push(...checkTrainingData(trainingData, trained, events));
  const entitled = routed.body.evaluations?.find(({ versionId }) => versionId === version.versionId)?.evaluationId;
  if (entitled && !evaluation)
    fail("missing", `evaluation ${entitled}, which the epoch's event names, is not in the bundle`);
  if (evaluation) {
    mustEqual("evaluation that entitled the version to serve", evaluation.evaluationId, entitled);
    lines.push(...checkEvaluation(evaluation, version, events));
  } else {
    lines.push("no passing evaluation is on record for this epoch");
  }
  if (version.lifecycle !== null && !lifecycle) fail("missing", `lifecycle ${version.lifecycle} is not in the bundle`);
  if (lifecycle) {
    mustEqual("lifecycle of the version", lifecycle.lifecycleId, version.lifecycle);
    const { model, specDigest, reason, causedBy, by } = lifecycle;
    const said = { model, specDigest, reason, causedBy, actor: by };
    const started = agree(
      events,
      "lifecycle",
      lifecycle,
      "lifecycle-started",
      `lifecycle/${lifecycle.lifecycleId}`,
      said,
    );
    lines.push(`lifecycle ${lifecycle.lifecycleId}, spec ${specDigest}, started ${started.at} by ${by}`);
  }
  return [...lines, ...checkDecisions(facts, events, opened)];
}

function checkTrainingData(trainingData, trained, events) {
  const stated = trained.body.trainingData;
  if (stated === undefined && trainingData.length > 0)
    fail("missing", "the version's event does not name its training data");
  if (stated && !trainingData.some(({ digest }) => digest === stated)) {
    fail("missing", `training data ${stated}, which the version's event names, is not in the bundle`);
  }
  return trainingData.map((snapshot) => {
    const { digest, sourceDigest } = snapshot;
    mustEqual("training data", digest, stated);
    const said = { digest, sourceDigest };
    const taken = agree(events, "training data", snapshot, "snapshot-recorded", `artifact/${digest}`, said);
    return `training data ${digest}, taken ${taken.at} from source ${sourceDigest ?? "(not hashed)"}`;
  });
}

const judgedGates = ({ gates }) => gates.map(({ metric, verdict, reason }) => ({ metric, verdict, reason }));

function checkEvaluation(evaluation, version, events) {
  const { evaluationId, versionId, modelDigest, dataDigest, reportDigest, verdict, gates } = evaluation;
  const said = {
    versionId,
    modelDigest,
    dataDigest,
    reportDigest,
    verdict,
    gatesDigest: digestOf(judgedGates(evaluation)),
  };
  const event = agree(events, "evaluation", evaluation, "evaluation-recorded", `evaluation/${evaluationId}`, said);
  mustEqual("evaluated version", versionId, version.versionId);
  mustEqual("evaluated bytes", modelDigest, version.digest);
  if (verdict !== "pass" || gates.length === 0 || gates.some((gate) => gate.verdict !== "pass")) {
    fail("modified", "the evaluation on record for the epoch did not pass");
  }
  return [
    `evaluation ${evaluationId} of ${event.at}: ${verdict}, report ${reportDigest ?? "(none)"}`,
    ...gates.map((gate) => `  ${gate.metric}: ${gate.verdict}, ${gate.reason}`),
  ];
}

/** What people decided, and that nobody whom the rollout's event names was left out. */
function checkDecisions(facts, events, opened) {
  const { epoch, version, rollout, approvals, brokenGlass } = facts;
  const lines = approvals.map((approval) => checkApproval(approval, facts, events, opened));
  for (const glass of brokenGlass) {
    const { glassId, environment, reason, by } = glass;
    const said = { glassId, environment, reason, actor: by };
    const event = agree(events, "broken glass", glass, "glass-broken", `model/${version.name}`, said);
    const sure = checkProof(
      "broken glass",
      glass,
      event,
      "break-glass",
      { environment, version: version.name },
      events,
    );
    lines.push(`GLASS BROKEN ${event.at} by ${by}, past the approvals for ${environment}: ${reason} (${sure})`);
  }
  if (rollout) {
    const { rolloutId, endpoint, canaryVersionId } = rollout;
    const said = { endpoint, canaryVersionId };
    const { body } = agree(events, "rollout", rollout, "rollout-started", `rollout/${rolloutId}`, said);
    mustEqual("version of the rollout", canaryVersionId, version.versionId);
    mustEqual("endpoint of the rollout", endpoint, epoch.endpoint);
    for (const id of body.approvals ?? []) {
      const named = approvals.find(({ approvalId }) => approvalId === id);
      if (!named) fail("missing", `approval ${id}, which the rollout's event names, is not in the bundle`);
      if (named.decision !== "approve") fail("modified", `approval ${id}: somebody decided to ${named.decision}`);
    }
    if (body.glassId && !brokenGlass.some(({ glassId }) => glassId === body.glassId)) {
      fail("missing", `broken glass ${body.glassId}, which the rollout's event names, is not in the bundle`);
    }
  }
  return lines.length > 0 ? lines : ["no approval is on record"];
}

function checkApproval(approval, { version, evaluation, lifecycle }, events, opened) {
  const { approvalId, decision, reason, evidenceDigest, evidence, by } = approval;
  if (!evidence && !lifecycle) fail("missing", "approval: its lifecycle is not in the bundle");
  const subject = evidence ? `model/${version.name}` : `lifecycle/${lifecycle.lifecycleId}`;
  const said = { decision, reason, evidenceDigest, actor: by, ...(evidence && { approvalId }) };
  const event = agree(events, "approval", approval, "approval-decided", subject, said);
  if (evidence) checkApprovedEvidence(evidence, evidenceDigest, { version, evaluation });
  else if (evaluation) mustEqual("approved evidence", evidenceDigest, evaluation.reportDigest);
  // An earlier release wrote names, so what is behind a pseudonym counts too.
  const [decider, ...authors] = [by, version.by, ...(lifecycle ? [lifecycle.by] : [])].map((ref) =>
    (opened.get(ref) ?? ref).toLowerCase(),
  );
  if (decision === "approve" && authors.includes(decider)) fail("modified", `approval: ${by} approved what ${by} made`);
  const sure = checkProof("approval", approval, event, "decide", { decision, evidence: evidenceDigest }, events);
  return `${decision === "approve" ? "approved" : "REJECTED"} ${event.at} by ${by}: ${reason} (${sure})`;
}

function checkApprovedEvidence(evidence, evidenceDigest, { version, evaluation }) {
  mustEqual("approved evidence", digestOf(evidence), evidenceDigest);
  mustEqual("approved version", evidence.versionId, version.versionId);
  mustEqual("approved bytes", evidence.modelDigest, version.digest);
  // A later evaluation that passed too may be the one the epoch names.
  if (!evaluation || evidence.evaluation?.id !== evaluation.evaluationId) return;
  mustEqual("approved report", evidence.evaluation.report, evaluation.reportDigest);
  mustEqual("approved gates", evidence.evaluation.gates, digestOf(judgedGates(evaluation)));
}

/** RFC 8785 for documents without numbers. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.keys(value).sort();
  return `{${fields.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}
const digestOf = (value) => sha256(canonical(value)).toString("hex");

/** That what was signed is this deed, by the token that the event's statement names. Returns how sure it is. */
function checkProof(what, { proof, by }, event, deed, details, events) {
  if (!proof) {
    if (event.statement) fail("missing", `${what}: statement ${event.statement} is not in the bundle`);
    return "by word";
  }
  const { statement, signature, token, publicKey } = proof;
  agree(events, `${what}: token`, proof, "token-issued", `token/${token}`, { principal: by, publicKey });
  mustEqual(`${what}: statement`, digestOf(statement), event.statement);
  mustEqual(`${what}: who signed`, statement.by, by);
  mustEqual(`${what}: what was signed`, `${statement.deed} ${statement.details}`, `${deed} ${digestOf(details)}`);
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), Buffer.from(publicKey, "base64url")]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  if (!verify(null, Buffer.from(canonical(statement)), key, Buffer.from(signature, "base64url"))) {
    fail("modified", `${what}: the signature is not of token ${token}`);
  }
  return `signed with token ${token}`;
}

// ---- 5: names and words ----

/** What is behind the pseudonyms and commitments that the bundle opens: a ref is the hash of salt and value. */
function openRefs(openings = []) {
  return new Map(
    openings.map(({ ref, salt, value }) => {
      const bytes = Buffer.from(salt, "base64");
      const hash = sha256(bytes, value).toString("hex");
      // With a longer salt the same hash would stand for the end of the value alone.
      if (bytes.length !== 32 || (ref !== `person/${hash.slice(0, 32)}` && ref !== `text/${hash}`)) {
        fail("modified", `${JSON.stringify(value)} is not what ${ref} stands for`);
      }
      return [ref, value];
    }),
  );
}

const named = (line, opened) =>
  line.replaceAll(/person\/[0-9a-f]{32}|text\/[0-9a-f]{64}/g, (ref) => {
    const [kind, hash] = ref.split("/");
    return opened.get(ref) ?? `${kind} ${hash.slice(0, 8)} (erased or held back)`;
  });

// ---- 6: artifacts ----

function checkArtifacts({ facts }, paths) {
  const { version, parent, evaluation, lifecycle, trainingData } = facts;
  const roles = new Map([
    ...trainingData.map(({ digest, sourceDigest }) => [sourceDigest ?? digest, "source of the training data"]),
    ...trainingData.map(({ digest }) => [digest, "training data"]),
    [evaluation?.dataDigest, "evaluation data"],
    [evaluation?.reportDigest, "evaluation report"],
    [lifecycle?.specDigest, "spec"],
    [parent?.digest, "bytes of the parent version"],
    [version.digest, "bytes of the version"],
  ]);
  return paths.map((path) => {
    const digest = sha256(readFileSync(path)).toString("hex");
    const role = roles.get(digest);
    if (!role) fail("modified", `${path} has digest ${digest}, which the story does not name`);
    return `${path} is the ${role}`;
  });
}

// ---- command line ----

const USAGE = `usage: node verify-bundle.mjs BUNDLE --public-key FILE [--checkpoint FILE] [--artifact FILE ...] [--json]

  --public-key FILE   the log's public key, got from the system's operator by another way than the bundle
  --checkpoint FILE   checkpoints you kept yourself, which the bundle's log must continue
  --artifact FILE     bytes you hold and want to know whether the story names; may be repeated
  --json              the answer as one JSON object

Exit code: ${Object.entries(EXIT)
  .map(([kind, code]) => `${code} ${kind}`)
  .join(", ")}.`;

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      "public-key": { type: "string" },
      checkpoint: { type: "string" },
      artifact: { type: "string", multiple: true, default: [] },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  const [path] = positionals;
  if (path === undefined || positionals.length > 1 || values["public-key"] === undefined) {
    throw new Error(`one bundle and --public-key are needed\n${USAGE}`);
  }
  const print = (answer, lines) => console.log(values.json ? JSON.stringify(answer) : lines.join("\n"));
  const keys = parsePublicKeys(readFileSync(values["public-key"], "utf8"));
  const bundle = JSON.parse(readFileSync(path, "utf8"));
  if (bundle.format !== FORMAT) throw new Error(`format ${bundle.format} is not ${FORMAT}`);
  try {
    const checkpoint = openCheckpoint(bundle.checkpoint, keys, "the checkpoint");
    const notes = values.checkpoint === undefined ? [] : splitNotes(readFileSync(values.checkpoint, "utf8"));
    // NAME+STREAM is another stream of the same installation, with events of its own.
    const own = notes.filter((note) => !keys.some(({ name }) => note.startsWith(`${name}+`)));
    const pinned = own.map((note, index) => openCheckpoint(note, keys, `your checkpoint ${index + 1}`));
    checkGrowth(bundle, checkpoint, keys, pinned);
    const events = openEvents(bundle, checkpoint);
    const opened = openRefs(bundle.openings);
    const story = checkFacts(bundle, events, opened).map((line) => named(line, opened));
    const lines = [...story, ...checkArtifacts(bundle, values.artifact)];
    const signed = `${events.size} events stand in log ${checkpoint.origin} of ${checkpoint.size} events, as signed`;
    print({ ok: true, origin: checkpoint.origin, size: checkpoint.size, events: events.size, story: lines }, [
      `OK: ${signed}`,
      `prediction ${bundle.facts.prediction.inferenceId} (its own row is not audited; what served it is):`,
      ...lines,
    ]);
  } catch (thrown) {
    if (!(thrown instanceof Finding)) throw thrown;
    print({ ok: false, kind: thrown.kind, found: thrown.message }, [`${thrown.kind.toUpperCase()}: ${thrown.message}`]);
    process.exitCode = EXIT[thrown.kind];
  }
}

try {
  main();
} catch (thrown) {
  console.error(`cannot be verified: ${thrown.message}`);
  process.exitCode = EXIT.unreadable;
}
