// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import type { Status } from "../../wire/control.ts";
import { answersOf } from "../e2e/lib/dns.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Running } from "../e2e/lib/running.ts";
import { Stage } from "../e2e/lib/stage.ts";

const STOP_THREAD = new URL("../e2e/lib/stop_thread.py", import.meta.url).pathname;

/** The laptop's network has to be as before within a second; looking takes a part of one, on machines as slow as these. */
const WITHIN = 2_000;

/** What a process that was killed can't delete any more: sockets nobody listens on, and the helper's note of itself. */
const deadFiles = /^files: (srw\S+ .*\/(control|helper)\.sock|-rw\S+ .*\/helper\.json)$/;
/** What a daemon has that lives on without a helper; its control socket has the name by which it was bound. */
const daemonsOwn = /^(processes: alice|sockets: \w+ .* 127\.|unix: .*\/(control|new)\.sock|connections: )/;

async function podAnswers(person: Pmz, ...options: string[]): Promise<boolean> {
  const command = ["curl", "-sS", "-m5", ...options, "http://echo.default.svc/"];
  return /"pod":"echo-/.test((await person.laptop.run(person.person, command)).stdout);
}

/** A program that holds a captured connection open, and says when it is broken off. */
const holder = `
import socket
held = socket.create_connection(("echo.default.svc", 9000))
print("holds", held.recv(99).decode().strip(), flush=True)
try: print("ended" if held.recv(1) == b"" else "more")
except OSError as error: print("broken:", error)
`;

for (const victims of [["daemon"], ["helper"], ["daemon", "helper"]] as const) {
  Deno.test(`kill -9 of ${victims.join(" and ")} leaves the laptop's network as it was before \`pmz up\``, async () => {
    await using stage = await Stage.set();
    const { laptop } = stage.world;
    const before = await laptop.snapshot();
    const alice = await stage.up();
    assert.ok(await podAnswers(alice));
    await using holding = laptop.spawn("alice", ["python3", "-c", holder]);
    await holding.says(/holds echo-/);
    const pids = { daemon: await alice.daemon(), helper: await alice.helper() };
    const killed = performance.now();
    for (const victim of victims) Deno.kill(pids[victim], "SIGKILL");
    await holding.says(/broken|ended/, WITHIN); // a killed daemon's sockets end, before anyone can reset them
    await holding.status();
    const lives = !(victims as readonly string[]).includes("daemon");
    const apart = lives ? new RegExp(`${deadFiles.source}|${daemonsOwn.source}`) : deadFiles;
    await laptop.settles(before, WITHIN, apart);
    const took = performance.now() - killed;
    console.log(`as it was ${Math.round(took)} ms later, looking included`);
    assert.ok(took < WITHIN, `it took ${took} ms`);
    assert.equal(await podAnswers(alice), false);

    const { ms } = await alice.up();
    console.log(`up again in ${Math.round(ms)} ms`);
    assert.ok(await podAnswers(alice), "`pmz up` works again");
    assert.match((await alice.done(["down"])).stdout, /left: nothing/);
    await laptop.settles(before, WITHIN);
  });
}

Deno.test("kill -9 of the janitor changes nothing, and another one cleans up when the helper is killed", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const before = await laptop.snapshot();
  const alice = await stage.up();
  const helper = await alice.helper();
  const janitor = async () =>
    Number(await laptop.output("root", ["pgrep", "-P", String(helper), "-x", "sh"]));
  const first = await janitor();
  Deno.kill(first, "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.notEqual(await janitor(), first);
  assert.ok(await podAnswers(alice));
  Deno.kill(await alice.daemon(), "SIGKILL");
  Deno.kill(helper, "SIGKILL");
  const took = await laptop.settles(before, WITHIN, deadFiles);
  console.log(`as it was ${Math.round(took)} ms later`);
  await alice.done(["down"]);
});

Deno.test("what helper and janitor leave, killed together, is taken by the next `pmz up` and `pmz down`", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const before = await laptop.snapshot();
  const alice = await stage.up();
  const helper = await alice.helper();
  const janitor = Number(await laptop.output("root", ["pgrep", "-P", String(helper), "-x", "sh"]));
  const daemon = await alice.daemon();
  for (const pid of [daemon, helper, janitor]) Deno.kill(pid, "SIGKILL");
  // Rules may stay: they lead nowhere. So may ends of connections that wait for the other end's last word.
  const apart =
    `${deadFiles.source}|^rules( 6)?: .*(uidrange 1000-1000|from 198\\.18\\.255\\.|from fd70:6d7a::)|^connections: (LAST-ACK|FIN-WAIT)`;
  await laptop.settles(before, WITHIN, new RegExp(apart));
  assert.match((await alice.run(["down"])).stdout, /^left: an empty rule/m, "it says so");
  await alice.up();
  assert.ok(await podAnswers(alice));
  await alice.done(["down"]);
  await laptop.settles(before, WITHIN, deadFiles); // what a test before this left may be gone now
});

Deno.test("a daemon that hangs takes no names away for more than two seconds", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const alice = await stage.up();
  const ask = () => answersOf(laptop, "alice", ["internet.test/A"], 300);
  const answer = await ask();
  const daemon = await alice.daemon();
  Deno.kill(daemon, "SIGSTOP");
  try {
    const begun = performance.now();
    let seen: string | undefined;
    while (seen !== answer && performance.now() - begun < 10_000) seen = await ask().catch(() => undefined);
    const took = performance.now() - begun;
    console.log(`names answered again ${Math.round(took)} ms after SIGSTOP`);
    assert.equal(seen, answer);
    assert.ok(took < 3_000, `${took} ms`); // 2 s, and what asking takes
    assert.match(
      await laptop.output("alice", ["curl", "-sS", "-m5", "http://internet.test/"]),
      /"pod":"internet"/,
    );
  } finally {
    Deno.kill(daemon, "SIGCONT");
  }
  for (let tries = 0; !(await podAnswers(alice)); tries++) {
    assert.ok(tries < 5, "it works again, once it goes on");
  }
});

/** Threads of a process, by name. */
async function threadsOf(pid: number): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for await (const { name } of Deno.readDir(`/proc/${pid}/task`)) {
    found.set((await Deno.readTextFile(`/proc/${pid}/task/${name}/comm`)).trim(), Number(name));
  }
  return found;
}

Deno.test("a names worker that never comes back from its work is replaced within seconds", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  assert.ok(await podAnswers(alice));
  const daemon = await alice.daemon();
  const thread = (await threadsOf(daemon)).get("worker-2"); // the data worker is started first
  assert.ok(thread !== undefined);
  await using still = new Running(["python3", STOP_THREAD, String(thread)]);
  await still.says(/stands still/);
  const begun = performance.now();
  assert.ok(await pollUntil(() => podAnswers(alice, "-m1"), { timeoutMs: 12_000, everyMs: 200 }));
  console.log(`names answered again ${Math.round(performance.now() - begun)} ms after it stood still`);
  assert.deepEqual((await alice.json<Status>(["status"])).warnings, []);
  await still.closeStdin();
});

Deno.test("without its helper the daemon says so, and `pmz up` brings everything back", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  Deno.kill(await alice.helper(), "SIGKILL");
  await new Promise((resolve) => setTimeout(resolve, 500));
  const status = await alice.run(["status", "-o", "json"]);
  const { helper } = JSON.parse(status.stdout) as Partial<Status>;
  assert.notEqual(helper?.state, "connected");
  await alice.up();
  assert.ok(await podAnswers(alice));
});
