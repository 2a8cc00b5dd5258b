// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import type { NameEntry, ServiceEntry, Status } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { container } from "./lib/container.ts";
import { dialBulk, dialMany, dialMix, dialOnce, lookUpMany } from "./lib/dial.ts";
import { answersOf, answersOfSetuid } from "./lib/dns.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const MIB = 1 << 20;
const REFUSED = 111; // ECONNREFUSED of Linux
const to = { host: "echo.default.svc", port: 9000 };

/** Who answered, and what was asked for. */
type Seen = Record<"pod" | "namespace" | "host" | "path", string>;

async function curl(person: Pmz, ...urls: string[]): Promise<Seen[]> {
  const said = await person.shell(urls.map((url) => `curl -sS -m 5 '${url}'`).join("\n"));
  return said.trim().split("\n").map((line) => JSON.parse(line) as Seen);
}

/** The exit status of curl: 6 is no such name, 7 no connection, 28 a timeout. */
async function curlFails(person: Pmz, url: string): Promise<{ code: number; seconds: number }> {
  const { code, stdout } = await person.laptop.run(person.person, [
    "curl",
    "-s",
    "-m2",
    "-o/dev/null",
    "-w%{time_total}",
    url,
  ]);
  return { code, seconds: Number(stdout) };
}

async function clusterIp({ world }: Stage): Promise<string> {
  return await world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
}

Deno.test("plain curl reaches Services and pods by every form of their names", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const seen = await curl(
    alice,
    "http://echo/short",
    "http://echo.default/",
    "http://echo.default.svc/long?x=1",
    "http://echo.default.svc.cluster.local/",
    "http://echo.other.svc/",
    "http://echo.other/",
    "http://peers:8080/",
    "http://peers-0.peers.default.svc:8080/",
    "http://peers-1.peers.default.svc.cluster.local:8080/",
    `http://${await clusterIp(stage)}/`,
  );
  for (const { pod } of seen.slice(0, 4)) assert.match(pod, /^echo-/);
  assert.deepEqual([seen[0]?.path, seen[0]?.host], ["/short", "echo"]);
  assert.deepEqual(seen.slice(4, 6).map(({ namespace }) => namespace), ["other", "other"]);
  assert.match(seen[6]?.pod ?? "", /^peers-[01]$/);
  assert.deepEqual(seen.slice(7, 9).map(({ pod }) => pod), ["peers-0", "peers-1"]);
  assert.match(seen[9]?.pod ?? "", /^echo-/);
});

Deno.test("a port that nobody serves is refused at once, and so is a Service without pods", async () => {
  await using stage = await Stage.set();
  const lonely = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "lonely", namespace: "default" },
    spec: { selector: { app: "nobody" }, ports: [{ port: 80 }] },
  };
  await stage.world.apply(lonely);
  try {
    const alice = await stage.up();
    // Which ports a pod listens on nobody knows: there the connection is made, and reset.
    for (
      const [url, how] of [["http://echo:81/", 7], ["http://lonely/", 7], [
        "http://peers-0.peers.default.svc:81/",
        56,
      ]] as const
    ) {
      const { code, seconds } = await curlFails(alice, url);
      console.log(`${url}: refused after ${seconds * 1000} ms`);
      assert.equal(code, how, url);
      assert.ok(seconds < 0.05, `${url} took ${seconds} s`);
    }
    assert.equal((await curlFails(alice, "http://nothing.default.svc/")).code, 6);
  } finally {
    await stage.world.kubectl(["delete", "service", "lonely"]);
  }
});

