// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import type { Status } from "../../wire/control.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { Vpn } from "../e2e/lib/vpn.ts";

/** New connections have to work this soon after a change of the network, in milliseconds. */
const SOON = 2_000;
const URL = "http://echo.default.svc/";

/** Asks until a pod answers; how many milliseconds that took. */
async function away(person: Pmz, within = SOON): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const { code, stdout, stderr } = await person.laptop.run("alice", ["curl", "-sS", "-m15", URL]);
    const took = performance.now() - begun;
    if (code === 0 && /"pod":"echo-/.test(stdout)) {
      assert.ok(took < within, `a pod answered only ${took} ms later`);
      return took;
    }
    console.log(`${Math.round(took)} ms later: ${stderr.trim()}`);
    if (took > within) throw new Error(`no pod answers, ${Math.round(took)} ms later: ${stderr}`);
  }
}

const root = ({ laptop }: Stage["world"], line: string) => laptop.output("root", line.split(" "));
const rules = async (world: Stage["world"]) => (await root(world, "ip rule")).trim().split("\n").slice(1);
const status = (person: Pmz) => person.json<Status>(["status"]);

/** Waits until status says so. */
async function says(person: Pmz, pattern: RegExp, within = 5_000): Promise<void> {
  let said = "";
  const isSaid = async () => {
    const { stdout, stderr } = await person.run(["status"]);
    return pattern.test(said = stdout + stderr);
  };
  assert.ok(await pollUntil(isSaid, { timeoutMs: within, everyMs: 100 }), said);
}

Deno.test("a VPN that takes everything comes and goes while pmz is up, and what is captured stays so", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  await using vpn = await Vpn.between(world);
  await away(alice);
  for (let times = 1; times <= 2; times++) {
    await using monitor = world.laptop.spawn("root", ["ip", "-tshort", "monitor", "rule"]);
    await vpn.up("0.0.0.0/0");
    console.log(`answered ${Math.round(await away(alice))} ms after wg-quick up, ${times}`);
    await monitor.says(/suppress_prefixlength[^]*lookup 726900/);
    const added = [...monitor.said.matchAll(/^\[\S*T([\d:.]+)\] (\d+):.*lookup (\S+)/gm)]
      .map(([, at = "", priority, table]) => ({ at: msOf(at), priority: Number(priority), table }));
    const theirs = added.findLast(({ table }) => table === "main");
    const ours = added.find(({ at, priority, table }) =>
      table === "726900" && theirs !== undefined && at >= theirs.at && priority < theirs.priority
    );
    assert.ok(theirs && ours, monitor.said);
    console.log(`its rules were first for ${Math.round(ours.at - theirs.at)} ms`);
    assert.ok(ours.at - theirs.at < 100, `${ours.at - theirs.at} ms`);
    const [first, second] = await rules(world);
    assert.match(`${first}; ${second}`, /iif lo uidrange 1000-1000 lookup 726900; .*726900/);
    assert.match(
      (await rules(world)).join(),
      /suppress_prefixlength 0,.*not from all fwmark/,
      "in wg-quick's order",
    );
    assert.match(await alice.shell("curl -sS -m5 http://internet.test/"), /"pod":"internet"/);
    assert.deepEqual((await status(alice)).warnings, []);
    await vpn.down();
    console.log(`answered ${Math.round(await away(alice))} ms after wg-quick down, ${times}`);
    const isBack = async () => /^10:/.test((await rules(world))[0] ?? "");
    assert.ok(await pollUntil(isBack, { timeoutMs: 1_000 }), (await rules(world)).join());
  }
});

Deno.test("a VPN that leads to the API server comes and goes, and new connections work", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  await using vpn = await Vpn.between(world);
  await away(alice);
  for (let times = 1; times <= 2; times++) {
    await vpn.up("10.77.1.0/24");
    console.log(`answered ${Math.round(await away(alice))} ms after wg-quick up, ${times}`);
    assert.match(await root(world, "ip route get 10.77.1.1 uid 1000"), /dev wg0/);
    await new Promise((resolve) => setTimeout(resolve, 3_000)); // the tunnel goes by the VPN now
    await vpn.down();
    console.log(`answered ${Math.round(await away(alice))} ms after wg-quick down, ${times}`);
  }
});

Deno.test("a VPN that has a route to the cluster's range gets it while it's up, and status names its device", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await using vpn = await Vpn.between(stage.world);
  await vpn.up("10.96.0.0/12");
  await says(
    alice,
    /default\/echo at 10\.96\.[^\n]*: in 10\.96\.0\.0\/12, which this machine has a route to \(wg0\)/,
  );
  await away(alice); // by a virtual address
  await vpn.down();
  console.log(`answered ${Math.round(await away(alice))} ms after wg-quick down`);
});

