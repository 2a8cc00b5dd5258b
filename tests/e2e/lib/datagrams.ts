/** Servers that talk by UDP, in the cluster, and programs that ask them. */
import { output } from "./command.ts";
import type { Pmz } from "./pmz.ts";
import { cluster } from "./laptop.ts";
import type { World } from "./world.ts";

const SCRIPT = await Deno.readTextFile(new URL("./udp.py", import.meta.url));
const NAME = "datagrams";
/** What came by syslog, in its container. */
export const SYSLOG = "/tmp/syslog";

/** What came back: who answered ("10.96.0.7:9001"), and what. Where no answer came, "" and the error's name. */
export type Answer = readonly [from: string, said: string | number];

/** Asks as udp.py says. */
export async function askByUdp({ laptop, person }: Pmz, ...args: readonly string[]): Promise<Answer[]> {
  const said = await laptop.output(person, ["python3", "-c", SCRIPT, ...args]);
  return said.trim().split("\n").map((line) => JSON.parse(line) as Answer);
}

/** A program that asks by one socket of its own for each line that is typed. */
export function keepAsking({ laptop, person }: Pmz, host: string, port: number) {
  return laptop.spawn(person, ["python3", "-c", SCRIPT, "keep", host, String(port)]);
}

/**
 * One pod with a QUIC server, iperf3 and a syslog server, and its Service `datagrams.default.svc`; and the program `datagrams` on both
 * laptops. Gone when it is disposed of.
 */
export async function datagramServers(world: World): Promise<AsyncDisposable> {
  const said = await output([cluster, "datagrams"], { timeout: 5 * 60_000 }); // builds what is missing
  const [program = "", image = ""] = said.trim().split("\n");
  await world.install(program);
  await output([cluster, "--name", world.name, "load", image], { timeout: 60_000 });
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => {
    const all = `deployment/${NAME} service/${NAME}`.split(" ");
    await world.kubectl(["delete", ...all, "--grace-period=0", "--ignore-not-found"]);
  });
  await world.apply({ apiVersion: "v1", kind: "List", items: objects });
  await world.kubectl(["rollout", "status", `deployment/${NAME}`, "--timeout=60s"], { timeout: 70_000 });
  return undo.move();
}

const metadata = { name: NAME, namespace: "default" };
const base = { image: "pmz.test/base:1" };
const objects = [
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata,
    spec: {
      selector: { matchLabels: { app: NAME } },
      template: {
        metadata: { labels: { app: NAME } },
        spec: {
          terminationGracePeriodSeconds: 0,
          containers: [
            { name: "quic", image: "pmz.test/datagrams:1" },
            {
              ...base,
              name: "iperf",
              command: ["iperf3", "-s"],
              readinessProbe: { tcpSocket: { port: 5201 }, periodSeconds: 1 },
            },
            {
              ...base,
              name: "syslog",
              command: ["socat", "-u", "UDP-RECV:514", `OPEN:${SYSLOG},creat,append`],
            },
          ],
        },
      },
    },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata,
    spec: {
      selector: { app: NAME },
      ports: [
        { name: "quic", port: 443, targetPort: 4433, protocol: "UDP" },
        { name: "iperf", port: 5201 },
        { name: "iperf-udp", port: 5201, protocol: "UDP" },
        { name: "syslog", port: 514, protocol: "UDP" },
      ],
    },
  },
];