Deno.test("a Service whose address isn't captured is reached by a virtual one, and status says which and why", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const address = "10.96.250.7";
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "taken", namespace: "default" },
    spec: { clusterIP: address, selector: { app: "echo" }, ports: [{ port: 80, targetPort: 8080 }] },
  };
  const device = (await world.laptop.output("root", ["ip", "route", "show", "default"])).split(" ")[4] ?? "";
  // A gateway of the laptop's own, which the helper never captures.
  const route = ["route", "add", "192.0.2.0/24", "via", address, "dev", device, "onlink"];
  await world.laptop.output("root", ["ip", ...route]);
  await world.apply(service);
  try {
    await stage.alice.up();
    const reached = async () => (await curl(stage.alice, "http://taken.default.svc/"))[0]?.pod ?? "";
    assert.match(await reached(), /^echo-/);
    const seen = async () => (await stage.alice.json<Status>(["status"])).clusters[0];
    const { virtual, unreachable } = await seen() ?? {};
    assert.equal(virtual?.count, 1);
    assert.partialDeepStrictEqual(virtual?.first, [
      { service: "default/taken", address, why: "a gateway of this machine" },
    ]);
    assert.deepEqual(unreachable, { count: 0, first: [] });
    await world.laptop.output("root", ["ip", "route", "del", "192.0.2.0/24"]);
    await pollUntil(async () => (await seen())?.virtual === undefined, { timeoutMs: 20_000, everyMs: 500 });
    assert.equal((await seen())?.virtual, undefined, "it is asked for again");
    assert.match(await reached(), /^echo-/);
  } finally {
    await world.kubectl(["delete", "service", "taken"]);
    await world.laptop.run("root", ["ip", "route", "del", "192.0.2.0/24"]);
  }
});

Deno.test("the internet and its names are what they were", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const questions = [
    "internet.test/A",
    "internet.test/AAAA",
    "internet.test/MX",
    "www.internet.test/A",
    "nothing.test/A",
    "nothing.test/SOA",
    "nothing/A",
  ];
  const before = await answersOf(world.laptop, "alice", questions);
  assert.match(before, /^internet\.test\/A 10\.77\.255\.254 \w+0a4dfffe/);
  await stage.up();
  assert.equal((await curl(alice, "http://internet.test/"))[0]?.pod, "internet");
  assert.equal(await answersOf(world.laptop, "alice", questions), before);
  assert.equal(await answersOf(world.laptop, "bob", questions), before);
  const name = ["echo.default.svc/A"];
  assert.notEqual(
    await answersOf(world.laptop, "alice", name),
    await answersOf(world.laptop, "bob", name),
    "alice alone is answered",
  );
});

Deno.test("other people of the laptop see no name and no way", async () => {
  await using stage = await Stage.set();
  const ip = await clusterIp(stage);
  await stage.up();
  const { laptop } = stage.world;
  for (const person of ["bob", "root"] as const) {
    const get = (...args: string[]) => laptop.run(person, ["curl", "-sS", "-m2", ...args]);
    assert.equal((await get("http://echo.default.svc/")).code, 6, person);
    assert.notEqual((await get(`http://${ip}/`)).code, 0, person);
    assert.notEqual((await get("--interface", "198.18.255.254", `http://${ip}/`)).code, 0, person);
    const uid = person === "bob" ? "1001" : "0";
    assert.match(await laptop.output("root", ["ip", "route", "get", ip, "uid", uid]), /via 10\.77\.255\.254/);
  }
  assert.match(await laptop.output("root", ["ip", "route", "get", ip, "uid", "1000"]), /dev pmz0|local/);
});

Deno.test("a setuid program is answered by its nameserver, at once, and never by the daemon", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const { laptop } = stage.world;
  const questions = ["internet.test/A", "echo.default.svc/A", "echo.default.svc.cluster.local/A"];
  const asRoot = await answersOf(laptop, "root", questions);
  const begun = performance.now();
  assert.equal(await answersOfSetuid(laptop, 1000, questions), asRoot);
  assert.ok(performance.now() - begun < 2_000, "none is waited for");
  assert.notEqual(
    await answersOf(laptop, alice.person, questions),
    asRoot,
    "alice's own are answered by the daemon",
  );
});

Deno.test("two people of one laptop are inside side by side, and leave without each other", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await stage.bob.up();
  for (const person of [alice, stage.bob]) {
    assert.match((await curl(person, "http://echo.default.svc/"))[0]?.pod ?? "", /^echo-/);
  }
  await alice.done(["down"]);
  assert.equal((await curlFails(alice, "http://echo.default.svc/")).code, 6);
  assert.match((await curl(stage.bob, "http://echo.default.svc/"))[0]?.pod ?? "", /^echo-/);
});

