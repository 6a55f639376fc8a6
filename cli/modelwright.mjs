#!/usr/bin/env node
// The sources are TypeScript on every supported Node; tsx is what runs them, here and in the processes that jobs fork.
import { register } from "tsx/esm/api";

process.execArgv.push("--import", import.meta.resolve("tsx"));
register();
await import("./main.ts");
