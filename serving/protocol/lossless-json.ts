/** A parsed JSON value in which integers beyond 2^53 are bigints. */
export type Json = null | boolean | number | bigint | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A whole number of 16 digits may be beyond 2^53; with fewer `JSON.parse` is exact. Long fractions, which every float printed
 * in full has, do not match: they would send each large tensor the slow way.
 */
const LONG_INTEGER = /(?:^|[\s,:[-])\d{16,}(?![\d.eE])/;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;

/**
 * Parses JSON without rounding integers: those outside the safe range come back as bigints, everything else as from
 * `JSON.parse`. Node 20 has no source access in a reviver, so long integers are quoted first, behind a mark no sender can
 * know, and turned into bigints in a walk afterwards; a text without long integers takes the plain way.
 *
 * @throws SyntaxError as `JSON.parse` does
 */
export function parseLosslessJson(text: string): Json {
  if (!LONG_INTEGER.test(text)) return JSON.parse(text) as Json;
  const mark = `${Math.random().toString(36)}${Math.random().toString(36)}:`;
  return restore(JSON.parse(quoteLongIntegers(text, mark)) as Json, mark, 0);
}

function quoteLongIntegers(text: string, mark: string): string {
  let out = "";
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
    } else if (code === MINUS || isDigit(code)) {
      const end = endOfNumber(text, at);
      const token = text.slice(at, end);
      if (token.length >= 16 && /^-?(?:0|[1-9]\d*)$/.test(token)) {
        out += `${text.slice(copied, at)}"${mark}${token}"`;
        copied = end;
      }
      at = end;
    } else {
      at++;
    }
  }
  return out + text.slice(copied);
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;

/** Digits, sign, point and exponent: whatever JSON.parse would take as one number or refuse as one. */
const isPartOfNumber = (code: number): boolean =>
  isDigit(code) || code === 0x2b || code === MINUS || code === 0x2e || code === 0x45 || code === 0x65;

function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === BACKSLASH) at++;
    else if (code === QUOTE) return at + 1;
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && isPartOfNumber(text.charCodeAt(at))) at++;
  return at;
}

/** Nesting deeper than this is left alone: no tensor is so deep, and the reader of `data` refuses it. */
const MAXIMUM_DEPTH = 100;

function restore(value: Json, mark: string, depth: number): Json {
  if (typeof value === "string") {
    if (!value.startsWith(mark)) return value;
    const integer = BigInt(value.slice(mark.length));
    const number = Number(integer);
    return Number.isSafeInteger(number) ? number : integer;
  }
  if (value === null || typeof value !== "object" || depth > MAXIMUM_DEPTH) return value;
  if (Array.isArray(value)) return value.map((element: Json) => restore(element, mark, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, restore(element, mark, depth + 1)]));
}
