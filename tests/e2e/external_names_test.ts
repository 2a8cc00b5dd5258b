import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { findGo, folderFor, runGo } from "../conformance/go.ts";
import type { ServiceEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Stage } from "./lib/stage.ts";

const PROXY = "127.0.0.1:1080";
/** A host of the internet, as far as the laptop knows: it is in none of the laptop's networks. */
const FAR = "203.0.113.9";

const alias = (name: string, externalName: string) => ({
  apiVersion: "v1",
  kind: "Service",
  metadata: { namespace: "default", name },
  spec: { type: "ExternalName", externalName },
});

/** ExternalNames of each kind, a host outside for one of them, and an `up --proxy` that knows them. */
async function aliases(stage: Stage) {
  const { world, alice } = stage;
  await using undo = new AsyncDisposableStack();
  const list = JSON.stringify({
    apiVersion: "v1",
    kind: "List",
    items: [
      alias("alias-in", "echo.other.svc.cluster.local"),
      alias("alias-twice", "alias-in.default.svc.cluster.local"),
      alias("alias-headless", "peers.default.svc.cluster.local"),
      alias("alias-far", "far.test"),
      alias("alias-far-twice", "alias-far.default.svc.cluster.local"),
      alias("alias-near", "internet.test"),
      alias("alias-gone", "nosuch.test"),
      alias("alias-address", FAR),
      alias("alias-ring", "alias-ring.default.svc.cluster.local"),
      alias("alias-absent", "absent.default.svc.cluster.local"),
    ],
  });
  undo.defer(async () => {
    await world.kubectl(["delete", "--ignore-not-found", "--wait=false", "-f", "-"], { stdin: list });
  });
  await world.apply(list);
  const far = (...command: string[]) => world.other.output("root", command);
  await far("ip", "address", "add", `${FAR}/32`, "dev", "lo");
  undo.defer(async () => void await far("ip", "address", "del", `${FAR}/32`, "dev", "lo"));
  const [, there = ""] = /inet (\S+)\//.exec(await far("ip", "-4", "address", "show", "dev", "eth0")) ?? [];
  const root = (script: string) => world.laptop.output("root", ["sh", "-ec", script]);
  // The file is a mount of the laptop's own, which can be written and not replaced.
  await root(`ip route add ${FAR}/32 via ${there}; echo ${FAR} far.test >>/etc/hosts`);
  undo.defer(async () =>
    void await root(`ip route del ${FAR}/32; hosts=$(sed /far.test/d /etc/hosts); echo "$hosts" >/etc/hosts`)
  );
  undo.use(await answer(world.other, "root", { as: "far", http: 80, tcp: 9000 }));
  await alice.up("--proxy");
  const known = async () => (await alice.run(["services"])).stdout.includes("alias-address");
  assert.ok(await pollUntil(known, { timeoutMs: 5_000 }));
  const isThere = async () =>
    (await world.laptop.run("alice", ["curl", "-s", "-m1", "-o/dev/null", `http://${FAR}/`])).code === 0;
  assert.ok(await pollUntil(isThere, { timeoutMs: 10_000 }));
  return undo.move();
}

const NODE = `
const http = require("node:http");
const [url, how] = process.argv.slice(1);
const { host, hostname, port, pathname } = new URL(url);
const done = (answer) => { answer.resume(); answer.on("end", () => console.log(answer.statusCode)); };
if (how === "forward") http.get({ host: "127.0.0.1", port: 1080, path: url, headers: { host } }, done);
else {
  const asked = http.request({ host: "127.0.0.1", port: 1080, method: "CONNECT", path: hostname + ":" + (port || 80) });
  asked.on("connect", (answer, socket) => {
    if (answer.statusCode !== 200) return console.log(answer.statusCode), socket.destroy();
    http.get({ createConnection: () => socket, path: pathname, headers: { host, connection: "close" } }, done);
  });
  asked.end();
}`;
const PYTHON = `
import sys, urllib.request, urllib.error
try: print(urllib.request.urlopen(sys.argv[1], timeout=10).status)
except urllib.error.HTTPError as error: print(error.code)`;
const GO = `package main
import ("fmt"; "net/http"; "os")
func main() {
  answer, err := http.Get(os.Args[1])
  if err != nil { fmt.Println(err); os.Exit(1) }
  fmt.Println(answer.StatusCode)
}
`;