Deno.test("a range that was accepted is the cluster's whatever a VPN has a route to, until it is taken back", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up("--accept-range", "10.96.0.0/16");
  await using vpn = await Vpn.between(stage.world);
  await vpn.up("10.96.0.0/12");
  assert.match(await root(stage.world, "ip -4 route show dev wg0"), /10\.96\.0\.0\/12/);
  await away(alice);
  assert.equal((await status(alice)).clusters[0]?.unreachable.count, 0);
  const takeBack = /10\.96\.0\.0\/16.*to take it back: pmz up --context one --forget-range 10\.96\.0\.0\/16/;
  assert.match((await alice.done(["status"])).stdout, takeBack);
  assert.match((await alice.run(["services"])).stderr, takeBack);
  await alice.up("--accept-range", "10.96.0.0/16"); // again: it is what it is
  const other = await alice.run(["up", "--accept-range", "10.0.0.0/8"]);
  assert.equal(other.code, 8);
  assert.match(
    other.stderr,
    /10\.0\.0\.0\/8 can't be accepted while pmz is up\n.*pmz down --context one, then pmz up --context one --accept-range/,
  );
  const wrong = await alice.run(["up", "--accept-range", "127.0.0.0/8"]);
  assert.deepEqual([wrong.code, /no cluster may have it \(loopback\)/.test(wrong.stderr)], [2, true]);

  await alice.done(["down"]);
  await alice.up();
  await away(alice);

  await alice.run(["up", "--forget-range", "10.96.0.0/16"]);
  const { stdout } = await alice.done(["status"]);
  assert.match(stdout, /default\/echo at 10\.96\.\S+ is 198\.19\..* a route to \(wg0\)/);
  assert.match(stdout, /pmz up --context one --accept-range 10\.96\.0\.0\/12/);
  await away(alice); // by a virtual address
  assert.equal((await alice.run(["up", "--forget-range", "10.96.0.0/16"])).code, 7);
  await vpn.down();
  await away(alice);
});

Deno.test("a Docker network with the Services' range takes its addresses, and gives them back when it goes", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  await root(world, "ip link add br-shop type bridge");
  try {
    await root(world, "ip address add 10.96.0.1/16 dev br-shop");
    await root(world, "ip link set br-shop up");
    await says(
      alice,
      /default\/echo at 10\.96\.[^\n]*: in 10\.96\.0\.0\/16, a network that this machine is in \(br-shop\)/,
    );
    await away(alice); // by a virtual address
    assert.match(
      await alice.shell("curl -sS -m5 http://peers-0.peers.default.svc:8080/"),
      /"pod":"peers-0"/,
      "pods stay",
    );
  } finally {
    await root(world, "ip link del br-shop");
  }
  console.log(`answered ${Math.round(await away(alice))} ms after the network has gone`);
  assert.deepEqual((await status(alice)).clusters[0]?.unreachable.count, 0);
});

Deno.test("another address of the laptop: new connections work, and new Services are seen", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const move = async (from: string, to: string) => {
    await root(world, `ip address del ${from}/16 dev eth0`);
    await root(world, `ip address add ${to}/16 dev eth0`);
    await root(world, "ip route add default via 10.77.255.254");
  };
  await away(alice);
  await move("10.77.0.1", "10.77.0.77");
  try {
    console.log(`answered ${Math.round(await away(alice))} ms after the change of the address`);
    await world.kubectl([
      "expose",
      "deployment",
      "echo",
      "--name",
      "fresh",
      "--port",
      "80",
      "--target-port",
      "8080",
    ]);
    const isSeen = async () =>
      (await alice.laptop.run("alice", ["curl", "-s", "-m1", "http://fresh.default.svc/"])).code === 0;
    const begun = performance.now();
    assert.ok(await pollUntil(isSeen, { timeoutMs: 5_000 }));
    console.log(`a new Service answered ${Math.round(performance.now() - begun)} ms later`);
  } finally {
    await world.kubectl(["delete", "service", "fresh", "--ignore-not-found"]);
    await move("10.77.0.77", "10.77.0.1");
    await root(world, "ss -aK src 10.77.0.77"); // ends of connections that no answer reaches any longer
  }
  console.log(`answered ${Math.round(await away(alice))} ms after the change back`);
});

Deno.test("a cable that is put in again: new connections work", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const alice = await stage.up();
  await away(alice);
  await laptop.cut();
  try {
    await new Promise((resolve) => setTimeout(resolve, 20_000));
  } finally {
    await laptop.restore();
  }
  console.log(`answered ${Math.round(await away(alice))} ms after the cable was put in`);
});

