import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { bpfObject, libbpfBytes } from "../../ffi/assets.ts";
import { Libbpf } from "../../ffi/bpf/libbpf.ts";
import { datagramsOnLoopback, rawDatagramSocket } from "../../ffi/proc/pod_sockets.ts";
import { RawDatagrams } from "../../ffi/sockets/raw_datagrams.ts";
import { Readiness } from "../../ffi/sockets/readiness.ts";
import { Beat, MappedArray } from "../../ffi/bpf/mmap.ts";
import { Netns } from "../../ffi/proc/netns.ts";
import { Steering } from "../attach/steering.ts";
import { SteeredDatagrams } from "../../ffi/sockets/steered_datagrams.ts";
import { inNewNetns, isRoot } from "../../ffi/testing/netns.ts";
import type { Stream } from "../../hbone/mod.ts";
import { connected } from "../../hbone/testing/pair.ts";
import { DatagramStream } from "../../masque/datagram_stream.ts";
import type { RelayLimit } from "../../wire/handover.ts";
import { Matcher } from "../routing/matcher.ts";
import { Router } from "../routing/router.ts";
import { NestedPlaces } from "./nested_places.ts";
import { passedLayout } from "./passed_flows.ts";
import { RelayedDatagrams } from "./relayed_datagrams.ts";

const root = new URL("../../", import.meta.url);
const CALLER = [198, 51, 100, 7];
const RULE = "05e485dc-1363-43f2-972f-3a91434e1090";
const MINE = "15e485dc-1363-43f2-972f-3a91434e1090";

const POD = [192, 0, 2, 2];
const PORT = 53;

