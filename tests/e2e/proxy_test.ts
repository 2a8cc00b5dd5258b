// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Status } from "../../wire/control.ts";
import type { Flow } from "../../wire/flow.ts";
import { Caller } from "./lib/caller.ts";
import { dialBulk, dialMany, dialOnce } from "./lib/dial.ts";
import { clusterSnapshot } from "./lib/cluster_snapshot.ts";
import { askThroughSocks, getPySocks } from "./lib/socks_programs.ts";
import { Stage } from "./lib/stage.ts";

const PROXY = "127.0.0.1:1080";
const MIB = 1 << 20;

/** Every form of name that reaches the Service `echo`, and a pod of a headless one. */
const forms = [
  "echo",
  "echo.default",
  "echo.default.svc",
  "echo.default.svc.cluster.local",
  "echo.other.svc",
  "peers.default.svc:8080",
  "peers-0.peers.default.svc:8080",
  "peers:8080",
  "peers-0.peers:8080",
  "peers-1.peers.default:8080",
  "echo.other",
  "echo.other.svc.cluster.local",
];

Deno.test("without a yes nothing is installed, and nothing is left running", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  const before = await world.laptop.snapshot();
  const { code, stdout, stderr } = await alice.run(["up", "--proxy"]);
  assert.equal(code, 12);
  assert.equal(stdout, "");
  assert.match(stderr, /gateway: .*in namespace pmz/);
  assert.match(stderr, /error: nothing was installed.*\n {2}hint: .*--yes/);
  assert.doesNotMatch(await world.kubectl(["get", "namespaces", "-o", "name"]), /pmz/);
  await world.laptop.settles(before, 2_000);
});

Deno.test("agents come with `pmz up --proxy --yes`, and `pmz agent delete` leaves nothing of them", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  const before = await clusterSnapshot(world);
  const { stdout } = await alice.up("--proxy");
  assert.match(
    stdout,
    new RegExp(`^up: (\\d+ of )?\\d+ Services of one answer through the proxy ${PROXY}$`, "m"),
  );
  assert.match(stdout, /^tried: echo\.default:80 accepted a connection in /m);
  await alice.done(["agent", "deploy", "--component", "node"], { timeout: 60_000 });
  assert.match(before.diff(await clusterSnapshot(world)), /^\+ objects: Deployment pmz gateway$/m);
  await alice.done(["down"]);
  await alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  await world.kubectl(["wait", "--for=delete", "namespace/pmz", "namespace/pmz-node", "--timeout=30s"], {
    timeout: 40_000,
  });
  assert.equal(before.diff(await clusterSnapshot(world)), "");
});

Deno.test("the proxy reaches Services by every form of their names, over HTTP and SOCKS", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up("--proxy");
  for (const scheme of ["http", "socks5h"]) {
    const answers = await alice.shell(
      forms.map((form) => `curl -sS -m 10 -x ${scheme}://${PROXY} http://${form}/way`).join("\n"),
    );
    const hosts = answers.trim().split("\n").map((line) => JSON.parse(line) as Record<string, unknown>)
      .map(({ host, path, namespace }) => ({ host, path, namespace }));
    assert.deepEqual(
      hosts.map(({ host, path }) => ({ host, path })),
      forms.map((host) => ({ host, path: "/way" })),
    );
    assert.equal(hosts[2]?.namespace, "default");
    assert.equal(hosts[4]?.namespace, "other");
  }
});

Deno.test("a SOCKS5 client's datagrams reach the cluster's nameserver by name and by address, and the answers name it", async () => {
  await getPySocks();
  await using stage = await Stage.set();
  const alice = await stage.up("--proxy");
  const addressOf = async (service: string, namespace: string) =>
    await stage.world.kubectl([
      "-n",
      namespace,
      "get",
      "service",
      service,
      "-o",
      "jsonpath={.spec.clusterIP}",
    ]);
  const [nameserver, kubernetes] = [
    await addressOf("kube-dns", "kube-system"),
    await addressOf("kubernetes", "default"),
  ];
  for (const server of [nameserver, "kube-dns.kube-system.svc", "kube-dns.kube-system"]) {
    const name = "kubernetes.default.svc.cluster.local";
    assert.deepEqual(await askThroughSocks(alice, { proxy: PROXY, server, name }), {
      from: [nameserver, 53],
      addresses: [kubernetes],
    });
  }
  await until("the flows have ended with their clients", async () => {
    const { items } = await alice.json<{ items: Flow[] }>(["flows"]);
    return items.every(({ protocol }) => protocol !== "udp");
  });
});

