import { until } from "../../../async/testing/until.ts";
import assert from "node:assert/strict";
import { daemonOf, grantFor, greet, OTHER, USER } from "./connected.ts";
import { Room, whyNot } from "./room.ts";

const why = whyNot();
const ignore = why !== undefined;
const reason = why === undefined ? "" : ` (skipped: ${why})`;

interface Started {
  readonly ready: boolean;
  readonly pid: number;
  readonly socket: string;
  readonly address: string;
  readonly error?: string;
}

/** What `sudo pmz up` does: starts, says one line, ends. */
async function start(room: Room, ...grant: string[]): Promise<Started> {
  const starter = room.start(0, "start_helper.ts", room.cgroup, ...grant);
  const line = await starter.line() as unknown as Started;
  const { success } = await starter.ended;
  assert.equal(success, true);
  return line;
}

/** One that has ended may wait for its parent to take note. */
function lives(pid: number): boolean {
  try {
    return !/\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`));
  } catch {
    return false;
  }
}

async function ends(pid: number, within: number): Promise<void> {
  await until(`process ${pid} has ended`, () => !lives(pid), within);
}

Deno.test({
  name: `the helper runs by itself: own session, no environment, no other process looks into it${reason}`,
  ignore,
}, async () => {
  await using room = await Room.open();
  const { ready, pid, socket, address } = await start(room, ...grantFor(USER));
  assert.deepEqual([ready, socket, address], [true, `/run/pmz/${USER}/helper.sock`, "198.18.255.254"]);
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  assert.equal(Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[3]), pid, "it leads its session");
  assert.deepEqual(await environment(pid), []);
  const user = room.start(USER, "fake_daemon.ts");
  await user.line();
  assert.equal(await room.says("stat", "-c", "%a %u", "/run/pmz"), "755 0\n");
  assert.equal(await room.says("stat", "-c", "%a %u", `/run/pmz/${USER}`), "711 0\n");
  assert.equal(await room.says("stat", "-c", "%a %u", socket), `600 ${USER}\n`);
  assert.equal(await room.says("stat", "-c", "%a %u", `/run/pmz/${USER}/helper.log`), "600 0\n");
  const limits = await Deno.readTextFile(`/proc/${pid}/limits`);
  assert.match(limits, /Max core file size\s+0\s+0/);
});

Deno.test(
  { name: `two starts at once end with one helper, and both say where it is${reason}`, ignore },
  async () => {
    await using room = await Room.open();
    const both = await Promise.all([start(room, ...grantFor(USER)), start(room, ...grantFor(USER))]);
    assert.deepEqual(both.map(({ ready }) => ready), [true, true], JSON.stringify(both));
    const running = both.filter(({ pid }) => lives(pid));
    assert.equal(new Set(running.map(({ pid }) => pid)).size, 1);
  },
);

Deno.test({
  name: `starting again replaces a helper without a daemon, and leaves one that has a daemon${reason}`,
  ignore,
}, async () => {
  await using room = await Room.open();
  const first = await start(room, ...grantFor(USER));
  const second = await start(room, ...grantFor(USER));
  assert.notEqual(second.pid, first.pid);
  assert.equal(lives(first.pid), false);
  const daemon = await daemonOf(room, USER);
  await greet(daemon);
  const third = await start(room, ...grantFor(USER));
  assert.deepEqual(third, second);
  const request = { ask: "release", addresses: [] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true });
  const wider = await start(room, ...grantFor(USER, { ranges: ["203.0.113.0/24"] }));
  assert.notEqual(wider.pid, second.pid, "what was granted is fixed: another grant is another helper");
  assert.equal(lives(second.pid), false);
  assert.equal((await room.says("ip", "rule")).match(/uidrange 20001-20001/g)?.length, 1);
});

Deno.test({ name: `a start that is killed at any moment leaves no helper${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const processes = async () =>
    (await Deno.readTextFile(`${room.cgroup}/cgroup.procs`)).trim().split("\n").length;
  const before = await room.snapshot();
  let late = 0;
  for (let ms = 0;; ms += 100) {
    const starter = room.start(0, "start_helper.ts", room.cgroup, ...grantFor(USER));
    const ended = starter.ended.then(() => true);
    if (await Promise.race([ended, new Promise<false>((resolve) => setTimeout(() => resolve(false), ms))])) {
      break;
    }
    await starter.kill("SIGKILL");
    const begun = performance.now();
    // One that is killed when the helper was ready just then leaves it without a daemon, and so it ends by itself.
    await until(`all have ended, after ${ms} ms`, async () => await processes() === 1, 20_000);
    if (performance.now() - begun > 5_000) late++;
    assert.deepEqual(await room.snapshot(), before);
  }
  assert.ok(late <= 1, `${late} helpers waited for a daemon`);
});

Deno.test({ name: `with a full /run the helper works, and leaves nothing${reason}`, ignore }, async () => {
  await using room = await Room.open();
  await room.says("sh", "-c", "mkdir -m 755 /run/pmz; mount -t tmpfs -o size=64k,mode=755 none /run/pmz");
  await room.says("sh", "-c", "dd if=/dev/zero of=/run/pmz/fill bs=1k count=100");
  const before = await room.snapshot();
  const { ready, pid, error } = await start(room, ...grantFor(USER));
  assert.ok(ready, error ?? "");
  const daemon = await daemonOf(room, USER);
  await greet(daemon);
  const request = { ask: "capture", add: [{ address: "10.96.0.10", ports: "any" }] };
  assert.deepEqual(await daemon.do({ do: "ask", request }), { ok: true, refused: [] });
  await daemon.kill("SIGKILL");
  await ends(pid, 3_000);
  assert.deepEqual(await room.snapshot(), before);
});

Deno.test({ name: `a helper that hangs is replaced${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const first = await start(room, ...grantFor(USER));
  Deno.kill(first.pid, "SIGSTOP");
  const second = await start(room, ...grantFor(USER));
  assert.equal(second.ready, true, String(second.error));
  assert.equal(lives(first.pid), false);
});

Deno.test({ name: `a helper that no daemon comes to ends after 15 s${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const before = await room.snapshot();
  const { pid } = await start(room, ...grantFor(USER));
  await new Promise((resolve) => setTimeout(resolve, 14_000));
  assert.equal(lives(pid), true);
  await ends(pid, 3_000);
  assert.deepEqual(await room.snapshot(), before);
});

Deno.test({ name: `folders that others made, or links, are refused${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const hostile = [
    `mkdir -p /run/pmz && mkdir /run/pmz/${USER} && chown ${OTHER} /run/pmz/${USER}`,
    `mkdir -p /run/pmz && mkdir -m 777 /run/pmz/${USER}`,
    `mkdir -p /run/pmz /run/else && ln -s /run/else /run/pmz/${USER}`,
    `mkdir /run/else && ln -s /run/else /run/pmz`,
  ];
  for (const script of hostile) {
    await room.says("sh", "-c", `rm -rf /run/pmz /run/else; ${script}`);
    const { ready, error } = await start(room, ...grantFor(USER));
    assert.equal(ready, false, script);
    assert.match(error ?? "", /has to be a folder that belongs to root/);
  }
});

Deno.test({ name: `without what it needs it says so, and leaves nothing${reason}`, ignore }, async () => {
  await using room = await Room.open();
  const before = await room.snapshot();
  await room.says("mount", "--bind", "/dev/null", "/usr/bin/ss");
  const withoutSs = await start(room, ...grantFor(USER));
  assert.match(withoutSs.error ?? "", /ss is in none of .*: install iproute2/);
  await room.says("umount", "/usr/bin/ss");
  const elsewhere = room.start(0, "start_helper.ts", "/sys/fs/cgroup", ...grantFor(USER));
  assert.match(String((await elsewhere.line()).error), /attach to a cgroup/);
  assert.deepEqual(await room.snapshot(), before);
});

async function environment(pid: number): Promise<string[]> {
  return (await Deno.readTextFile(`/proc/${pid}/environ`)).split("\0").filter(Boolean);
}

Deno.test({
  name: `a VPN that takes everything by two halves leaves pmz an address${reason}`,
  ignore,
}, async () => {
  await using room = await Room.open();
  for (const half of ["0.0.0.0/1", "128.0.0.0/1"]) { // OpenVPN's redirect-gateway def1
    await room.says("ip", "route", "add", half, "via", "10.50.0.254");
  }
  const { ready, error, address } = await start(room, ...grantFor(USER));
  assert.deepEqual([ready, error, address], [true, undefined, "198.18.255.254"]);
});

Deno.test({
  name: `a helper that begins leaves no state of the one before to be believed${reason}`,
  ignore,
}, async () => {
  await using room = await Room.open();
  const first = room.start(0, "run_helper.ts", room.cgroup, ...grantFor(USER));
  await first.line();
  await first.kill("SIGKILL");
  const second = room.start(0, "run_helper.ts", "/nonexistent", ...grantFor(USER));
  assert.equal((await second.line()).ready, false);
  assert.equal(await room.says("find", `/run/pmz/${USER}`, "-name", "helper.json"), "");
});