const firewalls = {
  "Tailscale's rule against spoofed addresses": {
    rule: "INPUT -s 10.96.0.0/16 ! -i tailscale0 -j DROP",
    named:
      /drops connections to 10\.96\.\S+: ip filter INPUT: iifname != "tailscale0" ip saddr 10\.96\.0\.0\/16 drop/,
  },
  "a VPN's kill switch": {
    rule: "OUTPUT ! -o wg0 ! -d 10.77.0.0/16 -m addrtype ! --dst-type LOCAL -j REJECT",
    named: /drops connections to 10\.96\.\S+: ip filter OUTPUT: .*fib daddr type != local.*reject/,
  },
};

for (const [name, { rule, named }] of Object.entries(firewalls)) {
  Deno.test(`status and doctor name the firewall's rule that drops captured connections: ${name}`, async () => {
    await using stage = await Stage.set();
    const { world } = stage;
    const alice = await stage.up();
    await says(alice, /addresses captured/);
    await root(world, `iptables -I ${rule}`);
    try {
      assert.notEqual((await alice.laptop.run("alice", ["curl", "-s", "-m1", URL])).code, 0);
      await says(alice, named, 45_000); // what was found last is believed for half a minute
      const { stdout } = await alice.run(["doctor", "capture"]);
      assert.match(stdout, named);
    } finally {
      await root(world, `iptables -D ${rule}`);
    }
    await away(alice);
    const isForgotten = async () => !named.test((await alice.run(["status"])).stderr);
    assert.ok(
      await pollUntil(isForgotten, { timeoutMs: 5_000, everyMs: 100 }),
      "status names a rule that is gone",
    );
  });
}

Deno.test("a helper that is killed: status says that nothing is captured, and how to mend it", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  Deno.kill(await alice.helper(), "SIGKILL");
  await says(alice, /root helper has ended, so nothing is captured[^]*pmz up/);
  await alice.up();
  await away(alice);
  assert.deepEqual((await status(alice)).warnings, []);
});

const damages = {
  "its device is deleted": ["ip link delete pmz0"],
  "its device is set down": ["ip link set pmz0 down"],
  "its addresses are flushed": ["ip address flush dev pmz0"],
  "its table is flushed": ["ip route flush table 726900"],
  "all rules are flushed": [
    "ip rule flush",
    "ip rule add lookup main pref 32766",
    "ip rule add lookup default pref 32767",
  ],
  "the firewall is loaded again": ["nft flush ruleset"],
};

Deno.test("what other programs do to pmz's own network is put right, told by status, and breaks no open connection", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  await away(alice);
  const download = `curl -sS --limit-rate 1M -o /dev/null -w '%{size_download}' '${URL}bytes?n=15000000'`;
  await using open = world.laptop.spawn("alice", ["sh", "-c", download]);
  const isOpen = async () => (await root(world, "ss -Htn state established src 198.18.255.254")) !== "";
  assert.ok(await pollUntil(isOpen));
  for (const [what, lines] of Object.entries(damages)) {
    for (const line of lines) await root(world, line);
    console.log(`${what}: answered ${Math.round(await away(alice))} ms later`);
  }
  const { stdout } = await alice.run(["status"]);
  for (const part of ["network device", "device's addresses", "routes", "routing rules"]) {
    assert.match(stdout, new RegExp(`another program changed its ${part}.*: put right`));
  }
  await open.status();
  assert.equal(open.said, "15000000");
  assert.deepEqual((await status(alice)).warnings, []);
});

Deno.test("where another program breaks it again and again, status warns with a remedy, and the next up mends it", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  await away(alice);
  const isContested = async () =>
    (await status(alice)).warnings.some(({ message }) => /again and again/.test(message));
  assert.ok(
    await pollUntil(async () => {
      await root(world, "ip route flush table 726900");
      return await isContested();
    }, { timeoutMs: 20_000, everyMs: 100 }),
  );
  const { stderr } = await alice.run(["status"]);
  assert.match(stderr, /changed pmz's routes .*again and again.*\n.*End the program .*pmz up/);
  assert.notEqual((await alice.laptop.run("alice", ["curl", "-s", "-m1", URL])).code, 0);
  await alice.up();
  await away(alice);
  assert.deepEqual((await status(alice)).warnings, []);
});

/** "12:34:56.789012" */
function msOf(time: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = time.split(":").map(Number);
  return ((hours * 60 + minutes) * 60 + seconds) * 1_000;
}
