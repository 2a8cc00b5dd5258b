import assert from "node:assert/strict";
import { BpfError } from "../ffi/bpf/libbpf.ts";
import { netnsOf } from "../ffi/descriptor.ts";
import { libc, must } from "../ffi/libc.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import {
  closeDescriptor,
  localEndpoint,
  socketAddress,
  tcpListener,
  tcpSocket,
} from "../ffi/sockets/socket.ts";
import { type Endpoint, type IpAddress, parseAddress } from "../net/address.ts";
import { CapturedRoutes } from "./captured_routes.ts";
import type { HostResources } from "./host_resources.ts";
import { HelperSession } from "./session.ts";
import type { HelperAnswer, HelperRequest } from "../wire/helper.ts";
import { helloOf } from "../wire/hello.ts";

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
};

const RTM_NEWROUTE = 24;
const AF_INET = 2, SOCK_DGRAM = 2;

/** A UDP socket as a DNS stub has it. */
function udpSocket(end: Endpoint): number {
  const fd = must("socket", libc.socket(AF_INET, SOCK_DGRAM, 0));
  const name = socketAddress(end);
  must("bind", libc.bind(fd, name, name.length));
  return fd;
}

/** A laptop that remembers what is captured and routed; the machine's own facts are read, and nothing of it is changed. */
function laptop() {
  const captured = new Set<string>();
  const routed = new Set<string>();
  const state = { full: "", deaf: false, stuck: false };
  const reading = new Netlink();
  const netlink = {
    dump: reading.dump.bind(reading),
    doAll(requests: readonly { type: number; body: Uint8Array }[]) {
      if (state.deaf) throw new Error("reading of rtnetlink: ENOBUFS");
      return requests.map(({ type, body }) => {
        const to = [...body.subarray(16, 20)].join(".");
        if (type === RTM_NEWROUTE) routed.add(to);
        else routed.delete(to);
        return 0;
      });
    },
  };
  const capture = {
    get addresses() {
      return captured.size;
    },
    has: ({ text }: IpAddress) => captured.has(text),
    set({ text }: IpAddress) {
      if (text === state.full) throw new BpfError("updating the map addresses", 12);
      captured.add(text);
      return true;
    },
    remove({ text }: IpAddress) {
      if (state.stuck) throw new BpfError("addresses: delete", 12);
      captured.delete(text);
    },
    identity: () => ({ netns: 0n, process: 7 }),
  };
  const names = {
    beatFd: 0,
    set() {
      if (state.full === "names") throw new BpfError("stubs: update", 7);
    },
  };
  const settings = { now: { daemon: 7, netns: 0n }, set: () => {} };
  const device = {
    own4: address("198.18.255.254"),
    own6: undefined,
    index: 1,
    table: 7,
    name: "pmz0",
    deleteSenders() {},
  };
  const routes = new CapturedRoutes(netlink as unknown as Netlink, device, () => [...captured]);
  const fake = {
    netlink,
    routes,
    capture,
    names,
    device,
    settings,
    get netns() {
      const socket = tcpSocket(4);
      const netns = netnsOf(socket);
      closeDescriptor(socket);
      return netns;
    },
  } as unknown as HostResources;
  const listener = { tell: () => true, failed: (error: unknown) => assert.fail(String(error)) };
  const grant = { uid: Deno.uid() ?? -1, also: [], ranges: [], never: [], cap: 100 };
  const session = new HelperSession(fake, grant, listener, () => [], () => '{"message":"started"}\n');
  const hello = helloOf("helper");
  assert.deepEqual((session.answer({ ask: "hello", hello }, []).answer as { ok: boolean }).ok, true);
  /** An answer that is there at once, as all are but a trace's. */
  const said = (request: HelperRequest, fds: number[] = []) =>
    session.answer(request, fds).answer as HelperAnswer;
  return {
    state,
    captured,
    routed,
    add: (...all: string[]) =>
      said({ ask: "capture", add: all.map((one) => ({ address: one, ports: "any" })) }),
    release: (...addresses: string[]) => said({ ask: "release", addresses }),
    /** Names the nameservers, each with a stub of its own. */
    names(...nameservers: string[]) {
      const fds: number[] = [];
      const stubs = nameservers.map((nameserver) => {
        const tcp = tcpListener({ address: "127.96.0.1" });
        const { port } = localEndpoint(tcp);
        fds.push(udpSocket({ address: address("127.96.0.1"), port }), tcp);
        return { nameserver, stub: `127.96.0.1:${port}` };
      });
      return said({ ask: "names", stubs }, fds);
    },
    [Symbol.dispose]: () => reading[Symbol.dispose](),
  };
}

Deno.test("what a request that failed half way had begun is captured whole by the next one", () => {
  using at = laptop();
  at.state.full = "10.211.7.2";
  assert.equal(at.add("10.211.7.1", "10.211.7.2").ok, false);
  at.state.full = "";
  assert.deepEqual(at.add("10.211.7.1", "10.211.7.2"), { ok: true, refused: [] });
  assert.deepEqual([...at.routed].sort(), [...at.captured].sort());
});

Deno.test("addresses whose routes could not be added get them the next time", () => {
  using at = laptop();
  at.state.deaf = true;
  assert.equal(at.add("10.211.7.1").ok, false);
  at.state.deaf = false;
  assert.deepEqual(at.add("10.211.7.1"), { ok: true, refused: [] });
  assert.deepEqual([...at.routed], ["10.211.7.1"]);
});

Deno.test("what a release that failed half way had begun is released whole by the next one", () => {
  using at = laptop();
  at.add("10.211.7.1", "10.211.7.2");
  at.state.stuck = true;
  assert.equal(at.release("10.211.7.1", "10.211.7.2").ok, false);
  at.state.stuck = false;
  assert.equal(at.release("10.211.7.1", "10.211.7.2").ok, true);
  assert.deepEqual([[...at.captured], [...at.routed]], [[], []]);
});

Deno.test("an address whose release failed half way has its route again when it is captured", () => {
  using at = laptop();
  at.add("10.211.7.1");
  at.state.stuck = true;
  assert.equal(at.release("10.211.7.1").ok, false);
  assert.deepEqual([...at.routed], [], "the route was deleted");
  assert.deepEqual(at.add("10.211.7.1"), { ok: true, refused: [] });
  assert.deepEqual([...at.routed], ["10.211.7.1"]);
});

Deno.test({
  name: "nameservers that a failed request has released are named by the next answer (needs root)",
  ignore: Deno.uid() !== 0,
  fn: namedByTheNext,
});

function namedByTheNext() {
  using at = laptop();
  at.add("10.211.7.53");
  at.state.full = "names";
  assert.equal(at.names("10.211.7.53").ok, false);
  assert.deepEqual([...at.captured], []);
  at.state.full = "";
  assert.deepEqual(at.names("10.211.7.53"), { ok: true, beat: true, released: ["10.211.7.53"] });
  assert.deepEqual(at.names("10.211.7.53"), { ok: true, beat: true, released: [] });
}
