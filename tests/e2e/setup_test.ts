import assert from "node:assert/strict";
import { Stage } from "./lib/stage.ts";

/** kubectl as a user has it who has installed pmz for herself. */
const withOwnPrograms = (script: string) => `PATH=~/.local/bin:$PATH; ${script}`;

Deno.test("a user installs pmz without root, uses it by kubectl, and removes it without a trace", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  const files = () =>
    alice.shell("cd && find . ! -path ./.local ! -path './.local/state*' ! -path ./.cache | sort");
  await alice.shell("rm -rf ~/.cache/pmz");
  const before = await files();
  assert.match((await alice.done(["install"])).stdout, /\.local\/bin\/pmz +written/);
  const page = await alice.shell(withOwnPrograms("man -w pmz || test -s ~/.local/share/man/man1/pmz.1"));
  assert.match(page, /^$|\/\.local\/share\/man\/man1\/pmz\.1\n/);
  assert.match(await alice.shell(withOwnPrograms("kubectl pmz version")), /^pmz \d/);
  const up = await alice.shell(withOwnPrograms("printf 'alice\\n' | kubectl pmz up --yes"), {
    timeout: 60_000,
  });
  assert.match(up, /^connected|echo\.default\.svc/m);
  assert.match(await alice.shell(withOwnPrograms("kubectl pmz status")), /connected/);
  const refused = await alice.run(["uninstall", "--yes"]);
  assert.equal(refused.code, 8);
  assert.match(refused.stderr, /pmz is up: nothing was removed/);
  await alice.shell(withOwnPrograms("kubectl pmz down"));
  const { stdout } = await alice.done(["uninstall", "--yes"]);
  assert.match(stdout, /^removed$/m);
  assert.equal(await files(), before);
});

Deno.test("a program that is replaced while pmz is up stays usable, and so does the connection", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const pid = await alice.daemon();
  await alice.done(["install"]);
  await alice.shell("printf x >> ~/.local/bin/pmz"); // somebody else's file by now
  assert.equal((await alice.run(["install"])).code, 8);
  await alice.done(["install", "--force"]);
  assert.equal(await alice.daemon(), pid);
  assert.match(await alice.shell(withOwnPrograms("kubectl pmz services")), /echo/);
  await alice.done(["down"]);
  await alice.done(["uninstall", "--yes"]);
});

Deno.test("with sudo pmz is the machine's, and only those files of it that root made go again", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  // /usr/local/share is not the laptop's own.
  const script = `
    mount -t tmpfs share /usr/local/share
    cp /usr/local/bin/pmz /tmp/pmz-download; mv /usr/local/bin/pmz /tmp/pmz-before
    trap 'mv /tmp/pmz-before /usr/local/bin/pmz; rm -f /tmp/pmz-download /usr/local/bin/kubectl-pmz' EXIT
    as() { su - alice -c "$1"; }
    echo alice | as "/tmp/pmz-download install --system"
    find /usr/local/share /usr/local/bin/pmz /usr/local/bin/kubectl-pmz ! -type d -printf '%u %m %P %p\\n'
    as "cd /; pmz version; kubectl pmz version"
    echo alice | as "pmz uninstall --yes"
    find /usr/local/share -mindepth 1; ls /usr/local/bin
    as "ls -A .cache/pmz 2>&1" || true; ls -A /var/cache/pmz 2>&1 || true`;
  const { code, stdout, stderr } = await laptop.run("root", ["unshare", "--mount", "bash", "-ec", script], {
    timeout: 60_000,
  });
  assert.equal(code, 0, stdout + stderr);
  assert.match(stdout, /\/usr\/local\/bin\/pmz +written\n/);
  assert.match(stdout, /^root 755 {2}\/usr\/local\/bin\/pmz$/m);
  assert.match(stdout, /^root 777 {2}\/usr\/local\/bin\/kubectl-pmz$/m);
  assert.match(stdout, /^root 644 man\/man1\/pmz\.1 /m);
  assert.match(stdout, /\npmz \d\S+\npmz \d\S+\nto be removed:\n {2}\/usr\/local\/bin\/pmz\n/);
  const [, after = ""] = stdout.split(/^removed$/m);
  assert.doesNotMatch(after, /pmz$|\/usr\/local\/share/m);
  assert.match(after, /cannot access '\/var\/cache\/pmz'/);
});
