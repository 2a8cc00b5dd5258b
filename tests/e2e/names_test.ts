// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { until } from "../../async/testing/until.ts";
import type { ServiceEntry, Status } from "../../wire/control.ts";
import { answersInCluster, answersOf, readAnswers } from "./lib/dns.ts";
import { nameObjects, OUTSIDE } from "./lib/name_objects.ts";
import { nameserver, resolvConf } from "./lib/nameservers.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import type { World } from "./lib/world.ts";

const KINDS = ["A", "AAAA", "SRV", "PTR", "CNAME", "MX", "ANY", "TXT", "HTTPS"];
const DOMAIN = "cluster.local";
/** The search list of a pod of the namespace default, and the name as it is. */
const SEARCH = ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", ""];

/** Applies objects, and deletes them at the end. */
async function applied(world: World, objects: readonly object[]): Promise<AsyncDisposable> {
  const list = JSON.stringify({ apiVersion: "v1", kind: "List", items: objects });
  const remove = async () => {
    await world.kubectl(["delete", "--ignore-not-found", "--wait=false", "--grace-period=1", "-f", "-"], {
      stdin: list,
    });
  };
  await world.apply(list);
  return { [Symbol.asyncDispose]: remove };
}

async function podAddresses(world: World, selector: string): Promise<string[]> {
  const path = "jsonpath={.items[*].status.podIP}";
  return (await world.kubectl(["get", "pods", "-l", selector, "-o", path])).split(" ").filter(Boolean).sort();
}

const dashed = (address = "") => address.replaceAll(".", "-");
const reversed = (address = "") => `${address.split(".").reverse().join(".")}.in-addr.arpa`;

/** A pod that is there and whose address the cluster's DNS and the laptop know by now. */
async function ready(world: World, pod: string, condition: string): Promise<void> {
  await world.kubectl(["wait", "--for", condition, `pod/${pod}`, "--timeout=60s"], { timeout: 70_000 });
}

