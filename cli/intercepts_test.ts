import assert from "node:assert/strict";
import type { InterceptEntry, Plan, Status } from "../wire/control.ts";
import { defaultAnswers, echoIntercept } from "./testing/fake_daemon.ts";
import { World } from "./testing/run.ts";

const { plan, intercept } = defaultAnswers();

/** An intercept like echo's, of another Service port. */
function like(namespace: string, port: number, cluster = "dev", portName = `p${port}`): InterceptEntry {
  return { ...echoIntercept, id: `echo.${namespace}:${port}`, namespace, port, portName, cluster };
}

/** The ids that `line` left, in order. */
async function leftBy(line: string, intercepts: readonly InterceptEntry[]): Promise<string[]> {
  await using world = new World({ answers: { intercepts } });
  const { code, stderr } = await world.pmz(line);
  assert.equal(code, 0, stderr);
  const gone = world.daemon.asked.filter(({ request }) => request.startsWith("DELETE /intercepts/"));
  return gone.map(({ request }) => decodeURIComponent(request.slice("DELETE /intercepts/".length)));
}

Deno.test("our words and the original's ask the daemon for the same intercept", async () => {
  const bodies: unknown[] = [];
  for (
    const line of [
      "intercept echo.shop 8081:80",
      "intercept echo 8081:80 -n shop",
      "intercept add -s echo -n shop -p 8081:80",
    ]
  ) {
    await using world = new World();
    assert.equal((await world.pmz(line)).code, 0);
    assert.deepEqual(world.daemon.asked.map(({ request }) => request), ["POST /plan", "POST /intercepts"]);
    bodies.push(world.daemon.asked[1]?.body);
  }
  const meant = {
    namespace: "shop",
    service: "echo",
    local: { host: "localhost", port: 8081 },
    port: "80",
    install: false,
  };
  assert.deepEqual(bodies, [meant, meant, meant]);
});

Deno.test("an intercept starts the daemon and needs no `pmz up`", async () => {
  await using world = new World({ running: false });
  assert.equal((await world.pmz("intercept echo 8081")).code, 0);
  assert.equal(world.started, 1);
});

Deno.test("the node agent is only installed after a yes", async () => {
  const bare: Plan = { ...plan as Plan, install: ["node"] };
  await using world = new World({ answers: { plan: bare } });
  assert.equal((await world.pmz("intercept echo 8081")).code, 12);
  assert.equal((await world.pmz("intercept echo 8081 --yes")).code, 0);
  assert.equal((world.daemon.asked.at(-1)?.body as { install: boolean }).install, true);
});

Deno.test("two namespaces for one Service are refused before anything is done", async () => {
  await using world = new World();
  const { code, stderr } = await world.pmz("intercept echo.shop 8081 -n default");
  assert.equal(code, 2);
  assert.match(stderr, /shop and default/);
  assert.equal(world.daemon.asked.length, 0);
});

