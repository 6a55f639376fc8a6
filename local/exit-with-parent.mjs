// Loaded into every child of the supervisor (`node --import`). Plain JavaScript, so that it works before TypeScript is loaded.
// The channel to the supervisor closes when the supervisor is gone, however it ended; then the child ends as if asked to.
if (process.channel) {
  process.on("disconnect", () => {
    // A shutdown that hangs must not keep the process; the timer itself must not either.
    setTimeout(() => process.exit(1), 10_000).unref();
    process.kill(process.pid, "SIGTERM");
  });
  // Listening for "disconnect" alone would keep an otherwise finished process alive.
  process.channel.unref();
}
