// The lifecycle of this folder from a script. With `npx modelwright up` running in another terminal:
//   node --import tsx examples/flight-delay/start.ts
import { userInfo } from "node:os";
import { fileURLToPath } from "node:url";
import { connect, renderLifecycle } from "../../client/index.ts";

const modelwright = await connect();
const spec = fileURLToPath(new URL("first.yaml", import.meta.url));
const { lifecycleId } = await modelwright.start(spec, { as: userInfo().username });

for await (const view of modelwright.watch(lifecycleId, { everyMs: 2000, throughWaits: true })) {
  console.log(renderLifecycle(view, { width: 100, color: false, now: Date.now() }).join("\n"));
}
const { status, reason } = await modelwright.result(lifecycleId);
console.log(`${lifecycleId}: ${status}, ${reason}`);
await modelwright.close();