Deno.test("an IPv4 address dialled as IPv6, as Java and .NET do, is reached and refused alike", async () => {
  await using stage = await Stage.set();
  const host = await clusterIp(stage);
  const alice = await stage.up();
  const { answered, failed } = await dialMany(alice, { host, port: 9000, mapped: true }, 1);
  assert.deepEqual({ answered, failed }, { answered: 1, failed: [] });
  const refused = await dialOnce(alice, { host, port: 81, mapped: true });
  assert.equal(refused.errno, REFUSED);
});

Deno.test("clients that close first leave no socket behind, and nothing with pmz's source leaves on the LAN", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const alice = await stage.up();
  const root = (...command: string[]) => laptop.output("root", command);
  const device = (await root("ip", "route", "show", "default")).split(" ")[4] ?? "";
  const chain = `
    type filter hook postrouting priority 0
    oifname "${device}" ip saddr 198.18.255.0/24 counter
  `;
  await root("nft", `table ip lan {\n chain out {${chain}}\n}`);
  try {
    await curl(alice, ...Array<string>(10).fill("http://echo.default.svc/"));
    for (const url of ["http://echo:81/", "http://peers-0.peers.default.svc:81/"]) {
      assert.notEqual((await curlFails(alice, url)).code, 0);
    }
    const waiting = () => root("ss", "-Htan", "state", "last-ack");
    assert.ok(await pollUntil(async () => await waiting() === "", { timeoutMs: 5_000 }), await waiting());
    await alice.done(["down"]);
    assert.match(await root("nft", "list", "table", "ip", "lan"), /counter packets 0 /);
  } finally {
    await root("nft", "delete", "table", "ip", "lan");
  }
});

Deno.test("programs see the address that they dialled as the other side's", async () => {
  await using stage = await Stage.set();
  const host = await clusterIp(stage);
  const { peer } = await dialOnce(await stage.up(), { host: "echo.default.svc", port: 80 });
  assert.deepEqual(peer, [host, 80]);
});

Deno.test("100 MiB come back through a captured connection as they were sent", async () => {
  await using stage = await Stage.set();
  const { first, bytes, same, ms } = await dialBulk(await stage.up(), to, 100 * MIB);
  console.log(`100 MiB there and back in ${Math.round(ms)} ms`);
  assert.match(first, /^echo-/);
  assert.equal(bytes, 100 * MIB);
  assert.ok(same, "another checksum");
});

Deno.test("connections of all sizes side by side come back as they were sent", async () => {
  await using stage = await Stage.set();
  const { connections, bytes, bad } = await dialMix(await stage.up(), to, 8, 20);
  console.log(`${connections} connections, ${Math.round(bytes / MIB)} MiB each way`);
  assert.deepEqual(bad, []);
});

Deno.test("500 captured connections are open at once, each with the server's word first", async () => {
  await using stage = await Stage.set();
  const { answered, firsts, failed, ms } = await dialMany(await stage.up(), to, 500);
  console.log(`500 connections in ${Math.round(ms)} ms`);
  assert.deepEqual({ answered, failed }, { answered: 500, failed: [] });
  assert.equal(Object.keys(firsts).length, 2, "both pods");
});

Deno.test("of thousands of lookups each is answered, and none is waited for", async () => {
  await using stage = await Stage.set();
  const { addresses, slowest, ms } = await lookUpMany(await stage.up(), "echo.default.svc", 5_000);
  console.log(`5000 lookups in ${Math.round(ms)} ms, the slowest in ${Math.round(slowest)} ms`);
  assert.deepEqual(addresses, [await clusterIp(stage)]);
  assert.ok(slowest < 2_000, `${slowest} ms`); // a resolver asks again after 5 s
});

