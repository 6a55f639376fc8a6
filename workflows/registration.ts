import type { RegistrationInput } from "../contracts/messages.ts";
import type { VersionReference } from "../contracts/stages.ts";
import { compute } from "./activity-options.ts";

/** Bring your own model: admission of a file as a version, without a lifecycle. */
export async function modelRegistration(input: RegistrationInput): Promise<VersionReference> {
  return compute.registerModel(input);
}
