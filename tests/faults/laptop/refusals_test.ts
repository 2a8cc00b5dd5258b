import assert from "node:assert/strict";
import type { RefusalNews } from "../../../wire/helper.ts";
import { connected, type ConnectedLaptop, OTHER, USER } from "./connected.ts";
import type { Outcome } from "./person.ts";
import { type Program, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;
const SERVICE = "10.96.0.10";
const SERVICE6 = "fd00:10::a";
const ports = [{ protocol: "tcp", port: 80, served: true }, { protocol: "tcp", port: 81, served: false }];
const add = [SERVICE, SERVICE6].map((address) => ({ address, ports }));

/** A laptop whose daemon follows refusals. */
async function following(): Promise<ConnectedLaptop> {
  await using stack = new AsyncDisposableStack();
  const laptop = stack.use(await connected());
  const { daemon } = laptop;
  assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add } }), {
    ok: true,
    refused: [],
  });
  const answer = await daemon.do<{ daemon: number }>({ do: "ask", request: { ask: "refusals" } });
  assert.equal(answer.daemon, daemon.pid);
  const kept = stack.move();
  return { ...laptop, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

const news = (daemon: Program) => daemon.do<RefusalNews>({ do: "receive" });

/** Adds up the messages that tell of so many refusals. */
async function counted(daemon: Program, count: number) {
  let [messages, told, omitted] = [0, 0, 0];
  const ports = new Set<number>();
  while (told + omitted < count) {
    const one = await news(daemon);
    messages++;
    omitted += one.omitted;
    for (const { count, port } of one.refusals) {
      told += count;
      ports.add(port);
    }
  }
  return { messages, told, omitted, ports };
}

/** Seconds of a process's CPU time. */
async function cpuOf(pid: number): Promise<number> {
  const fields = (await Deno.readTextFile(`/proc/${pid}/stat`)).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

Deno.test({ name: `the daemon hears what the hooks refuse its user${reason}`, ignore }, async (t) => {
  await using laptop = await following();
  const { room, daemon } = laptop;
  const user = await room.person(USER);
  const { pid } = user;

  await t.step("the program, the target, and when it was; of IPv6 and v4-mapped too", async () => {
    for (
      const [attempt, address, port] of [
        [{ to: `${SERVICE}:81` }, SERVICE, 81],
        [{ to: `${SERVICE}:82` }, SERVICE, 82],
        [{ to: `${SERVICE}:81`, mapped: true }, SERVICE, 81],
        [{ to: `[${SERVICE6}]:81` }, SERVICE6, 81],
      ] as const
    ) {
      assert.equal((await user.do<Outcome>({ kind: "tcp", ...attempt })).failed, "ECONNREFUSED");
      const { refusals: [one, ...others], omitted } = await news(daemon);
      assert.ok(one);
      const { sinceFirst, sinceLast, program, ...rest } = one;
      assert.deepEqual(rest, { protocol: "tcp", address, port, process: pid, count: 1 });
      assert.ok(sinceFirst >= sinceLast && sinceFirst < 5_000, `${sinceFirst} ms`);
      assert.match(program, /\w/);
      assert.deepEqual([others.length, omitted], [0, 0]);
    }
  });
  await t.step("UDP that is sent, not UDP that is connected: getaddrinfo does that to sort", async () => {
    await user.do<Outcome>({ kind: "udp", to: `${SERVICE}:53`, say: "?" });
    const unconnected = { kind: "udp", to: `${SERVICE}:54`, say: "?", unconnected: true };
    assert.equal((await user.do<Outcome>(unconnected)).failed, "EPERM");
    const { refusals } = await news(daemon);
    assert.deepEqual(refusals.map(({ protocol, port }) => [protocol, port]), [["udp", 54]]);
  });
  await t.step("nothing of other users, of other network namespaces, and of what is served", async () => {
    const strangers = [
      await room.person(OTHER),
      await room.person(0),
      await room.person(USER, { inContainer: true }),
    ];
    for (const stranger of strangers) await stranger.do<Outcome>({ kind: "tcp", to: `${SERVICE}:81` });
    await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:80` });
    await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:83` });
    const { refusals } = await news(daemon);
    assert.deepEqual(refusals.map(({ process, port }) => [process, port]), [[pid, 83]]);
  });
});

Deno.test({
  name: `a program that is refused 1,000 times a second costs next to nothing${reason}`,
  ignore,
}, async () => {
  await using laptop = await following();
  const { room, daemon, helper } = laptop;
  const user = await room.person(USER);
  const before = await cpuOf(helper.pid);
  const trying = user.do<{ tried: number }>({
    kind: "retry",
    to: `${SERVICE}:81`,
    ms: 4_000,
    perSecond: 1_000,
  });
  const { tried } = await trying;
  const { messages, told, omitted } = await counted(daemon, tried);
  const share = (await cpuOf(helper.pid) - before) / 4;
  assert.deepEqual([told, omitted], [tried, 0]);
  assert.ok(messages <= 20, `${messages} messages for ${tried} refusals`);
  assert.ok(share < 0.1, `the helper took ${share} of a CPU for ${tried} refusals`);
});

Deno.test({
  name:
    `a program that is refused without a pause is counted, waits for no reader, and hides no other${reason}`,
  ignore,
}, async () => {
  await using laptop = await following();
  const { room, daemon, helper } = laptop;
  const [user, other] = [await room.person(USER), await room.person(USER)];
  const before = await cpuOf(helper.pid);
  const trying = user.do<{ tried: number }>({ kind: "retry", to: `${SERVICE}:81`, ms: 2_000 });
  let others = 0;
  for (let port = 8_000; port < 8_010; port++, others++) {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await other.do<Outcome>({ kind: "tcp", to: `${SERVICE}:${port}` });
  }
  const { tried } = await trying;
  const { messages, told, omitted, ports } = await counted(daemon, tried + others);
  const share = (await cpuOf(helper.pid) - before) / 2;
  assert.equal(told + omitted, tried + others);
  assert.deepEqual([...ports].sort((a, b) => a - b), [
    81,
    ...Array.from({ length: others }, (_, i) => 8_000 + i),
  ]);
  assert.ok(tried > 5_000, `${tried} attempts in 2 s`);
  assert.ok(messages <= 12, `${messages} messages`);
  assert.ok(share < 0.3, `the helper took ${share} of a CPU for ${tried} refusals`);
  await user.do<Outcome>({ kind: "tcp", to: `${SERVICE}:82` });
  assert.deepEqual((await news(daemon)).refusals.map(({ port, count }) => [port, count]), [[82, 1]]);
});

Deno.test(
  { name: `a daemon that doesn't read holds neither programs nor the helper up${reason}`, ignore },
  async () => {
    await using laptop = await following();
    const { room, daemon } = laptop;
    const user = await room.person(USER);
    await daemon.kill("SIGSTOP");
    const { tried } = await user.do<{ tried: number }>({ kind: "retry", to: `${SERVICE}:81`, ms: 2_000 });
    await daemon.kill("SIGCONT");
    const { told, omitted } = await counted(daemon, tried);
    assert.equal(told + omitted, tried);
    assert.deepEqual(await daemon.do({ do: "ask", request: { ask: "capture", add } }), {
      ok: true,
      refused: [],
    });
  },
);
