import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import type { Plan, Status } from "../wire/control.ts";
import { defaultAnswers } from "./testing/fake_daemon.ts";
import { World } from "./testing/run.ts";

const { plan, status } = defaultAnswers();
const bare: Plan = { ...plan as Plan, install: ["gateway"] };
const grant = { uid: 1000, also: [], ranges: [], never: [], cap: 20_000 };
const empty: Status = { ...status, clusters: [], intercepts: [] };

/** What the daemon was asked, without the questions whether it's of use. */
function asked(world: World): string[] {
  return world.daemon.asked.map(({ request }) => request);
}

Deno.test("up plans first, says which cluster, then connects, and starts the daemon for it", async () => {
  await using world = new World({ running: false });
  const { code, stderr } = await world.pmz("up --context dev -n shop --kubeconfig /etc/k");
  assert.equal(code, 0);
  assert.equal(world.started, 1);
  assert.deepEqual(asked(world).slice(0, 2), ["POST /plan", "POST /up"]);
  const choice = { context: "dev", kubeconfig: "/etc/k", namespace: "shop", mode: "capture" };
  assert.deepEqual(world.daemon.asked[0]?.body, choice);
  assert.deepEqual(world.daemon.asked[1]?.body, { ...choice, install: false });
  assert.ok(
    stderr.startsWith(
      "context    dev\nserver     https://127.0.0.1:6443\nnamespace  default\nuser       jo\n",
    ),
  );
});

Deno.test("ranges that are accepted are planned with", async () => {
  await using world = new World();
  const { code } = await world.pmz("up --accept-range 34.118.224.0/20 --accept-range 10.96.0.0/12");
  assert.equal(code, 0);
  const { ranges } = world.daemon.asked[0]?.body as { ranges: string[] };
  assert.deepEqual(ranges, ["34.118.224.0/20", "10.96.0.0/12"]);
  const { code: invalid, stderr } = await world.pmz("up --accept-range 10.96.0.0");
  assert.equal(invalid, 2);
  assert.match(stderr, /not a valid range of addresses: expected one such as/);
});

Deno.test("other accounts are planned with, and each is named before sudo asks", async () => {
  await using world = new World({
    answers: { plan: { ...plan as Plan, helper: { ...grant, also: ["root", "www-data"] } } },
  });
  const { PATH } = await fakeSudo(world.folder);
  const { code, stderr } = await world.pmz("up --also root --also www-data --also root", {
    env: { get: (name) => name === "PATH" ? PATH : undefined },
    helperCommand: () => ["/bin/true"],
  });
  assert.equal(code, 0, stderr);
  assert.deepEqual((world.daemon.asked[0]?.body as { also: string[] }).also, ["root", "www-data"]);
  assert.match(stderr, /root helper: .*, for your programs, and those of root and www-data\n/);
  assert.match(stderr, /of these accounts, too, .* pmz answers their DNS queries/);
});

Deno.test("an account has to have a name, and the proxy has none besides the user's", async () => {
  await using world = new World();
  const { code, stderr } = await world.pmz("up --also a,b");
  assert.deepEqual([code, /a,b\W+is not a valid name of an account/.test(stderr)], [2, true], stderr);
  const proxied = await world.pmz("up --proxy --also root");
  assert.deepEqual([proxied.code, /--also needs the root helper/.test(proxied.stderr)], [2, true]);
});

Deno.test("where an exec plugin is needed it runs in the command, once, and plan and up get what it answered", async () => {
  const plugin = { isNeeded: true, context: "dev", kubeconfig: "/etc/k" };
  await using world = new World({ answers: { plugin }, env: { AWS_PROFILE: "blue" } });
  const ran: unknown[] = [];
  const pluginCredential = (of: unknown) => Promise.resolve({ token: `t${ran.push(of)}` });
  assert.equal((await world.pmz("up", { pluginCredential })).code, 0);
  assert.deepEqual(ran, [{ context: "dev", kubeconfig: "/etc/k" }]);
  const [first, second] = world.daemon.asked;
  assert.deepEqual(first?.body, { credential: { token: "t1" }, mode: "capture" });
  assert.deepEqual((second?.body as { credential: unknown }).credential, { token: "t1" });
  assert.deepEqual(first?.environment, { variables: { AWS_PROFILE: "blue" }, folder: "/work" });
});