Deno.test("other Services that are intercepted too, and pods that are not, are warned of", async () => {
  const result = {
    ...echoIntercept,
    pods: { ready: 1, all: 2 },
    alsoTaken: ["echo-canary.default"],
    problems: ["pod b: \x1b[1mgVisor"],
  };
  await using world = new World({
    answers: { intercept: [...intercept.slice(0, 2), { kind: "result", result }] },
  });
  const { stdout, stderr } = await world.pmz("intercept echo 8081");
  assert.match(stdout, /in 1 of 2 pods/);
  assert.match(stderr, /also intercepted, .*echo-canary\.default/);
  assert.match(stderr, /warning: pod b: \\u\{1b\}\[1mgVisor/);
});

Deno.test("list and status say since when nothing listens, and which callers don't arrive", async () => {
  const silent = {
    ...echoIntercept,
    silentSince: "2026-01-01T00:00:00Z",
    problems: ["none of its pods is ready"],
  };
  const status = { ...defaultAnswers().status as Status, intercepts: [silent] };
  await using world = new World({ answers: { intercepts: [silent], status } });
  for (const line of ["intercept list", "status"]) {
    const { stderr } = await world.pmz(line);
    assert.match(
      stderr,
      /warning: echo\.default:80: nothing listens at localhost:8081, for .+ now\n {2}hint: start your program/,
      line,
    );
    assert.match(stderr, /warning: echo\.default:80: none of its pods is ready/, line);
  }
});

Deno.test("what becomes of callers while nothing listens is told of each kind", async () => {
  for (
    const [kind, what] of [
      [{}, "callers of the Service get resets"],
      [{ mirror: true }, "its copies are dropped"],
      [{ mine: true }, "this machine's connections to the Service are reset"],
    ] as const
  ) {
    const silent = { ...echoIntercept, ...kind, silentSince: "2026-01-01T00:00:00Z" };
    await using world = new World({ answers: { intercepts: [silent] } });
    const { stderr } = await world.pmz("intercept list");
    assert.ok(stderr.includes(`hint: start your program; until then ${what}\n`), stderr);
  }
});

Deno.test("leave ends all ports of a Service, or the one that is named by number or name", async () => {
  const there = [like("default", 80), like("default", 81), { ...like("default", 82), service: "other" }];
  assert.deepEqual(await leftBy("leave echo", there), ["echo.default:80", "echo.default:81"]);
  assert.deepEqual(await leftBy("leave echo:81", there), ["echo.default:81"]);
  assert.deepEqual(await leftBy("leave echo.default:p80", there), ["echo.default:80"]);
  assert.deepEqual(await leftBy("leave --all", there), there.map(({ id }) => id));
  assert.deepEqual(await leftBy("intercept delete -s echo -p 80", there), ["echo.default:80"]);
});

Deno.test("without a namespace the connection's own is meant, else the only one", async () => {
  assert.deepEqual(await leftBy("leave echo", [like("shop", 80), like("default", 80)]), ["echo.default:80"]);
  assert.deepEqual(await leftBy("leave echo", [like("shop", 80)]), ["echo.shop:80"]);
  assert.deepEqual(await leftBy("leave echo.shop", [like("shop", 80), like("default", 80)]), [
    "echo.shop:80",
  ]);
});

Deno.test("-n says the namespace of what is left", async () => {
  const there = [like("shop", 80), like("default", 80)];
  assert.deepEqual(await leftBy("leave echo -n shop", there), ["echo.shop:80"]);
  assert.deepEqual(await leftBy("leave echo:80 -n shop", there), ["echo.shop:80"]);
  assert.deepEqual(await leftBy("leave echo -n other", there), []);
  await using world = new World({ answers: { intercepts: there } });
  assert.equal((await world.pmz("leave echo.default -n shop")).code, 2);
});

Deno.test("one of several intercepts of a port is left by the end of its id", async () => {
  const there = ["kfjapmbc", "qqhgpmbc", "mine"].map((rule) => ({
    ...like("default", 80),
    id: `echo.default:80/${rule}`,
  }));
  assert.deepEqual(await leftBy("leave echo/qqhgpmbc", there), ["echo.default:80/qqhgpmbc"]);
  assert.deepEqual(await leftBy("leave echo.default:80/mine", there), ["echo.default:80/mine"]);
});

Deno.test("an id of the list ends that intercept alone, a Service's port without such an id all of that port", async () => {
  const whole = like("default", 80);
  const personal = { ...whole, id: "echo.default:80/kfjapmbc" };
  assert.deepEqual(await leftBy("leave echo.default:80", [personal, whole]), [whole.id]);
  assert.deepEqual(await leftBy("leave echo.default:80", [personal]), [personal.id]);
  assert.deepEqual(await leftBy("leave echo", [personal, whole]), [personal.id, whole.id]);
  const arn = "arn:aws:eks:eu-west-1:1:cluster/b";
  const other = { ...like("default", 80, arn), id: `echo.default:80@${arn}` };
  const itsPersonal = { ...other, id: `echo.default:80/kfjapmbc@${arn}` };
  assert.deepEqual(await leftBy(`leave echo.default:80@${arn}`, [itsPersonal, other, whole]), [other.id]);
});

Deno.test("this machine's own connections are asked for without a plan, by the context that is given", async () => {
  await using world = new World();
  assert.equal((await world.pmz("intercept echo.shop 8081:80 --mine --ttl 2h --context dev")).code, 0);
  assert.deepEqual(world.daemon.asked.map(({ request }) => request), ["POST /intercepts", "GET /status"]);
  assert.deepEqual(world.daemon.asked[0]?.body, {
    context: "dev",
    namespace: "shop",
    service: "echo",
    local: { host: "localhost", port: 8081 },
    port: "80",
    mine: true,
    ttl: 7200,
    install: false,
  });
});

Deno.test("a mirror is asked for with and without a matcher, by agents that know it, and the list counts its copies", async () => {
  const result: InterceptEntry = {
    ...echoIntercept,
    id: "echo.default:80/bqhkpmra",
    mirror: true,
    requests: { seen: 40, taken: 30, declined: 2 },
  };
  const answers = { intercept: [{ kind: "result", result }] as const, intercepts: [result] };
  await using world = new World({ answers });
  const { stdout } = await world.pmz("intercept echo 8081 --mirror");
  assert.match(stdout, /^takes: a copy of all connections; the pods answer$/m);
  const [plan, asked] = world.daemon.asked.map(({ body }) => body as Record<string, unknown>);
  assert.deepEqual([plan?.rules, asked?.mirror, asked?.match], [3, true, undefined]);
  assert.match(
    (await world.pmz("intercept list")).stdout,
    /a copy of all connections .*30 mirrored, 2 dropped of 40/,
  );
  assert.equal((await world.pmz("intercept echo 8081 --mine --mirror")).code, 2);
});

Deno.test("--mine is refused next to a matcher, and without a connection", async () => {
  await using world = new World();
  for (const more of ["--header a=b", "--domain shop.example", "--personal", "--from shop"]) {
    const { code, stderr } = await world.pmz(`intercept echo 8081 --mine ${more}`);
    assert.equal(code, 2);
    assert.match(stderr, /--mine takes whole connections/);
  }
  assert.equal(world.daemon.asked.length, 0);
  await using down = new World({ running: false });
  assert.equal((await down.pmz("intercept echo 8081 --mine")).code, 3);
  assert.equal(down.started, 0);
});

Deno.test("an intercept that could be of two namespaces has to be named in full", async () => {
  await using world = new World({ answers: { intercepts: [like("a", 80), like("b", 80)] } });
  const { code, stderr } = await world.pmz("leave echo");
  assert.equal(code, 2);
  assert.match(
    stderr,
    /echo is intercepted more than once: echo\.a:80, echo\.b:80\n {2}hint: .*pmz leave echo\.a:80/,
  );
  assert.ok(!world.daemon.asked.some(({ request }) => request.startsWith("DELETE")));
});

Deno.test("ids with a context are understood as they were printed", async () => {
  const arn = "arn:aws:eks:eu-west-1:1:cluster/dev";
  const there = [{ ...like("default", 80, arn), id: `echo.default:80@${arn}` }, {
    ...like("default", 80, "b"),
    id: "echo.default:80@b",
  }];
  assert.deepEqual(await leftBy(`leave echo.default:80@${arn}`, there), [`echo.default:80@${arn}`]);
});

Deno.test("down that leaves something behind says what, and is no success", async () => {
  await using world = new World({ answers: { left: ["ip rule 5210"] } });
  const { code, stdout } = await world.pmz("down");
  assert.equal(code, 1);
  assert.equal(stdout, "down\nleft: ip rule 5210\n");
});

Deno.test("down without a daemon still looks at what one left behind", async () => {
  await using world = new World({
    running: false,
    parts: { leftovers: () => Promise.resolve(["device pmz0"]) },
  });
  const { code, stdout } = await world.pmz("down");
  assert.equal(code, 1);
  assert.equal(stdout, "was not up\nleft: device pmz0\n");
});

Deno.test("the line for colleagues is one word for each of its words in a shell", async () => {
  const result = { ...echoIntercept, match: { hosts: ["*.shop.example"] }, domain: "*.shop.example" };
  await using world = new World({ answers: { intercept: [{ kind: "result", result }] } });
  const { stdout, stderr } = await world.pmz("intercept echo 8081 --domain *.shop.example");
  assert.match(stdout + stderr, /for colleagues: pmz dns add '\*\.shop\.example' echo\.default$/m);
});

Deno.test("a domain goes to the connection's own namespace unless another is named", async () => {
  for (
    const [line, namespace] of [["dns add a.example echo", "default"], [
      "dns add a.example echo.shop",
      "shop",
    ], ["dns add --domain a.example --service echo --namespace shop", "shop"]] as const
  ) {
    await using world = new World();
    assert.equal((await world.pmz(line)).code, 0);
    assert.deepEqual(world.daemon.asked.at(-1)?.body, {
      domain: "a.example",
      service: "echo",
      namespace,
      context: "dev",
    });
  }
});

Deno.test("agents are only removed after a yes", async () => {
  await using world = new World();
  assert.equal((await world.pmz("agent delete")).code, 12);
  assert.equal((await world.pmz("agent delete --yes --component node")).code, 0);
  const last = world.daemon.asked.at(-1);
  assert.equal(last?.request, "DELETE /agent");
  assert.deepEqual(last.body, { context: "dev", components: ["node"] });
});

Deno.test("a daemon that was only started for a look at the agents is stopped again", async () => {
  const { status } = defaultAnswers();
  await using world = new World({
    running: false,
    answers: { status: { ...status, clusters: [], intercepts: [] } },
  });
  assert.equal((await world.pmz("agent status --context dev")).code, 0);
  assert.deepEqual(world.daemon.asked.map(({ request }) => request), [
    "POST /agent/status",
    "POST /stop",
  ]);
});

Deno.test("run keeps the daemon that it started", async () => {
  const { status } = defaultAnswers();
  await using world = new World({
    running: false,
    answers: { status: { ...status, clusters: [], intercepts: [] } },
  });
  assert.equal((await world.pmz("run --interface eth0")).code, 0);
  assert.deepEqual(world.daemon.asked, []);
});

Deno.test("an env file is written before the intercept, and none is made where that fails", async () => {
  await using world = new World();
  const file = `${world.folder}/dev.env`;
  const { code, stderr } = await world.pmz(`intercept echo 8081 --env-file ${file}`);
  assert.equal(code, 0, stderr);
  assert.match(await Deno.readTextFile(file), /^DB_HOST=db\.shop$/m);
  const asked = world.daemon.asked.map(({ request }) => request);
  assert.deepEqual(asked, ["POST /environment", "POST /plan", "POST /intercepts"]);
  const failed = await world.pmz("intercept echo 8081 --env-file /nosuch/dev.env");
  assert.equal(failed.code, 2);
  assert.equal(world.daemon.asked.filter(({ request }) => request === "POST /intercepts").length, 1);
  assert.equal((await world.pmz("intercept echo 8081 --container app")).code, 2);
});
