import type { AddressInfo, Server } from "node:net";

/** Has a server listen, and says where: host and port, as they stand in a URL. */
export async function listen(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  return `${bound.address.includes(":") ? `[${bound.address}]` : bound.address}:${bound.port}`;
}
