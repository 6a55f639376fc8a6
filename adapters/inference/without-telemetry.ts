/**
 * ONNX Runtime's own build sends usage data to its maker and leaves a log in the temporary folder for every process. Ours does neither:
 * import this before the runtime, which reads the variable when its first session is opened.
 */
process.env["ORT_DISABLE_TELEMETRY"] = "1";