Deno.test("where a server closes a kept connection instead of answering a POST, the client sends it again by itself", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up("--proxy");
  await using pod = await Caller.start(world, { labels: { app: "closing" } });
  // Answers a connection's first request, and closes it when the second one comes.
  const answers = `while read -r line && [ "$line" != "$(printf '\\r')" ]; do :; done
    printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 3\\r\\n\\r\\nok '; read -r line; read -r line`;
  await pod.run(`cat >/tmp/answers <<'END'\n${answers}\nEND`);
  const listen = ["socat", "-d", "-d", "TCP-LISTEN:8080,fork,reuseaddr", "EXEC:bash /tmp/answers"];
  await using server = world.spawnInPod(`${pod.namespace}:${pod.name}`, listen);
  await server.says(/listening on/);
  const named = { name: "closing", namespace: "default" };
  await world.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: named,
    spec: { selector: { app: "closing" }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  try {
    const one = `-sS -m 10 -x http://${PROXY} http://closing.default.svc/`;
    const until =
      `until curl -sf -m 2 -o /dev/null -x http://${PROXY} http://closing.default.svc/; do sleep 0.1; done`;
    await alice.shell(until, { timeout: 20_000 });
    const both = await alice.laptop.run("alice", ["bash", "-c", `curl ${one} --next -v -d a ${one}`]);
    assert.equal(both.stdout, "ok ok ", both.stderr);
    assert.match(both.stderr, /retrying a fresh connect/i);
  } finally {
    await world.kubectl(["delete", "service", named.name]);
  }
});

Deno.test("the proxy says which name it doesn't know, and which port nobody answers, at once", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up("--proxy");
  const ask = (url: string, ...options: string[]) =>
    alice.laptop.output("alice", [
      "curl",
      "-s",
      "-m10",
      "-o/dev/null",
      `-xhttp://${PROXY}`,
      "-w%{http_code} %{http_connect} %{time_total}",
      ...options,
      url,
    ]).catch((error) => error.ended.stdout as string);
  assert.match(await ask("http://nothing.default.svc/"), /^404 /);
  assert.match(await ask("http://nothing.default.svc/", "-p"), /^000 404 /);
  const [code, , seconds] = (await ask("http://echo:81/")).split(" ");
  assert.equal(code, "404"); // the Service has no such port
  assert.ok(Number(seconds) < 0.5, `took ${seconds} s`);
  const refused = await dialOnce(alice, { host: "echo", port: 81, through: `socks5h://${PROXY}` });
  assert.match(refused.error ?? "", /^SOCKS reply [45]$/); // RFC 1928: host unreachable, connection refused
  assert.ok(refused.ms < 500, `took ${refused.ms} ms`);
});

Deno.test("the proxy is for the person who started it alone", async () => {
  await using stage = await Stage.set();
  await stage.up("--proxy");
  for (const person of ["bob", "root"] as const) {
    const { code, stdout } = await stage.world.laptop.run(person, [
      "curl",
      "-sm5",
      `-xhttp://${PROXY}`,
      "http://echo/",
    ]);
    assert.notEqual(code, 0, stdout);
    assert.equal(stdout, "");
  }
  assert.equal((await stage.bob.run(["status"])).code, 3);
});

for (const scheme of ["http", "socks5h"]) {
  const through = `${scheme}://${PROXY}`;
  const to = { host: "echo.default.svc", port: 9000, through };

  Deno.test(`through ${scheme} 100 MiB come back as they were sent`, async () => {
    await using stage = await Stage.set();
    const { first, bytes, same, ms } = await dialBulk(await stage.up("--proxy"), to, 100 * MIB);
    console.log(`100 MiB there and back in ${Math.round(ms)} ms`);
    assert.match(first, /^echo-/);
    assert.equal(bytes, 100 * MIB);
    assert.ok(same, "another checksum");
  });

  Deno.test(`through ${scheme} 500 connections are open at once, each with the server's word first`, async () => {
    await using stage = await Stage.set();
    const { answered, firsts, failed, ms } = await dialMany(await stage.up("--proxy"), to, 500);
    console.log(`500 connections in ${Math.round(ms)} ms`);
    assert.deepEqual({ answered, failed }, { answered: 500, failed: [] });
    assert.deepEqual(Object.keys(firsts).map((pod) => /^echo-\w+-\w+$/.test(pod)), [true, true], "both pods");
  });
}

Deno.test("`pmz down` leaves the laptop as it was before `pmz up --proxy`", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const before = await world.laptop.snapshot();
  const alice = await stage.up("--proxy");
  const status = await alice.json<Status & { up: boolean }>(["status"]);
  assert.deepEqual([status.up, status.proxy, status.helper.state], [true, PROXY, "none"]);
  assert.match(before.diff(await world.laptop.snapshot()), /^\+ sockets: tcp LISTEN 127\.0\.0\.1:1080/m);
  const { stdout } = await alice.done(["down"]);
  assert.equal(stdout, "down\nleft: nothing\n");
  await world.laptop.settles(before, 2_000);
  assert.equal((await alice.run(["status"])).code, 3);
});