/** A pod that is a network namespace of its own, whose port is steered to this relay; nothing listens there. */
async function relayed(
  { flows = 100, isPods = () => true }: { flows?: number; isPods?: () => boolean } = {},
) {
  const stack = new AsyncDisposableStack();
  const made = inNewNetns(() => {
    for (
      const args of [
        "link set lo up",
        "link add eth0 type veth peer name cable",
        "addr add 192.0.2.2/24 dev eth0",
        "link set eth0 up",
        "link set cable up",
      ]
    ) {
      assert.ok(new Deno.Command("ip", { args: args.split(" ") }).outputSync().success, args);
    }
    return {
      netns: stack.use(new Netns("/proc/thread-self/ns/net")),
      raw: rawDatagramSocket(4),
      sender: rawDatagramSocket(4),
      socket: datagramsOnLoopback(4, new Set()) ?? assert.fail(),
    };
  });
  const libbpf = Libbpf.load(libbpfBytes(root));
  const steering = stack.use(new Steering(libbpf, bpfObject(root, "intercept"), made.netns.fd, 1));
  steering.take("udp", 4, 0, made.socket.fd);
  steering.steer({ protocol: "udp", port: PORT });
  const beat = stack.use(new Beat(steering.heartbeats));
  const map = stack.use(new MappedArray(steering.passed, passedLayout.flows * passedLayout.bytes));
  const laptop = { streams: [] as Stream[], got: [] as string[] };
  const ends = stack.use(connected((stream) => {
    laptop.streams.push(stream);
    stream.respond([[":status", "200"]]);
    new DatagramStream(stream, (payload) => void laptop.got.push(new TextDecoder().decode(payload)));
  }));
  await ends.client.ready;
  const proven = new Set([RULE, MINE]);
  const limits: RelayLimit[] = [];
  const log: string[] = [];
  const places = new NestedPlaces(flows);
  const host = {
    tunnels: {
      of: (rule: string) =>
        proven.has(rule)
          ? [{ open: (request: Parameters<typeof ends.client.open>[0]) => ends.client.open(request) }]
          : [],
      rule: (rule: string) => ({ uid: rule, port: 53, session: "s", publicKey: "k" }),
    },
    readiness: stack.use(new Readiness()),
    reader: new SteeredDatagrams(),
    flows: places,
    log: (_level: string, message: string) => void log.push(message),
    nextFlow: () => "k3v9t0aq-1f",
    limitMet: (_uid: string, limit: RelayLimit) => void limits.push(limit),
  };
  const pod = { uid: "u", pod: "default/dns", namespace: "default", isPods };
  const datagrams = stack.use(
    new RelayedDatagrams(
      pod,
      steering.passed,
      [{ family: 4, raw: made.raw, workers: [made.socket.fd] }],
      host,
    ),
  );
  const sender = stack.use(new RawDatagrams(made.sender, 4));
  const end = (address: readonly number[], port: number) =>
    ({ family: 4, port, address: Uint8Array.from(address) }) as const;
  return {
    datagrams,
    laptop,
    places,
    limits,
    log,
    proven,
    /** Has a caller send a datagram to the pod. */
    send(text: string, from = 40_000, caller: readonly number[] = CALLER) {
      beat.beat(0);
      assert.ok(sender.send(new TextEncoder().encode(text), end(caller, from), end(POD, PORT)));
    },
    setPorts: (
      personal: readonly string[] = [],
      whole: string | undefined = RULE,
      callers = ["198.51.100.7"],
    ) => {
      const rules = personal.map((uid) => ({
        uid,
        matcher: new Matcher({ callers: [{ namespace: "n" }] }, callers),
        isInForce: () => proven.has(uid),
        counts: { seen: 0, taken: 0, declined: 0 },
      }));
      datagrams.setPorts(
        [{ protocol: "udp", port: PORT, personal, ...(whole === undefined ? {} : { whole }) }],
        () => new Router(rules),
      );
      return rules;
    },
    /** Flows that are left to the pod. */
    passedFlows() {
      const view = new DataView(map.buffer ?? assert.fail());
      const times = Array.from(
        { length: passedLayout.flows },
        (_, at) => view.getBigUint64(at * passedLayout.bytes + passedLayout.until, true),
      );
      return times.filter((time) => time > 0n).length;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const rules = ({ laptop: { streams } }: { readonly laptop: { readonly streams: readonly Stream[] } }) =>
  streams.map(({ request }) => new Map(request.map(([name, value]) => [name, value])).get(":authority"));

Deno.test({ name: "one flow for each caller's address and port (needs root)", ignore: !isRoot }, async () => {
  await using pod = await relayed();
  pod.setPorts();
  for (const text of ["a", "b", "c"]) pod.send(text);
  pod.send("d", 40_001);
  pod.send("e", 40_000, [198, 51, 100, 8]);
  await until("all came to the laptop", () => pod.laptop.got.length === 5);
  assert.equal(pod.laptop.streams.length, 3);
  assert.deepEqual(pod.laptop.got.filter((text) => "abc".includes(text)), ["a", "b", "c"], "in order");
  assert.deepEqual([pod.places.taken, pod.passedFlows()], [3, 0]);
  pod.datagrams[Symbol.dispose]();
  await until("the places are given back", () => pod.places.taken === 0);
});

Deno.test({
  name: "what no rule takes, or its laptop has no tunnel for, is left to the pod (needs root)",
  ignore: !isRoot,
}, async () => {
  await using pod = await relayed();
  pod.send("a");
  await until("the pod has it", () => pod.passedFlows() === 1);
  pod.proven.clear();
  pod.setPorts();
  pod.send("b", 40_001);
  await until("the pod has it", () => pod.passedFlows() === 2);
  assert.deepEqual([pod.laptop.streams.length, pod.places.taken], [0, 0]);
});

Deno.test({
  name: "what was sent to an address that isn't the pod's is left to it as well (needs root)",
  ignore: !isRoot,
}, async () => {
  await using pod = await relayed({ isPods: () => false });
  pod.setPorts();
  pod.send("a");
  await until("the pod has it", () => pod.passedFlows() === 1);
  assert.equal(pod.laptop.streams.length, 0);
});

Deno.test({
  name: "flows beyond a caller's share are left to the pod, and the limit is told (needs root)",
  ignore: !isRoot,
}, async () => {
  await using pod = await relayed({ flows: 9 });
  pod.setPorts();
  for (let from = 1; from <= 5; from++) pod.send("x", 40_000 + from);
  await until("those beyond are left", () => pod.passedFlows() === 2);
  assert.deepEqual([pod.places.taken, pod.limits], [3, ["port", "port"]]);
  pod.send("y", 40_000, [198, 51, 100, 8]);
  await until("another caller has room", () => pod.laptop.got.includes("y"));
});

Deno.test({
  name: "a rule for a caller comes first, and what it takes is counted (needs root)",
  ignore: !isRoot,
}, async () => {
  await using pod = await relayed();
  const [mine] = pod.setPorts([MINE]);
  pod.send("a");
  pod.send("b", 40_000, [198, 51, 100, 8]);
  await until("both came", () => pod.laptop.got.length === 2);
  assert.deepEqual(rules(pod), [`${MINE}:53`, `${RULE}:53`]);
  assert.deepEqual(mine?.counts, { seen: 1, taken: 1, declined: 0 });
});

Deno.test({
  name: "a flow ends when its rule goes, or another one has its caller (needs root)",
  ignore: !isRoot,
}, async () => {
  await using pod = await relayed();
  pod.setPorts();
  pod.send("a");
  await until("it came", () => pod.laptop.got.length === 1);
  pod.setPorts();
  assert.equal(pod.places.taken, 1, "the same rules end nothing");
  pod.setPorts([MINE]);
  await until("it has ended", () => pod.places.taken === 0);
  pod.send("b");
  await until("the next datagram goes to the other rule's laptop", () => pod.laptop.got.length === 2);
  assert.deepEqual(rules(pod), [`${RULE}:53`, `${MINE}:53`]);
  pod.proven.clear();
  pod.setPorts([MINE]);
  await until("it has ended as well", () => pod.places.taken === 0);
});
