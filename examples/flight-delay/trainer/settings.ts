export interface TrainerSettings {
  readonly rows: number;
  readonly epochs: number;
  readonly batch: number;
  readonly embedding: number;
  readonly hidden: readonly number[];
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly holdoutShare: number;
}

const DEFAULTS: TrainerSettings = {
  rows: 300_000,
  epochs: 3,
  batch: 2048,
  embedding: 128,
  hidden: [32, 16],
  learningRate: 0.003,
  weightDecay: 0.3,
  holdoutShare: 0.1,
};

/**
 * The trainer's own parameters out of the manifest; what is left out has a default.
 * @throws when a parameter is unknown or not of the kind of its default, so that a typo does not train the wrong model
 */
export function readSettings(parameters: Readonly<Record<string, unknown>>): TrainerSettings {
  for (const [name, value] of Object.entries(parameters)) {
    if (!(name in DEFAULTS)) {
      throw new Error(`parameter "${name}" is not known; allowed: ${Object.keys(DEFAULTS).join(", ")}`);
    }
    const valid =
      name === "hidden" ? Array.isArray(value) && value.every(isWidth) : isFiniteNumber(value) && value >= 0;
    if (!valid) throw new Error(`parameter "${name}" is ${JSON.stringify(value)}; allowed: like ${example(name)}`);
  }
  const settings = { ...DEFAULTS, ...(parameters as Partial<TrainerSettings>) };
  for (const name of ["rows", "epochs", "batch", "embedding"] as const) {
    if (!isWidth(settings[name]))
      throw new Error(`parameter "${name}" is ${settings[name]}; allowed: whole, at least 1`);
  }
  if (settings.holdoutShare >= 1)
    throw new Error(`parameter "holdoutShare" is ${settings.holdoutShare}; allowed: below 1`);
  return settings;
}

const isFiniteNumber = (value: unknown): value is number => typeof value === "number" && Number.isFinite(value);
const isWidth = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 1;
const example = (name: string) => JSON.stringify(DEFAULTS[name as keyof TrainerSettings]);
