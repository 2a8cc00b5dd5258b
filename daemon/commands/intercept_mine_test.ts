import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { hear, say } from "../../dataplane/testing/gateway.ts";
import { describe } from "../control_error.ts";
import { fakeDaemon, recorder } from "../testing/daemon.ts";
import { asks } from "../testing/intercepts.ts";
import { fails, forever } from "../testing/fails.ts";

const mine = { ...asks, mine: true };

Deno.test("an intercept of the laptop's own connections asks nothing of the cluster, and ends with its time or by leave", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  const asked = at.cluster.asked.length;
  const entry = await at.daemon.intercept({ ...mine, ttl: 1 }, recorder(), forever);
  assert.deepEqual([entry.id, entry.mine, entry.problems], ["echo.default:80/mine", true, []]);
  assert.equal((await at.daemon.services())[0]?.intercepted, "echo.default:80/mine");
  await until("its time is up", async () => (await at.daemon.intercepts()).length === 0);
  await at.daemon.intercept(mine, recorder(), forever);
  const left = await at.daemon.leave({ id: "echo.default:80/mine" }, recorder());
  assert.equal(left.id, entry.id);
  assert.deepEqual(
    at.cluster.asked.slice(asked).filter((one) =>
      /^(POST|DELETE|PATCH)|intercept(rules|sessions)\/?[^?]/.test(one)
    ),
    [],
  );
  assert.equal((await at.daemon.status()).clusters.length, 1, "the connection stays");
});

Deno.test("a Service that has no ready pod is answered by the laptop's program, by the proxy too", async () => {
  await using at = await fakeDaemon();
  at.cluster.slice("echo", [], [{ name: "http", port: 8080 }]);
  const { proxy = "" } = await at.daemon.up(at.up, recorder(), forever);
  using program = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const local = { host: "127.0.0.1", port: program.addr.port };
  const report = recorder();
  await at.daemon.intercept({ ...mine, local }, report, forever);
  assert.deepEqual(report.told, []);
  const explained = await at.daemon.explain({ host: "echo.default.svc", port: 80, protocol: "tcp" });
  const hop = explained.hops.at(-1);
  assert.deepEqual([hop?.hop, hop?.level], ["intercept", "ok"]);
  assert.match(hop?.saw ?? "", /this machine's own connections go to 127\.0\.0\.1/);
  assert.equal(explained.hops.some(({ level }) => level === "failed"), false);
  const [hostname = "", port] = proxy.split(":");
  using conn = await Deno.connect({ hostname, port: Number(port) });
  await say(conn, "CONNECT echo.default.svc:80 HTTP/1.1\r\nHost: echo.default.svc:80\r\n\r\n");
  using accepted = await program.accept();
  await say(accepted, "mine");
  const head = "HTTP/1.1 200";
  assert.equal(await hear(conn, head.length), head);
  const [entry] = await at.daemon.intercepts();
  assert.deepEqual(entry?.connections, { open: 1, total: 1 });
});

Deno.test("the same intercept with another port is moved, and a port where nothing listens is said", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  const report = recorder();
  await at.daemon.intercept({ ...mine, local: { host: "127.0.0.1", port: 1 } }, report, forever);
  await at.daemon.intercept({ ...mine, local: { host: "127.0.0.1", port: 2 } }, report, forever);
  assert.deepEqual(report.told, [
    "! nothing listens at 127.0.0.1:1 yet",
    "! echo.default:80/mine was moved from 127.0.0.1:1",
    "! nothing listens at 127.0.0.1:2 yet",
  ]);
  assert.equal((await at.daemon.intercepts()).length, 1);
});

Deno.test("what can't be redirected is refused with its reason", async () => {
  await using at = await fakeDaemon();
  at.cluster.service("dns", { clusterIP: "10.96.0.10", ports: [{ name: "dns", port: 53, protocol: "UDP" }] });
  at.cluster.service("far", { type: "ExternalName", externalName: "shop.example" });
  const refused = async (more: object, code: string, why: RegExp) => {
    const asking = at.daemon.intercept({ ...mine, ...more }, recorder(), forever);
    await assert.rejects(asking, (error) => {
      const said = describe(error);
      assert.equal(said.code, code);
      assert.match(`${said.message}; ${said.hint}`, why);
      return true;
    });
  };
  await refused({}, "not-up", /run: pmz up/);
  await at.daemon.up(at.up, recorder(), forever);
  await until("the Services are there", async () => (await at.daemon.services()).length === 3);
  await refused(
    { service: "dns" },
    "usage",
    /dns\.default:53\/udp is UDP: --mine takes connections of TCP ports/,
  );
  await refused({ service: "dns", port: "53" }, "usage", /dns\.default:53\/udp is UDP/);
  await refused({ service: "far" }, "usage", /ExternalName.*shop\.example/);
  await refused({ service: "none" }, "not-found", /no Service none in the namespace default/);
  await refused({ match: { methods: ["GET"] } }, "usage", /whole connections/);
  await refused({ personal: true }, "usage", /whole connections/);
  await refused({ domain: "shop.example" }, "usage", /whole connections/);
  await assert.rejects(
    at.daemon.intercept({ ...mine, context: "other" }, recorder(), forever),
    fails("not-up"),
  );
});

Deno.test("of several clusters with the Service one has to be named, and its intercept is that cluster's alone", async () => {
  await using at = await fakeDaemon();
  await at.daemon.up(at.up, recorder(), forever);
  const kubeconfig = await at.kubeconfig(at.cluster.kubeconfig("other"));
  await at.daemon.up({ ...at.up, kubeconfig }, recorder(), forever);
  await assert.rejects(at.daemon.intercept(mine, recorder(), forever), (error) => {
    assert.match(describe(error).message, /several clusters: dev, other/);
    return true;
  });
  const entry = await at.daemon.intercept({ ...mine, context: "other" }, recorder(), forever);
  assert.equal(entry.id, "echo.default:80/mine@other");
  await at.daemon.down({ context: "other" }, recorder());
  assert.deepEqual(await at.daemon.intercepts(), []);
});
