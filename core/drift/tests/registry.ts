import type { DriftTestName } from "../../../contracts/names.ts";
import type { DriftTest } from "./drift-test.ts";
import { jensenShannon } from "./jensen-shannon.ts";
import { kolmogorovSmirnov } from "./kolmogorov-smirnov.ts";
import { newCategoryRate } from "./new-category-rate.ts";
import { nullRate } from "./null-rate.ts";
import { populationStabilityIndex } from "./population-stability-index.ts";

/** Registry of drift tests: one file each, one line here. */
export const driftTests = {
  "kolmogorov-smirnov": kolmogorovSmirnov,
  "population-stability-index": populationStabilityIndex,
  "jensen-shannon": jensenShannon,
  "null-rate": nullRate,
  "new-category-rate": newCategoryRate,
} satisfies Record<DriftTestName, DriftTest>;