Deno.test("every name answers on the laptop what it answers in a pod, by every type of record", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const [first = "", second = ""] = await podAddresses(world, "app=peers");
  await using _objects = await applied(world, nameObjects(first, second));
  await ready(world, "unready-0", "jsonpath={.status.podIP}");
  await ready(world, "onhost-0", "jsonpath={.status.podIP}");
  const [unready = ""] = await podAddresses(world, "app=unready");
  const [onhost = ""] = await podAddresses(world, "app=onhost");
  const [echo = ""] = await podAddresses(world, "app=echo");
  const clusterIp = await world.kubectl(["get", "service", "made", "-o", "jsonpath={.spec.clusterIP}"]);

  const below = [
    "echo.default.svc",
    "echo.other.svc",
    "kubernetes.default.svc",
    "_http._tcp.echo.default.svc",
    "_udp._udp.echo.default.svc",
    "http.tcp.echo.default.svc",
    "_http._udp.echo.default.svc",
    `${dashed(echo)}.echo.default.svc`,
    "peers.default.svc",
    "peers-0.peers.default.svc",
    "_web._tcp.peers.default.svc",
    "mongo.default.svc",
    "mongo-0.mongo.default.svc",
    "mongo-1.mongo.default.svc",
    "mongo-2.mongo.default.svc",
    "_http._tcp.mongo.default.svc",
    `${dashed(first)}.mongo.default.svc`,
    "portless.default.svc",
    `${dashed(first)}.portless.default.svc`,
    "anyport.default.svc",
    "other.anyport.default.svc",
    "_http._tcp.anyport.default.svc",
    "made.default.svc",
    "made-0.made.default.svc",
    "_dns._udp.made.default.svc",
    `${dashed(second)}.made.default.svc`,
    "nobody.default.svc",
    "unready.default.svc",
    "unready-0.unready.default.svc",
    "unready-hidden.default.svc",
    "onhost.default.svc",
    "onhost-0.onhost.default.svc",
    "outside.default.svc",
    "outside-0.outside.default.svc",
    "alias-in.default.svc",
    "alias-twice.default.svc",
    "alias-headless.default.svc",
    "alias-out.default.svc",
    "alias-missing.default.svc",
    "alias-address.default.svc",
    "_http._tcp.alias-in.default.svc",
    `${dashed(first)}.default.pod`,
    "198-51-100-9.default.pod",
    "nosuch.default.pod",
    "nosuch.default.svc",
    "nosuch.nowhere.svc",
    "a.b.c.echo.default.svc",
    "default.svc",
    "nowhere.svc",
    "svc",
    "pod",
    "dns-version",
    "nosuch",
  ].map((name) => `${name}.${DOMAIN}`);
  const back = [clusterIp, echo, first, unready].map(reversed);
  const questions = [...below, ...back].flatMap((name) => KINDS.map((kind) => `${name}/${kind}`));

  /** Where the two differ, as it is meant: what the laptop answers, and why. */
  const apart: { name: RegExp; laptop: string; why: string }[] = [
    {
      name: /^(outside|outside-0\.outside)\.default.*\/(A|SRV)$/,
      laptop: "no data",
      why: "an endpoint that is no pod is never dialled by the gateway, so the laptop doesn't capture it",
    },
    {
      name: /^(onhost|onhost-0\.onhost)\.default.*\/(A|SRV)$/,
      laptop: "no data",
      why: "a pod on its node's network has a node's address, which the gateway never dials",
    },
    {
      name: /^alias-out\.default.*\/(A|AAAA)$/,
      laptop: "alias-out.default.svc.cluster.local internet.test",
      why: "its target is in a network that the laptop is in: no cluster's name leads there",
    },
    {
      name: /^10-244-.*\.default\.pod.*\/SRV$/,
      laptop: "no data",
      why: "CoreDNS makes up port 0: a pod's address has no port of its own",
    },
    {
      name: /^(default\.svc|svc|pod)\.cluster\.local\/TXT$/,
      laptop: "no data",
      why: "CoreDNS denies for TXT what it has for all other types",
    },
    {
      name: /\.in-addr\.arpa\/(?!PTR)/,
      laptop: "no data",
      why: "CoreDNS asks its nameserver for other types than PTR; the laptop knows that there are none",
    },
    {
      name: /^198-51-100-9\.default\.pod/,
      laptop: "NXDOMAIN",
      why: "CoreDNS answers with any address that is asked for; the laptop with those that it captures",
    },
  ];
  const compare = async () => {
    const pod = readAnswers(await answersInCluster(world, questions));
    const laptop = readAnswers(await answersOf(alice.laptop, "alice", questions));
    return questions.flatMap((question) => {
      const [there, here] = [pod.get(question) ?? "none", laptop.get(question) ?? "none"];
      const meant = apart.find(({ name }) => name.test(question));
      if (here === there || (meant && here === meant.laptop)) return [];
      return [`${question}: in a pod "${there}", on the laptop "${here}"`];
    });
  };
  let differences: string[] = [];
  // CoreDNS keeps an answer for up to 30 s.
  await pollUntil(async () => {
    differences = await compare();
    return differences.length === 0;
  }, { timeoutMs: 75_000, everyMs: 5_000 });
  assert.deepEqual(differences, []);
  console.log(`${questions.length} questions are answered alike`);

  const short = [
    "echo",
    "echo.default",
    "echo.other",
    "peers-1.peers",
    "mongo-0.mongo",
    "mongo-1.mongo.default",
    "made-0.made",
    `${dashed(first)}.default.pod`,
    "alias-in",
    "unready-0.unready",
  ];
  const asked = short.flatMap((name) => SEARCH.map((end) => `${end ? `${name}.${end}` : name}/A`));
  const inPod = readAnswers(await answersInCluster(world, asked));
  const here = readAnswers(await answersOf(alice.laptop, "alice", short.map((name) => `${name}/A`)));
  for (const name of short) {
    const found = SEARCH.map((end) => inPod.get(`${end ? `${name}.${end}` : name}/A`) ?? "").find((one) =>
      !/^(NXDOMAIN|no data|)$/.test(one)
    );
    assert.deepEqual(addressesIn(here.get(`${name}/A`)), addressesIn(found), name);
    const [line] = (await alice.shell(`getent ahostsv4 '${name}'`)).trim().split("\n");
    assert.ok(addressesIn(found).includes(line?.split(" ")[0] ?? ""), `getent ${name}: ${line}`);
  }

  const { items } = await alice.json<{ items: ServiceEntry[] }>(["services"]);
  const problems = (service: string) => {
    const { problems = [], unreachable = [] } = items.find(({ name }) => name === service) ?? {};
    return [...problems, ...unreachable.map(({ address, why }) => `${address}: ${why}`)].join();
  };
  assert.match(problems("outside"), /198\.51\.100\.7.*no pod/);
  assert.match(problems("onhost"), /a node's address/);
  assert.match(problems("alias-out"), /internet\.test leads to 10\.77\.255\.254.*a network of this machine/);
  assert.match(problems("alias-address"), /looks like an address/);
  assert.equal(problems("echo"), "");
  const { clusters } = await alice.json<Status>(["status"]);
  const why = new Map(
    clusters[0]?.unreachable.first.map(({ service, address, why }) => [`${service} ${address}`, why]),
  );
  assert.match(why.get(`default/outside ${OUTSIDE}`) ?? "", /no pod/);
  assert.match(why.get(`default/onhost ${onhost}`) ?? "", /node/);
});

