import { Failure } from "../../contracts/failures.ts";
import type { ModelFacts, ModelSignature, TensorOutput } from "../../contracts/signature.ts";

/**
 * Checks that a model file has exactly the inputs and outputs its signature declares: names, datatypes and shapes, in any order.
 * An axis the file leaves open takes any declared size; one the file fixes must be declared so.
 *
 * @param where the file or artifact, for the failure
 * @throws MODEL_SIGNATURE
 */
export function matchSignature(facts: ModelFacts, signature: ModelSignature, where: string): void {
  for (const side of ["inputs", "outputs"] as const) {
    const found = facts[side];
    const expected: readonly TensorOutput[] = signature[side];
    const same =
      found.length === expected.length &&
      expected.every((declared) => found.some((tensor) => tensor.name === declared.name && fits(tensor, declared)));
    if (!same) {
      const list = (tensors: readonly TensorOutput[]) => `${side} ${tensors.map(describe).join(", ")}`;
      throw new Failure("MODEL_SIGNATURE", { where, found: list(found), expected: list(expected) });
    }
  }
  if (signature.outputs.some(({ name }) => name === signature.prediction.output)) return;
  const found = `outputs ${signature.outputs.map(({ name }) => name).join(", ")}`;
  const expected = `an output "${signature.prediction.output}" that holds the prediction`;
  throw new Failure("MODEL_SIGNATURE", { where, found, expected });
}

function fits(found: TensorOutput, declared: TensorOutput): boolean {
  return (
    found.datatype === declared.datatype &&
    found.shape.length === declared.shape.length &&
    found.shape.every((size, axis) => size === -1 || size === declared.shape[axis])
  );
}

const describe = ({ name, datatype, shape }: TensorOutput): string => `${name} ${datatype}[${shape.join(", ")}]`;
