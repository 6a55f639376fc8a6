import "../../../serving/heap-growth.ts";
import { runGateway } from "./running-gateway.ts";
import { MemoryRoutes, Models, route } from "./served-model.ts";

/** A gateway in a process of its own, whose memory is its own: tells where it answers, and its memory when it is asked. */
const models = new Models();
// Nobody's rows are kept: what hostile clients send is not what its memory should be full of.
const served = route(models.add(3, 0.1), { log: { sampleShare: Number.MIN_VALUE } });
const { gateway } = await runGateway(models, new MemoryRoutes(served), {
  bodyLimitBytes: Number(process.argv[2]),
  arriveWithinMs: Number(process.argv[3]),
});

process.on("message", () => process.send?.(process.memoryUsage().rss));
process.on("disconnect", () => {
  void gateway.stop().then(() => {
    models.remove();
    process.exit(0);
  });
});
process.send?.({ url: gateway.url, grpc: gateway.grpcAddress });
