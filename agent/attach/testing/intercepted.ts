/** Attach and relay as they are, on a node made of network namespaces; only the cluster's objects are made up. */
import { patience } from "../../../async/testing/patience.ts";
import { ports } from "../../../wire/places.ts";
import { ruleFingerprint } from "../../../wire/personal_rule.ts";
import { uid, until } from "../../testing/laptop.ts";
import { fingerprint } from "../node_reconciler.ts";
import type { State } from "./attach_alone.ts";
import { addresses, type Place, PORT, type Process, World } from "./world.ts";

export const here = new URL(".", import.meta.url).pathname;
export const deno = [Deno.execPath(), "run", "-A", "--quiet"];
export const [session, rule, udpRule] = [uid(1), uid(10), uid(11)] as const;

function libbpf(): string | undefined {
  const built = new URL("../../../dist/libpmzbpf.so", import.meta.url).pathname;
  const places = [built, `/usr/lib/${Deno.build.arch}-linux-gnu/libbpf.so.1`];
  return places.find((path) => {
    try {
      return Deno.statSync(path).isFile;
    } catch {
      return false;
    }
  });
}

export const library = libbpf();
export const ignore = Deno.uid() !== 0 || library === undefined;

export interface StateChanges {
  readonly deleted?: boolean;
  /** The rule for TCP. */
  readonly rules?: boolean;
  /** The rule for UDP. */
  readonly udp?: boolean;
  /** The callers of the rule for UDP. */
  readonly callers?: readonly { readonly namespace: string }[];
  readonly renewal?: string;
}

/** The cluster's objects: a Service whose ports 80 of TCP and UDP are the pod's PORT, a session with this key, rules for one or both. */
export function state(
  world: World,
  publicKey: string,
  changes: StateChanges = {},
) {
  const created = "2026-01-01T00:00:00Z";
  const meta = (name: string, id: string) => ({
    namespace: "default",
    name,
    uid: id,
    creationTimestamp: created,
    resourceVersion: "1",
  });
  const { deleted = false, rules = true, udp = false, renewal = "1", callers } = changes;
  const taken = { protocol: "UDP" as const, ...(callers && { match: { callers } }) };
  const spec = { service: "echo", port: 80, session: { name: "alice", uid: session }, user: "alice" };
  return {
    sessions: [{
      metadata: meta("alice", session),
      spec: { publicKey, user: "alice", machine: "laptop", durationSeconds: 3600, renewal },
    }],
    rules: [
      ...rules
        ? [{ metadata: meta("echo-80", rule), spec: { ...spec, keyFingerprint: fingerprint(publicKey) } }]
        : [],
      ...udp
        ? [{
          metadata: meta(callers ? "echo-80-abcdefgh" : "echo-80-udp", udpRule),
          spec: { ...spec, ...taken, keyFingerprint: ruleFingerprint(fingerprint(publicKey) ?? "", taken) },
        }]
        : [],
    ],
    services: [{
      metadata: meta("echo", uid(20)),
      spec: {
        type: "ClusterIP",
        clusterIP: "10.96.0.9",
        selector: { app: "echo" },
        ports: [
          { name: "http", port: 80, targetPort: PORT, protocol: "TCP" },
          { name: "udp", port: 80, targetPort: PORT, protocol: "UDP" },
        ],
      },
    }],
    pods: [{
      metadata: {
        ...meta("echo-1", world.podUid),
        labels: { app: "echo" },
        ...(deleted ? { deletionTimestamp: created } : {}),
      },
      spec: { nodeName: "node-1", containers: [{ name: "echo", ports: [{ containerPort: PORT }] }] },
      status: {
        phase: "Running",
        podIP: addresses.pod4,
        podIPs: [{ ip: addresses.pod4 }, { ip: addresses.pod6 }],
      },
    }],
  } satisfies State;
}

/** The whole: application, attach, relay and a laptop with its tunnel. */
export async function intercepted(
  options: { tunnel?: "honest" | "forged" | "none"; kernel?: "refuses" } & StateChanges = {},
) {
  using owned = new DisposableStack();
  const stack = new AsyncDisposableStack();
  owned.defer(() => void stack.disposeAsync());
  const world = stack.use(await World.make());
  world.start("pod", [...deno, `${here}application.ts`, String(PORT), "::"]);
  world.start("pod", [...deno, "--unstable-net", `${here}udp_application.ts`, String(PORT), "::"]);
  const laptop = async () => {
    const process = world.start("agent", [...deno, `${here}laptop_alone.ts`, String(ports.relay), session]);
    await until(() => process.lines.length > 0, "the laptop has a key");
    return { process, publicKey: process.lines[0] ?? "" };
  };
  const { tunnel = "honest" } = options;
  const honest = await laptop();
  if (tunnel !== "honest") await honest.process.kill();
  if (tunnel === "forged") await laptop();
  const attach = world.startAttach(
    library ?? "",
    options.kernel === "refuses" ? await refusedObject(world.folder) : undefined,
  );
  const tell = async (to: Process, changes: StateChanges = options) => {
    await to.write(JSON.stringify(state(world, honest.publicKey, changes)));
  };
  await tell(attach);
  const relay = world.startRelay();
  /** Asks until one is answered by `who`; says after how many milliseconds. */
  const answeredBy = async (who: string, ms = 8_000 * patience) => {
    const start = performance.now();
    for (;;) {
      const counts = await world.ask("client", addresses.pod4, 1);
      const took = performance.now() - start;
      if (counts[who]) return took;
      if (took > ms) throw new Error(`not answered by ${who} in ${ms} ms, but ${JSON.stringify(counts)}`);
    }
  };
  /** What a connection from that address of a place is told first, by the pod's port. */
  const dial = async (place: Place, address: string, source: string) => {
    const program =
      `import socket; print(socket.create_connection(("${address}", ${PORT}), 5, ("${source}", 0)).recv(99).decode())`;
    return await world.run(place, ["python3", "-c", program]);
  };
  owned.move();
  return {
    world,
    dial,
    attach,
    relay,
    honest,
    tell,
    answeredBy,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** A file that no kernel takes as a BPF program. */
async function refusedObject(folder: string): Promise<string> {
  const path = `${folder}/refused.bpf.o`;
  await Deno.writeFile(path, new Uint8Array(64));
  return path;
}

/** The last status that attach applied to the rule. */
export function status(
  attach: Process,
  of: string = rule,
): { pods: { state: string; reason?: string }[] } | undefined {
  const lines = attach.lines.map((line) => JSON.parse(line)).filter((line) => line.rule === of);
  return lines.at(-1)?.status;
}
