import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { InterceptEntry } from "../../wire/control.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import type { Running } from "./lib/running.ts";
import { Stage } from "./lib/stage.ts";

const install = { timeout: 300_000 };

/** A program of a person that says each request which it gets, answers it, and may be stopped. */
async function listener(person: Pmz, port: number): Promise<Running> {
  const script = `
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        print("got", self.command, self.path, self.headers.get("X-User"), body.decode(), flush=True)
        self.send_response(500); self.send_header("Content-Length", "5"); self.end_headers(); self.wfile.write(b"wrong")
    do_POST = do_GET
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer.request_queue_size = 256
server = http.server.ThreadingHTTPServer(("127.0.0.1", ${port}), Handler)
print("listens as", os.getpid(), flush=True)
server.serve_forever()
`;
  const running = person.laptop.spawn(person.person, ["python3", "-c", script]);
  await running.says(/listens as \d+/);
  return running;
}

async function entryOf(person: Pmz): Promise<InterceptEntry> {
  const { items } = await person.json<{ items: InterceptEntry[] }>(["intercept", "list"]);
  const [entry] = items;
  assert.ok(entry);
  return entry;
}

/** How many of so many requests a pod has answered. */
async function answered(caller: Caller, count: number): Promise<number> {
  const options = "-s -Z --parallel-max 8 -m 20 -H 'X-User: alice' -d 'a body'";
  const { stdout } = await caller.run(
    `curl ${options} 'http://echo/load?[1-${count}]' | grep -o '"pod":"echo-' | wc -l`,
    { timeout: 120_000 },
  );
  return Number(stdout.trim());
}

Deno.test("--mirror: the pods answer, the laptop gets a copy of what matches, and a laptop that is slow, stopped or gone fails nobody", async () => {
  await using stage = await Stage.set();
  const { alice, otherBob, world } = stage;
  await using program = await listener(alice, 8091);
  const pid = Number((await program.says(/listens as (\d+)/))[1]);
  await using caller = await Caller.start(world);
  const { stdout } = await alice.done(
    ["intercept", "echo", "8091:http", "--header", "x-user=alice", "--mirror", "--yes"],
    install,
  );
  assert.match(stdout, /^takes: a copy of header x-user: alice; the pods answer$/m);
  const said = (await otherBob.done(
    ["intercept", "echo", "8091:http", "--header", "x-user=bob", "--yes"],
    install,
  )).stdout;
  assert.match(said, /^others: alice gets a copy of header x-user: alice$/m);
  await otherBob.done(["leave", "--all"]);

  assert.match(
    (await caller.run("curl -s -m 5 -H 'X-User: alice' -d 'one body' http://echo/one")).stdout,
    /"pod":"echo-/,
  );
  await program.says(/got POST \/one alice one body/);
  assert.match((await caller.run("curl -s -m 5 http://echo/two")).stdout, /"pod":"echo-/);
  assert.equal(await answered(caller, 200), 200);
  await until("all are counted", async () => {
    const { seen = 0, taken = 0, declined = 0 } = (await entryOf(alice)).requests ?? {};
    return seen === 202 && taken + declined === 201;
  }, 30_000);
  assert.match(
    (await alice.done(["intercept", "list"])).stdout,
    /a copy of header x-user: alice .* \d+ mirrored, \d+ dropped of 202/,
  );
  const { requests } = await entryOf(alice);
  assert.ok((requests?.taken ?? 0) > 100, `a laptop that keeps up gets most: ${JSON.stringify(requests)}`);

  Deno.kill(pid, "SIGSTOP");
  assert.equal(await answered(caller, 400), 400, "the laptop's program is stopped");
  await until(
    "copies are dropped",
    async () => ((await entryOf(alice)).requests?.declined ?? 0) > 100,
    45_000,
  );
  Deno.kill(pid, "SIGCONT");

  const loading = answered(caller, 400);
  Deno.kill(await alice.daemon(), "SIGKILL");
  assert.equal(await loading, 400, "the laptop is gone");
});

Deno.test("--mirror without a matcher copies what a connection sends, whatever it speaks, next to the pods' answers", async () => {
  await using stage = await Stage.set();
  const { alice, otherBob, world } = stage;
  await using program = alice.laptop.spawn("alice", [
    "python3",
    "-c",
    `
import socket
server = socket.create_server(("127.0.0.1", 8092))
print("listens", flush=True)
while True:
    conn, _ = server.accept()
    text = b""
    while True:
        piece = conn.recv(4096)
        if not piece: break
        text += piece
    print("copied", text, flush=True)
    conn.sendall(b"nobody reads this"); conn.close()
`,
  ]);
  await program.says(/listens/);
  await using caller = await Caller.start(world);
  const { stdout } = await alice.done(["intercept", "echo", "8092:tcp", "--mirror", "--yes"], install);
  assert.match(stdout, /^takes: a copy of all connections; the pods answer$/m);
  const raw = await caller.run("exec 3<>/dev/tcp/echo/9000; printf 'hello\\n' >&3; head -n2 <&3");
  assert.equal(raw.code, 0, raw.stderr);
  assert.doesNotMatch(raw.stdout, /nobody reads this/);
  await program.says(/copied b'hello/);
  await otherBob.done(["intercept", "echo", "8092:tcp", "--yes"], install);
  await otherBob.done(["leave", "--all"]);
});
