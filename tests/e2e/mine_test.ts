import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";

const alices = { as: "alices-laptop", http: 8081, tcp: 9100 };

/** Which server answers a person's request. */
async function who(person: Pmz, ...curl: string[]): Promise<string> {
  const { stdout } = await person.laptop.run(person.person, ["curl", "-s", "-m", "5", ...curl]);
  return (/"pod":"([^"]*)"/.exec(stdout)?.[1] ?? "nothing").replace(/^echo-.*/, "pod");
}

/** The curl line that was printed, run by a shell as it was pasted. */
async function pasted(person: Pmz, said: string): Promise<string> {
  const [, curl = ""] = /^try it: (curl .*)$/m.exec(said) ?? [];
  return await person.shell(`${curl} -s -m 5`);
}

async function entries(person: Pmz): Promise<InterceptEntry[]> {
  return (await person.json<{ items: InterceptEntry[] }>(["intercept", "list"])).items;
}

Deno.test("--mine answers this person's own connections by name and address, and the cluster knows nothing of it", async () => {
  await using stage = await Stage.set();
  const { world, bob } = stage;
  await using _program = await answer(world.laptop, "alice", alices);
  await using caller = await Caller.start(world);
  const alice = await stage.up();
  await bob.up();
  const { stdout } = await alice.done(["intercept", "echo", "8081:http", "--mine"]);
  assert.match(stdout, /^echo\.default:80\/mine -> localhost:8081$/m);
  assert.match(await pasted(alice, stdout), /alices-laptop/, stdout);
  const address = (await world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]))
    .trim();
  assert.equal(await who(alice, `http://${address}/`), alices.as);
  assert.equal(await who(alice, "http://echo.default.svc.cluster.local/"), alices.as);
  assert.equal(await who(bob, "http://echo/"), "pod", "another account of this laptop");
  assert.match((await caller.who())[0] ?? "", /^echo-/, "a pod");
  // Without the node agent there is no such kind either.
  assert.equal(await world.kubectl(["get", "interceptrules", "-A", "-o", "name"]).catch(() => ""), "");

  const [entry] = await entries(alice);
  assert.deepEqual([entry?.id, entry?.mine, entry?.problems], ["echo.default:80/mine", true, []]);
  assert.ok((entry?.connections.total ?? 0) >= 3);
  assert.match((await alice.done(["intercept", "list"])).stdout, /this machine's own connections/);
  assert.match(
    (await alice.done(["explain", "echo:80"])).stdout,
    /this machine's own connections go to localhost:8081/,
  );

  await world.kubectl(["scale", "deployment/echo", "--replicas=0"]);
  try {
    await until("no pod is left", async () => await who(bob, "http://echo/") === "nothing", 30_000);
    assert.equal(await who(alice, "http://echo/"), alices.as, "a Service without pods");
  } finally {
    await world.kubectl(["scale", "deployment/echo", "--replicas=2"]);
    await world.kubectl(["rollout", "status", "deployment/echo", "--timeout=60s"], { timeout: 70_000 });
  }
  await alice.done(["leave", "echo/mine"]);
  await until("the pods answer", async () => await who(alice, "http://echo/") === "pod", 10_000);
});

Deno.test("--mine survives a lost gateway, answers by the proxy, has a time, and ends with down", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _program = await answer(world.laptop, "alice", alices);
  const alice = await stage.up("--proxy");
  const { stdout } = await alice.done(["intercept", "echo", "8081:http", "--mine", "--ttl", "1h"]);
  assert.match(stdout, /^try it: curl -x socks5h:\/\/127\.0\.0\.1:1080 http:\/\/echo\.default\.svc\/$/m);
  assert.match(await pasted(alice, stdout), /alices-laptop/);
  const proxied = ["-x", "http://127.0.0.1:1080", "http://echo.default.svc/"];
  assert.equal(await who(alice, ...proxied), alices.as);
  await world.kubectl(["-n", "pmz", "delete", "pod", "--all", "--wait=false"]);
  assert.equal(await who(alice, ...proxied), alices.as);
  await alice.done(["down"]);
  await alice.up("--proxy");
  assert.deepEqual(await entries(alice), []);
  assert.equal(await who(alice, ...proxied), "pod");
  await alice.done(["intercept", "echo", "8081:http", "--mine", "--ttl", "2s"]);
  assert.equal(await who(alice, ...proxied), alices.as);
  await until("its time is up", async () => (await entries(alice)).length === 0, 10_000);
  assert.equal(await who(alice, ...proxied), "pod");
});

Deno.test("a program that answers by --mine and calls the Service itself reaches the pods, also by what it starts", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  const script = `
import http.server, subprocess, urllib.request
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/child": body = subprocess.check_output(["curl", "-s", "-m", "5", "http://echo/"])
        else: body = urllib.request.urlopen("http://echo/", timeout=5).read()
        self.send_response(200); self.end_headers(); self.wfile.write(b"wrapped " + body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8090), Handler)
print("listens", flush=True)
server.serve_forever()
`;
  await using program = world.laptop.spawn("alice", ["python3", "-c", script]);
  await program.says(/listens/);
  await alice.done(["intercept", "echo", "8090:http", "--mine"]);
  for (const path of ["", "child"]) {
    const said = await alice.shell(`curl -s -m 10 http://echo/${path}`);
    assert.match(said, /^wrapped \{.*"pod":"echo-/, path);
  }
  const [entry] = await entries(alice);
  assert.equal(entry?.connections.total, 2, "its own connections are not among them");
});
