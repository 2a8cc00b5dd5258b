import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import { connected, OTHER, USER } from "./connected.ts";
import type { UdpNews } from "./fake_udp.ts";
import type { Attempt, Outcome } from "./person.ts";
import { type Program, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const SERVICE = "10.96.0.10";
const SERVICE6 = "fd00:10::a";
const POD = "10.244.3.7";
const port = (protocol: string, port: number, served = true) => ({ protocol, port, served });
const services = [
  { address: SERVICE, ports: [port("udp", 53), port("tcp", 80), port("udp", 81, false)] },
  { address: SERVICE6, ports: [port("udp", 53), port("udp", 5000)] },
  { address: POD, ports: "any" },
];
/** Each way that a program's socket sends. */
const WAYS: readonly Partial<Attempt>[] = [
  { to: `${SERVICE}:53` },
  { to: `${SERVICE}:53`, unconnected: true },
  { to: `${SERVICE}:53`, mapped: true },
  { to: `${SERVICE}:53`, mapped: true, unconnected: true },
  { to: `[${SERVICE6}]:53` },
  { to: `[${SERVICE6}]:53`, unconnected: true },
];

const OWN6 = "fd70:6d7a::fe";

const says = (person: Program, attempt: Partial<Attempt>) =>
  person.do<Outcome>({ kind: "udp", say: "hello", ...attempt });
const news = (daemon: Program) => daemon.do<UdpNews>({ do: "udp news" });

/** Waits until so many datagrams have come, in their order. @returns how many of them came by the catch-all socket */
async function arrives(daemon: Program, count: number): Promise<number> {
  let [received, reordered, first] = [0, 0, 0];
  await pollUntil(async () => {
    const one = await news(daemon);
    received += one.received;
    reordered += one.reordered;
    first += one.first;
    return received >= count;
  }, { timeoutMs: 5_000 });
  assert.deepEqual([received, reordered], [count, 0]);
  return first;
}

async function capture(daemon: Program): Promise<void> {
  assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add: services } }), {
    ok: true,
    refused: [],
  });
}

