import assert from "node:assert/strict";
import { container } from "./lib/container.ts";
import { Stage } from "./lib/stage.ts";

/** An object of the cluster as the walkthrough's first listing has it: `kubectl get svc`. */
const address = /^(\d+\.){3}\d+$/;

Deno.test("the original's walkthrough goes as its README has it, with pmz for pmzctl", async (t) => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const { laptop } = world;
  const install = { timeout: 60_000 };
  await alice.done(["agent", "delete", "--yes"], install);
  const before = await laptop.snapshot();
  const ip = (await alice.shell("kubectl get svc echo -o jsonpath={.spec.clusterIP}")).trim();
  assert.match(ip, address);
  const curl = (url: string) => laptop.run("alice", ["curl", "-sS", "-m5", url]);

  await t.step("curl -v echo.default.svc:80: could not resolve host", async () => {
    const { code, stderr } = await curl("echo.default.svc:80/?echo_body=amazing");
    assert.deepEqual([code, stderr], [6, "curl: (6) Could not resolve host: echo.default.svc\n"]);
  });

  await t.step("pmz run --interface eth0", async () => {
    const { code, stderr } = await alice.run(["run", "--interface", "eth0"]);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /no interface is needed/);
  });

  await t.step("pmz agent deploy", async () => {
    await alice.done(["agent", "deploy"], install);
    const pods = await alice.shell("kubectl get pods -A --no-headers");
    assert.match(pods, /^pmz +gateway-\S+ +1\/1 +Running/m);
    assert.equal([...pods.matchAll(/^pmz-node +node-agent-\S+ +2\/2 +Running/gm)].length, 2);
  });

  await t.step("pmz connect", async () => {
    const { stdout } = await alice.done(["connect"], install);
    assert.match(stdout, /^up: (\d+ of )?\d+ Services/m);
  });

  const names = async () =>
    (await alice.done(["dns", "list"])).stdout.trim().split("\n").map((line) => line.split(/ +/).slice(0, 2));

  await t.step("pmz dns list", async () => {
    const listed = new Map(await names() as [string, string][]);
    assert.equal(listed.get("echo.default.svc"), ip);
    assert.equal(listed.get("kube-dns.kube-system.svc"), "10.96.0.10");
    assert.equal(listed.get("kubernetes.default.svc"), "10.96.0.1");
  });

  await t.step("curl echo.default.svc:80", async () => {
    for (
      const url of ["echo.default.svc:80/?echo_body=amazing", "http://echo.default.svc/?echo_body=amazing"]
    ) {
      const { stdout, stderr } = await curl(url);
      const { pod, query } = JSON.parse(stdout || `"${stderr}"`) as Record<string, string>;
      assert.match(pod ?? "", /^echo-/);
      assert.equal(query, "echo_body=amazing");
    }
  });

  await t.step(
    "pmz dns add --domain www.dns.com --service echo --namespace default; curl www.dns.com",
    async () => {
      const listed = await names();
      await alice.done([
        "dns",
        "add",
        "--domain",
        "www.dns.com",
        "--service",
        "echo",
        "--namespace",
        "default",
      ]);
      const { pod, host } = JSON.parse((await curl("www.dns.com:80/?echo_body=dns")).stdout) as Record<
        string,
        string
      >;
      assert.match(pod ?? "", /^echo-/);
      assert.match(host ?? "", /^www\.dns\.com(:80)?$/);
      assert.deepEqual((await names()).filter(([name]) => name === "www.dns.com"), [["www.dns.com", ip]]);
      await alice.done(["dns", "remove", "--domain", "www.dns.com"]);
      assert.deepEqual(await names(), listed);
    },
  );

  await t.step("docker run -p 8081:80; pmz intercept add -s echo -p 8081:80; list; delete", async () => {
    await using _docker = await container(laptop, 8081);
    await alice.done(["intercept", "add", "-s", "echo", "-p", "8081:80"], install);
    const { stdout } = await curl("echo.default.svc:80/?echo_body=amazing");
    const { pod, query, host } = JSON.parse(stdout) as Record<string, string>;
    assert.deepEqual([pod, query], ["container", "echo_body=amazing"]);
    assert.match(host ?? "", /^echo\.default\.svc(:80)?$/);
    const restarts = "jsonpath={.items[*].status.containerStatuses[*].restartCount}";
    assert.equal(await alice.shell(`kubectl get pods -l app=echo -o '${restarts}'`), "0 0");
    assert.match((await alice.done(["intercept", "list"])).stdout, /^echo\.default:80 +localhost:8081 /m);
    await alice.done(["intercept", "delete", "-s", "echo"]);
    assert.match((await curl("echo.default.svc:80/")).stdout, /"pod":"echo-/);
  });

  await t.step("pmz disconnect", async () => {
    assert.match((await alice.done(["disconnect"])).stdout, /left: nothing/);
    await laptop.settles(before, 2_000);
  });
});

Deno.test("a person at a terminal is told which cluster it is, asked once, and asked for the password by sudo", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  await stage.alice.done(["agent", "delete", "--yes"], { timeout: 60_000 });
  await stage.alice.shell("sudo -K");
  await using up = laptop.terminal("alice", ["pmz", "up"]);
  await up.says(/context +\S*one[^]*server +https:\/\/10\.77\.1\.1:6443[^]*Install it in one\? \[y\/N\]/);
  await up.write("y\n");
  await up.says(/password for alice/);
  await up.write("alice\n");
  await up.says(/tried: echo\.default:80 accepted a connection/, 30_000);
  assert.equal((await up.status()).code, 0);
  assert.match((await laptop.run("alice", ["curl", "-sS", "-m5", "http://echo/"])).stdout, /"pod":"echo-/);
});

Deno.test("a wrong password, or none, leaves nothing behind and says what works without root", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await alice.done(["agent", "deploy", "--component", "gateway"], { timeout: 60_000 });
  await alice.shell("sudo -K");
  const before = await world.laptop.snapshot();
  const attempts = [
    ["", /error: .*sudo needs a password, and there is no terminal.*\n {2}hint: .*pmz up --proxy/],
    ["wrong\nwrong\nwrong\n", /error: .*sudo didn't accept the password\n {2}hint: .*pmz up --proxy/],
  ] as const;
  for (const [stdin, says] of attempts) {
    const { code, stderr } = await alice.run(["up"], { stdin });
    assert.equal(code, 10, stderr);
    assert.match(stderr, says);
  }
  await world.laptop.settles(before, 2_000);
});