Deno.test("a plugin that fails ends the command with its words and its hint", async () => {
  await using world = new World({ answers: { plugin: { isNeeded: true } } });
  const failed = Object.assign(new Error('The plugin "aws" ended with exit code 1'), {
    code: "credentials",
    hint: "log in",
  });
  const { code, stderr } = await world.pmz("up", { pluginCredential: () => Promise.reject(failed) });
  assert.equal(code, 5);
  assert.match(stderr, /error: The plugin "aws" ended with exit code 1\n {2}hint: log in/);
  assert.deepEqual(world.daemon.asked, []);
});

Deno.test("a daemon that runs is used as it is", async () => {
  await using world = new World();
  await world.pmz("up");
  assert.equal(world.started, 0);
});

Deno.test("up connects to several contexts, one after the other", async () => {
  await using world = new World();
  const { code, stdout } = await world.pmz("up --context a --context b -o json");
  assert.equal(code, 0);
  assert.deepEqual(world.daemon.asked.map(({ body }) => (body as { context: string }).context), [
    "a",
    "a",
    "b",
    "b",
  ]);
  assert.equal((JSON.parse(stdout) as { items: unknown[] }).items.length, 2);
});

Deno.test("KUBECONFIG is that of this shell, with absolute paths", async () => {
  await using world = new World({ env: { KUBECONFIG: "/a/config::sub/config" } });
  await world.pmz("up");
  const { kubeconfig } = world.daemon.asked[0]?.body as { kubeconfig: string };
  assert.equal(kubeconfig, `/a/config:${Deno.cwd()}/sub/config`);
});

Deno.test("nothing is installed without a yes: none can be given without a terminal", async () => {
  await using world = new World({ answers: { plan: bare, status: empty }, running: false });
  const { code, stderr } = await world.pmz("up");
  assert.equal(code, 12);
  assert.match(stderr, /to install in dev:\n {2}gateway: /);
  assert.match(stderr, /error: nothing was installed: .*\n {2}hint: .*--yes/);
  assert.ok(!asked(world).includes("POST /up"));
  assert.equal(asked(world).at(-1), "POST /stop", "the daemon that was started for it is of no use");
});

Deno.test("the question is asked once, and only yes is yes", async () => {
  for (
    const [typed, code] of [["y", 0], ["YES", 0], [" yes ", 0], ["", 12], ["n", 12], ["yesterday", 12], [
      undefined,
      12,
    ]] as const
  ) {
    await using world = new World({
      answers: { plan: bare },
      typed: typed === undefined ? [] : [typed, "y"],
    });
    const ran = await world.pmz("up");
    assert.equal(ran.code, code, String(typed));
    assert.equal(ran.stderr.match(/\[y\/N\]/g)?.length, 1);
    assert.equal(asked(world).includes("POST /up"), code === 0);
  }
});

Deno.test("--yes agrees beforehand, and how to install goes along", async () => {
  await using world = new World({ answers: { plan: bare } });
  const { code } = await world.pmz("up --yes --base-image mirror/deno:1");
  assert.equal(code, 0);
  assert.deepEqual(world.daemon.asked[1]?.body, {
    mode: "capture",
    install: true,
    installOptions: { baseImage: "mirror/deno:1" },
  });
});

/** A folder with a `sudo` that notes its arguments and what it reads, then runs the rest, or refuses with these words. */
async function fakeSudo(folder: string, refuses?: string): Promise<{ PATH: string }> {
  const script = `#!/bin/sh\necho "$@" > ${folder}/sudo.args\n${
    refuses === undefined
      ? 'while [ "$1" != "--" ]; do shift; done; shift; exec "$@"'
      : `echo "${refuses}" >&2; exit 1`
  }\n`;
  await Deno.writeTextFile(`${folder}/sudo`, script, { mode: 0o755 });
  return { PATH: `/nowhere:${folder}` };
}

Deno.test("the root helper is started by sudo before the connection, from stdin where that is no terminal", async () => {
  for (const typed of [undefined, []]) {
    const answers = { plan: { ...plan as Plan, helper: grant } };
    await using world = new World({ answers, ...(typed ? { typed } : {}) });
    const { PATH } = await fakeSudo(world.folder);
    const seen: unknown[] = [];
    const { code } = await world.pmz("up", {
      env: { get: (name) => name === "PATH" ? PATH : undefined },
      helperCommand: (given) => {
        seen.push(given);
        return ["/bin/sh", "-c", `echo helper >> ${world.folder}/order`];
      },
    });
    assert.equal(code, 0);
    assert.deepEqual(seen, [grant]);
    assert.equal(await Deno.readTextFile(`${world.folder}/order`), "helper\n");
    const args = await Deno.readTextFile(`${world.folder}/sudo.args`);
    assert.match(args, typed ? /^-p \[sudo\] password for %p: {2}-- \/bin\/sh/ : /^-S -p {2}-- \/bin\/sh/);
    assert.deepEqual(asked(world), ["POST /plan", "POST /up"]);
  }
});

