/** A connection that failed is followed by its id through the logs of the laptop, the gateway and the relay. */
import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { Caller } from "../e2e/lib/caller.ts";
import { Stage } from "../e2e/lib/stage.ts";

const slow = { timeout: 60_000 };

/** What the logs say of a failed flow; each of them writes other fields. */
type FailedFlow = Readonly<Record<string, unknown>> & { readonly flow: string };

/** The failed flows in a log of JSON lines, since an ISO time: logs outlive a test. */
function failedFlows(log: string, since: string): FailedFlow[] {
  return log.split("\n").filter((line) => line.startsWith("{")).map((line) => JSON.parse(line))
    .filter(({ message, time }) => message === "a flow failed" && time >= since);
}

/** The three logs, from now on. */
class Logs {
  readonly #stage: Stage;
  readonly #since = new Date().toISOString();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  laptop(what: string, test: (flow: FailedFlow) => boolean): Promise<FailedFlow> {
    return this.#find(what, test, () => this.#stage.alice.shell("cat ~/.local/state/pmz/daemon.log"));
  }

  gateway(what: string, test: (flow: FailedFlow) => boolean): Promise<FailedFlow> {
    return this.#find(what, test, () => this.#ofPods("pmz", "gateway", "gateway"));
  }

  relay(what: string, test: (flow: FailedFlow) => boolean): Promise<FailedFlow> {
    return this.#find(what, test, () => this.#ofPods("pmz-node", "node", "relay"));
  }

  #ofPods(namespace: string, component: string, container: string): Promise<string> {
    const label = `app.kubernetes.io/component=${component}`;
    return this.#stage.world.kubectl(
      ["logs", "-n", namespace, "-l", label, "-c", container, "--tail=-1"],
    );
  }

  async #find(
    what: string,
    test: (flow: FailedFlow) => boolean,
    read: () => Promise<string>,
  ): Promise<FailedFlow> {
    let flows: FailedFlow[] = [];
    const found = await pollUntil(async () => {
      flows = failedFlows(await read(), this.#since);
      return flows.find(test);
    }, { everyMs: 200 });
    assert.ok(found, `no log has ${what}, only ${JSON.stringify(flows.slice(-5))}`);
    return found;
  }
}

/** A connected laptop. Its agents are of this build, whatever was installed before. */
async function connected(stage: Stage): Promise<Logs> {
  await stage.alice.done(["agent", "deploy", "--force"], slow);
  await stage.up();
  return new Logs(stage);
}

async function clusterIP(stage: Stage, service: string): Promise<string> {
  return (await stage.world.kubectl(["get", "service", service, "-o", "jsonpath={.spec.clusterIP}"])).trim();
}

Deno.test("a connection to a Service where nothing listens has one id on the laptop and in the gateway", async () => {
  await using stage = await Stage.set();
  const logs = await connected(stage);
  await stage.world.apply({
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "deaf", namespace: "default" },
    spec: { selector: { app: "echo" }, ports: [{ port: 80, targetPort: 9 }] },
  });
  try {
    const address = `${await clusterIP(stage, "deaf")}:80`;
    // Until the Service is captured there is no route to it.
    const script = `for i in {1..50}; do curl -sS -m 5 http://deaf.default.svc/ 2>&1; sleep 0.2; ` +
      `grep -q 'a flow failed' ~/.local/state/pmz/daemon.log && exit; done; exit 1`;
    await stage.alice.shell(script, slow);
    const { flow, outcome } = await logs.laptop("it", ({ to }) => String(to).includes(address));
    assert.equal(outcome, "refused by gateway");
    const there = await logs.gateway(`flow ${flow}`, (each) => each.flow === flow);
    assert.equal(there.target, address);
    // The second one is of a node whose kube-proxy doesn't know the Service yet.
    assert.ok(
      ["connection_refused", "destination_ip_unroutable"].includes(String(there.error)),
      `${there.error}`,
    );
  } finally {
    await stage.world.kubectl(["delete", "service", "deaf"]);
  }
});

Deno.test("an intercepted connection whose program isn't there has one id in the relay and on the laptop", async () => {
  await using stage = await Stage.set();
  const logs = await connected(stage);
  await using caller = await Caller.start(stage.world);
  await stage.alice.done(["intercept", "echo", "8081", "--yes"], slow);
  assert.deepEqual(await caller.who(), [""], "the caller is reset");
  const address = (await stage.world.kubectl([
    "get",
    "pod",
    caller.name,
    "-o",
    "jsonpath={.status.podIP}",
  ])).trim();
  const { flow, outcome, by, details } = await logs.relay(
    `a flow from ${address}`,
    (each) => String(each.caller).startsWith(`${address}:`),
  );
  assert.deepEqual([outcome, by], ["reset", undefined]);
  assert.match(String(details), /^the laptop answered 502 connection_refused/);
  const here = await logs.laptop(`flow ${flow}`, (each) => each.flow === flow);
  assert.equal(here.outcome, "refused by program");
  assert.equal(here.intercept, "echo.default:80");
});

Deno.test("a connection from the laptop to a Service that it intercepts is followed out and back in", async () => {
  await using stage = await Stage.set();
  const logs = await connected(stage);
  await stage.alice.done(["intercept", "echo", "8081", "--yes"], slow);
  const address = `${await clusterIP(stage, "echo")}:80`;
  await stage.alice.shell("! curl -sS -m 5 http://echo.default.svc/");
  // Out: laptop, then gateway.
  const out = await logs.laptop("the captured flow", ({ to }) => String(to).includes(address));
  assert.equal(out.outcome, "reset by server");
  const gateway = await logs.gateway(`flow ${out.flow}`, (each) => each.flow === out.flow);
  assert.deepEqual([gateway.target, gateway.by], [address, "target"]);
  // The gateway's end is the relay's caller.
  const relay = await logs.relay(`a flow from ${gateway.local}`, ({ caller }) => caller === gateway.local);
  assert.equal(relay.outcome, "reset");
  // In: relay, then laptop.
  const into = await logs.laptop(`flow ${relay.flow}`, (each) => each.flow === relay.flow);
  assert.deepEqual([into.outcome, into.intercept], ["refused by program", "echo.default:80"]);
  assert.notEqual(into.flow, out.flow);
});
