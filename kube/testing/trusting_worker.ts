import type { ApiServerAccess } from "../client/access.ts";
import { dial } from "../client/dial.ts";
import { HttpClient } from "../client/http.ts";

/** The ways by TLS that reach a server on this port, with the certificates of a file: "dial", "node", "unchecked" and "request". */
export async function waysTo(port: string, ca: string): Promise<string[]> {
  const access: ApiServerAccess = {
    tls: true,
    hostname: "127.0.0.1",
    port: Number(port),
    pathPrefix: "",
    caCerts: [await Deno.readTextFile(ca)],
    headers: {},
  };
  const signal = AbortSignal.timeout(5_000);
  const ways: Record<string, () => Promise<unknown>> = {
    dial: async () => (await dial(access, signal)).close(),
    node: async () => (await dial({ ...access, servername: "kube.example" }, signal)).close(),
    unchecked: async () => (await dial({ ...access, caCerts: [], insecure: true }, signal)).close(),
    async request() {
      using client = new HttpClient();
      const { body } = await client.send(access, { method: "GET", path: "/", headers: {}, signal });
      await body?.cancel();
    },
  };
  const reached: string[] = [];
  for (const [name, way] of Object.entries(ways)) await way().then(() => reached.push(name), () => {});
  return reached;
}

/** A worker's own global, which TypeScript takes for a window. */
const worker = self as unknown as Worker;
worker.onmessage = async ({ data: [port, ca] }: MessageEvent<[string, string]>) =>
  worker.postMessage(await waysTo(port, ca));
