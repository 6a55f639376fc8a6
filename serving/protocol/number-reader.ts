const MINUS = 0x2d;
const PLUS = 0x2b;
const POINT = 0x2e;
const ZERO = 0x30;
const NINE = 0x39;
const COMMA = 0x2c;
const SPACE = 0x20;
const LETTER_E = 0x65;

/** Of four characters at once: digits are 0x30 to 0x39. */
const ZEROS = 0x30303030;
const SIXES = 0x06060606;
const HIGH_HALVES = 0xf0f0f0f0 | 0;
const LOW_HALVES = 0x0f0f0f0f;

/** Powers of ten that a double holds exactly. */
const TENS = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`));
/** Digits that are taken; they stand in two halves, which are small integers to the engine. */
const HALF = 8;
const MOST_DIGITS = 2 * HALF;
const EXACT_DIGITS = 15;
/** Sixteen digits, cut off and scaled, are nearer to the number than this, relatively. */
const MARGIN = 2 ** -48;
/** Zeros behind the point that a plain number may have before its digits. */
const MOST_ZEROS = 4;
/** Bytes that are looked at of one: its sign, `0.`, zeros and twenty digits. */
const PLAIN_BYTES = 3 + MOST_ZEROS + 20;

/**
 * Reads numbers of a JSON text out of its bytes, each exactly as `JSON.parse` does, in a third of the time: few digits and a power of ten
 * make one correctly rounded operation, and the rest is left to the engine.
 */
export class NumberReader {
  /** Where the next number begins; after `read`, where it ended. */
  at: number;
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly singles: Float32Array | null;

  /** @param singles what is read will be stored there: then sixteen digits are nearly always enough; null where it will not be */
  constructor(bytes: Buffer, at: number, singles: Float32Array | null) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = at;
    this.singles = singles;
  }

  /**
   * Reads numbers as most singles are written, such as -0.7071067690849304, in a fraction of that time again, as long as they come, each with
   * its comma, and stores them from `from` on and before `to`. Returns where the number belongs that is next, which is for `read`.
   */
  readSingles(from: number, to: number): number {
    const { bytes, view, singles } = this;
    if (!singles) return from;
    const lastStart = bytes.length - PLAIN_BYTES;
    let at = this.at;
    let index = from;
    for (; index < to && at <= lastStart; index++) {
      // Its sign is as hard to guess: 1 or 0, without a branch.
      const minus = (((bytes[at] ?? 0) ^ MINUS) - 1) >>> 31;
      const start = at + minus;
      const whole = (bytes[start] ?? 0) - ZERO;
      if (whole < 0 || whole > 9 || bytes[start + 1] !== POINT) break;
      // Zeros in front say nothing, and would take the room of digits that do.
      let zeros = 0;
      if (whole === 0) while (zeros < MOST_ZEROS && bytes[start + 2 + zeros] === ZERO) zeros++;
      let end = start + 2 + zeros;
      if (whole === 0 && bytes[end] === ZERO) break;
      const a = view.getUint32(end, true) | 0;
      const b = view.getUint32(end + 4, true) | 0;
      const c = view.getUint32(end + 8, true) | 0;
      const d = view.getUint32(end + 12, true) | 0;
      if (!areDigits(a) || !areDigits(b) || !areDigits(c)) break;
      let fraction = fourDigits(a) * 1e8 + (fourDigits(b) * 10_000 + fourDigits(c));
      let power = zeros + 12;
      end += 12;
      if (areDigits(d)) {
        fraction = fraction * 10_000 + fourDigits(d);
        power += 4;
        end += 4;
        // How many are left is anybody's guess, and a wrong one of the processor takes as long as half of all this.
        const more = leadingDigits(view.getUint32(end, true) | 0);
        end += more;
        if (more === 4) while ((bytes[end] ?? 0) >= ZERO && (bytes[end] ?? 0) <= NINE) end++;
      } else {
        for (let digit = (bytes[end] ?? 0) - ZERO; digit >= 0 && digit <= 9; digit = (bytes[++end] ?? 0) - ZERO) {
          fraction = fraction * 10 + digit;
          power++;
        }
      }
      const size = whole + fraction / (TENS[power] ?? 1);
      if (bytes[end] !== COMMA || !isCertain(size)) break;
      const single = Math.fround(size);
      singles[index] = single * (1 - 2 * minus);
      at = bytes[end + 1] === SPACE ? end + 2 : end + 1;
    }
    this.at = at;
    return index;
  }

  /** NaN for what is no number of JSON, and for whole numbers that a double may not hold. */
  read(): number {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    const isNegative = bytes[at] === MINUS;
    if (isNegative) at++;
    let high = 0;
    let low = 0;
    let digits = 0;
    let scale = 0;
    let digit = (bytes[at] ?? 0) - ZERO;
    if (digit === 0) digit = (bytes[++at] ?? 0) - ZERO;
    else if (digit < 0 || digit > 9) return Number.NaN;
    else {
      for (; digit >= 0 && digit <= 9; digit = (bytes[++at] ?? 0) - ZERO) {
        if (digits < HALF) high = high * 10 + digit;
        else if (digits < MOST_DIGITS) low = low * 10 + digit;
        else scale++;
        digits++;
      }
      if (digits > EXACT_DIGITS && digit !== POINT - ZERO) return Number.NaN;
    }
    if (digit === POINT - ZERO) {
      const fraction = at + 1;
      digit = (bytes[++at] ?? 0) - ZERO;
      // Zeros in front say nothing, and would take the room of digits that do.
      if (digits === 0) for (; digit === 0; digit = (bytes[++at] ?? 0) - ZERO) scale--;
      while (digit >= 0 && digit <= 9) {
        const isAtWord = digits % 4 === 0 && digits < MOST_DIGITS && at + 4 <= bytes.length;
        const word = isAtWord ? this.view.getUint32(at, true) | 0 : 0;
        const four = areDigits(word) ? fourDigits(word) : -1;
        const taken = four === -1 ? 1 : 4;
        if (digits < HALF) high = four === -1 ? high * 10 + digit : high * 10_000 + four;
        else if (digits < MOST_DIGITS) low = four === -1 ? low * 10 + digit : low * 10_000 + four;
        else scale++;
        scale -= taken;
        digits += taken;
        at += taken;
        digit = (bytes[at] ?? 0) - ZERO;
      }
      if (at === fraction) return Number.NaN;
    }
    this.at = at;
    if (((bytes[at] ?? 0) | 0x20) === LETTER_E) {
      const exponent = this.readExponent();
      if (Number.isNaN(exponent)) return Number.NaN;
      scale += exponent;
    }
    const kept = digits < HALF ? 0 : Math.min(digits, MOST_DIGITS) - HALF;
    const whole = high * (TENS[kept] ?? 1) + low;
    if (scale < -22 || scale > 22) return this.slowly(start);
    const size = scale < 0 ? whole / (TENS[-scale] ?? 1) : whole * (TENS[scale] ?? 1);
    if (digits > EXACT_DIGITS && !(this.singles && isCertain(size))) return this.slowly(start);
    return isNegative ? -size : size;
  }

  private slowly(start: number): number {
    return Number(this.bytes.toString("latin1", start, this.at));
  }

  /** From the letter on. */
  private readExponent(): number {
    const { bytes } = this;
    let at = this.at + 1;
    const sign = bytes[at];
    if (sign === MINUS || sign === PLUS) at++;
    const first = at;
    let exponent = 0;
    for (let digit = (bytes[at] ?? 0) - ZERO; digit >= 0 && digit <= 9; digit = (bytes[++at] ?? 0) - ZERO) {
      exponent = Math.min(exponent * 10 + digit, 10_000);
    }
    this.at = at;
    if (at === first) return Number.NaN;
    return sign === MINUS ? -exponent : exponent;
  }
}

/** Four characters, the first one lowest: whether all are digits. */
const areDigits = (word: number): boolean => (word & HIGH_HALVES) === ZEROS && ((word + SIXES) & HIGH_HALVES) === ZEROS;

/** How many characters there are before the first that is no digit. */
function leadingDigits(word: number): number {
  const strange = ((word & HIGH_HALVES) ^ ZEROS) | (((word + SIXES) & HIGH_HALVES) ^ ZEROS);
  return strange === 0 ? 4 : (31 - Math.clz32(strange & -strange)) >> 3;
}

/** Four digits as a number, worked out together. */
function fourDigits(word: number): number {
  const digits = word & LOW_HALVES;
  const pairs = Math.imul(digits, 10) + (digits >>> 8);
  return (pairs & 0xff) * 100 + ((pairs >>> 16) & 0xff);
}

/** Whether every number within the margin is the same single. */
const isCertain = (size: number): boolean => Math.fround(size * (1 - MARGIN)) === Math.fround(size * (1 + MARGIN));
