#!/usr/bin/env node
import { fileURLToPath } from "node:url";
import { importBundled } from "../adapters/compute/bundled.mjs";

await importBundled(fileURLToPath(new URL("main.ts", import.meta.url)));
