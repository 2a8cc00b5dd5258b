import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import type { HelperAnswer } from "../../../wire/helper.ts";
import { connected, daemonOf, grantFor, greet, OTHER, USER } from "./connected.ts";
import type { Outcome } from "./person.ts";
import { Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const subuids = await Deno.stat("/etc/subuid").then(() => true, () => false);
const SERVICE = "10.96.0.10";
const SERVICE6 = "fd00:10::a";
const POD = "10.244.3.7";

const services = [
  {
    address: SERVICE,
    ports: [{ protocol: "tcp", port: 80, served: true }, { protocol: "tcp", port: 81, served: false }],
  },
  { address: SERVICE6, ports: [{ protocol: "tcp", port: 80, served: true }] },
  { address: POD, ports: "any" },
];

Deno.test(
  { name: `a captured address reaches the daemon's workers, for the user alone${reason}`, ignore },
  async (t) => {
    await using laptop = await connected();
    const { room, daemon, address } = laptop;
    const user = await room.person(USER);
    const other = await room.person(OTHER);
    const root = await room.person(0);
    assert.deepEqual(await daemon.do({ do: "listen", family: 4, workers: 2 }), { ok: true });
    assert.deepEqual(await daemon.do({ do: "listen", family: 6, workers: 1 }), { ok: true });
    assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add: services } }), {
      ok: true,
      refused: [],
    });

    await t.step("it's taken at the address and port that were dialled, from pmz's own address", async () => {
      const { said, peer, local } = await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` });
      assert.match(said ?? "", new RegExp(`^worker [01] took ${SERVICE}:80 from ${address}$`));
      assert.equal(peer, `${SERVICE}:80`);
      assert.equal(local?.replace(/:\d+$/, ""), address);
    });
    await t.step("IPv6 too", async () => {
      const { said } = await user.do<Outcome>({ kind: "tcp", to: `[${SERVICE6}]:80` });
      assert.match(said ?? "", /^worker 0 took \[fd00:10::a\]:80 from fd70:6d7a::fe$/);
    });
    await t.step("a break is a reset, of IPv6 too and v4-mapped", async () => {
      for (
        const attempt of [{ to: `${SERVICE}:80` }, { to: `[${SERVICE6}]:80` }, {
          to: `${SERVICE}:80`,
          mapped: true,
        }]
      ) {
        const broken = await user.do<Outcome>({ kind: "tcp", ...attempt, say: "break off", linger: true });
        assert.deepEqual([broken.failed, broken.at], ["ECONNRESET", "recv"]);
      }
    });
    await t.step("v4-mapped, as Java and .NET dial", async () => {
      const { said } = await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80`, mapped: true });
      assert.match(said ?? "", /^worker [01] took/);
    });
    await t.step("a pod's address takes any port", async () => {
      assert.match(
        (await user.do<Outcome>({ kind: "tcp", to: `${POD}:4711` })).said ?? "",
        /took 10.244.3.7:4711/,
      );
    });
    await t.step("connections are spread over the workers", async () => {
      const workers = new Set<string>();
      for (let i = 0; i < 24; i++) {
        workers.add((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said?.slice(0, 8) ?? "");
      }
      assert.deepEqual([...workers].sort(), ["worker 0", "worker 1"]);
    });
    await t.step(
      "a Service's port without an endpoint is refused at once, also v4-mapped and IPv6",
      async () => {
        for (
          const attempt of [
            { to: `${SERVICE}:81` },
            { to: `${SERVICE}:82` },
            { to: `${SERVICE}:81`, mapped: true },
            { to: `[${SERVICE6}]:81` },
          ]
        ) {
          const { failed, at, ms } = await user.do<Outcome>({ kind: "tcp", ...attempt });
          assert.deepEqual([failed, at], ["ECONNREFUSED", "connect"]);
          assert.ok(ms < 100, `${ms} ms`);
        }
      },
    );
    await t.step("UDP isn't carried: an error at once, never silence", async () => {
      for (const mapped of [false, true]) {
        const connected = await user.do<Outcome>({ kind: "udp", to: `${SERVICE}:80`, say: "?", mapped });
        assert.equal(connected.failed, "ECONNREFUSED");
        const unconnected = await user.do<Outcome>({
          kind: "udp",
          to: `${POD}:80`,
          say: "?",
          unconnected: true,
          mapped,
        });
        assert.deepEqual([unconnected.failed, unconnected.at], ["EPERM", "sendto"]);
      }
    });
    await t.step("another user and root don't see it", async () => {
      for (const person of [other, root]) {
        const { failed, at } = await person.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` });
        assert.deepEqual([failed, at], ["EINPROGRESS", "connect"], "it goes out, to where nobody answers");
        const refused = await person.do<Outcome>({ kind: "tcp", to: `${SERVICE}:81` });
        assert.equal(refused.failed, "EINPROGRESS");
      }
    });
    await t.step({
      name: "the user's subordinate uids see it: rootless containers with the host's network",
      ignore: !subuids,
      fn: async () => {
        const contained = await room.person(300_005);
        assert.match((await contained.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
        assert.equal(
          (await contained.do<Outcome>({ kind: "tcp", to: `${SERVICE}:81` })).failed,
          "ECONNREFUSED",
        );
      },
    });
    await t.step("in another network namespace the user's programs are left alone", async () => {
      const contained = await room.person(USER, { inContainer: true });
      for (const to of [`${SERVICE}:80`, `${SERVICE}:81`]) {
        assert.equal((await contained.do<Outcome>({ kind: "tcp", to })).failed, "ENETUNREACH");
      }
    });
    await t.step("no other user may take the user's pmz address", async () => {
      for (const person of [other, root]) {
        const { failed, at } = await person.do<Outcome>({
          kind: "tcp",
          to: `${SERVICE}:80`,
          from: `${address}:40000`,
        });
        assert.deepEqual([failed, at], ["EPERM", "bind"]);
        const mapped = await person.do<Outcome>({
          kind: "tcp",
          to: `${SERVICE}:80`,
          from: `${address}:40000`,
          mapped: true,
        });
        assert.deepEqual([mapped.failed, mapped.at], ["EPERM", "bind"]);
      }
    });
    await t.step("no other user dials from the user's device", async () => {
      for (const person of [other, root]) {
        for (const mapped of [false, true]) {
          const { failed, at } = await person.do<Outcome>({
            kind: "tcp",
            to: `${SERVICE}:80`,
            device: laptop.device,
            mapped,
          });
          assert.deepEqual([failed, at], ["EPERM", "connect"]);
        }
      }
    });
    await t.step("a socket bound elsewhere on the machine isn't taken for the user's", async () => {
      const { failed } = await user.do<Outcome>({
        kind: "tcp",
        to: `${SERVICE}:80`,
        from: "127.0.0.1:40001",
      });
      assert.equal(failed, "EINPROGRESS");
    });
    await t.step("a port that begins to be served answers, one that ends is refused", async () => {
      const ports = [{ protocol: "tcp", port: 81, served: true }];
      await daemon.do({ do: "ask", request: { ask: "capture", add: [{ address: SERVICE, ports }] } });
      assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:81` })).said ?? "", /took/);
      assert.equal((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).failed, "ECONNREFUSED");
    });
    await t.step("a released address is the machine's again", async () => {
      const answer = await daemon.do({
        do: "ask",
        request: { ask: "release", addresses: [SERVICE, "10.9.9.9"] },
      });
      assert.deepEqual(answer, { ok: true });
      assert.equal((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:81` })).failed, "EINPROGRESS");
      assert.equal(
        (await room.says("ip", "route", "show", "table", String(laptop.table))).split("\n").length,
        2,
      );
    });
  },
);

Deno.test(
  { name: `a captured port 80 doesn't land in a container that publishes port 80${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { room, daemon } = laptop;
    const user = await room.person(USER);
    // As Docker does: whatever is local and of port 80 goes to the container.
    for (
      const rule of [
        "-N DOCKER",
        "-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "-A DOCKER -p tcp --dport 80 -j DNAT --to-destination 172.17.0.2:9998",
      ]
    ) await room.says("iptables", "-t", "nat", ...rule.split(" "));
    assert.match(await room.says("iptables", "-t", "nat", "-S"), /172.17.0.2:9998/);
    await daemon.do({ do: "listen", family: 4 });
    await daemon.do({ do: "ask", request: { ask: "capture", add: services } });
    assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /^worker 0 took/);
  },
);

Deno.test({ name: `what the laptop uses itself is never captured${reason}`, ignore }, async () => {
  await using laptop = await connected({ never: ["10.10.0.0/24"], ranges: ["203.0.113.0/24"], cap: 3 });
  const add = [
    ["8.8.8.8", /public/],
    ["127.0.0.1", /loopback/],
    ["169.254.169.254", /metadata/],
    ["10.50.0.5", /this machine/],
    ["10.50.0.77", /network that this machine is in/],
    ["10.50.0.254", /gateway/],
    ["10.50.0.53", /nameserver/],
    ["fd50::99", /network that this machine is in/],
    ["10.10.0.9", /by choice/],
    [laptop.address, /pmz's own/],
    ["198.18.255.253", /pmz's own/],
    ["203.0.113.7", undefined],
    ["10.96.0.1", undefined],
    ["fd00:10::1", undefined],
    ["10.96.0.2", /limit/],
  ] as const;
  const { refused } = await laptop.daemon.do<HelperAnswer & { refused: { address: string; why: string }[] }>({
    do: "ask",
    request: { ask: "capture", add: add.map(([address]) => ({ address, ports: "any", accepted: true })) },
  });
  assert.deepEqual(
    refused.map(({ address }) => address),
    add.filter(([, why]) => why !== undefined).map(([address]) => address),
  );
  for (const { address, why } of refused) {
    assert.match(why, add.find(([one]) => one === address)?.[1] ?? /nothing/);
  }
});

Deno.test({ name: `a machine without IPv6 captures IPv4${reason}`, ignore }, async () => {
  await using room = await Room.open();
  await room.says("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6");
  await room.says("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6");
  const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
  assert.equal((await helper.line()).ready, true);
  const daemon = await daemonOf(room, USER);
  await greet(daemon);
  await daemon.do({ do: "listen", family: 4 });
  assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add: services } }), {
    ok: true,
    refused: [{ address: SERVICE6, why: "this machine has no IPv6" }],
  });
  const user = await room.person(USER);
  assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
});