Deno.test("root needs no sudo", async () => {
  await using world = new World({ answers: { plan: { ...plan as Plan, helper: grant } }, parts: { uid: 0 } });
  assert.equal((await world.pmz("up")).code, 0);
});

/** An `up` whose root helper doesn't start. */
async function withoutHelper(how: { sudo?: string; helper?: string; uid?: number }) {
  await using world = new World({ answers: { plan: { ...plan as Plan, helper: grant } } });
  const { PATH } = await fakeSudo(world.folder, how.sudo);
  const { code, stderr } = await world.pmz("up", {
    env: { get: (name) => name === "PATH" ? PATH : undefined },
    helperCommand: () => ["/bin/sh", "-c", how.helper ?? "exit 1"],
    uid: how.uid ?? 1000,
  });
  assert.equal(code, 10);
  assert.deepEqual(asked(world), ["POST /plan"]);
  assert.match(stderr, /hint: .*pmz up --proxy/);
  return stderr;
}

Deno.test("a sudo that isn't there ends it before the connection, and --proxy is named", async () => {
  await using world = new World({ answers: { plan: { ...plan as Plan, helper: grant } } });
  const { code, stderr } = await world.pmz("up", { env: { get: () => undefined } });
  assert.equal(code, 10);
  assert.match(stderr, /there is no sudo on PATH\n {2}hint: .*pmz up --proxy/);
  assert.deepEqual(asked(world), ["POST /plan"]);
});

Deno.test("sudo that ends by Ctrl-C is an interruption, also where pmz hears of that first", async () => {
  await using world = new World({ answers: { plan: { ...plan as Plan, helper: grant } } });
  const { PATH } = await fakeSudo(world.folder);
  const { code } = await world.pmz("up", {
    env: { get: (name) => name === "PATH" ? PATH : undefined },
    helperCommand: () => ["/bin/sh", "-c", "kill -INT $$"],
  });
  assert.equal(code, 130);
  assert.deepEqual(asked(world), ["POST /plan"]);
});

