import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { who } from "./lib/who.ts";

const alices = { as: "alices-laptop", http: 8081, tcp: 9100 };
const bobs = { as: "bobs-laptop", http: 8081, tcp: 9100 };
const install = { timeout: 300_000 };

/** Intercepts, and gives what was printed. */
async function intercept(person: Pmz, ...args: string[]): Promise<string> {
  const { stdout } = await person.done(["intercept", "echo", "8081:http", ...args, "--yes"], install);
  return stdout;
}

Deno.test("two people share a port: each sees their own by header, cookie, path and domain, and all others the pods", async () => {
  await using stage = await Stage.set();
  const { world, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  const said = await intercept(alice, "--header", "x-user=alice");
  assert.match(said, /^echo\.default:80\/[a-z]{8} -> .*8081, in 2 of 2 pods$/m);
  assert.match(said, /^takes: header x-user: alice$/m);
  assert.match(said, /^others: nobody else has rules there$/m);
  const [, curl = ""] = /^try it: (curl .*)$/m.exec(said) ?? [];
  assert.match((await world.laptop.run("alice", ["sh", "-c", curl])).stdout, /alices-laptop/, curl);

  assert.match(
    await intercept(otherBob, "--header", "x-user=bob"),
    /^others: alice takes header x-user: alice$/m,
  );
  assert.match(
    await intercept(otherBob, "--cookie", "user=bob", "--path", "/cart"),
    /alice takes header x-user: alice \(theirs comes first where both match\)/,
  );
  await intercept(alice, "--domain", "alice.shop.example");

  const requests = [
    "",
    "-H 'X-User: alice'",
    "-H 'X-User: bob'",
    "-H 'X-User: carol'",
    "-b 'a=b; user=bob' http://echo/cart/1",
    "-b 'user=bob' http://echo/carts",
    "-H 'Host: Alice.shop.example'",
    "-H 'X-User: alice' -d 'a body'",
    "",
  ];
  const expected = ["pod", alices.as, bobs.as, "pod", bobs.as, "pod", alices.as, alices.as, "pod"];
  assert.deepEqual(await who(caller, ...requests), expected);
  const own = await world.laptop.run("alice", ["curl", "-s", "-m", "5", "http://alice.shop.example/"]);
  assert.match(own.stdout, /alices-laptop/, "a browser of this laptop needs nothing but the domain");

  await until(
    "the counts have come",
    async () =>
      /header x-user: alice .* 3 of [0-9]+ /m.test((await alice.done(["intercept", "list"])).stdout),
    10_000,
  );
  const list = (await alice.done(["intercept", "list"])).stdout;
  assert.match(list, /header x-user: alice/);
  const items = JSON.parse((await alice.done(["intercept", "list", "-o", "json"])).stdout).items;
  assert.deepEqual(items[0].match, { headers: [{ name: "x-user", exact: "alice" }] });
  await alice.done(["leave", items[0].id]);
  assert.deepEqual(await who(caller, "-H 'X-User: alice'", "-H 'Host: alice.shop.example'"), [
    "pod",
    alices.as,
  ]);
  await alice.done(["leave", "--all"]);
  assert.deepEqual(await who(caller, "-H 'Host: alice.shop.example'", "-H 'X-User: bob'"), ["pod", bobs.as]);
});

Deno.test("a whole-service intercept has what no personal one takes, and callers are told apart by their pods", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using web = await Caller.start(world, { labels: { app: "web" } });
  await using other = await Caller.start(world);
  await intercept(otherBob);
  assert.match(await intercept(alice, "--from", "default/app=web"), /^others: .*bob takes all the rest$/m);
  assert.deepEqual(await who(web, "", ""), [alices.as, alices.as]);
  assert.deepEqual(await who(other, ""), [bobs.as]);
  await otherBob.done(["leave", "--all"]);
  assert.deepEqual(await who(other, ""), ["pod"]);
  assert.deepEqual(await who(web, ""), [alices.as]);
});

Deno.test("connections that are open when a rule comes are closed once, so that their next requests are routed", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using _bobs = await answer(world.other, "bob", bobs);
  await using caller = await Caller.start(world);
  await intercept(otherBob);
  const kept = caller.run(
    `exec 3<>/dev/tcp/echo/80
    printf 'GET / HTTP/1.1\\r\\nHost: echo\\r\\n\\r\\n' >&3
    timeout 1 cat <&3 | grep -o bobs-laptop
    timeout 20 cat <&3; echo "ended $?"`,
    { timeout: 40_000 },
  );
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  await intercept(alice, "--header", "x-user=alice");
  const { stdout } = await kept;
  assert.match(stdout, /^bobs-laptop\n/);
  assert.doesNotMatch(stdout, /ended 124/, "it was still open");
  assert.deepEqual(await who(caller, "-H 'X-User: alice'", ""), [alices.as, bobs.as]);
});

