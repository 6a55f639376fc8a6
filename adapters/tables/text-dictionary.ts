/** Words of a text column, numbered as they appear. */
export interface TextDictionary {
  /** The word's place; -1 for null. */
  readonly codeOf: (word: string | null) => number;
  /**
   * The words as of now, never changed afterwards: the same array as last time when none came, so that readers may remember
   * what they made of it. A dictionary past its bound starts over, since ids and free text have no end of words.
   */
  readonly take: () => readonly string[];
}

/** Words kept from one batch to the next. */
const KEPT_WORDS = 65_536;

export function createTextDictionary(): TextDictionary {
  const codes = new Map<string, number>();
  let words: string[] = [];
  let taken: readonly string[] = [];
  return {
    codeOf(word) {
      if (word === null) return -1;
      let code = codes.get(word);
      if (code === undefined) {
        code = words.length;
        codes.set(word, code);
        words.push(word);
      }
      return code;
    },
    take() {
      if (taken.length !== words.length) taken = words.slice();
      const result = taken;
      if (words.length > KEPT_WORDS) {
        codes.clear();
        words = [];
        taken = [];
      }
      return result;
    },
  };
}
