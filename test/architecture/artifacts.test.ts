import { readdirSync, readFileSync } from "node:fs";

import { expect, it } from "vitest";

const root = new URL("../../", import.meta.url);

/** I7, the part no database can hold: a row of `artifact` says that bytes are there. */
it("an artifact gets its row only from what the store has taken in: activities/keep-artifact.ts alone registers", () => {
  const callers = ["activities", "client", "cli", "serving", "workers", "local"].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .map((name) => `${folder}/${name}`)
      .filter((path) => readFileSync(new URL(path, root), "utf8").includes("registerArtifact")),
  );
  expect(callers).toEqual(["activities/keep-artifact.ts"]);
  const text = readFileSync(new URL("activities/keep-artifact.ts", root), "utf8");
  expect(text.match(/kept\((?!await artifacts\.put)[^{]*\)/g)).toBeNull();
});
