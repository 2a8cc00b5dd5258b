import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Hop } from "../../wire/explain.ts";
import type { Flow } from "../../wire/flow.ts";
import type { ServiceEntry, Status } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { askByUdp } from "./lib/datagrams.ts";
import { answersOf, readAnswers } from "./lib/dns.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { World } from "./lib/world.ts";

const VIRTUAL = /^198\.19\.\d+\.\d+$/;

const addressOf = async (world: World, service: string) =>
  (await world.kubectl(["get", "service", service, "-o", "jsonpath={.spec.clusterIP}"])).trim();

/** The pods of the Deployment `echo`. */
const podsOf = async (world: World) =>
  (await world.kubectl(["get", "pods", "-l", "app=echo", "-o", "jsonpath={.items[*].metadata.name}"]))
    .trim().split(" ");

async function get(person: Pmz, url: string): Promise<string> {
  const said = await person.shell(`curl -sS -m 10 ${url}`);
  return (JSON.parse(said) as { pod: string }).pod;
}

async function entryOf(person: Pmz, context: string, service: string): Promise<ServiceEntry> {
  const { items } = await person.json<{ items: ServiceEntry[] }>(["services", "--context", context, "-A"]);
  const found = items.find(({ name, namespace }) => namespace === "default" && name === service);
  assert.ok(found, `${service} of ${context}`);
  return found;
}

const service = (name: string, spec: object) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { name, namespace: "default" },
  spec: { selector: { app: "echo" }, ports: [{ name: "http", port: 80, targetPort: 8080 }], ...spec },
});
/** Services that the second cluster alone has: the first has something else at that address. */
const there = (address: string) => ({
  apiVersion: "v1",
  kind: "List",
  items: [
    service("only-two", { clusterIP: address }),
    service("heads-two", { clusterIP: "None", ports: [{ name: "http", port: 8080 }] }),
  ],
});

