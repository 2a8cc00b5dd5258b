import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import type { LogLine, UnreadLog } from "../../wire/log_line.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import { workload } from "./lib/workload.ts";

/** A part of each planted secret that nothing else has. */
const CANARY = "canary-5309";
const PLANTED = "/home/alice/planted";
const SECRETS = /canary-5309|Y2FuYXJ5LTUzMD/; // the second one is the first in base64

/** Alice's own cluster by users whose secrets are planted, and by a proxy with a password. */
const plant = `
import base64, json, subprocess
read = ["kubectl", "config", "view", "--flatten", "--minify", "-o", "json"]
config = json.loads(subprocess.run(read, check=True, capture_output=True).stdout)
own = config["users"][0]["user"]
cluster = config["clusters"][0]["cluster"]
proxied = {**cluster, "proxy-url": "http://jo:${CANARY}-proxy@127.0.0.1:9"}
users = {
    "own": own,
    "token": {"token": "${CANARY}-token"},
    "basic": {"username": "jo", "password": "${CANARY}-password"},
    "plugin": {"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "sh",
        "args": ["-c", "echo ${CANARY}-said >&2; exit 1", "--client-secret=${CANARY}-argument"],
        "env": [{"name": "LOGIN", "value": "${CANARY}-plugin"}],
        "interactiveMode": "Never",
    }},
    "oidc": {"auth-provider": {"name": "oidc", "config": {
        "idp-issuer-url": "https://127.0.0.1:9/${CANARY}-path?x=${CANARY}-query",
        "client-id": "pmz",
        "client-secret": "${CANARY}-client",
        "refresh-token": "${CANARY}-refresh",
        "id-token": "a.b.c",
    }}},
}
json.dump({
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "c", "cluster": cluster}, {"name": "proxied", "cluster": proxied}],
    "users": [{"name": name, "user": user} for name, user in users.items()],
    "contexts": [{"name": name, "context": {"cluster": "c", "user": name}} for name in users]
        + [{"name": "proxied", "context": {"cluster": "proxied", "user": "own"}}],
    "current-context": "own",
}, open("${PLANTED}", "w"))
`;

const env = {
  KUBECONFIG: PLANTED,
  MY_TOKEN: `${CANARY}-variable`,
  ALL_PROXY: `socks5://jo:${CANARY}-socks@127.0.0.1:9`,
};

/** Has pmz do what touches each secret: it fails with most of them. */
async function touch(alice: Pmz): Promise<void> {
  for (const context of ["token", "basic", "plugin", "oidc", "proxied"]) {
    await alice.run(["up", "--yes", "--context", context], { env, timeout: 60_000 });
    await alice.run(["agent", "status", "--context", context], { env, timeout: 60_000 });
  }
  await alice.run(["up", "--yes"], { env: { ...env, HTTPS_PROXY: `http://jo:${CANARY}-https@127.0.0.1:9` } });
  const file = "/home/alice/planted.env";
  await alice.done(["intercept", "vault", "18099", "--env-file", file, "--yes"], { env, timeout: 60_000 });
  assert.match(await alice.shell(`cat ${file}; rm ${file}`), SECRETS, "the Secret was read");
  const header = `x-session=${CANARY}-header`;
  await alice.done(["intercept", "echo", "18098", "--header", header, "--yes"], { env, timeout: 60_000 });
  await alice.run(["run", "vault", "--", "true"], { env });
  await alice.run(["explain", `http://jo:${CANARY}-url@vault.default.svc/?token=${CANARY}-url`], { env });
}

interface LogList {
  readonly items: readonly LogLine[];
  readonly unread: readonly UnreadLog[];
}