function addressesIn(answer = ""): string[] {
  return (answer.match(/\d+\.\d+\.\d+\.\d+/g) ?? []).sort();
}

Deno.test("by the proxy an ExternalName leads to its Service, and a StatefulSet's pod answers by its short name", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  const [first = "", second = ""] = await podAddresses(world, "app=peers");
  await using _objects = await applied(world, nameObjects(first, second));
  await bob.up("--proxy");
  const { proxy } = await bob.json<Status>(["status"]);
  const get = async (url: string) => {
    const said = await bob.shell(`curl -sS -m 5 --retry 3 --retry-all-errors --proxy http://${proxy} ${url}`);
    return JSON.parse(said) as { namespace: string; pod: string };
  };
  assert.equal((await get("http://alias-in.default.svc/")).namespace, "other");
  assert.equal((await get("http://alias-twice/")).namespace, "other");
  assert.equal((await get("http://peers-1.peers:8080/")).pod, "peers-1");
});

Deno.test("a pod that terminates and still serves is reached until it's gone", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const [first = "", second = ""] = await podAddresses(world, "app=peers");
  // One of an earlier test takes its time to end, and is ready until then.
  await world.kubectl(["wait", "pod/ending-0", "--for=delete", "--timeout=60s"], { timeout: 70_000 });
  await using _objects = await applied(world, nameObjects(first, second));
  await ready(world, "ending-0", "condition=Ready");
  const alice = await stage.up();
  const get = () => alice.shell("curl -sS -m 2 http://ending.default.svc/");
  await until("it's reached", () => get().then(() => true, () => false), 10_000);
  await world.kubectl(["delete", "pod", "ending-0", "--wait=false"]);
  const path = "jsonpath={.items[*].endpoints[*].conditions.terminating}";
  await until("it terminates", async () => {
    const said = await world.kubectl([
      "get",
      "endpointslices",
      "-l",
      "kubernetes.io/service-name=ending",
      "-o",
      path,
    ]);
    return said.includes("true");
  }, 10_000);
  for (let i = 0; i < 10; i++) {
    assert.match(await get(), /ending-0/);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
});

