import { configureGlobal } from "fast-check";

/** Property tests draw the same cases in every run, so that a red run is about the change; `FC_SEED=$RANDOM npm test` looks further. */
configureGlobal({ seed: Number(process.env["FC_SEED"] ?? 20_010_401) });
