/** Clients that nobody here wrote, with the pools that they have. */
import assert from "node:assert/strict";
import { answer } from "./lib/answerer.ts";
import { clientsOn } from "./lib/clients.ts";
import { Stage } from "./lib/stage.ts";

const BOB = 1001;
const source = (name: string) => Deno.readTextFile(new URL(`clients/${name}`, import.meta.url));
const node = async (name: string, ...args: string[]) => [
  "node",
  "--input-type=module",
  "-e",
  await source(name),
  ...args,
];

Deno.test("pools of curl, Python, Go, Node and Java, WebSockets, and servers that close idle connections: each request goes where it says", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using hers = await clientsOn(world, world.laptop);
  await using his = await clientsOn(world, world.other);
  await using _alices = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using server = hers.spawn(...await node("server.mjs"));
  await server.says(/ready 5000/);
  const install = { timeout: 300_000 };
  await alice.done(["intercept", "echo", "8081:http", "--header", "x-user=alice", "--yes"], install);
  await alice.done(["intercept", "echo", "8082:http", "--header", "x-ws=alice", "--yes"], install);
  await otherBob.up();
  const url = "http://echo.default.svc/";

  const both = Array(20).fill(`-H X-User:alice ${url} -: -H X-User:nobody ${url}`).join(" -: ");
  const curl = async () => {
    const said = await otherBob.shell(`curl -sS -m 10 ${both}`);
    return [...said.matchAll(/"pod":"([^"]*)"/g)]
      .map(([, pod], i) => `${i % 2 === 0 ? "alice" : "nobody"} ${pod}`).join("\n");
  };
  const idle = his.outputAs(BOB, await node("idle.mjs", "echo.default.svc:80"));
  const pools = await Promise.all([
    curl(),
    his.outputAs(BOB, ["python3", "-c", await source("pool.py"), url]),
    otherBob.shell(`client http ${url}`),
    his.outputAs(BOB, await node("pool.mjs", url.slice(0, -1))),
    his.outputAs(BOB, ["sh", "-ec", 'cat >/tmp/Pool.java; exec java /tmp/Pool.java "$0"', url], {
      stdin: await source("Pool.java"),
    }),
  ]);
  for (const [i, said] of pools.entries()) {
    const lines = said.trim().split("\n");
    assert.equal(lines.length, 40, `client ${i}: ${said}`);
    for (const line of lines) assert.match(line, /^(?:alice alices-laptop|nobody echo-.*)$/);
  }
  const echoed = await his.outputAs(BOB, await node("web_sockets.mjs", "ws://echo.default.svc/ws"));
  assert.deepEqual(echoed.trim().split("\n"), [
    "alice node: hello",
    "alice bytes",
    "nobody hello",
    "nobody bytes",
  ]);
  assert.deepEqual(JSON.parse(await idle), { "node pod node": 80 });
});