Deno.test({
  name: `datagrams for captured addresses reach the daemon, and answers come from there${reason}`,
  ignore,
}, async (t) => {
  await using laptop = await connected();
  const { room, daemon, address } = laptop;
  const user = await room.person(USER);
  await capture(daemon);
  const carried = await daemon.do<UdpNews>({ do: "udp" });
  assert.equal(carried.why, undefined);

  await t.step(
    "connected, unconnected, v4-mapped, IPv6: the first datagram as well as later ones",
    async () => {
      for (const way of WAYS) {
        for (let i = 0; i < 3; i++) {
          const { said, sender, peer, local, failed } = await says(user, way);
          assert.equal(failed, undefined, JSON.stringify(way));
          assert.equal(said, `${way.to} heard hello`, JSON.stringify(way));
          assert.equal(sender, way.to, "the answer comes from who was asked");
          if (!way.unconnected) {
            assert.equal(peer, way.to);
            assert.equal(local?.replace(/:\d+$/, ""), way.to?.startsWith("[") ? `[${OWN6}]` : address);
          }
        }
      }
      const { first, received, open } = await news(daemon);
      assert.equal(received, 18);
      assert.equal(first, 2, "all but the first of each destination come by its own socket");
      assert.deepEqual([...open].sort(), [`${SERVICE}:53`, `[${SERVICE6}]:53`].sort());
    },
  );

  await t.step("a pod takes any port", async () => {
    assert.equal((await says(user, { to: `${POD}:4711` })).said, `${POD}:4711 heard hello`);
  });
  await t.step("60,000 bytes arrive, and come back", async () => {
    assert.equal(
      (await says(user, { to: `${SERVICE}:53`, say: `echo ${"x".repeat(3_900)}` })).said?.length,
      3_905,
    );
    await news(daemon);
    await user.do({ kind: "burst", to: `[${SERVICE6}]:53`, count: 3, bytes: 60_000 });
    await arrives(daemon, 3);
  });
  await t.step("a burst for a new destination loses none, and their order is kept", async () => {
    let first = 0;
    for (let round = 0; round < 5; round++) {
      for (const to of [`${POD}:${6_000 + round}`, `[${SERVICE6}]:5000`]) {
        await news(daemon);
        await user.do({ kind: "burst", to, count: 2_000, bytes: 1_200 });
        first += await arrives(daemon, 2_000);
        await says(user, { to, say: "close", wait: false });
        assert.ok(await pollUntil(async () => !(await news(daemon)).open.includes(to)));
      }
    }
    assert.ok(first < 20_000, "many come by a socket of their own");
  });
  await t.step("what isn't served is refused at once, and makes no flow", async () => {
    await news(daemon);
    for (const to of [`${SERVICE}:80`, `${SERVICE}:81`, `${SERVICE}:82`, `[${SERVICE6}]:54`]) {
      const connected = await says(user, { to });
      assert.equal(connected.failed, "ECONNREFUSED", to);
      assert.ok(connected.ms < 900, `${connected.ms} ms`);
      assert.equal((await says(user, { to, unconnected: true })).failed, "EPERM", to);
    }
    assert.equal((await news(daemon)).received, 0);
  });
  await t.step("a connect alone, as getaddrinfo's, opens nothing, and has pmz's address", async () => {
    const { local } = await user.do<Outcome>({ kind: "source", to: `${POD}:80` });
    assert.equal(local?.replace(/:\d+$/, ""), address);
    assert.equal((await news(daemon)).received, 0);
  });
  await t.step("the daemon refuses: ECONNREFUSED for each of IPv4, IPv6 and v4-mapped", async () => {
    for (const way of WAYS) {
      if (way.unconnected) continue;
      const { failed, at, ms } = await says(user, { ...way, say: "refuse" });
      assert.deepEqual([failed, at], ["ECONNREFUSED", "recv"], JSON.stringify(way));
      assert.ok(ms < 900, `${ms} ms`);
    }
  });
  await t.step("a caller that closes its socket is told, connected or not", async () => {
    for (const way of WAYS) {
      await news(daemon);
      const { local } = await says(user, way);
      const closed = `${way.to?.startsWith("[") ? 6 : 4}:${local?.replace(/^.*:/, "")}`;
      const seen: string[] = [];
      assert.ok(
        await pollUntil(async () => (seen.push(...(await news(daemon)).closed), seen.includes(closed)), {
          timeoutMs: 5_000,
        }),
        `${closed} of ${JSON.stringify(way)}: ${seen}`,
      );
    }
  });
  await t.step(
    "a destination that is closed frees its place, and is opened again by the next datagram",
    async () => {
      const to = `${POD}:7000`;
      await says(user, { to });
      await says(user, { to, say: "close", wait: false });
      assert.ok(await pollUntil(async () => !(await news(daemon)).open.includes(to)));
      assert.equal(await room.says("ss", "-Huan", "sport", "= 7000"), "");
      assert.equal((await says(user, { to })).said, `${to} heard hello`);
    },
  );
  await t.step("another user, root and other network namespaces are left alone", async () => {
    await news(daemon);
    for (const uid of [OTHER, 0]) {
      const person = await room.person(uid);
      for (const way of WAYS) assert.notEqual((await says(person, way)).said, `${way.to} heard hello`);
      const own = await says(person, { to: `${POD}:53`, from: `${address}:40000` });
      assert.deepEqual([own.failed, own.at], ["EPERM", "bind"]);
    }
    const contained = await room.person(USER, { inContainer: true });
    assert.equal((await says(contained, { to: `${POD}:53` })).failed, "ENETUNREACH");
    assert.equal((await news(daemon)).received, 0);
  });
  await t.step(
    "another user gets no datagram by a socket with the captured address, and answers none",
    async () => {
      const stranger = await room.person(OTHER);
      const bound = { from: `[${SERVICE6}]:5353`, freebind: true, say: "not me" };
      const connected = await says(stranger, { to: `[${OWN6}]:41000`, ...bound });
      assert.deepEqual([connected.failed, connected.at], ["EPERM", "connect"]);
      const unconnected = await says(stranger, { to: `[${OWN6}]:41000`, unconnected: true, ...bound });
      assert.deepEqual([unconnected.failed, unconnected.at], ["EPERM", "sendto"]);
    },
  );
  await t.step(
    "another user and root send nothing in the user's name, whatever they name or bind",
    async () => {
      await says(user, { to: `${POD}:5353` }); // the captured address is a source on this machine now
      await news(daemon);
      const links = JSON.parse(await room.says("ip", "-json", "link", "show", laptop.device));
      for (const uid of [OTHER, 0]) {
        const stranger = await room.person(uid);
        for (const way of WAYS) {
          const source = way.to?.startsWith("[") ? OWN6 : address;
          const named = await says(stranger, { ...way, source });
          assert.ok(["EPERM", "ENETUNREACH"].includes(named.failed ?? ""), JSON.stringify([way, named]));
          const bound = await says(stranger, { ...way, device: laptop.device });
          assert.equal(bound.failed, "EPERM", JSON.stringify(way));
        }
      }
      const stranger = await room.person(OTHER);
      assert.equal((await says(stranger, { to: `${POD}:53`, by: links[0].ifindex })).said, undefined);
      assert.equal((await news(daemon)).received, 0);
    },
  );
  await t.step("another user and root send nothing in a captured address's name", async () => {
    await says(user, { to: `${POD}:5353` });
    const local = "127.0.0.1:7777";
    for (const uid of [OTHER, 0]) {
      const stranger = await room.person(uid);
      for (
        const way of [
          { source: POD, unconnected: true },
          { source: POD },
          { source: POD, mapped: true, unconnected: true },
          { from: `${POD}:5354`, freebind: true },
          { from: `${POD}:5354`, freebind: true, unconnected: true },
        ]
      ) {
        const { failed } = await says(stranger, { to: local, wait: false, ...way });
        assert.equal(failed, "EPERM", JSON.stringify(way));
      }
      assert.notEqual((await says(stranger, { to: local, wait: false })).failed, "EPERM");
    }
    await news(daemon);
  });
  await t.step(
    "another user who binds a destination's port, or its address as well, gets nothing",
    async () => {
      const stranger = await room.person(OTHER);
      const isBound = async (place: string) => (await room.says("ss", "-Huan")).includes(` ${place} `);
      for (const [port, address] of [[5361, "0.0.0.0"], [5362, "0.0.0.0"], [5363, POD]] as const) {
        const to = `${POD}:${port}`;
        if (port !== 5361) await says(user, { to }); // its socket is there first
        const squatting = stranger.do({ kind: "squat", to: `${address}:${port}`, ms: 300, share: true });
        assert.ok(await pollUntil(() => isBound(`${address}:${port}`)), to);
        for (let i = 0; i < 3; i++) assert.equal((await says(user, { to })).said, `${to} heard hello`);
        assert.deepEqual(await squatting, { bound: true, heard: 0 }, to);
      }
      await news(daemon);
    },
  );
  await t.step("a socket bound elsewhere on the machine isn't taken for the user's", async () => {
    assert.equal((await says(user, { to: `${POD}:53`, from: "10.50.0.5:40001" })).said, undefined);
    assert.equal((await news(daemon)).received, 0);
  });
  await t.step("a released address is the machine's again", async () => {
    await daemon.do({ do: "ask", request: { ask: "release", addresses: [POD] } });
    assert.equal((await says(user, { to: `${POD}:53` })).said, undefined);
    assert.equal((await news(daemon)).received, 0);
    await capture(daemon);
    assert.equal((await says(user, { to: `${POD}:53` })).said, `${POD}:53 heard hello`);
  });
});