async function timed(person: Pmz, command: string): Promise<{ code: number; stdout: string; ms: number }> {
  const start = performance.now();
  const { code, stdout } = await person.laptop.run(person.person, ["bash", "-c", command], {
    timeout: 60_000,
  });
  const ms = performance.now() - start;
  console.log(`${command}: ${code} after ${Math.round(ms)} ms`);
  return { code, stdout, ms };
}

Deno.test("whatever nameservers resolv.conf names, dead or alive, names of a cluster are answered at once", async (t) => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await using conf = await resolvConf(alice.laptop);
  const echo = (await stage.world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]))
    .trim();
  const ip = (...args: string[]) => alice.laptop.output("root", ["ip", ...args]);
  /** Waits until pmz has seen the file: a second at most. */
  const followed = async () => {
    const start = performance.now();
    await until("names are answered", async () => {
      const { stdout } = await alice.laptop.run("alice", ["getent", "ahostsv4", "echo.default.svc"]);
      return stdout.startsWith(echo);
    }, 3_000);
    console.log(`followed after ${Math.round(performance.now() - start)} ms`);
  };

  await t.step("a link-local one alone, as on a cloud's machines", async () => {
    await ip("addr", "add", "169.254.169.254/32", "dev", "lo");
    try {
      await using _metadata = await nameserver(alice.laptop, "169.254.169.254", "internet.test=192.0.2.80");
      await conf.write("nameserver 169.254.169.254\n");
      await followed();
      assert.match((await timed(alice, "getent ahostsv4 internet.test")).stdout, /^192\.0\.2\.80/);
    } finally {
      await ip("addr", "del", "169.254.169.254/32", "dev", "lo");
    }
  });
  await t.step("one in the cluster's range", async () => {
    await ip("addr", "add", "10.96.0.10/32", "dev", "lo");
    try {
      await using _office = await nameserver(alice.laptop, "10.96.0.10", "internet.test=192.0.2.81");
      await conf.write("nameserver 10.96.0.10\n");
      await followed();
      assert.match((await timed(alice, "getent ahostsv4 internet.test")).stdout, /^192\.0\.2\.81/);
    } finally {
      await ip("addr", "del", "10.96.0.10/32", "dev", "lo");
    }
  });
  await t.step("three, of which two are dead, with search domains and ndots:5", async () => {
    await using _one = await nameserver(alice.laptop, "127.0.0.2");
    await using _two = await nameserver(alice.laptop, "127.0.0.3");
    await using _alive = await nameserver(alice.laptop, "127.0.0.4", "internet.test=192.0.2.82");
    await conf.write(
      "nameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 127.0.0.4\nsearch corp.example eng.corp.example lan\noptions ndots:5\n",
    );
    await followed();
    for (const name of ["echo.default.svc", "peers-0.peers.default.svc", "echo.default.svc.cluster.local"]) {
      const { code, ms } = await timed(alice, `getent ahosts ${name}`);
      assert.equal(code, 0, name);
      assert.ok(ms < 1_000, `${name} took ${ms} ms`);
    }
    for (const name of ["echo", "echo.default", "peers-0.peers"]) {
      const { code, ms } = await timed(alice, `getent ahosts ${name}`);
      assert.equal(code, 0, name);
      assert.ok(ms < 3_000, `${name} took ${ms} ms`);
    }
  });
  await t.step("all of them dead", async () => {
    await using _one = await nameserver(alice.laptop, "127.0.0.2");
    await conf.write("nameserver 127.0.0.2\nsearch corp.example\noptions ndots:5\n");
    await followed();
    const { code, ms } = await timed(alice, "getent ahosts echo");
    assert.equal(code, 0);
    assert.ok(ms < 3_000, `${ms} ms`);
  });
  await t.step("one that refuses says so at once", async () => {
    await conf.write("nameserver 127.0.0.9\n");
    await followed();
    const { code, ms } = await timed(alice, "getent hosts internet.test");
    assert.notEqual(code, 0);
    assert.ok(ms < 1_000, `${ms} ms`);
  });
  await t.step("none at all, then a link", async () => {
    await alice.laptop.run("root", ["rm", "-f", "/etc/resolv.conf"]);
    await followed();
    await alice.laptop.output("root", ["sh", "-c", "echo nameserver 10.77.255.254 >/run/resolv.conf"]);
    await alice.laptop.output("root", ["ln", "-s", "/run/resolv.conf", "/etc/resolv.conf"]);
    await followed();
    await until("the internet's names are back", async () => {
      const { code } = await alice.laptop.run("alice", ["getent", "ahostsv4", "internet.test"]);
      return code === 0;
    }, 2_000);
  });
});