Deno.test("two clusters with the same ranges are reached at once, each by its own names", async (t) => {
  await using stage = await Stage.set();
  const { world: one } = stage;
  await using two = await World.up({ name: "two" });
  const before = await one.laptop.snapshot();
  // Both have the address: that of a Service of the first one.
  const shared = await addressOf(one, "echo");
  await using taken = new AsyncDisposableStack();
  await two.apply(there(shared));
  taken.defer(async () => void await two.kubectl(["delete", "service", "only-two", "heads-two"]));
  const alice = await stage.up("--context", "one");
  await alice.up("--context", "two");
  const pods = { one: await podsOf(one), two: await podsOf(two) };

  await t.step(
    "a name with the context means that cluster, and the first one's names stay its own",
    async () => {
      const at = async (name: string) => (await alice.shell(`getent ahostsv4 ${name}`)).split(" ")[0] ?? "";
      assert.equal(await at("echo.default.svc"), shared);
      assert.equal(await at("echo.default.svc.one"), shared);
      assert.ok(pods.one.includes(await get(alice, "http://echo.default.svc/")));
      assert.ok(pods.one.includes(await get(alice, "http://echo.default.svc.one/")));
      assert.ok(pods.two.includes(await get(alice, "http://echo.default.svc.two/")));
      assert.ok(pods.two.includes(await get(alice, `http://${await at("echo.default.svc.two")}/`)));
    },
  );

  await t.step("an address that both have leads to each by its own name, a short one too", async () => {
    for (const name of ["only-two", "only-two.default.svc", "only-two.default.svc.cluster.local"]) {
      assert.ok(pods.two.includes(await get(alice, `http://${name}/`)), name);
    }
    assert.ok(
      pods.one.includes(await get(alice, `http://${shared}/`)),
      "the address alone is the first one's",
    );
    const entry = await entryOf(alice, "two", "only-two");
    assert.match(entry.addresses.join(), VIRTUAL);
    assert.deepEqual(entry.virtual?.map(({ address, virtual, why }) => [address, virtual, why]), [
      [shared, entry.addresses[0], "the cluster one has the same address, and was connected before"],
    ]);
    assert.equal(entry.unreachable, undefined);
    assert.ok(pods.two.includes(await get(alice, `http://${entry.addresses[0]}/`)));
  });

  await t.step("by UDP each answers from the address that was asked", async () => {
    const answers = await askByUdp(alice, "connected", "echo.default.svc.two", "9001", "a", "b");
    const [entry] = (await entryOf(alice, "two", "echo")).addresses;
    assert.deepEqual(answers.map(([from]) => from), [`${entry}:9001`, `${entry}:9001`]);
    for (const [, said] of answers) assert.ok(pods.two.some((pod) => String(said).startsWith(`${pod}: `)));
    const [first] = await askByUdp(alice, "unconnected", "echo.default.svc", "9001", "a");
    assert.equal(first?.[0], `${shared}:9001`);
    const [refused] = await askByUdp(alice, "connected", "echo.default.svc.two", "9999", "?");
    assert.deepEqual(refused, ["", "ECONNREFUSED"]);
  });

  await t.step("endpoints of a headless Service, SRV and PTR agree", async () => {
    assert.ok(pods.two.includes(await get(alice, "http://heads-two.default.svc:8080/")));
    const ask = async (question: string) =>
      readAnswers(await answersOf(alice.laptop, "alice", [question])).get(question) ?? "";
    const [virtual = ""] = (await entryOf(alice, "two", "only-two")).addresses;
    const back = `${virtual.split(".").reverse().join(".")}.in-addr.arpa/PTR`;
    assert.match(await ask(back), /only-two\.default\.svc\.two/);
    const service = await ask("_http._tcp.heads-two.default.svc/SRV");
    const [target = ""] = /\S+\.heads-two\.default\.svc\.two/.exec(service) ?? [];
    assert.match(target, /^\d+-\d+-\d+-\d+\./, service);
    assert.match(target.replaceAll("-", "."), /^10\.244\./, "an endpoint is called by its own address");
    assert.ok(pods.two.includes(await get(alice, `http://${target}:8080/`)));
  });

  await t.step("status, services, flows and explain say what a virtual address stands for", async () => {
    const { stdout } = await alice.done(["status"]);
    assert.match(
      stdout,
      /^ +virtual +default\/\S+ at \S+ is 198\.19\.\d+\.\d+ here.*the cluster one has the same/m,
    );
    assert.match(
      (await alice.done(["services", "--context", "two"])).stdout,
      /only-two\.default\.svc +198\.19\.\S+ \(/,
    );
    const explained = async (host: string) => {
      const { hops, works } = await alice.json<{ works: boolean; hops: Hop[] }>(["explain", `${host}:80`]);
      assert.ok(works, JSON.stringify(hops));
      return hops.map(({ saw }) => saw).join("\n");
    };
    assert.match(
      await explained("only-two"),
      new RegExp(`${shared} of two is reached by the virtual address 198`),
    );
    const [meant = ""] = (await entryOf(alice, "two", "only-two")).addresses;
    assert.match(
      await explained(meant),
      new RegExp(`${meant} is the virtual address of ${shared}; .* of cluster two`),
    );
    assert.match(await explained(shared), /of cluster one/);
    const failing = `http://only-two.default.svc:81/`;
    assert.notEqual((await alice.laptop.run("alice", ["curl", "-s", "-m", "5", failing])).code, 0);
    let flow: Flow | undefined;
    await until("the failure is told", async () => {
      const { items } = await alice.json<{ items: Flow[] }>(["flows", "--failed"]);
      flow = items.find(({ name }) => name === "only-two.default.svc:81");
      return flow !== undefined;
    });
    assert.deepEqual([flow?.cluster, flow?.to, flow?.virtual], ["two", `${shared}:81`, `${meant}:81`]);
    assert.match(
      (await alice.done(["flows", "--failed"])).stdout,
      /only-two\.default\.svc:81 \(\S+ of two, as 198\.19/,
    );
  });

  await t.step("dns add and --mine work with a Service that is reached by a virtual address", async () => {
    await using _program = await answer(one.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
    await alice.done(["dns", "add", "www.two.example", "only-two", "--context", "two"]);
    assert.ok(pods.two.includes(await get(alice, "http://www.two.example/")));
    await alice.done(["intercept", "only-two", "8081:http", "--mine", "--context", "two"]);
    assert.equal(await get(alice, "http://only-two/"), "alices-laptop");
    assert.equal(await get(alice, "http://www.two.example/"), "alices-laptop");
    assert.ok(pods.one.includes(await get(alice, `http://${shared}/`)), "the first cluster's stays");
    await alice.done(["leave", "only-two"]);
    assert.ok(pods.two.includes(await get(alice, "http://only-two/")));
    await alice.done(["dns", "remove", "www.two.example"]);
  });

  await t.step(
    "where the machine comes to have a route to the virtual range, they come from another one",
    async () => {
      const root = (line: string) => one.laptop.output("root", ["bash", "-c", line]);
      const isFrom = (range: RegExp) => async () =>
        range.test((await entryOf(alice, "two", "only-two")).addresses.join());
      await root("ip link add tun9 type bridge; ip link set tun9 up; ip route add 198.18.0.0/15 dev tun9");
      try {
        await until("they have moved", isFrom(/^100\.126\./), 10_000);
        assert.ok(pods.two.includes(await get(alice, "http://only-two.default.svc/")));
        const [answer] = await askByUdp(alice, "connected", "echo.default.svc.two", "9001", "a");
        assert.ok(pods.two.some((pod) => String(answer?.[1]).startsWith(`${pod}: `)));
      } finally {
        await root("ip link del tun9");
      }
      assert.ok(await isFrom(/^100\.126\./)(), "they stay there");
      assert.ok(pods.two.includes(await get(alice, "http://only-two.default.svc/")));
    },
  );

  await t.step(
    "when the first cluster goes, the second one's names lead to its own addresses, and open connections stay",
    async () => {
      const [virtual = ""] = (await entryOf(alice, "two", "only-two")).addresses;
      // One connection for two requests, the second one after the first cluster has gone.
      await using kept = alice.laptop.spawn("alice", ["python3", "-c", KEPT, virtual]);
      await kept.says(/"pod"/);
      await alice.done(["down", "--context", "one"]);
      await until(
        "the name leads there",
        async () => (await entryOf(alice, "two", "only-two")).addresses.includes(shared),
      );
      assert.ok(pods.two.includes(await get(alice, `http://${shared}/`)));
      await kept.write("\n");
      await kept.says(/second "/);
      await alice.up("--context", "one");
      assert.ok(pods.one.includes(await get(alice, "http://echo.default.svc.one/")));
      const { clusters } = await alice.json<Status>(["status"]);
      assert.ok((clusters.find(({ cluster }) => cluster.context === "one")?.virtual?.count ?? 0) > 0);
    },
  );

  await alice.done(["down"]);
  await one.laptop.settles(before, 10_000);
});

/** Two requests by one connection, the second one when a line is typed. */
const KEPT = `
import http.client, sys
to = http.client.HTTPConnection(sys.argv[1], 80, timeout=10)
to.request("GET", "/")
print("first", to.getresponse().read().decode(), flush=True)
sys.stdin.readline()
to.auto_open = False
to.request("GET", "/")
print("second", '"' + to.getresponse().read().decode(), flush=True)
`;
