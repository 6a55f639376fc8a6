import type { RegistryChangeInput, RegistryChangeResult } from "../contracts/messages.ts";
import { control } from "./activity-options.ts";

/** What somebody says about a model or a version, written once however often it is asked for. */
export async function registryChange(input: RegistryChangeInput): Promise<RegistryChangeResult> {
  return control.changeRegistry(input);
}