Deno.test("domains of one's own lead to Services, in our words and in the original's", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const ip = await clusterIp(stage);
  await alice.done(["dns", "add", "www.shop.example", "echo"]);
  await alice.done(["dns", "add", "*.shop.example", "echo.other"]);
  await alice.done(["dns", "add", "--domain", "www.dns.com", "--service", "echo", "--namespace", "default"]);
  await alice.done(["dns", "add", "www.shop.example", "echo"]); // the same again
  const urls = ["http://www.shop.example/a", "http://any.shop.example/", "http://www.dns.com/"];
  const seen = await curl(alice, ...urls);
  assert.deepEqual(seen.map(({ namespace }) => namespace), ["default", "other", "default"]);
  assert.equal(seen[0]?.host, "www.shop.example");
  const { stdout } = await alice.done(["dns", "list"]);
  assert.match(stdout, new RegExp(`^echo\\.default\\.svc +${ip}$`, "m"));
  assert.match(stdout, new RegExp(`^www\\.dns\\.com +${ip} .*echo\\.default`, "m"));
  const { items } = await alice.json<{ kind: string; items: NameEntry[] }>(["dns", "list"]);
  assert.deepEqual(items.filter(({ custom }) => custom).map(({ name }) => name).sort(), [
    "*.shop.example",
    "www.dns.com",
    "www.shop.example",
  ]);
  await alice.done(["dns", "remove", "www.shop.example"]);
  await alice.done(["dns", "remove", "*.shop.example"]);
  await alice.done(["dns", "remove", "--domain", "www.dns.com"]);
  await alice.done(["dns", "remove", "--domain", "www.dns.com"]); // not there any more
  await new Promise((resolve) => setTimeout(resolve, 1_000)); // names live for a second
  for (const url of urls) assert.equal((await curlFails(alice, url)).code, 6, url);
  assert.doesNotMatch((await alice.done(["dns", "list"])).stdout, /shop\.example|dns\.com/);
});

Deno.test("a published port 80, and a server on all addresses, get nothing of what is the cluster's", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const ip = await clusterIp(stage);
  await using _container = await container(laptop, 80);
  await using _wildcard = await answer(laptop, "alice", { as: "wildcard", http: 8081, tcp: 9000 });
  const own = "http://10.77.0.1/"; // the laptop itself
  assert.equal((await curl(stage.alice, own))[0]?.pod, "container");
  const alice = await stage.up();
  const rules = await laptop.output("root", ["nft", "list", "ruleset"]);
  const seen = await curl(alice, "http://echo.default.svc/", `http://${ip}/`, `http://${ip}:8081/`);
  for (const { pod } of seen) assert.match(pod, /^echo-/);
  assert.equal((await curl(alice, own))[0]?.pod, "container");
  assert.equal((await curl(stage.bob, own))[0]?.pod, "container");
  assert.equal(await laptop.output("root", ["nft", "list", "ruleset"]), rules);
});

Deno.test("what is there is listed: status, Services and their ports", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const status = await alice.json<Status & { kind: string; up: boolean }>(["status"]);
  assert.deepEqual([status.kind, status.up], ["Status", true]);
  assert.equal(status.helper.state, "connected");
  const [cluster] = status.clusters;
  assert.deepEqual([cluster?.mode, cluster?.tunnel.state, cluster?.limits], ["capture", "connected", []]);
  const { items } = await alice.json<{ kind: string; items: ServiceEntry[] }>(["services", "-A"]);
  const echo = items.find(({ name, namespace }) => name === "echo" && namespace === "default");
  assert.deepEqual(echo?.ports.map(({ port }) => port), [80, 8081, 9000, 9001]);
  assert.deepEqual([echo?.readyEndpoints, echo?.addresses], [2, [await clusterIp(stage)]]);
  assert.match((await alice.done(["up"])).stdout, /^up already: /m);
});

Deno.test("`pmz down` leaves the laptop as it was before `pmz up`", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const before = await laptop.snapshot();
  const alice = await stage.up();
  await curl(alice, "http://echo.default.svc/");
  const seen = before.diff(await laptop.snapshot());
  for (
    const line of ["rules: .*uidrange 1000-1000", "routes: local 10\\.96\\.", "links: pmz0", "bpf links: "]
  ) {
    assert.match(seen, new RegExp(`^\\+ ${line}`, "m"));
  }
  assert.equal((await alice.done(["down"])).stdout, "down\nleft: nothing\n");
  await laptop.settles(before, 2_000);
  assert.equal((await alice.done(["down"])).stdout, "was not up\nleft: nothing\n");
});
