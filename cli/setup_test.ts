/** `pmz install`, `pmz uninstall` and `pmz upgrade` as they are typed. */
import assert from "node:assert/strict";
import type { Installation } from "../wire/setup.ts";
import { upgradeSteps } from "./commands/upgrade.ts";
import { defaultAnswers } from "./testing/fake_daemon.ts";
import { FakeSetup } from "./testing/fake_setup.ts";
import { World } from "./testing/run.ts";

const parts = (setup: FakeSetup) => ({ setup: () => Promise.resolve(setup) });
const noDaemon = { running: false } as const;

Deno.test("install is the user's own, and says where the program is, and that a shell wouldn't find it", async () => {
  await using world = new World({ ...noDaemon, env: { PATH: "/usr/bin:/bin" } });
  const setup = new FakeSetup([]);
  const { code, stdout, stderr } = await world.pmz("install", parts(setup));
  assert.equal(code, 0);
  assert.equal(stdout, "/home/alice/.local/bin/pmz  written\npmz 0.1.0 is installed\n");
  assert.match(stderr, /^warning: \/home\/alice\/\.local\/bin is not in PATH\n {2}hint: add to ~\/\.profile/);
  const [request] = setup.installed;
  assert.deepEqual([request?.scope, request?.force, request?.release], ["user", false, "0.1.0"]);
});

Deno.test("install is the machine's for root", async () => {
  await using world = new World(noDaemon);
  const setup = new FakeSetup([]);
  await world.pmz("install --force", { ...parts(setup), uid: 0 });
  assert.deepEqual(setup.installed.map(({ scope, force }) => [scope, force]), [["system", true]]);
});

Deno.test("install says what was there before: an older release, a newer one, the same", async () => {
  await using world = new World({ ...noDaemon, env: { PATH: "/usr/bin" } });
  const said = async (installation: Partial<Installation>) => {
    const { stdout, stderr } = await world.pmz("install", parts(new FakeSetup(["user"], { installation })));
    return `${stdout}${stderr}`;
  };
  const replaced = (age: "older" | "newer" | "same" | "unknown", release?: string) =>
    said({ replaced: { age, ...(release === undefined ? {} : { release }) } });
  assert.match(await replaced("older", "0.0.9"), /^it was pmz 0\.0\.9 before$/m);
  assert.match(await replaced("newer", "0.2.0"), /^warning: it was pmz 0\.2\.0 before, which is newer/m);
  assert.match(await replaced("same", "0.1.0"), /^it was another build of pmz 0\.1\.0 before$/m);
  assert.match(await replaced("unknown"), /^it was a file of unknown release before$/m);
  const files = [{ path: "/home/alice/.local/bin/pmz", outcome: "unchanged" }] as const;
  assert.match(await said({ files }), /^pmz 0\.1\.0 is installed already, nothing changed$/m);
});

Deno.test("install --system without sudo says that sudo is missing", async () => {
  await using world = new World({ ...noDaemon, env: { PATH: "/nonexistent" } });
  const setup = new FakeSetup([]);
  const { code, stderr } = await world.pmz("install --system", parts(setup));
  assert.equal(code, 10);
  assert.match(stderr, /error: pmz wasn't installed: there is no sudo on PATH\n {2}hint: run it as root/);
  assert.deepEqual(setup.installed, []);
});

Deno.test("uninstall names what goes, and asks", async () => {
  const setup = new FakeSetup(["user"], {
    plan: { caches: ["/home/alice/.cache/pmz"], changed: ["/home/alice/x"] },
  });
  await using refused = new World({ ...noDaemon, typed: ["n"] });
  const no = await refused.pmz("uninstall", parts(setup));
  assert.equal(no.code, 12);
  assert.equal(no.stdout, "to be removed:\n  /home/alice/.local/bin/pmz\n  /home/alice/.cache/pmz\n");
  assert.match(no.stderr, /^warning: \/home\/alice\/x stays: it was changed/);
  assert.match(no.stderr, /Remove them\? \[y\/N\] error: nothing was removed from this machine/);
  assert.deepEqual(setup.uninstalled, []);
  await using agreed = new World({ ...noDaemon, typed: ["y"] });
  assert.equal((await agreed.pmz("uninstall", parts(setup))).code, 0);
  assert.deepEqual(setup.uninstalled.map(({ scope, purged }) => [scope, purged]), [["user", []]]);
});

Deno.test("uninstall --purge takes state and settings, too", async () => {
  await using world = new World({ ...noDaemon, env: { HOME: "/home/alice" } });
  const setup = new FakeSetup();
  await world.pmz("uninstall --purge --yes", parts(setup));
  assert.deepEqual(setup.uninstalled[0]?.purged, [world.folder, "/home/alice/.config/pmz/config.yaml"]);
});

Deno.test("uninstall removes nothing while pmz is up, for the user or for another", async () => {
  await using up = new World();
  const setup = new FakeSetup();
  const own = await up.pmz("uninstall --yes", parts(setup));
  assert.equal(own.code, 8);
  assert.match(own.stderr, /error: pmz is up: nothing was removed\n {2}hint: run: pmz down/);
  await using world = new World(noDaemon);
  const shared = new FakeSetup(["system"], { plan: { runningFor: [1000, 1001] } });
  const others = await world.pmz("uninstall --yes", parts(shared));
  assert.match(others.stderr, /error: pmz is up for uid 1001: nothing was removed/);
  assert.deepEqual([...setup.uninstalled, ...shared.uninstalled], []);
});

Deno.test("uninstall ends a daemon that has no cluster before it removes anything", async () => {
  await using world = new World({ answers: { status: { ...defaultAnswers().status, clusters: [] } } });
  const setup = new FakeSetup();
  const { code, stderr } = await world.pmz("uninstall --yes", parts(setup));
  assert.equal(code, 0, stderr);
  assert.equal(setup.uninstalled.length, 1);
});

Deno.test("uninstall without an installation changes nothing", async () => {
  await using world = new World(noDaemon);
  const { code, stdout } = await world.pmz("uninstall", parts(new FakeSetup([])));
  assert.deepEqual([code, stdout], [0, "pmz is not installed here, nothing changed\n"]);
});

Deno.test("uninstall takes the installation that there is, the user's own first", async () => {
  await using world = new World({ ...noDaemon, env: { PATH: "/nonexistent" } });
  const both = new FakeSetup(["user", "system"]);
  await world.pmz("uninstall --yes", parts(both));
  assert.equal(both.uninstalled[0]?.scope, "user");
  const { stdout, stderr } = await world.pmz("uninstall --yes", parts(new FakeSetup(["system"])));
  assert.match(stdout, /\/usr\/local\/bin\/pmz/);
  assert.match(stderr, /nothing was removed: there is no sudo/);
});

Deno.test("--user and --system exclude each other", async () => {
  await using world = new World(noDaemon);
  for (const command of ["install", "uninstall"]) {
    assert.equal((await world.pmz(`${command} --user --system`)).code, 2);
  }
});

Deno.test("upgrade says how, with and without a place of releases", async () => {
  await using world = new World(noDaemon);
  const { code, stdout } = await world.pmz("upgrade");
  assert.equal(code, 0);
  assert.match(stdout, /^this is pmz 0\.1\.0\n/);
  assert.deepEqual(upgradeSteps("https://releases.example/pmz"), [
    "releases are at https://releases.example/pmz; its script gets the newest, compares its digest, and installs it",
    "  curl -fsSL https://releases.example/pmz/latest/download/install.sh | sh",
  ]);
});