Deno.test("a wrong password, a user who may not use sudo, and a missing terminal are told apart", async () => {
  const wrong = await withoutHelper({ sudo: "sudo: 3 incorrect password attempts" });
  assert.match(wrong, /sudo: 3 incorrect password attempts\nerror: .*sudo didn't accept the password/);
  const denied = await withoutHelper({ sudo: "jo is not in the sudoers file." });
  assert.match(denied, /sudo doesn't allow you to start .*\n {2}hint: ask the administrator/);
  const silent = await withoutHelper({ sudo: "sudo: a password is required" });
  assert.match(silent, /there is no terminal to ask for it/);
  const ended = await withoutHelper({ sudo: "sudo: no password was provided" });
  assert.match(ended, /there is no terminal to ask for it\n {2}hint: run pmz up on a terminal/);
  const wrongThenEnded = await withoutHelper({
    sudo: "Sorry, try again.\nsudo: no password was provided\nsudo: 1 incorrect password attempt",
  });
  assert.match(wrongThenEnded, /sudo didn't accept the password/);
  assert.match(await withoutHelper({ sudo: "sudo: oops" }), /sudo ended with exit code 1/);
});

Deno.test("a helper that can't start says itself why, with sudo or as root", async () => {
  const helper = `echo '{"ready":false,"error":"this kernel has no TUN device"}'; exit 10`;
  for (const uid of [0, 1000]) {
    const stderr = await withoutHelper({ helper, uid });
    assert.match(stderr, /error: the root helper can't start: this kernel has no TUN device\n/);
  }
});

Deno.test("with a proxy no helper is asked for, and its port goes along", async () => {
  await using world = new World();
  await world.pmz("up --proxy=1090");
  assert.deepEqual(world.daemon.asked[1]?.body, { mode: "proxy", install: false, proxyPort: 1090 });
});

Deno.test("up a second time says that it's up already", async () => {
  await using world = new World({ answers: { plan: { ...plan as Plan, connected: "capture" } } });
  const { code, stdout } = await world.pmz("up");
  assert.equal(code, 0);
  assert.match(stdout, /^up already: 3 Services/);
});

Deno.test("what the plan warns of is said, with its hint, even with --quiet", async () => {
  const warnings = [{ message: "namespace dev looks like a domain", hint: "use svc.dev.svc" }];
  await using world = new World({ answers: { plan: { ...plan as Plan, warnings } } });
  const { stderr } = await world.pmz("up -q");
  assert.equal(stderr, "warning: namespace dev looks like a domain\n  hint: use svc.dev.svc\n");
});

Deno.test("a failure is one line and a hint, its causes only with --verbose, its code the table's", async () => {
  const error = {
    code: "unreachable",
    message: "no way to\nhttps://x",
    hint: "VPN?",
    causes: ["TypeError: \x1b[31mdns"],
  } as const;
  for (const verbose of ["", " --verbose"]) {
    await using world = new World({ answers: { plan: error } });
    const { code, stdout, stderr } = await world.pmz(`up${verbose}`);
    assert.equal(code, 4);
    assert.equal(stdout, "");
    const causes = verbose ? "  cause: TypeError: \\u{1b}[31mdns\n" : "";
    assert.equal(stderr, `error: no way to https://x\n  hint: VPN?\n${causes}`);
  }
});

Deno.test("a daemon that can't be started is told with the code and hint it gives", async () => {
  const error = Object.assign(new Error("the state folder belongs to uid 0"), {
    code: "usage",
    hint: "move it",
  });
  await using world = new World({ running: false, parts: { startDaemon: () => Promise.reject(error) } });
  const { code, stderr } = await world.pmz("up");
  assert.equal(code, 2);
  assert.equal(stderr, "error: the state folder belongs to uid 0\n  hint: move it\n");
});

Deno.test("Ctrl-C ends the request so that the daemon undoes, and the exit code is 130", async () => {
  const controller = new AbortController();
  await using world = new World({ answers: { up: [{ kind: "step", name: "a", state: "started" }] } });
  const running = world.pmz("up", { interrupted: controller.signal });
  await until("the daemon is asked", () => world.daemon.asked.some(({ request }) => request === "POST /up"));
  controller.abort(new DOMException("interrupted", "AbortError"));
  const { code, stderr } = await running;
  assert.equal(code, 130);
  assert.match(stderr, /^.*error: interrupted: what had begun is being undone\n$/s);
  await world.daemon.readerGone.promise;
});

Deno.test("Ctrl-C says what stays in the cluster, where something is being installed: up and intercept alike", async () => {
  for (
    const [line, call] of [["up --yes", "POST /up"], [
      "intercept echo 8081 --yes",
      "POST /intercepts",
    ]] as const
  ) {
    const controller = new AbortController();
    const started = [{ kind: "step", name: "a", state: "started" }] as const;
    await using world = new World({ answers: { plan: bare, up: started, intercept: started } });
    const running = world.pmz(line, { interrupted: controller.signal });
    await until("the daemon is asked", () => asked(world).includes(call));
    controller.abort(new DOMException("interrupted", "AbortError"));
    const { code, stderr } = await running;
    assert.equal(code, 130);
    assert.match(
      stderr,
      /error: interrupted: what had begun is being undone\n {2}hint: what is installed in dev stays; .*pmz agent delete\n$/,
    );
  }
});

Deno.test("Ctrl-C in the middle of down says that it may be half down, and what to type", async () => {
  const controller = new AbortController();
  await using world = new World({ answers: { downStays: true } });
  const running = world.pmz("down", { interrupted: controller.signal });
  while (!world.daemon.asked.some(({ request }) => request === "POST /down")) {
    await new Promise((next) => setTimeout(next, 5));
  }
  controller.abort(new DOMException("interrupted", "AbortError"));
  const { code, stderr } = await running;
  assert.deepEqual([code, stderr], [
    130,
    "error: interrupted: pmz may be half down\n  hint: run it again: pmz down\n",
  ]);
});

Deno.test("-v is --verbose, also where the command line isn't understood", async () => {
  await using world = new World({
    answers: { plan: { code: "unreachable", message: "no way", causes: ["Error: ECONNREFUSED"] } },
  });
  assert.match((await world.pmz("up -v")).stderr, /cause: Error: ECONNREFUSED/);
});