Deno.test({ name: `20,000 addresses are captured in seconds, and go at once${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  await daemon.do({ do: "listen", family: 4 });
  const started = performance.now();
  for (let batch = 0; batch < 40; batch++) {
    const add = Array.from({ length: 500 }, (_, i) => {
      const n = 500 * batch + i;
      return { address: `10.${100 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`, ports: services[0]?.ports };
    });
    assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add } }), {
      ok: true,
      refused: [],
    });
  }
  const took = performance.now() - started;
  assert.ok(took < 10_000, `${took} ms`);
  const user = await room.person(USER);
  assert.match((await user.do<Outcome>({ kind: "tcp", to: "10.100.78.31:80" })).said ?? "", /took/);
  const gone = performance.now();
  await daemon.kill("SIGKILL");
  await laptop.helper.ended;
  assert.ok(performance.now() - gone < 1_500, `${performance.now() - gone} ms`);
  assert.doesNotMatch(await room.says("ip", "route", "show", "table", "all"), /pmz/);
});

Deno.test({
  name: `what another user has a connection to can be captured too${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  await daemon.do({ do: "listen", family: 4, workers: 1 });
  const request = { ask: "capture", add: [{ address: "10.96.0.10", ports: "any" }] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true, refused: [] });
  const user = await room.person(USER);
  const open = user.do<Outcome>({ kind: "tcp", to: "10.96.0.10:80", say: "wait", linger: true })
    .catch(() => {}); // ends with the room
  await new Promise((resolve) => setTimeout(resolve, 300));
  const second = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(OTHER));
  await second.line();
  const other = await daemonOf(room, OTHER);
  await greet(other);
  assert.deepEqual(await other.do({ do: "ask", request }), { ok: true, refused: [] });
  await laptop.helper.kill("SIGTERM");
  await open;
});

