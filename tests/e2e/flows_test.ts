import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { Flow } from "../../wire/flow.ts";
import { Stage } from "./lib/stage.ts";

const PODS = "kubectl get pods -l app=echo -o jsonpath='{.items[0].metadata.name} {.items[0].status.podIP}'";

/** Follows flows for some seconds, until Ctrl-C, while a connection fails and another one succeeds. */
const follow = (address: string) => `
  timeout --preserve-status -s INT 4 pmz flows -f -o json & follower=$!
  sleep 1
  curl -sS -m 5 http://${address}:81/ >/dev/null 2>&1
  curl -sS -m 5 http://echo.default.svc/ >/dev/null
  wait $follower; echo "exit code $?"`;

Deno.test("a program's failed connection is shown with its program, its target's name and the reason", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const [name = "", address = ""] = (await alice.shell(PODS)).split(" ");

  const lines = (await alice.shell(follow(address))).trimEnd().split("\n");
  assert.equal(lines.pop(), "exit code 0");
  const flows = lines.map((line) => (JSON.parse(line) as { flow: Flow }).flow);
  const outcomeOf = (to: string) => flows.find((flow) => flow.name === to)?.outcome.kind;
  assert.equal(outcomeOf(`pod/${name}.default:81`), "refused");
  assert.equal(outcomeOf("echo.default.svc:80"), "done");

  const words = `curl \\(\\d+\\) -> pod/${name}\\.default:81: refused by the gateway: \\S`;
  assert.match((await alice.done(["flows", "--failed"])).stdout, new RegExp(`ago +${words}`));
  assert.match(
    (await alice.done(["status"])).stdout,
    new RegExp(`recent failures.*\n(.*\n)*.* ago +${words}`),
  );

  const [failed] = (await alice.json<{ items: Flow[] }>(["flows", "--failed"])).items;
  assert.ok(failed);
  const log = await alice.shell("cat ~/.local/state/pmz/daemon.log");
  assert.match(log, new RegExp(`"message":"a flow failed".*"flow":"${failed.id}"`));
});

/** Connects again and again, as a program does that takes no refusal for an answer, and says how often. */
const insist = (seconds: number) => `
  count=0; end=$((SECONDS + ${seconds}))
  while [ $SECONDS -lt $end ]; do (: >/dev/tcp/payments.default.svc/8080) 2>/dev/null; count=$((count + 1)); done
  echo $count`;

Deno.test("a connection that the kernel refuses is shown with its program, its target's name and the reason", async (t) => {
  await using stage = await Stage.set();
  const { world } = stage;
  await using _service = {
    [Symbol.asyncDispose]: async () => void await world.kubectl(["delete", "service", "payments"]),
  };
  await world.kubectl(["create", "service", "clusterip", "payments", "--tcp=8080"]);
  const alice = await stage.up();
  const address = await world.kubectl(["get", "service", "payments", "-o", "jsonpath={.spec.clusterIP}"]);
  const curl = (port: number) =>
    alice.shell(`curl -sS -m 5 http://payments.default.svc:${port}/ & echo $!; wait || true`);
  const failed = async () => (await alice.json<{ items: Flow[] }>(["flows", "--failed"])).items;
  const to = (port: number) => async () =>
    (await failed()).find(({ name }) => name === `payments.default.svc:${port}`);

  await t.step("in the status, in flows, as JSON and in the log", async () => {
    for (
      const [port, why] of [[8080, "no ready endpoint"], [81, "the Service has no port 81"]] as const
    ) {
      const pid = Number((await curl(port)).trim());
      await until(`a failed flow to port ${port}`, async () => (await to(port)()) !== undefined);
      const flow = await to(port)();
      assert.ok(flow);
      const { kind, protocol, program, outcome, times } = flow;
      assert.deepEqual([kind, protocol, flow.to, times], [
        "captured",
        "tcp",
        `${address}:${port}`,
        undefined,
      ]);
      assert.deepEqual(program, { pid, name: "curl" });
      assert.ok(outcome.kind === "refused");
      assert.deepEqual([outcome.by, outcome.details], ["laptop", why]);

      const words = `curl \\(${pid}\\) -> payments\\.default\\.svc:${port}: refused: ${why}\n`;
      assert.match((await alice.done(["flows", "--failed"])).stdout, new RegExp(`ago +${words}`));
      const status = (await alice.done(["status"])).stdout;
      assert.match(status, new RegExp(`recent failures.*\n(.*\n)*.* ago +${words}`));
      const log = await alice.shell("cat ~/.local/state/pmz/daemon.log");
      const line = log.split("\n").find((one) => one.includes(`"flow":"${flow.id}"`)) ?? "";
      assert.match(line, new RegExp(`"from":"curl \\(${pid}\\)".*payments.default.svc:${port}.*${why}`));
    }
  });

  await t.step("a script that insists is a few flows with counts and a few lines of the log", async () => {
    const logged = async () =>
      Number(await alice.shell("grep -c 'a flow failed' ~/.local/state/pmz/daemon.log"));
    const before = await logged();
    const count = Number(await alice.shell(insist(3)));
    assert.ok(count > 100, `${count} attempts`);
    const own = async () => (await failed()).filter(({ program }) => program?.name === "bash");
    const all = async () => (await own()).reduce((sum, { times = 1 }) => sum + times, 0);
    await until("all attempts are counted", async () => await all() === count);
    assert.ok((await own()).length <= 4);
    assert.ok(await logged() - before <= 4);
    assert.ok(await to(81)(), "the failures before are still there");
  });
});

