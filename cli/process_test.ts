import { until } from "../async/testing/until.ts";
import assert from "node:assert/strict";
import type { Plan } from "../wire/control.ts";
import { defaultAnswers, FakeDaemon } from "./testing/fake_daemon.ts";

const program = new URL("./testing/program.ts", import.meta.url).pathname;

const { plan } = defaultAnswers();

/** The command line in a process of its own. */
function spawn(folder: string, ...argv: readonly string[]): Deno.ChildProcess {
  const args = ["run", "-A", "--no-check", program, folder, ...argv];
  return new Deno.Command(Deno.execPath(), { args, stdin: "null", stdout: "piped", stderr: "piped" }).spawn();
}

Deno.test("the process prints, and ends with the command's exit code", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pmz-cli-" });
  const up = spawn(folder, "version");
  const { code, stdout } = await up.output();
  assert.equal(code, 0);
  assert.equal(new TextDecoder().decode(stdout), "pmz 0.1.0\n");
  assert.equal((await spawn(folder, "status").output()).code, 3);
  await Deno.remove(folder, { recursive: true });
});

for (const signal of ["SIGINT", "SIGHUP", "SIGTERM"] as const) {
  Deno.test(`${signal} to the process ends the request, and the exit code is 130`, async () => {
    const folder = await Deno.makeTempDir({ prefix: "pmz-cli-" });
    await using daemon = new FakeDaemon(folder, { up: [{ kind: "step", name: "a", state: "started" }] });
    const child = spawn(folder, "up");
    await until("the daemon is asked", () => daemon.asked.some(({ request }) => request === "POST /up"));
    child.kill(signal);
    const { code, stderr } = await child.output();
    assert.equal(code, 130);
    assert.match(new TextDecoder().decode(stderr), /error: interrupted/);
    await daemon.readerGone.promise;
    await Deno.remove(folder, { recursive: true });
  });
}

Deno.test("where stdin is no terminal, sudo reads the password from it", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pmz-cli-" });
  const sudo = `#!/bin/sh\n[ "$1" = -S ] && read -r password && echo "$password" > ${folder}/password\n`;
  await Deno.writeTextFile(`${folder}/sudo`, sudo, { mode: 0o755 });
  const helper = { uid: 1000, also: [], ranges: [], never: [], cap: 20_000 };
  await using _daemon = new FakeDaemon(folder, { plan: { ...plan as Plan, helper } });
  const args = ["run", "-A", "--no-check", program, folder, "up"];
  const env = { PATH: `${folder}:${Deno.env.get("PATH")}` };
  const child = new Deno.Command(Deno.execPath(), {
    args,
    env,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode("open sesame\n"));
  await writer.close();
  const { code, stdout, stderr } = await child.output();
  assert.equal(code, 0);
  assert.equal(await Deno.readTextFile(`${folder}/password`), "open sesame\n");
  assert.ok(
    !new TextDecoder().decode(stdout).includes("sesame") &&
      !new TextDecoder().decode(stderr).includes("sesame"),
  );
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a reader that goes away early, as head does, is no error", async () => {
  const folder = await Deno.makeTempDir({ prefix: "pmz-cli-" });
  const child = spawn(folder, "--help");
  await child.stdout.cancel();
  const [{ code }, stderr] = await Promise.all([child.status, new Response(child.stderr).text()]);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("the command line starts without the rooms that only the daemon needs", async () => {
  const args = ["info", "--json", new URL("./cli.ts", import.meta.url).pathname];
  const { stdout } = await new Deno.Command(Deno.execPath(), { args, stdout: "piped", stderr: "null" })
    .output();
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as {
    modules: readonly { specifier: string }[];
  };
  const root = new URL("../", import.meta.url).href;
  const names = modules.map(({ specifier }) => specifier.replace(root, "/"));
  assert.ok(names.includes("/cli/cli.ts"));
  const heavy = names.filter((name) =>
    /client-node|\/hono@|\/(daemon|kube|agent|hbone|helper|ffi)\//.test(name)
  );
  assert.deepEqual(heavy, []);
});
