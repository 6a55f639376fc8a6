const PLACES = { endByte: 0, acceptedRows: 1, shippedByte: 2, writtenRows: 3, refusedRows: 4 } as const;

/**
 * How far a journal is written and how far it is shipped, in memory that two threads share. Each number has one writer: the first
 * two the gateway's thread, the others the one that ships.
 */
export class Progress {
  readonly memory: SharedArrayBuffer;
  private readonly numbers: Float64Array;

  constructor(memory = new SharedArrayBuffer(Object.keys(PLACES).length * Float64Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.numbers = new Float64Array(memory);
  }

  get(name: keyof typeof PLACES): number {
    return this.numbers[PLACES[name]] ?? 0;
  }

  set(name: keyof typeof PLACES, value: number): void {
    this.numbers[PLACES[name]] = value;
  }

  add(name: keyof typeof PLACES, more: number): void {
    this.set(name, this.get(name) + more);
  }
}
