// What other programs do to pmz's own device, table and rules while it is up, by the commands that people and programs use.
// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import type { NetworkDamage, NetworkNews } from "../../../wire/helper.ts";
import { connected, type ConnectedLaptop, USER } from "./connected.ts";
import type { Outcome } from "./person.ts";
import { type Program, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
type News = NetworkNews["network"];
const SERVICE = "10.96.0.10";
const POD = "172.20.3.7";
const SERVICE6 = "fd00:10::a";
const ALL = [`${SERVICE}:80`, `${POD}:8080`, `[${SERVICE6}]:80`];

/** A laptop that captures three addresses, and a user with a connection that is open. */
async function inUse(laptop: ConnectedLaptop, more: readonly string[] = []): Promise<Program> {
  const { room, daemon } = laptop;
  for (const family of [4, 6]) await daemon.do({ do: "listen", family });
  await daemon.do({ do: "udp" });
  const add = [SERVICE, POD, SERVICE6, ...more].map((address) => ({ address, ports: "any" }));
  const answer = await daemon.do({ do: "ask", request: { ask: "capture", add } });
  assert.deepEqual(answer, { ok: true, refused: [] });
  const user = await room.person(USER);
  assert.match((await user.do<{ said: string }>({ kind: "hold", to: `${SERVICE}:80` })).said, /took/);
  assert.equal(await reachedByUdp(user), ALL.length);
  return user;
}

/** The addresses that the user reaches. */
async function reached(user: Program): Promise<string[]> {
  const found: string[] = [];
  for (const to of ALL) {
    if (/took/.test((await user.do<Outcome>({ kind: "tcp", to })).said ?? "")) found.push(to);
  }
  return found;
}

/** The addresses that answer the user by UDP. */
async function reachedByUdp(user: Program): Promise<number> {
  const asked = [];
  for (const to of ALL) asked.push(await user.do<Outcome>({ kind: "udp", to, say: "?" }));
  return asked.filter(({ said }) => /heard/.test(said ?? "")).length;
}

/** What the helper has told of damage, part by part: the last of each. */
async function damageOf(daemon: Program, known: Map<string, NetworkDamage>): Promise<NetworkDamage[]> {
  for (const { damage = [] } of await daemon.do<News[]>({ do: "news" })) {
    for (const one of damage) known.set(one.part, one);
  }
  return [...known.values()];
}

/** What pmz has made on the network, by what makes it work. */
async function made({ room, device, table }: ConnectedLaptop): Promise<string> {
  const script = [
    `ip -br link show dev ${device}`,
    `ip -br address show dev ${device} | tr -s ' ' '\\n' | sort`,
    `ip route show table ${table}`,
    `ip -6 route show table ${table}`,
    `(ip route show table local dev ${device}; ip -6 route show table local dev ${device}) | awk '$1 == "local" { print $2 }'`,
    "ip rule",
    "ip -6 rule",
  ];
  return await room.says("sh", "-c", script.join("; echo; "));
}

const damages: Record<string, { script: string; parts: string[] }> = {
  "its device is set down": { script: "ip link set $D down", parts: ["device"] },
  "its device is set down and up again": {
    script: "ip link set $D down; ip link set $D up",
    parts: ["routes"],
  },
  "its device is deleted": { script: "ip link delete $D", parts: ["device"] },
  "its device gets another name": { script: "ip link set $D name tun9", parts: ["device"] },
  "its device is moved into a container": {
    script: "unshare -n sleep 5 & sleep 0.3; ip link set $D netns $!",
    parts: ["device"],
  },
  "its addresses are flushed": { script: "ip address flush dev $D", parts: ["addresses"] },
  "one address is deleted": {
    script: "ip address delete $(ip -4 -br address show dev $D | awk '{print $3}') dev $D",
    parts: ["addresses"],
  },
  "IPv6 is switched off and on again for its device": {
    script: "sysctl -q net.ipv6.conf.$D.disable_ipv6=1; sysctl -q net.ipv6.conf.$D.disable_ipv6=0",
    parts: ["addresses"],
  },
  "the kernel's own routes to its addresses are deleted": {
    script: "ip route flush table local dev $D; ip -6 route flush table local dev $D",
    parts: ["addresses"],
  },
  "its table is flushed": {
    script: "ip route flush table $T; ip -6 route flush table $T",
    parts: ["routes"],
  },
  "a route is deleted": { script: `ip route delete local ${SERVICE} table $T`, parts: ["routes"] },
  "a route is replaced": {
    script: `ip route replace unreachable ${SERVICE} table $T`,
    parts: ["routes"],
  },
  "a route of another program's is put into its table": {
    script: "ip route add 172.20.0.0/16 dev eth0 table $T",
    parts: ["routes"],
  },
  "its rules are deleted": {
    script: "while ip rule delete table $T; do :; done; while ip -6 rule delete table $T; do :; done",
    parts: ["rules"],
  },
  "all rules are flushed, as some scripts do": {
    script: "ip rule flush; ip rule add lookup main pref 32766; ip rule add lookup default pref 32767",
    parts: ["rules"],
  },
  "its device's MTU is too small for IPv6": {
    script: "ip link set $D mtu 1000",
    parts: ["device", "addresses"],
  },
  "the loopback device is set down and up again": {
    script: "ip link set lo down; sleep 0.1; ip link set lo up",
    parts: [],
  },
  "its device's MTU, queue and flags are changed": {
    script:
      "ip link set $D mtu 1280; ip link set $D txqueuelen 1 multicast off; ip link set $D promisc on; " +
      "ip link set $D promisc off multicast on",
    parts: [],
  },
  "all of it at once": {
    script: "ip rule flush; ip rule add lookup main pref 32766; ip rule add lookup default pref 32767; " +
      "ip route flush table $T; ip address flush dev $D; " +
      "ip link delete $D",
    parts: ["device", "rules"],
  },
};

for (const [what, { script, parts }] of Object.entries(damages)) {
  Deno.test({
    name: `when ${what}, it is put right and told, and open connections continue${reason}`,
    ignore,
  }, async () => {
    await using laptop = await connected();
    const { daemon } = laptop;
    const user = await inUse(laptop);
    const before = await made(laptop);
    await daemon.do({ do: "news" });
    await breaks(laptop, script);
    const begun = performance.now();
    const isWhole = async () => await made(laptop) === before;
    const isMended = await pollUntil(isWhole, { timeoutMs: 2_000, everyMs: 5 });
    const ms = Math.round(performance.now() - begun);
    assert.ok(isMended, `${before}\n=> is now\n${await made(laptop)}`);
    console.log(`put right ${ms} ms after the last command`);
    assert.deepEqual(await reached(user), ALL);
    assert.equal(await reachedByUdp(user), ALL.length);
    const answer = await user.do<{ said?: string }>({ kind: "echo", say: "still there" });
    assert.equal(answer.said, "still there", JSON.stringify(answer));
    const known = new Map<string, NetworkDamage>();
    const isTold = async () => {
      const told = await damageOf(daemon, known);
      return parts.every((part) => told.some((one) => one.part === part && one.repaired > 0 && !one.problem));
    };
    assert.ok(await pollUntil(isTold, { timeoutMs: 2_000 }), JSON.stringify([...known.values()]));
  });
}

/** Runs a script of root's in the room; $D is pmz's device, $T its table. */
async function breaks({ room, device, table }: ConnectedLaptop, script: string): Promise<void> {
  await room.says("sh", "-c", `D=${device} T=${table}; ${script}`);
}

Deno.test({
  name:
    `a program that breaks it again and again gets its way after ten times, and a repair that is asked for mends it${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { daemon } = laptop;
  const user = await inUse(laptop);
  const known = new Map<string, NetworkDamage>();
  const isContested = async () =>
    (await damageOf(daemon, known)).some(({ part, problem }) =>
      part === "routes" && /again and again/.test(problem ?? "")
    );
  let times = 0;
  for (; times < 40 && !await isContested(); times++) {
    await breaks(laptop, "ip route flush table $T");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(times >= 5 && times < 40, `${times} times`);
  assert.equal(known.get("routes")?.repaired, 10);
  assert.deepEqual(await reached(user), [ALL[2]], "only IPv6, which nobody has touched");
  const { damage } = await daemon.do<{ damage: NetworkDamage[] }>({ do: "ask", request: { ask: "repair" } });
  assert.deepEqual(damage.map(({ part, repaired, problem }) => [part, repaired, problem]), [[
    "routes",
    11,
    undefined,
  ]]);
  assert.deepEqual(await reached(user), ALL);
});

Deno.test({
  name: `what can't be put right is told with its reason, and mended as soon as it can be${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { daemon } = laptop;
  const user = await inUse(laptop);
  await breaks(laptop, "ip link delete $D; ip link add $D type bridge");
  const known = new Map<string, NetworkDamage>();
  const problem = async () => (await damageOf(daemon, known)).find(({ part }) => part === "device")?.problem;
  assert.ok(await pollUntil(async () => /another device/.test(await problem() ?? ""), { timeoutMs: 2_000 }));
  await breaks(laptop, "ip link delete $D");
  assert.ok(await pollUntil(async () => await problem() === undefined, { timeoutMs: 12_000, everyMs: 100 }));
  assert.deepEqual(await reached(user), ALL);
  assert.equal((await user.do<{ said?: string }>({ kind: "echo", say: "back" })).said, "back");
});

Deno.test({
  name: `a table of 15,000 routes that is flushed comes back whole, without a fight${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon, table } = laptop;
  const user = await inUse(laptop);
  for (let part = 0; part < 15; part++) {
    const add = Array.from(
      { length: 1_000 },
      (_, i) => ({ address: `10.${100 + part}.${i >> 8}.${i & 255}`, ports: "any" }),
    );
    assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add } }), {
      ok: true,
      refused: [],
    });
  }
  await daemon.do({ do: "news" });
  const begun = performance.now();
  await breaks(laptop, "ip route flush table $T");
  const flushed = performance.now();
  const count = async () => Number(await room.says("sh", "-c", `ip route show table ${table} | wc -l`));
  assert.ok(
    await pollUntil(async () => await count() === 15_002, { timeoutMs: 5_000 }),
    `${await count()} routes`,
  );
  console.log(
    `flushed in ${Math.round(flushed - begun)} ms, whole ${
      Math.round(performance.now() - flushed)
    } ms after that`,
  );
  assert.deepEqual(await reached(user), ALL);
  const known = new Map<string, NetworkDamage>();
  assert.ok(await pollUntil(async () => (await damageOf(daemon, known)).length > 0));
  assert.ok((known.get("routes")?.repaired ?? 0) <= 2, JSON.stringify([...known.values()]));
});

Deno.test({
  name: `a firewall that is loaded again (nft flush ruleset) changes nothing, also during a trace${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  const user = await inUse(laptop);
  const traced = daemon.do<{ ok: boolean }>({ do: "ask", request: { ask: "trace", address: POD, port: 80 } });
  assert.ok(await pollUntil(async () => /pmz_trace/.test(await room.says("nft", "list", "ruleset"))));
  await room.says("nft", "flush", "ruleset");
  assert.equal((await traced).ok, true);
  assert.deepEqual(await reached(user), ALL);
  assert.deepEqual(await daemon.do<News[]>({ do: "news" }), []);
});

Deno.test({
  name: `IPv6 that is switched off is no problem where nothing of IPv6 is captured${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  await daemon.do({ do: "listen", family: 4 });
  const add = [{ address: SERVICE, ports: "any" }];
  await daemon.do({ do: "ask", request: { ask: "capture", add } });
  const off = (value: number) => room.says("sysctl", "-q", `net.ipv6.conf.all.disable_ipv6=${value}`);
  await off(1);
  const { damage } = await daemon.do<{ damage: NetworkDamage[] }>({ do: "ask", request: { ask: "repair" } });
  assert.deepEqual(damage.filter(({ problem }) => problem !== undefined), []);
  const user = await room.person(USER);
  assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
  await off(0);
});
