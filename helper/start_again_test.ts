import assert from "node:assert/strict";
import { type OwnProgram, startAgain } from "./start_again.ts";

const unpacked: OwnProgram = {
  packed: "/home/alice/bin/pmz",
  isCompiled: false,
  execPath: "/var/cache/pmz/digest/deno",
  main: "/var/cache/pmz/digest/main.js",
  denoDir: "/var/cache/pmz/digest/cache",
};

Deno.test("the unpacked program is started again, not the file that it came from", () => {
  const { command, env } = startAgain(unpacked);
  assert.deepEqual([command[0], command.at(-1)], [
    "/var/cache/pmz/digest/deno",
    "/var/cache/pmz/digest/main.js",
  ]);
  assert.ok(!command.includes("/home/alice/bin/pmz"));
  assert.ok(
    ["--no-remote", "--no-npm", "--cached-only", "--no-config"].every((one) => command.includes(one)),
  );
  assert.deepEqual(Object.keys(env ?? {}).sort(), [
    "DENO_DIR",
    "DENO_NO_PACKAGE_JSON",
    "DENO_NO_UPDATE_CHECK",
    "PATH",
    "PMZ_SELF",
  ]);
});

Deno.test("a copy in memory is started again as itself", () => {
  const { command } = startAgain({ ...unpacked, execPath: "/memfd:pmz (deleted)" });
  assert.equal(command[0], "/proc/self/exe");
});

Deno.test("a compiled program is started again by the file that runs, whatever lies at its path", () => {
  assert.deepEqual(startAgain({ ...unpacked, isCompiled: true }), { command: ["/proc/self/exe"] });
});

Deno.test("from its sources it is started with the Deno that runs it", () => {
  const { command } = startAgain({
    ...unpacked,
    packed: undefined,
    execPath: "/opt/deno",
    main: "/src/main.ts",
  });
  assert.deepEqual(command, ["/opt/deno", "run", "--quiet", "--allow-all", "/src/main.ts"]);
});

Deno.test("the launcher starts root's program with the same options", async () => {
  const launcher = await Deno.readTextFile(new URL("../build/launcher/main.c", import.meta.url));
  const options = [...launcher.matchAll(/"(--[a-z-]+)"/g)].map(([, option]) => option);
  const again = startAgain(unpacked).command.filter((one) => one.startsWith("--"));
  assert.deepEqual([...new Set(options)].sort(), [...again].sort());
});
