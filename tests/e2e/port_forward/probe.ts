/**
 * Reads from ports of a pod by the cluster's port-forward, in each protocol: `probe.ts POD PORT...`, with the current context of
 * KUBECONFIG. Prints what it saw, as JSON: by protocol and port.
 */
// deno-lint-ignore-file no-console -- standard output is how it answers
import { clusterAccess } from "../../../kube/config/kubeconfig.ts";
import { channelPortForward } from "../../../kube/port_forward/channels.ts";
import { spdyPortForward } from "../../../kube/port_forward/spdy/port_forward.ts";

/** What came by one port-forward. */
export interface Seen {
  readonly text: string;
  /** How it ended: an error's words, "end", or "silence". */
  readonly end: string;
  /** Milliseconds from its opening to the first bytes, and to its end. */
  readonly firstMs: number | undefined;
  readonly endMs: number;
}

/** Milliseconds of silence after which a port-forward counts as open for good. */
const SILENT_MS = 5_000;
const protocols = { channels: channelPortForward, spdy: spdyPortForward } as const;

async function read(protocol: keyof typeof protocols, pod: string, port: number): Promise<Seen> {
  const cluster = await clusterAccess();
  const begun = performance.now();
  const after = () => Math.round(performance.now() - begun);
  let [text, firstMs]: [string, number | undefined] = ["", undefined];
  const seen = (end: string): Seen => ({ text, end, firstMs, endMs: after() });
  const stop = new AbortController();
  try {
    const target = { namespace: "default", pod, port, signal: stop.signal };
    const forward = await protocols[protocol](await cluster.access(), target);
    const into = new Uint8Array(65_536);
    for (;;) {
      const silence = setTimeout(() => stop.abort(new Error("silence")), SILENT_MS);
      const count = await forward.read(into).finally(() => clearTimeout(silence));
      if (count === null) return seen("end");
      firstMs ??= after();
      text += new TextDecoder().decode(into.subarray(0, count));
    }
  } catch (error) {
    return seen(stop.signal.aborted ? "silence" : error instanceof Error ? error.message : String(error));
  } finally {
    stop.abort();
  }
}

const [pod = "", ...ports] = Deno.args;
const all: Record<string, Record<string, Seen>> = {};
for (const protocol of ["channels", "spdy"] as const) {
  const seen = await Promise.all(
    ports.map(async (port) => [port, await read(protocol, pod, Number(port))] as const),
  );
  all[protocol] = Object.fromEntries(seen);
}
console.log(JSON.stringify(all));
