import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { CommanderError, type Command } from "commander";
import { describe, expect, it } from "vitest";
import { createProgram } from "../../../cli/program.ts";

/** Runs words that end before any verb's work begins. */
async function run(words: readonly string[]) {
  const said = { output: "", errors: "" };
  const output = {
    writeOut: (text: string) => void (said.output += text),
    writeErr: (text: string) => void (said.errors += text),
  };
  const program = createProgram({ version: "1.2.3", description: "For tests.", output });
  const thrown: unknown = await program.parseAsync([...words], { from: "user" }).then(
    () => null,
    (error: unknown) => error,
  );
  if (!(thrown instanceof CommanderError)) throw new Error(`${words.join(" ")} began to work`);
  return { exitCode: thrown.exitCode, ...said };
}

const leaves = (command: Command, path: readonly string[] = []): string[][] =>
  command.commands.length === 0
    ? [[...path]]
    : command.commands.flatMap((inner) => leaves(inner, [...path, inner.name()]));
const verbs = leaves(createProgram({ version: "1.2.3", description: "" }));

describe("the command line", () => {
  it("has the verbs of the design", () => {
    const design =
      "up start watch status retry approve reject pause resume abort rollback promote share register plan deploy policy alarms monitors log log-settings models model set delete lineage explain audit verify audit checkpoint audit key audit rederive audit artifacts access show access login access remove-login access team access list access person access service access grant access revoke access token access revoke-token access identity access erase access erase-said validate optimize evaluate drift";
    expect(verbs.flat().join(" ")).toBe(design);
  });

  it("begins without the large libraries, so that --help answers at once", async () => {
    const program = new URL("../../../cli/program.ts", import.meta.url).href;
    const listing = `await import(${JSON.stringify(program)});
      const { createRequire } = await import("node:module");
      console.log(Object.keys(createRequire(${JSON.stringify(program)}).cache).join("\\n"))`;
    const words = ["--import", "tsx", "--input-type=module", "--eval", listing];
    const { stdout } = await promisify(execFile)(process.execPath, words);
    expect(stdout).toContain("node_modules/commander/");
    expect(stdout).not.toMatch(/node_modules\/(@temporalio|@grpc|pg|protobufjs|yaml|onnxruntime-node|@duckdb)\//);
  });

  it.each(verbs.map((path) => [path.join(" ")]))("%s has --json and an example of its own in --help", async (verb) => {
    const { exitCode, output, errors } = await run([...verb.split(" "), "--help"]);
    expect({ exitCode, errors }).toEqual({ exitCode: 0, errors: "" });
    expect(output).toContain("--json");
    expect(output).toContain(`$ modelwright ${verb}`);
  });

  it("tells its version", async () => {
    expect(await run(["--version"])).toMatchObject({ exitCode: 0, output: "1.2.3\n" });
  });

  it.each([
    [["validat", "x"], "Did you mean validate?"],
    [["validate", "x", "--labels", "y"], "unknown option '--labels'"],
    [["validate"], "missing required argument 'data'"],
    [["evaluate", "model.onnx"], "required option '--data <data>' not specified"],
    [["approve", "id", "--as", "ada"], "required option '--reason <why>' not specified"],
    [["drift", "a", "b", "--checks-per-false-alarm", "many"], "It must be a number"],
    [["drift", "a", "b", "--test", "chi-squared"], "Allowed choices are kolmogorov-smirnov"],
    [["lineage", "model/a@1", "--format", "png"], "Allowed choices are tree, dot, mermaid, json"],
    [["model", "a", "b"], "too many arguments"],
  ])("refuses %j with exit code 1 before it does anything", async (words, message) => {
    const { exitCode, output, errors } = await run(words);
    expect({ exitCode, output }).toEqual({ exitCode: 1, output: "" });
    expect(errors).toContain(message);
  });
});