Deno.test("logs and reports have what happened, and nothing of the secrets that are planted everywhere", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "vault", namespace: "default" } };
  await world.apply({ ...secret, stringData: { password: `${CANARY}-secret` } });
  const password = { secretKeyRef: { name: "vault", key: "password" } };
  await using _vault = await workload(world, {
    name: "vault",
    container: { command: ["sleep", "infinity"], env: [{ name: "PASSWORD", valueFrom: password }] },
  });
  await world.kubectl(["rollout", "status", "deployment/vault", "--timeout=60s"]);
  await alice.shell(`cat > /tmp/plant.py <<'EOF'\n${plant}\nEOF\npython3 /tmp/plant.py; rm /tmp/plant.py`);
  try {
    await stage.up();
    await touch(alice);

    const logs = await alice.done(["logs", "--agent", "--since", "1h", "-o", "json"], {
      env,
      timeout: 60_000,
    });
    assert.doesNotMatch(logs.stdout + logs.stderr, SECRETS);
    const { items, unread } = JSON.parse(logs.stdout) as LogList;
    const sources = new Set(items.map(({ source }) => source));
    assert.deepEqual([...sources].sort(), ["attach", "daemon", "gateway", "helper", "relay"], logs.stderr);
    assert.deepEqual(unread, []);
    assert.deepEqual(items.map(({ time }) => time), items.map(({ time }) => time).sort());
    const text = await alice.done(["logs", "--agent"], { env, timeout: 60_000 });
    assert.match(text.stdout, /Z helper {2}info {2}a daemon connected/);
    assert.doesNotMatch(text.stdout + text.stderr, SECRETS);

    const path = "/home/alice/report.tar.gz";
    const report = await alice.done(["report", "--agent", "--yes", "--output", path], {
      env,
      timeout: 120_000,
    });
    assert.match(report.stdout, /logs\.jsonl +\S+ [KM]iB[^]*report\.tar\.gz is written/);
    assert.equal(await alice.shell(`stat -c %a ${path}`), "600\n");
    const files = await alice.shell(`tar -xzOf ${path}; tar -tzf ${path}; rm ${path}`);
    assert.doesNotMatch(report.stdout + report.stderr + files, SECRETS);
    assert.doesNotMatch(files, /10\.77\.1\.1:6443.*kubeconfig|\/home\/alice/, "the home folder is hidden");
    for (
      const wanted of [
        /"id": "api-server"/,
        /"source":"relay"/,
        /"context": "/,
        /\$ ip -4 rule/,
        /doctor\.json/,
      ]
    ) {
      assert.match(files, wanted);
    }
  } finally {
    await world.kubectl(["delete", "secret", "vault"]);
    await alice.shell(`rm -f ${PLANTED}`);
  }
});

Deno.test("logs are followed as they come, and shown without a daemon; who may not read the agents' is told", async () => {
  await using stage = await Stage.set();
  const { world } = stage;
  const alice = await stage.up();
  {
    await using following = world.laptop.spawn("alice", ["pmz", "logs", "-f", "--agent"]);
    await following.says(/daemon {2}info {2}the daemon is up/);
    await world.kubectl(["-n", "pmz", "rollout", "restart", "deployment/gateway"]);
    await following.says(
      /gateway\/\S+ info {2}(?:draining|stopped|starting|ready)[^]*daemon {2}info {2}tunnel is/,
      60_000,
    );
  }
  await world.kubectl(["-n", "pmz", "rollout", "status", "deployment/gateway", "--timeout=60s"]);
  await alice.done(["down"]);
  const last = await alice.done(["logs", "--agent", "--kubeconfig", "/home/alice/.kube/carol"], {
    timeout: 60_000,
  });
  assert.match(last.stdout, /daemon {2}info {2}the daemon is up/);
  assert.match(last.stderr, /warning: gateway: .*forbidden/i);
  assert.match(last.stderr, /warning: helper: its log is root's[^]*sudo cat \/run\/pmz\/\d+\/helper\.log/);
});

Deno.test("a report that is interrupted, or for which there is no space, leaves nothing", async () => {
  await using stage = await Stage.set();
  const { laptop } = stage.world;
  const names = () => stage.alice.shell("ls -A /home/alice");
  const before = await names();
  {
    await using asking = laptop.terminal("alice", ["sh", "-c", "cd; exec pmz report"]);
    await asking.says(/Write pmz-report-\S+\.tar\.gz\? \[y\/N\]/, 60_000);
    await asking.write("\x03");
    await until("pmz has ended", async () => (await asking.status()).code === 130);
  }
  const full =
    `mount -t tmpfs -o size=4k,mode=777 none /mnt && { cat /dev/zero > /mnt/filled; sudo -u alice -H pmz report --yes --output /mnt/a.tar.gz
    code=$?; ls -A /mnt; exit $code; }`;
  const { code, stdout, stderr } = await laptop.run("root", ["unshare", "-m", "sh", "-c", full], {
    timeout: 60_000,
  });
  assert.equal(code, 2, stderr);
  assert.match(stderr, /a\.tar\.gz can't be written: .*[Nn]o space/);
  assert.doesNotMatch(stdout, /^a\.tar\.gz$/m);
  assert.equal(await names(), before);
});