Deno.test("kill -9 of a personal intercept's daemon gives its requests to the pods, others notice nothing", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using caller = await Caller.start(world);
  const said = await intercept(alice, "--personal", "--ttl", "1h");
  const [, id = ""] = /baggage pmz: ([0-9a-f]{12})/.exec(said) ?? [];
  const hers = `-H 'baggage: a=b,pmz=${id}'`;
  assert.deepEqual(await who(caller, hers, "-H 'baggage: pmz=other'"), [alices.as, "pod"]);
  Deno.kill(await alice.daemon(), "SIGKILL");
  const begun = performance.now();
  for (;;) {
    const [answered] = await who(caller, hers);
    if (answered === "pod") break;
    assert.ok(performance.now() - begun < 10_000, "the pods don't answer");
  }
});

Deno.test("an intercept ends by itself after its time", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await using caller = await Caller.start(world);
  await intercept(alice, "--method", "PUT", "--ttl", "3s");
  assert.deepEqual(await who(caller, "-X PUT", ""), [alices.as, "pod"]);
  await new Promise((resolve) => setTimeout(resolve, 4_000));
  assert.deepEqual(await who(caller, "-X PUT"), ["pod"]);
  assert.match((await alice.done(["intercept", "list"])).stdout, /no intercepts/);
});

Deno.test("a TLS connection goes by its server name, and other names reach the pod as they were sent", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _server = await tlsServer(stage);
  await using caller = await Caller.start(world);
  await intercept(alice, "--host", "alice.shop.example");
  const ask = (name: string) =>
    caller.run(`curl -sk -m 5 --connect-to ${name}:443:echo:80 https://${name}/; echo " $?"`);
  assert.match((await ask("alice.shop.example")).stdout, /^tls on alices laptop 0$/m);
  assert.match((await ask("bob.shop.example")).stdout, / 35$/m, "the pod speaks no TLS, and says so");
});

Deno.test("kubectl shows what a rule takes, and the cluster refuses a rule whose name or match isn't valid", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _alices = await answer(world.laptop, "alice", alices);
  await intercept(alice, "--header", "x-user=alice");
  assert.match(await world.kubectl(["get", "interceptrules"]), /^echo-80-[a-z]{8} .*x-user.* 2\/2 /m);
  const raw = await world.get("interceptrules") as { items: { metadata: { name: string }; spec: object }[] };
  const [rule] = raw.items;
  assert.ok(rule);
  const { apiVersion, kind } = { apiVersion: "pmz.dev/v1alpha1", kind: "InterceptRule" };
  const wrong = (name: string, spec: object, why: RegExp) =>
    assert.rejects(
      world.apply({
        apiVersion,
        kind,
        metadata: { name, namespace: "default" },
        spec: { ...rule.spec, ...spec },
      }),
      (error) => error instanceof Error && why.test(error.message),
    );
  await wrong("echo-80", {}, /named after its Service and port/);
  await wrong("echo-80-abc", { match: null }, /named after its Service and port/);
  await wrong("echo-81-abc", {}, /named after its Service and port/);
  await wrong("echo-80-abc", { match: {} }, /should have at least 1 properties/);
  await wrong("echo-80-abc", { match: { paths: [{ exact: "/", prefix: "/" }] } }, /must have at most 1/);
  await wrong("echo-80-abc", { match: { headers: [{ name: "X-User", exact: "a" }] } }, /match/);
  await wrong(rule.metadata.name, { match: { methods: ["GET"] } }, /A rule never changes/);
});

/** A program of alice's at 8081 that speaks HTTP over TLS, with a certificate of its own. */
async function tlsServer({ world }: Stage): Promise<AsyncDisposable> {
  const program = `
import http.server, os, ssl, subprocess, tempfile
os.chdir(tempfile.mkdtemp())
subprocess.run("openssl req -x509 -newkey rsa:2048 -nodes -keyout key -out cert -days 1 -subj /CN=alice".split(), check=True, capture_output=True)
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"tls on alices laptop")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); context.load_cert_chain("cert", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
print("ready", flush=True)
server.serve_forever()`;
  const running = world.laptop.spawn("alice", ["python3", "-c", program]);
  await running.says(/ready/);
  return running;
}
