import assert from "node:assert/strict";
import { connected, daemonOf, grantFor, greet, HELLO, OTHER, USER } from "./connected.ts";
import type { UdpNews } from "./fake_udp.ts";
import type { Outcome } from "./person.ts";
import { Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const SERVICE = "10.96.0.10";

/** Connects to the port by which helper and daemon make themselves known, again and again. */
const DIAL = `
import socket
while True:
    caller = socket.socket()
    try: caller.connect(("198.18.255.254", 1))
    except OSError: pass
    caller.close()
`;

interface Answer {
  readonly ok: boolean;
  readonly code?: string;
  readonly error?: string;
}

Deno.test({ name: `malformed requests are refused, and the helper lives${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { daemon } = laptop;
  const requests: unknown[] = [
    null,
    7,
    [],
    {},
    { ask: "root" },
    { ask: "__proto__" },
    { ask: { ask: "capture" } },
    { ask: "hello" },
    { ask: "hello", hello: { ...HELLO, version: 99, oldest: 99 } },
    { ask: "hello", hello: { ...HELLO, protocol: "control" } },
    { ask: "listeners" },
    { ask: "listeners", family: 5 },
    { ask: "listeners", family: 4 },
    { ask: "capture", add: {} },
    { ask: "capture", add: [{ address: "10.96.0.1; rm -rf /", ports: "any" }] },
    { ask: "capture", add: [{ address: "10.96.0.0/12", ports: "any" }] },
    { ask: "capture", add: [{ address: "010.96.0.1", ports: "any" }] },
    { ask: "capture", add: [{ address: "10.96.0.1", ports: "all" }] },
    {
      ask: "capture",
      add: [{ address: "10.96.0.1", ports: [{ protocol: "tcp", port: 65536, served: true }] }],
    },
    { ask: "capture", add: [{ address: "10.96.0.1", ports: [{ protocol: "sctp", port: 1, served: true }] }] },
    { ask: "capture", add: Array(5_001).fill({ address: "10.96.0.1", ports: "any" }) },
    { ask: "release", addresses: "10.96.0.1" },
    { ask: "names", stubs: [{ nameserver: "10.50.0.53", stub: "127.0.0.1:53" }] },
    { ask: "udp" },
    { ask: "udp", family: 5 },
    { ask: "udp", family: 4 },
    { ask: "udp-destination", address: "10.96.0.1" },
    { ask: "udp-destination", address: "10.96.0.1", port: 0 },
    { ask: "udp-destination", address: "10.96.0.1", port: 53 },
    { ask: "udp-unreachable", callers: [{ address: "10.96.0.1", port: 53 }] },
    { ask: "udp-unreachable", callers: [{ address: "10.96.0.1", port: 53, caller: 65_536 }] },
    { ask: "udp-unreachable", callers: Array(257).fill({ address: "10.96.0.1", port: 53, caller: 1 }) },
    { ask: "names", stubs: Array(33).fill({ nameserver: "10.50.0.53", stub: "127.0.0.1:5300" }) },
  ];
  for (const request of requests) {
    const { ok, code } = await daemon.do<Answer>({ do: "ask", request });
    assert.deepEqual([ok, code], [false, "bad-request"], JSON.stringify(request).slice(0, 100));
  }
  const misplaced = await daemon.do<Answer>({
    do: "offer",
    request: { ask: "release", addresses: [] },
    fds: [0, 1, 2],
  });
  assert.deepEqual([misplaced.ok, misplaced.code], [false, "bad-request"]);
  const nonsense = await daemon.do<Answer>({ do: "bytes", text: "{" });
  assert.deepEqual([nonsense.ok, nonsense.code], [false, "bad-request"]);
  const long = await daemon.do<Answer>({ do: "bytes", text: `"${"x".repeat(270_000)}"` });
  assert.deepEqual([long.ok, long.code], [false, "bad-request"]);
  const request = { ask: "capture", add: [{ address: SERVICE, ports: "any" }] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true, refused: [] });
});

Deno.test({ name: `a request before the hello is refused${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
  await helper.line();
  const daemon = await daemonOf(room, USER);
  const request = { ask: "capture", add: [{ address: SERVICE, ports: "any" }] };
  const { ok, error } = await daemon.do<Answer>({ do: "ask", request });
  assert.deepEqual([ok, error], [false, "the first request has to be a hello"]);
});

Deno.test(
  { name: `only sockets that are the user's own listeners on loopback are taken${reason}`, ignore },
  async (t) => {
    await using laptop = await connected();
    const { room, helper, daemon } = laptop;
    const before = await descriptorsOf(helper.pid);
    const offers: readonly (readonly [what: string, why: RegExp])[] = [
      ["a folder", /is not a socket/],
      ["a pipe", /is not a socket/],
      ["a unix socket", /is not of IPv4/],
      ["a UDP socket", /is not TCP/],
      ["a socket that doesn't listen", /doesn't listen/],
      ["a listener of IPv6", /is not of IPv4/],
      ["a listener on all addresses", /is bound to 0\.0\.0\.0/],
      ["a listener on the LAN", /is bound to 10\.50\.0\.5/],
    ];
    for (const [what, why] of offers) {
      await t.step(what, async () => {
        const { ok, code, error } = await daemon.do<Answer>({ do: "offer", what });
        assert.deepEqual([ok, code], [false, "refused"]);
        assert.match(error ?? "", why);
      });
    }
    await t.step("a listener of root's, and one of another network namespace", async () => {
      // Root's process hands them to a daemon by accident, as sshd's could be had by a setuid program.
      const stranger = room.start(0, "stranger.ts", String(USER));
      assert.deepEqual(await stranger.line(), { ready: true });
      for (const why of [/belongs to uid 0/, /of another network namespace/]) {
        const { ok, error } = await daemon.do<Answer>({ do: "offer", what: "what a stranger hands over" });
        assert.equal(ok, false);
        assert.match(error ?? "", why);
      }
    });
    await t.step("nine listeners", async () => {
      const { ok, error } = await daemon.do<Answer>({ do: "listen", family: 4, workers: 9 });
      assert.equal(ok, false);
      assert.match(error ?? "", /1 to 8/);
    });
    assert.deepEqual(await descriptorsOf(helper.pid), before, "what was refused is closed");
    assert.deepEqual(await daemon.do({ do: "listen", family: 4 }), { ok: true });
  },
);

Deno.test(
  { name: `a listener that was taken can't send from other addresses${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { room, daemon } = laptop;
    await daemon.do({ do: "listen", family: 4 });
    // Only these packets: the kernel sends some of its own on any device.
    await room.says(
      "nft",
      "add table ip watch; add chain ip watch out { type filter hook postrouting priority 0; }",
    );
    await room.says("nft", "add rule ip watch out oifname eth0 ip saddr 203.0.113.9 counter");
    const sent = async () =>
      Number(/packets (\d+)/.exec(await room.says("nft", "list table ip watch"))?.[1] ?? "NaN");
    assert.equal(await sent(), 0);
    const { unbind, ...rest } = await daemon.do<Record<string, string>>({
      do: "abuse",
      from: "203.0.113.9:5555",
      to: "10.50.0.254:80",
    });
    assert.equal(unbind, "EPERM", "it stays bound to the device");
    assert.deepEqual([rest.disconnect, rest.bind], ["done", "done"], "so that something is tried at all");
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(await sent(), 0, "nothing on the wire");
  },
);

Deno.test(
  { name: `only the user's own UDP sockets on loopback become captured ones${reason}`, ignore },
  async () => {
    await using laptop = await connected();
    const { daemon, helper } = laptop;
    await daemon.do({ do: "ask", request: { ask: "capture", add: [{ address: SERVICE, ports: "any" }] } });
    const before = await descriptorsOf(helper.pid);
    const destination = { ask: "udp-destination", address: SERVICE, port: 53 };
    for (const request of [{ ask: "udp", family: 4 }, destination]) {
      for (
        const [what, why] of [
          ["a folder", /is not a socket/],
          ["a unix socket", /is not of IPv4/],
          ["a listener of IPv6", /is not of IPv4/],
          ["a socket that doesn't listen", /is not UDP/],
          ["a UDP socket", /is bound to 0\.0\.0\.0/],
          ["a UDP socket on the LAN", /is bound to 10\.50\.0\.5/],
        ] as const
      ) {
        const { ok, code, error } = await daemon.do<Answer>({ do: "offer", what, request });
        assert.deepEqual([ok, code], [false, "refused"], what);
        assert.match(error ?? "", why);
      }
    }
    const elsewhere = { ...destination, address: "10.50.0.254" };
    const refused = await daemon.do<Answer>({
      do: "offer",
      what: "a UDP socket on loopback",
      request: elsewhere,
    });
    assert.deepEqual([refused.ok, refused.error], [false, "10.50.0.254 is not captured"]);
    assert.equal(await descriptorsOf(helper.pid), before, "what was refused is closed");
  },
);

Deno.test({
  name: `a captured UDP socket sends from no address that isn't the cluster's or the user's${reason}`,
  ignore,
}, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  const user = await room.person(USER);
  await room.says(
    "nft",
    "add table inet watch; add chain inet watch out { type filter hook output priority 0; }",
  );
  await room.says("nft", "add rule inet watch out ip saddr 203.0.113.9 counter");
  await daemon.do({ do: "ask", request: { ask: "capture", add: [{ address: SERVICE, ports: "any" }] } });
  await daemon.do({ do: "udp" });
  assert.match((await user.do<Outcome>({ kind: "udp", to: `${SERVICE}:53`, say: "?" })).said ?? "", /heard/);
  for (const to of ["10.50.0.254:80", `${laptop.address}:80`, "127.0.0.1:80"]) {
    const tried = await daemon.do<Record<string, string>>({
      do: "abuse udp",
      socket: `${SERVICE}:53`,
      from: "203.0.113.9",
      to,
    });
    assert.deepEqual(
      tried,
      { transparent: "EPERM", disconnect: "done", bind: "EADDRNOTAVAIL", send: "ENETUNREACH" },
      to,
    );
  }
  assert.match(await room.says("nft", "list table inet watch"), /packets 0 /);
});

Deno.test(
  { name: `nobody else who dials the port takes the helper's place, or the daemon's${reason}`, ignore },
  async (t) => {
    await t.step("root of a container, while the helper starts", async () => {
      await using room = await Room.open();
      const dialling = room.says("unshare", "--net", "timeout", "5", "python3", "-c", DIAL);
      for (let start = 0; start < 3; start++) {
        const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
        assert.equal((await helper.line()).ready, true);
        const daemon = await daemonOf(room, USER);
        await greet(daemon);
        const { answer } = await daemon.do<{ answer: Answer }>({ do: "names", nameservers: ["10.50.0.53"] });
        assert.equal(answer.ok, true, `the helper is in this network namespace: ${answer.error}`);
        await daemon.kill("SIGKILL");
        await helper.ended;
      }
      assert.equal(await dialling, "");
    });
    await t.step("another program of the user's, before the daemon", async () => {
      await using laptop = await connected({}, { identify: false });
      const { room, daemon, address } = laptop;
      const user = await room.person(USER);
      const { failed } = await user.do<Outcome>({ kind: "tcp", to: `${address}:1` });
      assert.equal(failed, "EPERM");
      await daemon.do({ do: "identify", address });
      const { answer } = await daemon.do<{ answer: Answer }>({ do: "names", nameservers: ["10.50.0.53"] });
      assert.equal(answer.ok, true, answer.error ?? "");
      const { said = "" } = await user.do<Outcome>({ kind: "udp", to: "10.50.0.53:53", say: "?" });
      assert.match(said, /stub/);
      assert.equal(
        await daemon.do<unknown>({ do: "forward", server: "10.50.0.53:53" }),
        "nothing",
        "its own pass",
      );
    });
  },
);

Deno.test({ name: `one daemon at a time, of the right user${reason}`, ignore }, async () => {
  await using laptop = await connected();
  const { room, daemon } = laptop;
  const second = await daemonOf(room, USER);
  assert.deepEqual(await second.do({ do: "receive" }), {
    ok: false,
    code: "refused",
    error: "a daemon is connected already",
  });
  await assert.rejects(daemonOf(room, OTHER, USER), /EACCES/, "the socket is the user's");
  const asRoot = await daemonOf(room, 0, USER);
  assert.match((await asRoot.do<Answer>({ do: "receive" })).error ?? "", /connected already/);
  const request = { ask: "release", addresses: [] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true });
});

Deno.test(
  { name: `two users with the same address each reach their own daemon${reason}`, ignore },
  async (t) => {
    await using laptop = await connected();
    const { room, daemon } = laptop;
    const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(OTHER));
    assert.equal((await helper.line()).ready, true);
    const theirs = await daemonOf(room, OTHER);
    const { address, device, table } = await greet(theirs);
    assert.deepEqual([address, device, table], ["198.18.255.253", "pmz1", laptop.table + 1]);
    const request = { ask: "capture", add: [{ address: SERVICE, ports: "any" }] };
    for (const one of [daemon, theirs]) {
      await one.do({ do: "listen", family: 4 });
      assert.deepEqual(await one.do({ do: "ask", request }), { ok: true, refused: [] });
    }
    const user = await room.person(USER);
    const other = await room.person(OTHER);
    await t.step("each by their own address", async () => {
      assert.match(
        (await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "",
        /from 198\.18\.255\.254$/,
      );
      assert.match(
        (await other.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "",
        /from 198\.18\.255\.253$/,
      );
    });
    await t.step("each by UDP, by sockets of their own", async () => {
      for (const one of [daemon, theirs]) await one.do({ do: "udp" });
      for (const [person, own, others] of [[user, daemon, theirs], [other, theirs, daemon]] as const) {
        for (let i = 0; i < 2; i++) {
          const { said } = await person.do<Outcome>({ kind: "udp", to: `${SERVICE}:53`, say: "mine" });
          assert.equal(said, `${SERVICE}:53 heard mine`);
        }
        const [mine, not] = [
          await own.do<UdpNews>({ do: "udp news" }),
          await others.do<UdpNews>({ do: "udp news" }),
        ];
        assert.deepEqual([mine.received, not.received], [2, 0]);
      }
    });
    await t.step("neither by the other's", async () => {
      const stolen = await other.do<Outcome>({
        kind: "tcp",
        to: `${SERVICE}:80`,
        from: `${laptop.address}:41000`,
      });
      assert.deepEqual([stolen.failed, stolen.at], ["EPERM", "bind"]);
    });
    await t.step("when one goes, the other stays", async () => {
      await theirs.kill("SIGKILL");
      await helper.ended;
      assert.match((await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` })).said ?? "", /took/);
      const { said } = await other.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` });
      assert.equal(said, undefined);
    });
  },
);

Deno.test(
  { name: `a program that waits to bind a dead daemon's stub gets no query${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const user = await room.person(USER);
    const other = await room.person(OTHER);
    for (let round = 0; round < 8; round++) {
      const helper = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
      await helper.line();
      const daemon = await daemonOf(room, USER);
      await greet(daemon);
      const { stubs } = await daemon.do<{ stubs: string[] }>({
        do: "names",
        nameservers: ["10.50.0.53"],
      });
      const squatting = other.do<{ bound: boolean; heard: number }>({
        kind: "squat",
        to: stubs[0],
        ms: 600,
      });
      const asking = user.do<{ sent: number }>({ kind: "flood", to: "10.50.0.53:53", ms: 600 });
      await new Promise((resolve) => setTimeout(resolve, 200));
      Deno.kill(daemon.pid, "SIGKILL");
      const { sent } = await asking;
      assert.ok(sent > 100, `${sent} queries`);
      assert.deepEqual(await squatting, { bound: true, heard: 0 });
      await helper.ended;
    }
  },
);

/** What a process has open, counted by kind. */
async function descriptorsOf(pid: number): Promise<number> {
  let count = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
  return count;
}