Deno.test("a nameserver outside is asked for no name of a cluster, and leads no name into it", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await using conf = await resolvConf(alice.laptop);
  const { world } = stage;
  const echo = (await world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"])).trim();
  await using office = await nameserver(
    alice.laptop,
    "127.0.0.2",
    `evil.example=${echo}`,
    `pods.corp.example=${echo}`,
    "*=192.0.2.99",
  );
  await conf.write("nameserver 127.0.0.2\nsearch corp.example\noptions ndots:5\n");
  const resolved = async (name: string) =>
    (await alice.laptop.run("alice", ["getent", "ahostsv4", name])).stdout.split(" ")[0] ?? "";
  await until("it is followed", async () => await resolved("www.example.org.") === "192.0.2.99", 3_000);
  await until("names are answered", async () => await resolved("echo.default.svc") === echo, 3_000);
  const before = office.said.length;
  for (const name of ["gone.default.svc", "gone.default.svc.cluster.local", "gone.nowhere.svc."]) {
    assert.equal(await resolved(name), "", name);
  }
  assert.doesNotMatch(office.said.slice(before), /svc|cluster\.local/);

  assert.equal(await resolved("evil.example."), "", "DNS rebinding");
  assert.equal(await resolved("pods.corp.example."), "");
  const { warnings } = await alice.json<Status>(["status"]);
  assert.ok(warnings.some(({ message }) => message.startsWith("evil.example led to a captured address")));
  await alice.done(["dns", "allow", "corp.example"]);
  assert.equal(await resolved("pods.corp.example."), echo);
  assert.equal(await resolved("evil.example."), "");
  await alice.done(["dns", "allow", "--remove", "corp.example"]);
  assert.equal(await resolved("pods.corp.example."), "");
});

Deno.test("a domain that could never answer isn't taken", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const hostname = (await alice.shell("hostname")).trim();
  for (const domain of ["localhost", "x.localhost", "wpad", "wpad.corp.example", hostname, "10.0.0.1"]) {
    const { code, stderr } = await alice.run(["dns", "add", domain, "echo"]);
    assert.equal(code, 2, domain);
    assert.match(stderr, /is not a valid domain of yours: /);
  }
});

Deno.test("another account can't fill a user's stubs: the kernel refuses it there", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const sockets = await alice.laptop.output("root", ["ss", "-Huln"]);
  const stubs = [...sockets.matchAll(/\b(127\.(?:9[6-9]|1[01]\d|12[0-7])\.\d+\.\d+):(\d+)\b/g)];
  assert.ok(stubs.length > 0, sockets);
  const flood = `
import socket, sys
refused = 0
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    for _ in range(10000):
        try: one.sendto(bytes(40), (sys.argv[1], int(sys.argv[2])))
        except PermissionError: refused += 1
print(refused)`;
  for (const [, address = "", port = ""] of stubs) {
    const flooding = alice.laptop.output("bob", ["python3", "-c", flood, address, port]);
    await alice.shell("for i in 1 2 3 4 5; do getent hosts echo.default.svc >/dev/null || exit 1; done");
    assert.equal((await flooding).trim(), "10000");
  }
});
