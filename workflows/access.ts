import type { AccessChangeInput } from "../contracts/messages.ts";
import { control } from "./activity-options.ts";

/** One change of who may do what. Tokens never travel: their hash and public key do. */
export async function accessChange(input: AccessChangeInput): Promise<{ changed: string }> {
  return control.changeAccess(input);
}
