import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { Caller } from "./lib/caller.ts";
import type { Pmz } from "./lib/pmz.ts";
import { Stage } from "./lib/stage.ts";
import type { World } from "./lib/world.ts";

const SECRET = "s3cret-'\"$HOME ${X} \\ #é\nsecond line";
const b64 = (text: string) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const field = (fieldPath: string) => ({ valueFrom: { fieldRef: { fieldPath } } });
const resource = (resource: string, more = {}) => ({
  valueFrom: { resourceFieldRef: { resource, ...more } },
});

/** A Deployment with a case of each kind that a kubelet knows; the second container has the Service's port. */
const shop = [
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "shop", namespace: "other" },
    data: {
      "app.conf": "a = 1\n",
      PLAIN: "from the map",
      "1st": "digit",
      "a.b-c": "dots",
      REF: "$(PLAIN)",
    },
    binaryData: { blob: "AAEC/w==" },
  },
  {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "shop-more", namespace: "other" },
    data: { PLAIN: "from the second map", MORE: "1" },
  },
  {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "db", namespace: "other" },
    data: { password: b64(SECRET), user: b64("jo"), "tls.key": b64("KEY\n"), empty: "" },
  },
  { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: "robot", namespace: "other" } },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "my-db", namespace: "other" },
    spec: { ports: [{ name: "pg", port: 5432 }, { name: "dns", port: 53, protocol: "UDP" }] },
  },
  {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "shop", namespace: "other" },
    spec: { selector: { app: "shop" }, ports: [{ name: "http", port: 80, targetPort: "web" }] },
  },
  {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop", namespace: "other" },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: "shop" } },
      template: {
        metadata: {
          labels: { app: "shop", quoted: "a.b" },
          annotations: { note: 'first "line"\nsecond\t\\ é' },
        },
        spec: {
          terminationGracePeriodSeconds: 0,
          serviceAccountName: "robot",
          containers: [
            {
              name: "side",
              image: "pmz.test/base:1",
              command: ["sleep", "infinity"],
              env: [{ name: "WHO", value: "side" }],
            },
            {
              name: "app",
              image: "pmz.test/base:1",
              command: ["sleep", "infinity"],
              ports: [{ name: "web", containerPort: 8080 }],
              resources: { requests: { cpu: "15m", memory: "20Mi" }, limits: { memory: "100M" } },
              envFrom: [
                { configMapRef: { name: "shop" } },
                { prefix: "CFG_", configMapRef: { name: "shop" } },
                { configMapRef: { name: "shop-more" } },
                { prefix: "DB_", secretRef: { name: "db" } },
                { configMapRef: { name: "gone", optional: true } },
                { secretRef: { name: "gone", optional: true } },
              ],
              env: [
                { name: "WHO", value: "app" },
                { name: "EARLY", value: "$(LATER)" },
                { name: "LATER", value: "$(WHO)-$(DB_user)-$$(WHO)-$$$(WHO)-$(NOSUCH)-$(" },
                {
                  name: "URL",
                  value: "postgres://$(DB_user)@$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT_PG)/",
                },
                { name: "MORE", value: "of env" },
                { name: "EMPTY", value: "" },
                { name: "KEY", valueFrom: { configMapKeyRef: { name: "shop", key: "REF" } } },
                { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "db", key: "password" } } },
                { name: "NO_KEY", valueFrom: { secretKeyRef: { name: "db", key: "gone", optional: true } } },
                {
                  name: "NO_MAP",
                  valueFrom: { configMapKeyRef: { name: "gone", key: "a", optional: true } },
                },
                { name: "POD", ...field("metadata.name") },
                { name: "NAMESPACE", ...field("metadata.namespace") },
                { name: "UID", ...field("metadata.uid") },
                { name: "LABEL", ...field("metadata.labels['quoted']") },
                { name: "NOTE", ...field("metadata.annotations['note']") },
                { name: "NONE", ...field("metadata.annotations['none']") },
                { name: "NODE", ...field("spec.nodeName") },
                { name: "ACCOUNT", ...field("spec.serviceAccountName") },
                { name: "HOST_IP", ...field("status.hostIP") },
                { name: "POD_IP", ...field("status.podIP") },
                { name: "POD_IPS", ...field("status.podIPs") },
                { name: "CPU_REQUEST", ...resource("requests.cpu", { divisor: "1m" }) },
                { name: "CPUS_REQUEST", ...resource("requests.cpu") },
                { name: "MEMORY_REQUEST", ...resource("requests.memory", { divisor: "1Mi" }) },
                { name: "MEMORY_LIMIT", ...resource("limits.memory", { divisor: "1Mi" }) },
                { name: "CPU_LIMIT", ...resource("limits.cpu") },
                { name: "DISK_REQUEST", ...resource("requests.ephemeral-storage") },
              ],
              volumeMounts: [
                { name: "config", mountPath: "/etc/shop" },
                { name: "db", mountPath: "/etc/shop-db", readOnly: true },
                { name: "config", mountPath: "/etc/one.conf", subPath: "app.conf" },
                { name: "config", mountPath: "/etc/expr.conf", subPathExpr: "$(WHO).conf" },
                { name: "optional", mountPath: "/etc/optional" },
                { name: "all", mountPath: "/var/run/all" },
                { name: "data", mountPath: "/data" },
              ],
            },
          ],
          volumes: [
            { name: "config", configMap: { name: "shop" } },
            {
              name: "db",
              secret: {
                secretName: "db",
                defaultMode: 0o400,
                items: [{ key: "tls.key", path: "private/key.pem", mode: 0o440 }, {
                  key: "user",
                  path: "user",
                }],
              },
            },
            { name: "optional", configMap: { name: "gone", optional: true } },
            { name: "data", emptyDir: {} },
            {
              name: "all",
              projected: {
                sources: [
                  { secret: { name: "db", items: [{ key: "password", path: "deep/er/password" }] } },
                  { configMap: { name: "shop-more" } },
                  { serviceAccountToken: { path: "vault", audience: "vault", expirationSeconds: 900 } },
                  {
                    downwardAPI: {
                      items: [
                        { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
                        { path: "annotations", fieldRef: { fieldPath: "metadata.annotations" } },
                        {
                          path: "cpu",
                          resourceFieldRef: { containerName: "app", resource: "limits.memory" },
                        },
                      ],
                    },
                  },
                ],
              },
            },
          ],
        },
      },
    },
  },
];