/** A program that asks for a URL by the proxy that its environment names; of what it prints, the status is the last line. */
interface Client {
  readonly name: string;
  readonly command: (url: string) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

async function clients({ laptop }: Stage["world"]): Promise<Client[]> {
  const http = { http_proxy: `http://${PROXY}`, HTTP_PROXY: `http://${PROXY}`, NO_PROXY: "", no_proxy: "" };
  const socks = { ALL_PROXY: `socks5h://${PROXY}`, NO_PROXY: "", no_proxy: "" };
  const curl = (...more: string[]) => (url: string) => [
    "curl",
    "-s",
    "-m10",
    "-o/dev/null",
    "-w",
    "%{http_code}\\n",
    ...more,
    url,
  ];
  const folder = await folderFor("e2e/get");
  const go = await findGo();
  if (go !== undefined) {
    await Deno.writeTextFile(`${folder}/main.go`, GO);
    await runGo(go, ["build", "-o", `${folder}/goget`, `${folder}/main.go`]);
    await laptop.install(`${folder}/goget`);
  }
  return [
    { name: "curl", command: curl(), env: http },
    { name: "curl by CONNECT", command: curl("-p", "-w", "%{http_connect} %{http_code}\\n"), env: http },
    { name: "curl by SOCKS", command: curl(), env: socks },
    { name: "Python", command: (url) => ["python3", "-c", PYTHON, url], env: http },
    { name: "Node", command: (url) => ["node", "-e", NODE, url, "forward"], env: {} },
    { name: "Node by CONNECT", command: (url) => ["node", "-e", NODE, url, "connect"], env: {} },
    ...go === undefined ? [] : [{ name: "Go", command: (url: string) => ["goget", url], env: http }],
  ];
}

Deno.test("through the proxy an ExternalName leads where it does in a pod, by HTTP and SOCKS, for curl, Go, Python and Node", async () => {
  await using stage = await Stage.set();
  await using _aliases = await aliases(stage);
  const { laptop } = stage.world;
  const status = async ({ command, env }: Client, url: string) =>
    (await laptop.run("alice", command(url), { env: { ...env } })).stdout.trim().split(/\s/).at(-1);
  for (const client of await clients(stage.world)) {
    for (const name of ["alias-in", "alias-twice.default.svc", "alias-far.default.svc", "alias-far-twice"]) {
      assert.equal(await status(client, `http://${name}/`), "200", `${client.name}, ${name}`);
    }
    assert.equal(await status(client, "http://alias-headless:8080/"), "200", client.name);
  }
});

Deno.test("where an ExternalName leads to nothing, or to the laptop's own network, the proxy says so", async () => {
  await using stage = await Stage.set();
  await using _aliases = await aliases(stage);
  const { alice } = stage;
  const ask = async (name: string, port = 80) =>
    await alice.shell(`curl -s -m10 -x http://${PROXY} -w '%{http_code}' http://${name}:${port}/`);
  assert.match(
    await ask("alias-near"),
    /alias-near leads to internet\.test.*: its address 10\.77\.255\.254 is in 10\.77\.0\.0\/16, a network of this machine, .*\s403$/,
  );
  assert.match(await ask("alias-gone"), /leads to nosuch\.test.* nameservers have no address for it\s404$/);
  assert.match(
    await ask("alias-address"),
    /alias-address is an ExternalName that leads nowhere: 203\.0\.113\.9 looks like an address.*\s404$/s,
  );
  assert.match(await ask("alias-ring"), /leads nowhere: the ExternalNames lead in a circle: .*\s404$/s);
  const { items } = await alice.json<{ items: ServiceEntry[] }>(["services"]);
  const problem = (of: string) => items.find(({ name }) => name === of)?.problems?.join();
  assert.match(problem("alias-ring") ?? "", /the ExternalNames lead in a circle: alias-ring\.default/);
  assert.match(problem("alias-absent") ?? "", /^absent\.default\.svc\.cluster\.local doesn't exist/);
  assert.match(
    (await alice.done(["services"])).stderr,
    /alias-ring\.default\.svc: the ExternalNames lead in a circle/,
  );
  assert.match(
    await ask("alias-far", 81),
    /leads to far\.test .* refuses the connection: 203\.0\.113\.9:81\s502$/,
  );
  assert.match(
    await ask("nosuch.default.svc"),
    /no connected cluster has an address for nosuch\.default\.svc.*\s404$/s,
  );
  assert.match((await alice.run(["flows", "--failed"])).stdout, /far\.test:81/);
});

Deno.test("the line that `up` prints for a shell with a proxy excepts every form of name, for curl, Go and Python", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  await alice.done(["dns", "add", "shop.example", "echo"]);
  try {
    const env: Record<string, string> = {
      http_proxy: "http://127.0.0.1:9",
      HTTP_PROXY: "http://127.0.0.1:9",
      no_proxy: "localhost",
    };
    const { stderr } = await alice.run(["up", "--yes"], { env });
    const [, line = ""] = /hint: export (NO_PROXY=\S+ no_proxy=\S+)/.exec(stderr) ?? [];
    assert.notEqual(line, "", stderr);
    const excepted = Object.fromEntries(line.split(" ").map((one) => one.split("=")));
    const names = ["echo", "echo.default", "echo.other", "echo.default.svc", "shop.example"];
    for (const { name, command, env: own } of await clients(stage.world)) {
      if (!/^(curl|Go|Python)$/.test(name)) continue;
      for (const host of [...names, "echo.default.svc.cluster.local"]) {
        const { stdout } = await alice.laptop.run("alice", command(`http://${host}/`), {
          env: { ...own, ...env, ...excepted },
        });
        assert.equal(stdout.trim(), "200", `${name}, ${host}`);
      }
    }
    const again = await alice.run(["up", "--yes"], { env: { ...env, ...excepted } });
    assert.doesNotMatch(again.stderr, /export NO_PROXY/);
  } finally {
    await alice.done(["dns", "remove", "shop.example"]);
  }
});
