import assert from "node:assert/strict";
import type { CheckResult, DaemonView, DoctorRequest, ServedNames } from "../wire/doctor.ts";
import { checkResults } from "./testing/check_results.ts";
import { defaultAnswers } from "./testing/fake_daemon.ts";
import { World, type WorldOptions } from "./testing/run.ts";

/** Runs a line of doctor, and gives what was asked for and how the daemon looked. */
async function ask(line: string, options: WorldOptions = {}) {
  const asked: { request: DoctorRequest; daemon: DaemonView; sudo: string | undefined }[] = [];
  await using world = new World(options);
  const ran = await world.pmz(line, {
    doctor: async (request) => {
      asked.push({ request, daemon: await request.daemon(), sudo: await request.sudo() });
      return [];
    },
  });
  const [first] = asked;
  return { ...ran, first };
}

Deno.test("doctor asks for the checks and the cluster that the line names", async () => {
  const { first, code } = await ask("doctor kernel rights --context staging --kubeconfig /kube -n shop", {
    env: { HTTPS_PROXY: "http://proxy.example" },
  });
  assert.equal(code, 0);
  assert.deepEqual(first?.request.only, ["kernel", "rights"]);
  const { context, kubeconfig, namespace, env } = first?.request ?? {};
  assert.deepEqual([context, kubeconfig, namespace], ["staging", "/kube", "shop"]);
  assert.equal(env?.get("HTTPS_PROXY"), "http://proxy.example");
});

Deno.test("without arguments doctor checks everything, with the KUBECONFIG of this shell", async () => {
  const { first } = await ask("doctor", { env: { KUBECONFIG: "/a:/b" } });
  assert.deepEqual([first?.request.only, first?.request.kubeconfig], [[], "/a:/b"]);
});

Deno.test("an unknown check is a usage error that lists the valid ones", async () => {
  const { code, stderr, first } = await ask("doctor karnel");
  assert.equal(code, 2);
  assert.match(stderr, /karnel.*kernel/);
  assert.equal(first, undefined);
  assert.match(
    (await ask("doctor Kernel")).stderr,
    /"Kernel" is not a valid check: did you mean "kernel"\? expected platform,/,
  );
  assert.match((await ask("doctor xyzzy")).stderr, /"xyzzy" is not a valid check: expected platform,/);
});

Deno.test("the daemon is looked at, and doctor never starts one", async () => {
  const { first } = await ask("doctor");
  assert.equal(first?.daemon.state, "running");
  assert.ok(first.daemon.state === "running" && first.daemon.namespaces.includes("shop"));
  await using world = new World({ running: false });
  let seen: DaemonView | undefined;
  await world.pmz("doctor", { doctor: async ({ daemon }) => (seen = await daemon(), []) });
  assert.deepEqual([seen, world.started], [{ state: "none" }, 0]);
});

Deno.test("a daemon of another version is something that doctor finds, with its remedy", async () => {
  const hello = { protocol: "control", version: 999, oldest: 999 } as const;
  const { first, code } = await ask("doctor", {
    answers: { hello: { ...hello, features: [], release: "9.9.9" } },
  });
  assert.equal(code, 0);
  assert.ok(first?.daemon.state === "unusable");
  assert.match(`${first.daemon.why} ${first.daemon.remedy}`, /9\.9\.9.*pmz down/);
});

Deno.test("sudo is looked for on PATH, and may be missing", async () => {
  assert.equal((await ask("doctor", { env: { PATH: "/nonexistent:relative" } })).first?.sudo, undefined);
  const folder = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${folder}/sudo`, "");
    const { first } = await ask("doctor", { env: { PATH: `/nonexistent:${folder}` } });
    assert.equal(first?.sudo, `${folder}/sudo`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("the exit code is 1 when a check failed, and 0 after warnings and checks that were skipped", async () => {
  await using world = new World();
  const with_ = (results: readonly CheckResult[]) =>
    world.pmz("doctor", { doctor: () => Promise.resolve(results) });
  const { code, stderr } = await with_(checkResults);
  assert.equal(code, 1);
  assert.match(stderr, /^error: 1 check failed: tun\n$/);
  const sound = await with_(checkResults.filter(({ outcome }) => outcome !== "failed"));
  assert.deepEqual([sound.code, sound.stderr], [0, ""]);
});

Deno.test("on a terminal a line says how far the checks are, and goes away", async () => {
  await using world = new World({ terminal: true, env: { LANG: "C" } });
  const { stderr } = await world.pmz("doctor tunnel", {
    doctor: (_, onChecked) => {
      onChecked({ done: 3, all: 16, running: ["api-server", "leftovers"] });
      return Promise.resolve([]);
    },
  });
  assert.match(stderr, /Checks {2}3 of 16: api-server, leftovers/);
  assert.ok(stderr.endsWith("\r\x1b[K"), JSON.stringify(stderr));
});

Deno.test("elsewhere no progress is told", async () => {
  await using world = new World();
  const { stderr } = await world.pmz("doctor", {
    doctor: (_, onChecked) => {
      onChecked({ done: 3, all: 16, running: ["api-server"] });
      return Promise.resolve([]);
    },
  });
  assert.equal(stderr, "");
});

Deno.test("up and status warn of what this shell's environment keeps from working, once, and not with --proxy", async () => {
  const told: (string | undefined)[] = [];
  const shellWarnings = async (served: () => Promise<ServedNames>) => {
    told.push((await served()).proxy);
    return [{ message: "HTTP_PROXY is set", hint: "export NO_PROXY=.svc" }];
  };
  const proxy = "127.0.0.1:1080";
  const { status } = defaultAnswers();
  await using world = new World({ parts: { shellWarnings }, answers: { status: { ...status, proxy } } });
  const warned = /^warning: HTTP_PROXY is set\n {2}hint: export NO_PROXY=\.svc$/gm;
  for (const line of ["up", "up --context one --context two", "status"]) {
    assert.equal((await world.pmz(line)).stderr.match(warned)?.length, 1, line);
  }
  assert.deepEqual(told, [proxy, proxy, proxy]);
  assert.doesNotMatch((await world.pmz("up --proxy")).stderr, warned);
  const { stdout } = await world.pmz("status -o json");
  assert.equal(JSON.parse(stdout).warnings.at(-1).message, "HTTP_PROXY is set");
});
