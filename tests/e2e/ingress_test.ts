import assert from "node:assert/strict";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { shopBehindIngress } from "./lib/nginx.ts";
import { Stage } from "./lib/stage.ts";
import { tlsServer } from "./lib/tls_server.ts";

Deno.test("through an nginx that several people's hosts lead to, by HTTP over kept connections and by TLS unopened, each sees their own", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _shop = await shopBehindIngress(world);
  await using _alices = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using _bobs = await answer(world.other, "bob", { as: "bobs-laptop", http: 8081, tcp: 9100 });
  await using _tls = await tlsServer(world.laptop, "alice", `{"pod":"alices-tls"}`);
  await using caller = await Caller.start(world);
  await alice.done(["intercept", "shop", "8081:http", "--domain", "alice.shop.example", "--yes"], {
    timeout: 300_000,
  });
  await otherBob.done(["intercept", "shop", "8081:http", "--host", "*.bob.shop.example", "--yes"]);
  await alice.done(["intercept", "shop", "8443:https", "--host", "alice.shop.example", "--yes"]);

  const expected: Record<string, string> = {
    "alice.shop.example": "alices-laptop",
    "www.bob.shop.example": "bobs-laptop",
    "shop.example": "shop",
    "carol.shop.example": "shop",
  };
  const names = Object.keys(expected);
  const urls = names.map((name) => `http://${name}/`).join(" ");
  // Four callers at once share nginx's four kept connections to the Service.
  const { stdout } = await caller.run(`
    for i in 1 2 3 4; do
      for j in {1..10}; do
        curl -s -m 5 -w '%{url_effective}\\n' --connect-to ::ingress:80 ${urls} || echo failed
      done > /tmp/said.$i &
    done
    wait; cat /tmp/said.*`);
  const said = [...stdout.matchAll(/"pod":"([^"]*)"[^\n]*\}\s*http:\/\/([^/]*)\//g)];
  assert.equal(said.length, 4 * 10 * names.length, stdout.slice(0, 2_000));
  for (const [, pod, name = ""] of said) assert.equal(pod, expected[name], name);

  const tls = await caller.run(
    names.map((name) => `curl -sk -m 5 --connect-to ::ingress:443 https://${name}/; echo " ${name}"`).join(
      "\n",
    ),
  );
  const byTls = [...tls.stdout.matchAll(/"pod":"([^"]*)"\}\s* (\S+)/g)].map(([, pod, name]) => [name, pod]);
  assert.deepEqual(
    Object.fromEntries(byTls),
    Object.fromEntries(names.map((name) => [name, name === "alice.shop.example" ? "alices-tls" : "shop"])),
    tls.stdout,
  );
  const list = (await alice.done(["intercept", "list"])).stdout;
  assert.match(list, /host alice\.shop\.example .* 40 of [0-9]+/, list);
});