Deno.test("an answer that isn't HTTP, through the proxy, is a failed flow with its program and the reason", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up("--proxy");
  const url = "http://kube-dns.kube-system.svc:53/";
  const pid =
    (await alice.shell(`curl -sS -m 5 -x http://127.0.0.1:1080 -o /dev/null ${url} & echo $!; wait`)).trim();
  const why =
    "kube-dns.kube-system.svc port 53 took the request and ended the connection without a whole answer";
  const words = `curl \\(${pid}\\) -> kube-dns\\.kube-system\\.svc:53: reset by the server: ${why}[;\n]`;
  assert.match((await alice.done(["flows", "--failed"])).stdout, new RegExp(`ago +${words}`));
  assert.match((await alice.done(["status"])).stdout, new RegExp(`ago +${words}`));
});

/** Asks, reads no answer, and ends: the kernel resets the connection, since what came was not read. No child shares the socket. */
const giveUp = `
  exec 3<>/dev/tcp/echo.default.svc/80
  printf 'GET / HTTP/1.1\\r\\nHost: echo\\r\\n\\r\\n' >&3
  exec 4<> <(:); read -rt 2 <&4; echo $$`;

Deno.test("a program that resets its own connection is named, if that was open for a second", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const pid = (await alice.shell(giveUp)).trim();
  const words = new RegExp(`ago +bash \\(${pid}\\) -> echo\\.default\\.svc:80: reset by the client: `);
  await until(
    "the flow has failed",
    async () => words.test((await alice.done(["flows", "--failed"])).stdout),
  );
});

Deno.test("a connection whose Service is deleted was reset by pmz, and nothing of it stays open", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  await world.kubectl(["create", "service", "clusterip", "gone", "--tcp=9000"]);
  await using _service = {
    [Symbol.asyncDispose]: async () =>
      void await world.kubectl(["delete", "service", "gone", "--ignore-not-found"]),
  };
  await world.kubectl(["set", "selector", "service", "gone", "app=echo"]);
  const alice = await stage.up();
  assert.match((await alice.done(["status"])).stdout, /open +0 connections/, "pmz's own aren't counted");
  // Those before kube-proxy knew the Service were refused.
  const flows = async () =>
    (await alice.json<{ items: Flow[] }>(["flows"])).items.filter(({ outcome }) =>
      outcome.kind !== "refused"
    );
  await until(
    "the Service answers",
    async () => (await alice.run(["explain", "gone.default.svc:9000"])).code === 0,
  );
  const gone = async () =>
    (await flows()).find(({ name, to }) => (name ?? to).includes("gone.default.svc:9000"));
  const reader = alice.shell("exec 3<>/dev/tcp/gone.default.svc/9000; cat <&3 2>&1 || true");
  await until("the program is known", async () => (await gone())?.program !== undefined);
  await world.kubectl(["delete", "service", "gone"]);
  // By the daemon, or by the kernel at the helper's word: whichever is first.
  assert.match(await reader, /Connection reset by peer|Software caused connection abort/);
  await until("pmz knows that it has ended", async () => (await gone())?.outcome.kind !== "open");
  const [flow, ...others] = await flows();
  assert.deepEqual(others, []);
  assert.ok(flow?.outcome.kind === "reset" && flow.outcome.by === "laptop", JSON.stringify(flow));
  assert.match(
    (await alice.done(["status"])).stdout,
    /ago +(bash|cat) \(\d+\) -> .*: reset by pmz: its address/,
  );
});
