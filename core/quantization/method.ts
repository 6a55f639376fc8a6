/**
 * The version of what the passes write. Raised whenever the same model, data and options give other bytes, and the digests in
 * `test/fixtures/onnx/method.json` with it (`-u`): a version made by another method is then told from one that was tampered with.
 */
export const METHOD_VERSION = 2;