Deno.test({
  name: `a nameserver that the machine comes to use is captured no more${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon, table } = laptop;
  const request = {
    ask: "capture",
    add: ["10.77.0.53", "10.77.0.54"].map((address) => ({ address, ports: "any" })),
  };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true, refused: [] });
  await daemon.do({ do: "names", nameservers: ["10.77.0.53"] });
  const routes = await room.says("ip", "route", "show", "table", String(table));
  assert.deepEqual([routes.includes("10.77.0.53"), routes.includes("10.77.0.54")], [false, true]);
});

Deno.test({
  name: `subordinate uids are let go when somebody else comes to have an account among them${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  await daemon.do({ do: "listen", family: 4 });
  await daemon.do({ do: "ask", request: { ask: "capture", add: [{ address: SERVICE, ports: "any" }] } });
  const colleague = await room.person(300_500);
  const isCaptured = async () =>
    /took/.test((await colleague.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "");
  assert.equal(await isCaptured(), true, "a container of the user's");
  const account = "(cat /etc/passwd; echo kim:x:300500:300500::/:/bin/sh) >/run/passwd; " +
    "mount --bind /run/passwd /etc/passwd";
  await room.says("sh", "-c", account);
  assert.ok(await pollUntil(async () => !await isCaptured(), { timeoutMs: 15_000, everyMs: 200 }));
  assert.doesNotMatch(await room.says("ip", "rule"), /uidrange 300000/);
  assert.match(await room.says("ip", "rule"), /uidrange 20001-20001/);
});
