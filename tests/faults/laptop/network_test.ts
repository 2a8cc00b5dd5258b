// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import type { NetworkNews } from "../../../wire/helper.ts";
import { connected, type ConnectedLaptop } from "./connected.ts";
import { USER } from "./connected.ts";
import type { Outcome } from "./person.ts";
import { type Program, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
type News = NetworkNews["network"];
const SERVICE = "10.96.0.10";
const POD = "172.20.3.7";

async function capture(daemon: Program, ...addresses: string[]): Promise<string[]> {
  return await ask(daemon, addresses.map((address) => ({ address, ports: "any", accepted: true })));
}

async function ask(daemon: Program, add: readonly object[]): Promise<string[]> {
  const answer = await daemon.do<{ refused: { address: string; why: string }[] }>({
    do: "ask",
    request: { ask: "capture", add },
  });
  return answer.refused.map(({ address, why }) => `${address}: ${why}`);
}

/** Waits for news that satisfy `is`, and gives all that came until then. */
async function heard(daemon: Program, is: (news: News) => boolean): Promise<News[]> {
  const all: News[] = [];
  const found = await pollUntil(async () => {
    all.push(...await daemon.do<News[]>({ do: "news" }));
    return all.some(is);
  }, { timeoutMs: 3_000, everyMs: 20 });
  assert.ok(found, JSON.stringify(all));
  return all;
}

const released = (all: readonly News[]) =>
  all.flatMap(({ released }) => released.map(({ address, why }) => `${address}: ${why}`));

async function isCaptured(user: Program, address: string): Promise<boolean> {
  return /took/.test((await user.do<Outcome>({ kind: "tcp", to: `${address}:80` })).said ?? "");
}

async function listening(laptop: ConnectedLaptop): Promise<Program> {
  await laptop.daemon.do({ do: "listen", family: 4 });
  await laptop.daemon.do({ do: "news" });
  return await laptop.room.person(USER);
}

Deno.test({
  name: `a network that comes takes its addresses back, and gives them again when it goes${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  const user = await listening(laptop);
  assert.deepEqual(await capture(daemon, SERVICE, POD), []);
  await room.says("ip", "link", "add", "br-shop", "type", "bridge");
  await room.says("ip", "address", "add", "172.20.0.1/16", "dev", "br-shop");
  await room.says("ip", "link", "set", "br-shop", "up");
  assert.deepEqual(released(await heard(daemon, ({ released }) => released.length > 0)), [
    `${POD}: in 172.20.0.0/16, a network that this machine is in (br-shop)`,
  ]);
  assert.equal(await isCaptured(user, POD), false);
  assert.equal(await isCaptured(user, SERVICE), true, "the others stay");
  assert.match((await capture(daemon, POD)).join(), /br-shop/);
  await daemon.do({ do: "news" });
  await room.says("ip", "link", "del", "br-shop");
  await heard(daemon, () => true);
  assert.deepEqual(await capture(daemon, POD), []);
  assert.equal(await isCaptured(user, POD), true);
});

Deno.test({
  name: `what a VPN has a route to is released while it has, unless the range was accepted${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected({ ranges: ["172.20.0.0/14"] });
  const { room, daemon } = laptop;
  const user = await listening(laptop);
  assert.deepEqual(await capture(daemon, SERVICE, POD), []);
  await room.says("ip", "link", "add", "wg0", "type", "bridge");
  await room.says("ip", "link", "set", "wg0", "up");
  await room.says("ip", "route", "add", "172.16.0.0/12", "dev", "wg0");
  await room.says("ip", "route", "add", "10.0.0.0/8", "dev", "wg0");
  assert.deepEqual(released(await heard(daemon, ({ released }) => released.length > 0)), [
    `${SERVICE}: in 10.0.0.0/8, which this machine has a route to (wg0)`,
  ]);
  assert.equal(await isCaptured(user, POD), true);
  assert.match(
    (await ask(daemon, [{ address: "172.20.3.8", ports: "any" }])).join(),
    /a route to \(wg0\)/,
    "of another cluster",
  );
  await daemon.do({ do: "news" });
  await room.says("ip", "route", "del", "10.0.0.0/8");
  await heard(daemon, () => true);
  assert.deepEqual(await capture(daemon, SERVICE), []);
});

Deno.test({
  name: `a VPN that takes everything, and comes later, doesn't take what is captured${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon, table } = laptop;
  const user = await listening(laptop);
  await capture(daemon, SERVICE);
  await room.says("ip", "link", "add", "wg0", "type", "bridge");
  await room.says("ip", "link", "set", "wg0", "up");
  await room.says("ip", "route", "add", "default", "dev", "wg0", "table", "51820");
  // As wg-quick does it, in this order.
  const begun = performance.now();
  await room.says("ip", "rule", "add", "not", "fwmark", "51820", "table", "51820");
  await room.says("ip", "rule", "add", "table", "main", "suppress_prefixlength", "0");
  const first = async () => (await room.says("ip", "rule")).split("\n")[1] ?? "";
  const isFirst = async () => (await first()).endsWith(`lookup ${table}`);
  assert.ok(await pollUntil(isFirst, { timeoutMs: 1_000, everyMs: 5 }), await room.says("ip", "rule"));
  console.log(`first again within ${Math.round(performance.now() - begun)} ms, with three programs started`);
  assert.equal(await isCaptured(user, SERVICE), true);
  const rules = await room.says("ip", "rule");
  const order = [table, "main suppress_prefixlength", 51820].map((one) => rules.indexOf(`lookup ${one}`));
  assert.deepEqual(order, order.toSorted((one, other) => one - other), "the VPN's own order is as it was");
  await room.says("ip", "rule", "del", "table", "51820");
  await room.says("ip", "rule", "del", "table", "main", "suppress_prefixlength", "0");
  await pollUntil(async () => (await first()).startsWith("10:"), { timeoutMs: 1_000, everyMs: 5 });
  assert.match(await first(), /^10:/, "and goes back, so that there is room the next time");
});

Deno.test({
  name:
    `a program that wants to be first at any price gets its way after ten times, and that is told${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  await listening(laptop);
  const first = async () => (await room.says("ip", "rule")).split("\n")[1] ?? "";
  const isContested = async () =>
    (await daemon.do<News[]>({ do: "news" })).some(({ precedence }) => precedence?.contested);
  let times = 0;
  for (; times < 30 && !await isContested(); times++) {
    await room.says("ip", "rule", "del", "table", "300");
    await room.says("ip", "rule", "add", "table", "300"); // before pmz's: it has no priority of its own
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assert.ok(times >= 5 && times < 30, `${times} times`);
  assert.match(await first(), /lookup 300$/);
});

Deno.test({ name: `rules that another program deletes are back at once${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { room, daemon, table } = laptop;
  const user = await listening(laptop);
  await capture(daemon, SERVICE);
  const rules = () => room.says("ip", "rule");
  const before = await rules();
  await room.says("sh", "-c", `while ip rule del table ${table}; do :; done & sleep 0.1; kill $!`);
  assert.ok(await pollUntil(async () => await rules() === before, { timeoutMs: 2_000 }), await rules());
  assert.equal(await isCaptured(user, SERVICE), true);
});

const firewalls = {
  "Tailscale's rule against spoofed addresses": {
    lines: ["iptables -A INPUT -s 172.20.0.0/14 ! -i tailscale0 -j DROP"],
    dropped: /^ip filter INPUT: iifname != "tailscale0" ip saddr 172\.20\.0\.0\/14 drop$/,
  },
  "a VPN's kill switch": {
    lines: ["iptables -I OUTPUT ! -o wg0 -m mark ! --mark 0xca6c -m addrtype ! --dst-type LOCAL -j REJECT"],
    dropped: /^ip filter OUTPUT: oifname != "wg0" .*fib daddr type != local reject$/,
  },
  "a policy": {
    lines: [
      "nft add table inet strict",
      "nft add chain inet strict in {type filter hook input priority 0;policy drop;}",
    ],
    dropped: /^inet strict in: policy drop$/,
  },
};

for (const [name, { lines, dropped }] of Object.entries(firewalls)) {
  Deno.test(
    { name: `what drops captured connections is found by a trace: ${name}${reason}`, ignore },
    async () => {
      await using laptop = await connected();
      const { room, daemon } = laptop;
      const user = await listening(laptop);
      await capture(daemon, POD);
      const trace = async () => {
        const traced = daemon.do<{ dropped?: { chain: string; rule: string } }>({
          do: "ask",
          request: { ask: "trace", address: POD, port: 80 },
        });
        await new Promise((resolve) => setTimeout(resolve, 500));
        await user.do<Outcome>({ kind: "tcp", to: `${POD}:80` });
        const found = (await traced).dropped;
        return found && `${found.chain}: ${found.rule}`;
      };
      assert.equal(await trace(), undefined);
      const before = await room.says("nft", "list", "ruleset");
      for (const line of lines) await room.says(...line.split(" "));
      assert.match(await trace() ?? "", dropped);
      assert.doesNotMatch(await room.says("nft", "list", "ruleset"), /pmz/, before);
    },
  );
}

Deno.test({ name: `only connections to captured addresses are traced${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { daemon } = laptop;
  await listening(laptop);
  await capture(daemon, POD);
  for (const [address, port] of [["10.50.0.5", 22], [SERVICE, 80], [POD, 0], ["$(id)", 80]]) {
    const answer = await daemon.do<{ ok: boolean }>({ do: "ask", request: { ask: "trace", address, port } });
    assert.equal(answer.ok, false, `${address} ${port}`);
  }
});