/** Variables that a pod has from its image, its runtime and its shell. */
const ofImage = new Set(["PATH", "HOSTNAME", "HOME", "PWD", "SHLVL", "_", "OLDPWD", "TERM"]);

/** All variables, then the files below each folder with a digest, by paths from the root. */
const look = (root: string) => `
  printf 'variables '; env -0 | base64 -w0; echo
  walk() {
    if [ -d "$1" ]; then for entry in "$1"/*; do walk "$entry"; done
    elif [[ $1 == */token || $1 == */vault ]]; then echo "$1 token"
    elif [[ $1 == */annotations ]]; then
      # The kubelet adds two of its own: when it has seen the pod, and from where.
      echo "$1 $(grep -v '^kubernetes.io/config.s' "$1" | sha256sum)"
    elif [ -f "$1" ]; then echo "$1 $(sha256sum < "$1")"; fi
  }
  cd ${root}/
  for at in etc/{shop,shop-db,one.conf,expr.conf,optional} var/run/all var/run/secrets/kubernetes.io; do walk "$at"; done`;

function seen(output: string): { variables: Record<string, string>; files: string[] } {
  const lines = output.trim().split("\n");
  const from = lines.findIndex((line) => line.startsWith("variables "));
  const bytes = Uint8Array.fromBase64(lines[from]?.slice("variables ".length) ?? "");
  const pairs = new TextDecoder().decode(bytes).split("\0").filter((pair) => pair.includes("="));
  return {
    variables: Object.fromEntries(
      pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]),
    ),
    files: lines.slice(from + 1),
  };
}

