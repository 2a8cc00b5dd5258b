import assert from "node:assert/strict";
import { connected, daemonOf, grantFor, greet, HELLO, OTHER, USER } from "./connected.ts";
import type { Attempt, Outcome } from "./person.ts";
import { childrenOf, restored } from "./leftovers.ts";
import { type Program, Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
/** An account that is inside because it was named. */
const NAMED = 20_003;
const ALSO = ["root", String(NAMED)];
const SERVICE = "10.96.0.10";
const SERVICE6 = "fd00:10::a";
const LAN = "10.50.0.53";
const ports = [
  { protocol: "tcp", port: 80, served: true },
  { protocol: "tcp", port: 81, served: false },
  { protocol: "udp", port: 53, served: true },
];

/** Has the daemon take all that can be taken. */
async function busy(daemon: Program): Promise<void> {
  for (const family of [4, 6]) await daemon.do({ do: "listen", family, workers: 1 });
  const add = [SERVICE, SERVICE6].map((address) => ({ address, ports }));
  assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add } }), {
    ok: true,
    refused: [],
  });
  assert.deepEqual((await daemon.do<{ why?: string }>({ do: "udp" })).why, undefined);
  await daemon.do({ do: "names", nameservers: [LAN] });
}

/** What becomes of each kind of attempt of a person's: what was said, or how it failed. */
async function attempts(person: Program): Promise<Record<string, string>> {
  const kinds: Record<string, Attempt> = {
    tcp4: { kind: "tcp", to: `${SERVICE}:80` },
    tcp6: { kind: "tcp", to: `[${SERVICE6}]:80` },
    mapped: { kind: "tcp", to: `${SERVICE}:80`, mapped: true },
    unserved: { kind: "tcp", to: `${SERVICE}:81` },
    udp4: { kind: "udp", to: `${SERVICE}:53`, say: "hello" },
    udp6: { kind: "udp", to: `[${SERVICE6}]:53`, say: "hello", unconnected: true },
    dns: { kind: "udp", to: `${LAN}:53`, say: "hello" },
    dnsTcp: { kind: "tcp", to: `${LAN}:53` },
  };
  const seen: Record<string, string> = {};
  for (const [kind, attempt] of Object.entries(kinds)) {
    const { said, failed } = await person.do<Outcome>(attempt);
    seen[kind] = said ?? failed ?? "";
  }
  return seen;
}

Deno.test(
  { name: `an account that was named is inside like the user, and no other is${reason}`, ignore },
  async () => {
    await using laptop = await connected({ also: ALSO });
    const { room, daemon, address } = laptop;
    await busy(daemon);
    const user = await room.person(USER);
    const inside = await attempts(user);
    assert.deepEqual(inside, {
      tcp4: `worker 0 took ${SERVICE}:80 from ${address}`,
      tcp6: `worker 0 took [${SERVICE6}]:80 from fd70:6d7a::fe`,
      mapped: `worker 0 took ${SERVICE}:80 from ${address}`,
      unserved: "ECONNREFUSED",
      udp4: `${SERVICE}:53 heard hello`,
      udp6: `[${SERVICE6}]:53 heard hello`,
      dns: `stub for ${LAN} heard hello`,
      dnsTcp: `stub for ${LAN} by TCP`,
    });
    for (const uid of [0, NAMED]) {
      assert.deepEqual(await attempts(await room.person(uid)), inside, `account ${uid}`);
    }
    const outside = await attempts(await room.person(OTHER));
    const words = new Set(Object.values(inside));
    for (const [kind, seen] of Object.entries(outside)) {
      // A refused connect is the one thing that a captured address and an unreachable one have in common.
      assert.ok(!words.has(seen) || kind === "unserved" && seen !== "ECONNREFUSED", `${kind}: ${seen}`);
    }
    const { also } = await daemon.do<{ also: unknown }>({
      do: "ask",
      request: { ask: "hello", hello: HELLO },
    });
    assert.deepEqual(also, [{ name: "root", uid: 0 }, { name: String(NAMED), uid: NAMED }]);
  },
);

for (const victim of ["daemon", "helper"] as const) {
  Deno.test(
    { name: `after kill -9 of the ${victim} no account is inside any more${reason}`, ignore },
    async () => {
      await using room = await Room.open();
      const root = await room.person(0);
      const before = await room.snapshot();
      const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER, { also: ALSO }));
      assert.equal((await helper.line()).ready, true);
      const daemon = await daemonOf(room, USER);
      await greet(daemon);
      await busy(daemon);
      for (const kind of ["tcp", "udp"] as const) {
        const to = kind === "tcp" ? `${SERVICE}:80` : `${SERVICE}:53`;
        assert.match((await root.do<Outcome>({ kind, to, say: "?" })).said ?? "", /took|heard/);
      }
      Deno.kill((victim === "daemon" ? daemon : helper).pid, "SIGKILL");
      await helper.ended;
      // The daemon's own sockets are no part of what the helper has to take back.
      await daemon.kill("SIGKILL");
      const files = victim === "helper" ? { files: (await room.snapshot()).files } : {};
      await restored(room, { ...before, ...files }, 1_000);
    },
  );
}

Deno.test(
  {
    name: `an account is inside of one user's pmz at most, and a killed one's rules keep nobody out${reason}`,
    ignore,
  },
  async () => {
    await using room = await Room.open();
    const start = async (uid: number, also: readonly string[]) => {
      const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(uid, { also }));
      const line = await helper.line();
      return { helper, ready: line.ready, error: String(line.error) };
    };
    const first = await start(USER, ["root"]);
    assert.equal(first.ready, true, first.error);
    const second = await start(OTHER, ["root"]);
    assert.match(second.error, /account 0 is inside of the pmz of account 20001/);
    assert.match((await start(0, [])).error, /account 0 is inside of the pmz of account 20001/);
    assert.match((await start(OTHER, [String(USER)])).error, /account 20001 has a pmz of its own/);
    assert.match((await start(OTHER, ["no-such-account"])).error, /no account no-such-account/);
    assert.match(await room.says("ip", "rule"), /uidrange 20001-20001/, "the first one's rules stay");
    const [janitor] = await childrenOf(first.helper.pid);
    assert.ok(janitor);
    Deno.kill(first.helper.pid, "SIGKILL");
    Deno.kill(janitor, "SIGKILL");
    await first.helper.ended;
    assert.match(await room.says("ip", "rule"), /uidrange 20001-20001/, "empty rules stay");
    const third = await start(OTHER, ["root"]);
    assert.equal(third.ready, true, third.error);
  },
);
