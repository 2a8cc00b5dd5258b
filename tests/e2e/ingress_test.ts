import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { answer } from "./lib/answerer.ts";
import { Caller } from "./lib/caller.ts";
import { clientsOn } from "./lib/clients.ts";
import { shopBehindIngress } from "./lib/nginx.ts";
import { Stage } from "./lib/stage.ts";
import { tlsServer } from "./lib/tls_server.ts";

const BOB = 1001;

Deno.test("through an nginx that several people's hosts lead to, by HTTP over kept connections and by TLS unopened, each sees their own", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await using _shop = await shopBehindIngress(world);
  await using _alices = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using _bobs = await answer(world.other, "bob", { as: "bobs-laptop", http: 8081, tcp: 9100 });
  await using _tls = await tlsServer(world.laptop, "alice", `{"pod":"alices-tls"}`);
  await using caller = await Caller.start(world);
  await using programs = await clientsOn(world, world.other);
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
      for j in {1..5}; do
        curl -s -m 5 -w '%{url_effective}\\n' --connect-to ::ingress:80 ${urls} || echo failed
      done > /tmp/said.$i &
    done
    wait; cat /tmp/said.*`);
  const said = [...stdout.matchAll(/"pod":"([^"]*)"[^\n]*\}\s*http:\/\/([^/]*)\//g)];
  assert.equal(said.length, 4 * 5 * names.length, stdout.slice(0, 2_000));
  for (const [, pod, name = ""] of said) assert.equal(pod, expected[name], name);

  const tls = await caller.run(
    names.map((name) => `echo "${name} $(curl -sk -m 5 --connect-to ::ingress:443 https://${name}/)"`).join(
      "\n",
    ),
  );
  const byName = Object.fromEntries(
    names.map((name) => [name, name === "alice.shop.example" ? "alices-tls" : "shop"]),
  );
  const answered = (said: string) =>
    Object.fromEntries([...said.matchAll(/(\S+) \{"pod":"([^"]*)"\}/g)].map(([, name, pod]) => [name, pod]));
  assert.deepEqual(answered(tls.stdout), byName, tls.stdout);
  await otherBob.up();
  const byGo = await otherBob.shell(`client tls shop.default.svc:443 ${names.join(" ")}`);
  assert.deepEqual(answered(byGo), byName, byGo);
  const byOpenssl = await programs.outputAs(BOB, [
    "sh",
    "-c",
    `for name in ${names.join(" ")}; do
      printf 'GET / HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n' $name |
        openssl s_client -connect shop.default.svc:443 -servername $name -quiet -ign_eof 2>/dev/null |
        grep -o '{.*}' | sed "s/^/$name /"
    done`,
  ]);
  assert.deepEqual(answered(byOpenssl), byName, byOpenssl);
  await until("the requests are counted", async () => {
    const { stdout } = await alice.done(["intercept", "list"]);
    return /host alice\.shop\.example .* 20 of [0-9]+/.test(stdout);
  });
});
