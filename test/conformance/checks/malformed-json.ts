import { check, type Section, type Target } from "../check.ts";
import { asking, expectError, inferPath, jsonInput, requestOf } from "../requests.ts";
import { SAMPLES, type Sample } from "../samples.ts";

const single = SAMPLES.find(({ datatype }) => datatype === "FP32") as Sample;
const valid = jsonInput(single);
const input = (fields: Readonly<Record<string, string>>): string => requestOf([jsonInput(single, fields)]);

const REFUSED: readonly (readonly [what: string, body: string])[] = [
  ["an empty body", ""],
  ["what is not JSON", "{"],
  ["a list for a body", "[]"],
  ["no inputs", "{}"],
  ["an empty list of inputs", requestOf([])],
  ["inputs that are no list", '{"inputs":{}}'],
  ["an input without a name", input({ name: "" })],
  ["an input without a shape", input({ shape: "" })],
  ["an input without a datatype", input({ datatype: "" })],
  ["an input without data", input({ data: "" })],
  ["an input nobody knows", input({ name: '"nobody"' })],
  ["an input twice", requestOf([valid, valid])],
  ["a datatype nobody knows", input({ datatype: '"FLOAT"' })],
  ["another datatype than the model's", input({ datatype: '"INT32"', data: "[1,2,3,4]" })],
  ["another width than the model's", input({ shape: "[1,4]" })],
  ["another rank than the model's", input({ shape: "[4]" })],
  ["a negative size", input({ shape: "[-2,-2]" })],
  ["a size that is no whole number", input({ shape: "[2.5,2]" })],
  ["a shape of 2^62 elements", input({ shape: "[2147483648,2147483648]" })],
  ["too few elements", input({ data: "[1,2,3]" })],
  ["too many elements", input({ data: "[1,2,3,4,5]" })],
  ["nesting that is not the shape's", input({ data: "[[1,2,3],[4]]" })],
  ["text for numbers", input({ data: '["1","2","3","4"]' })],
  ["null for a number", input({ data: "[1,null,3,4]" })],
  ["a number beyond the datatype", input({ data: "[1,2,3,1e39]" })],
  ["NaN, which is no JSON", input({ data: "[1,2,3,NaN]" })],
  ["an output nobody knows", requestOf([valid], ',"outputs":[{"name":"nobody"}]')],
  ["an id that is no text", requestOf([valid], ',"id":7')],
  ["parameters that are no object", requestOf([valid], ',"parameters":[]')],
  ["100,000 brackets", input({ data: `${"[".repeat(100_000)}${"]".repeat(100_000)}` })],
  ["100,000 objects within each other", `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`],
];

const stillAnswers = async (target: Target): Promise<void> => {
  const answer = await target.http.post(inferPath(`${target.model}-one`), requestOf([valid], asking(single)));
  if (answer.status !== 200) throw new Error(`a good request after it: status ${answer.status}`);
};

export const malformedJson: Section = {
  title: "Malformed requests",
  checks: REFUSED.map(([what, body]) =>
    check(`refuses ${what}`, async (target) => {
      expectError(await target.http.post(inferPath(`${target.model}-one`), body));
      await stillAnswers(target);
    }),
  ),
};
