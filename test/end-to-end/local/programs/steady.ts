// A child as the supervisor starts them: ready at once, with a grandchild, and ending on SIGTERM or doing what STEADY_MODE says.
import { spawn } from "node:child_process";

const mode = process.env["STEADY_MODE"];
if (mode === "fails") {
  console.error("cannot find my configuration");
  process.exit(3);
}
const grandchild = spawn("sleep", ["600"], { stdio: "ignore" });
process.on("SIGTERM", () => {
  if (mode === "stubborn") return;
  grandchild.kill();
  process.exit(0);
});
setInterval(() => undefined, 60_000);
console.log("an ordinary line");
console.log(JSON.stringify({ ready: true, grandchild: grandchild.pid }));
