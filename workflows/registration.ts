import type { Registration, RegistrationInput } from "../contracts/messages.ts";
import { compute } from "./activity-options.ts";

/** Bring your own model: admission of a file as a version, without a lifecycle. */
export async function modelRegistration(input: RegistrationInput): Promise<Registration> {
  return compute.registerModel(input);
}
