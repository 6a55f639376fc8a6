import type { DataCheckName } from "../../../contracts/names.ts";
import { classBalanceCheck } from "./class-balance.ts";
import type { DataCheck } from "./data-check.ts";
import { duplicatesCheck } from "./duplicates.ts";
import { labelLeakageCheck } from "./label-leakage.ts";
import { nullsCheck } from "./nulls.ts";
import { overlapCheck } from "./overlap.ts";
import { rangesCheck } from "./ranges.ts";
import { rowCountCheck } from "./row-count.ts";
import { schemaCheck } from "./schema.ts";
import { timeOrderCheck } from "./time-order.ts";

/** One line a check, in the order of the report. A name without a check does not compile. */
export const DATA_CHECK_REGISTRY: { readonly [Name in DataCheckName]: DataCheck } = {
  schema: schemaCheck,
  "row-count": rowCountCheck,
  nulls: nullsCheck,
  ranges: rangesCheck,
  duplicates: duplicatesCheck,
  overlap: overlapCheck,
  "class-balance": classBalanceCheck,
  "time-order": timeOrderCheck,
  "label-leakage": labelLeakageCheck,
};
