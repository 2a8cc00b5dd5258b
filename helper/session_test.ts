import assert from "node:assert/strict";
import { BpfError } from "../ffi/bpf/libbpf.ts";
import { Netlink } from "../ffi/netlink/netlink.ts";
import { type IpAddress, parseAddress } from "../net/address.ts";
import type { HostResources } from "./host_resources.ts";
import { HelperSession } from "./session.ts";
import { helloOf } from "../wire/hello.ts";

const address = (text: string): IpAddress => {
  const parsed = parseAddress(text);
  assert.ok(parsed);
  return parsed;
};

/** A laptop that remembers what is captured and routed; the machine's own facts are read, and nothing of it is changed. */
function laptop() {
  const captured = new Set<string>();
  const routed = new Set<string>();
  const state = { full: "", deaf: false };
  const reading = new Netlink();
  const netlink = {
    dump: reading.dump.bind(reading),
    doAll(requests: readonly { body: Uint8Array }[]) {
      if (state.deaf) throw new Error("reading of rtnetlink: ENOBUFS");
      return requests.map(({ body }) => {
        routed.add([...body.subarray(16, 20)].join("."));
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
    remove: ({ text }: IpAddress) => void captured.delete(text),
  };
  const device = { own4: address("198.18.255.254"), own6: undefined, index: 1, table: 7, name: "pmz0" };
  const fake = { netlink, capture, device, settings: {}, netns: 0n } as unknown as HostResources;
  const session = new HelperSession(fake, { uid: 1000, ranges: [], never: [], cap: 100 });
  const hello = helloOf("helper");
  assert.deepEqual((session.answer({ ask: "hello", hello }, []).answer as { ok: boolean }).ok, true);
  return {
    state,
    captured,
    routed,
    add: (...all: string[]) =>
      session.answer({ ask: "capture", add: all.map((one) => ({ address: one, ports: "any" })) }, []).answer,
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