async function deploy(world: World): Promise<AsyncDisposable> {
  for (const object of shop) await world.apply(object);
  const ready = ["rollout", "status", "deployment/shop", "--timeout=60s"];
  await world.kubectl(["-n", "other", ...ready], { timeout: 70_000 });
  return {
    async [Symbol.asyncDispose]() {
      const names = shop.map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`);
      await world.kubectl(["-n", "other", "delete", "--wait=false", "--ignore-not-found", ...names]);
    },
  };
}

/** What of pmz run is there: folders of secrets, and processes that have one. */
const left = (person: Pmz) =>
  person.shell(`ls -d "$XDG_RUNTIME_DIR"/pmz-run-* /run/user/$(id -u)/pmz-run-* /dev/shm/pmz-run-* 2>/dev/null
    grep -lsz '^PMZ_ROOT=.' /proc/[0-9]*/environ; true`);

Deno.test("pmz run gives a program the variables and files that a kubelet gave the pod", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _shop = await deploy(world);
  const inPod = await world.inPod("other:deployment/shop", ["bash", "-c", look("")], { container: "app" });
  const pod = seen(inPod.stdout);
  const here = await alice.done(["run", "shop.other", "--", "bash", "-c", look('"$PMZ_ROOT"')]);
  const laptop = seen(here.stdout);
  const expected = Object.entries(pod.variables).filter(([name]) => !ofImage.has(name)).sort();
  assert.ok(expected.length > 60, JSON.stringify(pod.variables));
  assert.equal(pod.variables.PASSWORD, SECRET);
  const own = Object.fromEntries(expected.map(([name]) => [name, laptop.variables[name]]));
  assert.deepEqual(own, Object.fromEntries(expected));
  const { variables } = await alice.json<{ variables: Record<string, string> }>(["env", "shop.other"]);
  assert.deepEqual(Object.entries(variables).sort(), expected, "nothing else is set either");
  assert.ok(pod.files.length >= 15, inPod.stdout);
  assert.deepEqual(laptop.files, pod.files);
  assert.match(
    here.stderr,
    /environment of pod shop-\S+, container app: \d+ variables, \d+ files in \$PMZ_ROOT/,
  );
  assert.match(here.stderr, /mounts that aren't here: \/data \(emptyDir\)/);
  assert.doesNotMatch(here.stderr, /s3cret|warning/);
  const side = await alice.done(["run", "shop.other", "--container", "side", "--", "sh", "-c", "echo $WHO"]);
  assert.equal(side.stdout, "side\n");
  assert.equal(await left(alice), "");
});

Deno.test("the token is one that the cluster takes for the audience, and bound to the pod", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _shop = await deploy(world);
  const { stdout } = await alice.done([
    "run",
    "shop.other",
    "--",
    "sh",
    "-c",
    'cat "$PMZ_ROOT"/var/run/all/vault',
  ]);
  const review = {
    apiVersion: "authentication.k8s.io/v1",
    kind: "TokenReview",
    spec: { token: stdout, audiences: ["vault"] },
  };
  const said = await world.kubectl(["create", "-f", "-", "-o", "json"], { stdin: JSON.stringify(review) });
  const { status } = JSON.parse(said);
  assert.equal(status.authenticated, true, said);
  assert.equal(status.user.username, "system:serviceaccount:other:robot");
  assert.match(JSON.stringify(status.user.extra), /pod-name.*shop-/);
});

Deno.test("a user with few rights gets what they may read, and each refused object is named", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _shop = await deploy(world);
  const role = [
    "-n",
    "other",
    "create",
    "role",
    "carol-env",
    "--verb=get,list",
    "--resource=pods,services,configmaps",
  ];
  await world.kubectl(role);
  await world.kubectl([
    "-n",
    "other",
    "create",
    "rolebinding",
    "carol-env",
    "--role=carol-env",
    "--user=carol",
  ]);
  try {
    const carol = ["--kubeconfig", "/home/alice/.kube/carol"];
    const { stdout, stderr } = await alice.done(
      [
        "run",
        "shop.other",
        ...carol,
        "--",
        "sh",
        "-c",
        'echo "$PLAIN|$URL|${PASSWORD-unset}"; ls "$PMZ_ROOT/etc/shop"',
      ],
    );
    assert.match(stdout, /^from the second map\|postgres:\/\/\$\(DB_user\)@10\.96\.\S+:5432\/\|unset$/m);
    assert.match(stdout, /app\.conf/);
    const node = /node (node-\d)/.exec(stderr)?.[1];
    assert.deepEqual(stderr.split("\n").filter((line) => line.startsWith("warning: ")).sort(), [
      "warning: Secret db may not be read with your rights: without all its variables DB_*, PASSWORD, NO_KEY and 2 more",
      "warning: Secret gone may not be read with your rights: without all its variables",
      "warning: a token of service account robot may not be requested with your rights: without /var/run/all/vault, " +
      "/var/run/secrets/kubernetes.io/serviceaccount/token",
      "warning: limits.cpu of the container isn't known here: without CPU_LIMIT",
      `warning: node ${node} may not be read with your rights: without its limits`,
    ]);
    await world.kubectl(["-n", "other", "delete", "rolebinding", "carol-env"]);
    const refused = await alice.run(["run", "shop.other", ...carol, "--", "true"]);
    assert.equal(refused.code, 6, refused.stderr);
    assert.match(refused.stderr, /error: Can't .*(pods|services).*forbidden/);
  } finally {
    await world.kubectl([
      "-n",
      "other",
      "delete",
      "--ignore-not-found",
      "role/carol-env",
      "rolebinding/carol-env",
    ]);
  }
});

Deno.test("with --intercept the program answers the Service while it runs, and the pods do after", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  const pods = /^echo-/;
  const args = ["pmz", "run", "echo", "--intercept", "8081:http", "--yes", "--"];
  const answering = ["env", "POD_NAME=laptop", "HTTP_PORT=8081", "TCP_PORT=9100", "UDP_PORT=0", "answerer"];
  await using running = world.laptop.spawn("alice", [...args, ...answering]);
  await running.says(/: HTTP/, 300_000);
  await until("the program answers", async () => (await caller.who())[0] === "laptop", 10_000);
  assert.match(running.said, /^echo\.default:80 -> localhost:8081, in 2 of 2 pods$/m);
  assert.match((await alice.done(["intercept", "list"])).stdout, /echo\.default:80/);
  const status = await alice.done(["status", "-o", "json"]);
  assert.doesNotMatch(status.stdout, /PMZ_ROOT|POD_NAME/);
  running.kill("SIGTERM");
  await running.status();
  assert.match((await alice.run(["intercept", "list"])).stdout, /no intercepts|^$/);
  await until("the pods answer", async () => pods.test((await caller.who())[0] ?? ""), 10_000);
  assert.equal(await left(alice), "");
});

Deno.test("pmz down ends the intercept of a program that runs: it goes on, and says so", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using caller = await Caller.start(world);
  const script = 'echo started; while [ ! -e "$PMZ_ROOT/end" ]; do sleep 0.1; done; exit 9';
  const args = ["pmz", "run", "echo", "--intercept", "8081:http", "--yes", "--", "bash", "-c", script];
  await using running = world.laptop.spawn("alice", args);
  await running.says(/^started$/m, 300_000);
  await alice.done(["down"]);
  await running.says(/warning: the intercept has ended, since pmz went down; the program still runs/);
  await until("the pods answer", async () => /^echo-/.test((await caller.who())[0] ?? ""), 10_000);
  await alice.shell('touch "$(ls -d /dev/shm/pmz-run-* /run/user/$(id -u)/pmz-run-* 2>/dev/null)"/end');
  assert.equal((await running.status()).code, 9);
  assert.equal(await left(alice), "");
});

Deno.test("a second pmz run of an intercept shares it with the first, and may not lead it elsewhere", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  const run = (
    port: number,
    ...command: string[]
  ) => ["run", "echo", "--intercept", `${port}:http`, "--yes", "--", ...command];
  const script = 'echo started; while [ ! -e "$PMZ_ROOT/end" ]; do sleep 0.1; done';
  await using first = world.laptop.spawn("alice", ["pmz", ...run(8081, "bash", "-c", script)]);
  await first.says(/^started$/m, 300_000);
  await alice.done(run(8081, "true"));
  const elsewhere = await alice.run(run(8082, "true"));
  assert.match(
    elsewhere.stderr,
    /this machine intercepts echo\.default:80 already, and answers at localhost:8081/,
  );
  assert.match((await alice.done(["intercept", "list"])).stdout, /^echo\.default:80 +localhost:8081 /m);
  await alice.shell('touch "$(ls -d /dev/shm/pmz-run-* /run/user/$(id -u)/pmz-run-* 2>/dev/null)"/end');
  assert.equal((await first.status()).code, 0);
  assert.match((await alice.run(["intercept", "list"])).stdout, /no intercepts|^$/);
});

Deno.test("after kill -9 of pmz run, folder, program and intercept are gone", async () => {
  await using stage = await Stage.set();
  const { world, alice } = stage;
  await using _shop = await deploy(world);
  await using caller = await Caller.start(world, { namespace: "other" });
  const script = 'echo "pid $PPID $$"; ls "$PMZ_ROOT"; exec sleep 600';
  const args = ["run", "echo.other", "--intercept", "8081", "--yes", "--", "bash", "-c", script];
  await using running = world.laptop.spawn("alice", ["pmz", ...args]);
  const [, pmz = "", program = ""] = await running.says(/^pid (\d+) (\d+)$/m, 300_000);
  assert.match(await left(alice), /pmz-run-/);
  const commandLines = await world.laptop.output("root", [
    "sh",
    "-c",
    "cat /proc/[0-9]*/cmdline | tr '\\0' ' '",
  ]);
  assert.doesNotMatch(commandLines, /s3cret/);
  Deno.kill(Number(pmz), "SIGKILL");
  await until("nothing is left", async () => await left(alice) === "", 10_000);
  await until("the intercept is gone", async () => {
    const rules = await world.get("-n", "other", "interceptrules") as { items: unknown[] };
    return rules.items.length === 0;
  }, 10_000);
  await until(
    "the program has ended",
    async () => (await world.laptop.run("root", ["test", "-e", `/proc/${program}`])).code !== 0,
    10_000,
  );
  await until(
    "the pod answers",
    async () => /^echo-/.test((await caller.who("http://echo.other/"))[0] ?? ""),
    10_000,
  );
  const log = await alice.shell("cat ~/.local/state/pmz/daemon.log");
  assert.doesNotMatch(log, /s3cret/);
});
