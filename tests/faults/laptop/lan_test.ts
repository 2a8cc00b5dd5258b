import assert from "node:assert/strict";
import { pollUntil } from "../../../async/poll_until.ts";
import { connected, USER } from "./connected.ts";
import type { Attempt, Outcome } from "./person.ts";
import { type Program, type Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const PODS = ["10.244.3.7", "fd00:10::a"];
/** Longer than a first retransmission of the kernel takes, in milliseconds. */
const RETRANSMITTED = 1_500;

/** Counts what leaves by the LAN's device with pmz's address as source. */
async function countLeaks(room: Room): Promise<() => Promise<string[]>> {
  await room.says("ip", "-6", "neighbour", "add", "fd50::fe", "lladdr", "02:00:00:00:00:01", "dev", "eth0");
  await room.says("ip", "-6", "route", "add", "default", "via", "fd50::fe", "dev", "eth0");
  const rules = [
    "table inet lan {",
    "chain out {",
    "type filter hook postrouting priority 0",
    'oifname "eth0" ip saddr 198.18.255.0/24 counter',
    'oifname "eth0" ip6 saddr fd70:6d7a::/112 counter',
    'oifname "eth0" ip saddr 10.50.0.5 counter',
    "}",
    "}",
  ];
  await room.says("nft", rules.join("\n"));
  return async () =>
    [...(await room.says("nft", "list", "chain", "inet", "lan", "out")).matchAll(/packets (\d+)/g)]
      .map(([, count]) => count ?? "");
}

/** Sockets whose peer's last word never came. */
const waiting = (room: Room) => room.says("ss", "-Htan", "state", "last-ack");

async function captured(daemon: Program): Promise<void> {
  const add = PODS.map((address) => ({ address, ports: "any" }));
  const answer = await daemon.do({ do: "ask", request: { ask: "capture", add } });
  assert.deepEqual(answer, { ok: true, refused: [] });
}

Deno.test({
  name: `no packet with pmz's source leaves on the LAN, and no socket waits for the last ACK${reason}`,
  ignore,
}, async (t) => {
  await using laptop = await connected();
  const { room, daemon, helper } = laptop;
  const leaks = await countLeaks(room);
  const user = await room.person(USER);
  const dial = async (attempt: Partial<Attempt>) => {
    const outcomes: Outcome[] = [];
    for (const to of ["10.244.3.7:80", "[fd00:10::a]:80"]) {
      outcomes.push(await user.do<Outcome>({ kind: "tcp", to, ...attempt }));
    }
    return outcomes;
  };
  await captured(daemon);

  await t.step("before there is a listener", async () => {
    for (const { failed } of await dial({})) assert.ok(failed);
  });
  assert.deepEqual(await daemon.do({ do: "listen", family: 4, workers: 2 }), { ok: true });
  assert.deepEqual(await daemon.do({ do: "listen", family: 6, workers: 2 }), { ok: true });
  await t.step("clients that close first", async () => {
    for (let i = 0; i < 10; i++) {
      for (const { said } of await dial({ say: "hello" })) assert.match(said ?? "", /took/);
      for (const { said } of await dial({})) assert.match(said ?? "", /took/);
    }
    await new Promise((resolve) => setTimeout(resolve, 200)); // the daemon closes its ends
    assert.ok(
      await pollUntil(async () => await waiting(room) === "", { timeoutMs: 3_000 }),
      await waiting(room),
    );
  });
  await t.step("clients that reset", async () => {
    for (const { said } of await dial({ reset: true })) assert.match(said ?? "", /took/);
  });
  await t.step("a daemon that resets", async () => {
    for (const { failed } of await dial({ say: "break off", linger: true })) {
      assert.equal(failed, "ECONNRESET");
    }
  });
  await t.step("addresses that are released while connections to them are open", async () => {
    const open = user.do<Outcome>({ kind: "tcp", to: "10.244.3.7:80", say: "wait", linger: true });
    await pollUntil(async () => /ESTAB/.test(await room.says("ss", "-Htn", "dst", "10.244.3.7")));
    await daemon.do({ do: "ask", request: { ask: "release", addresses: PODS } });
    assert.equal((await open).failed, "ECONNABORTED");
    assert.equal(await room.says("ss", "-Htn", "src", "10.244.3.7"), "", "the daemon's end is closed too");
    await captured(daemon);
  });
  await t.step("a helper that is killed while connections are open", async () => {
    const open = user.do<Outcome>({ kind: "tcp", to: "10.244.3.7:80", say: "wait", linger: true });
    await pollUntil(async () => /ESTAB/.test(await room.says("ss", "-Htn", "dst", "10.244.3.7")));
    Deno.kill(helper.pid, "SIGKILL");
    assert.equal((await open).failed, "ECONNABORTED");
    await new Promise((resolve) => setTimeout(resolve, RETRANSMITTED));
  });
  assert.equal(await waiting(room), "");
  const outside = await user.do<Outcome>({ kind: "tcp", to: "10.244.3.7:80" });
  assert.equal(outside.failed, "EINPROGRESS", "it is captured no more, and goes out");
  const [leaked4, leaked6, seen] = await leaks();
  assert.deepEqual([leaked4, leaked6], ["0", "0"]);
  assert.notEqual(seen, "0", "the counters count");
});

Deno.test(
  { name: `no datagram with pmz's source leaves on the LAN, whatever ends first${reason}`, ignore },
  async (t) => {
    await using laptop = await connected();
    const { room, daemon, helper } = laptop;
    const leaks = await countLeaks(room);
    const user = await room.person(USER);
    const other = await room.person(USER);
    const places = ["10.244.3.7:53", "[fd00:10::a]:53"];
    const say = async (attempt: Partial<Attempt>) => {
      const outcomes: Outcome[] = [];
      for (const to of places) outcomes.push(await user.do<Outcome>({ kind: "udp", to, ...attempt }));
      return outcomes;
    };
    /** Both families at once, while something happens. */
    const during = async (ms: number, happens: () => Promise<unknown>) => {
      const sending = [user, other].map((person, i) =>
        person.do<{ sent: number; failed: string[] }>({ kind: "stream", to: places[i], ms })
      );
      await new Promise((resolve) => setTimeout(resolve, 200));
      await happens();
      return await Promise.all(sending);
    };
    await captured(daemon);

    await t.step("while UDP isn't carried", async () => {
      for (const { failed } of await say({ say: "?" })) assert.equal(failed, "ECONNREFUSED");
      for (const { failed } of await say({ say: "?", unconnected: true })) assert.equal(failed, "EPERM");
    });
    await daemon.do({ do: "udp" });
    await t.step("callers that are gone when the answer comes", async () => {
      for (const unconnected of [false, true]) {
        for (const { failed } of await say({ say: "answer late", unconnected, wait: false })) {
          assert.equal(failed, "EAGAIN");
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 400));
    });
    await t.step("a caller that is refused after it has gone", async () => {
      await say({ say: "refuse", wait: false });
      await new Promise((resolve) => setTimeout(resolve, 100));
    });
    await t.step("addresses that are released while programs send on", async () => {
      const sent = await during(
        600,
        () => daemon.do({ do: "ask", request: { ask: "release", addresses: PODS } }),
      );
      for (const { failed } of sent) {
        assert.ok(failed.length > 0, "they hear of it");
      }
      await captured(daemon);
    });
    await t.step("a helper that is killed while programs send on", async () => {
      const sent = await during(RETRANSMITTED, async () => {
        Deno.kill(helper.pid, "SIGKILL");
        await helper.ended;
      });
      for (const { failed } of sent) assert.ok(failed.length > 0, "they hear of it");
    });
    const [leaked4, leaked6, seen] = await leaks();
    assert.deepEqual([leaked4, leaked6], ["0", "0"]);
    await user.do<Outcome>({ kind: "udp", to: "10.244.3.7:53", say: "outside" });
    assert.notEqual((await leaks())[2], "0", `the counters count: ${seen}`);
  },
);
