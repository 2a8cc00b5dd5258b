import assert from "node:assert/strict";
import type { Status } from "../../../wire/control.ts";
import type { Pmz } from "../lib/pmz.ts";
import { Stage } from "../lib/stage.ts";
import type { World } from "../lib/world.ts";

const CANARY = "canary-6174";
const KUBECONFIG = "/home/alice/renewal";

/** Hands each connection to a port of loopback to the API server. */
const FORWARDER = `
import socket, sys, threading
def copy(a, b):
    try:
        while data := a.recv(65536): b.sendall(data)
    except OSError: pass
    for end in (a, b):
        try: end.shutdown(socket.SHUT_RDWR)
        except OSError: pass
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    near, far = listener.accept()[0], socket.create_connection(("10.77.1.1", 6443))
    for pair in ((near, far), (far, near)): threading.Thread(target=copy, args=pair, daemon=True).start()
`;

/** Repeats a question until its answer will do. */
async function until(what: string, isSo: () => Promise<boolean>, ms = 30_000): Promise<void> {
  for (const end = performance.now() + ms; !await isSo();) {
    assert.ok(performance.now() < end, `waited ${ms / 1000} s in vain until ${what}`);
  }
}

/** A token that ends with its Secret: the first one, or the second. */
async function tokenOf(world: World, secret: string): Promise<string> {
  await world.apply({ apiVersion: "v1", kind: "Secret", metadata: { name: secret, namespace: "default" } });
  const bound = ["--bound-object-kind", "Secret", "--bound-object-name", secret];
  return (await world.kubectl(["create", "token", "renewed", ...bound])).trim();
}

/** Alice's own kubeconfig with another user, or another server. */
async function configured(alice: Pmz, change: string): Promise<void> {
  const script = `
    import json, subprocess, sys
    read = ["kubectl", "config", "view", "--flatten", "--minify", "-o", "json"]
    config = json.loads(subprocess.run(read, check=True, capture_output=True).stdout)
    user, cluster = config["users"][0], config["clusters"][0]["cluster"]
    ${change}
    json.dump(config, open("${KUBECONFIG}", "w"))
  `.replaceAll(/^ {4}/gm, "").trim();
  await alice.laptop.output(alice.person, ["python3", "-c", script]);
}

async function tunnel(alice: Pmz): Promise<Status["clusters"][number]["tunnel"] | undefined> {
  return (await alice.json<Status>(["status"])).clusters[0]?.tunnel;
}

async function reaches(alice: Pmz): Promise<void> {
  const { proxy } = await alice.json<Status>(["status"]);
  assert.match(
    await alice.shell(`curl -sS -m 10 --proxy socks5h://${proxy} http://echo.default.svc/`),
    /pod/,
  );
}

Deno.test("a token that was revoked is renewed when a port-forward is refused; the plugin's words are nowhere in the log", async () => {
  await using stage = await Stage.set();
  const { alice, world } = stage;
  try {
    await world.kubectl(["create", "serviceaccount", "renewed"]);
    await world.kubectl([
      "create",
      "clusterrolebinding",
      "renewed",
      "--clusterrole=cluster-admin",
      "--serviceaccount=default:renewed",
    ]);
    const write = async (token: string) => {
      const answer = JSON.stringify({
        apiVersion: "client.authentication.k8s.io/v1",
        kind: "ExecCredential",
        status: { token },
      });
      await alice.shell(`cat > ~/login; chmod +x ~/login`, {
        stdin: `#!/bin/sh\necho ${CANARY} >&2\necho "$PROFILE" >> ~/ran\necho '${answer}'\n`,
      });
    };
    const first = await tokenOf(world, "first");
    await write(first);
    await configured(
      alice,
      `user["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "IfAvailable"}}`,
    );
    const up = await alice.run(["up", "--proxy", "--yes", "--kubeconfig", KUBECONFIG], {
      env: { PROFILE: "blue" },
      timeout: 60_000,
    });
    assert.equal(up.code, 0, up.stderr);
    assert.match(up.stderr, new RegExp(CANARY), "it is for the terminal of the command");
    assert.equal(await alice.shell("cat ~/ran"), "blue\n", "it ran once");

    await write(await tokenOf(world, "second"));
    await world.kubectl(["delete", "secret", "first"]);
    const whoami = [
      "kubectl",
      "--kubeconfig",
      "/dev/null",
      "--server",
      "https://10.77.1.1:6443",
      "--insecure-skip-tls-verify",
    ];
    await until(
      "the API server has forgotten the first token", // it remembers for 10 s that a token is good
      async () =>
        (await alice.laptop.run("alice", [...whoami, "--token", first, "auth", "whoami"])).code !== 0,
    );
    const before = await tunnel(alice);
    await world.kubectl(["-n", "pmz", "delete", "pod", "--all", "--wait=false"]);
    await until("the tunnel is back", async () => {
      const now = await tunnel(alice);
      return now?.state === "connected" && before?.state === "connected" && now.pod !== before.pod;
    }, 60_000);
    assert.match(await alice.shell("cat ~/ran"), /^blue\nblue\n/, "it ran again, as in the command's shell");
    const log = await alice.shell("cat ~/.local/state/pmz/daemon.log");
    assert.ok(!log.includes(CANARY), "what a plugin writes is in no log");
    assert.ok(!(await alice.done(["status", "--verbose"])).stdout.includes(CANARY));

    await alice.shell("printf '#!/bin/sh\\necho canary-6174 >&2; exit 7\\n' > ~/login");
    const failed = await alice.run(["up", "--proxy", "--kubeconfig", KUBECONFIG], { timeout: 60_000 });
    assert.equal(failed.code, 5, failed.stderr);
    assert.match(failed.stderr, /error: The plugin ".*\/login" ended with exit code 7/);
    assert.ok(!(await alice.shell("cat ~/.local/state/pmz/daemon.log")).includes(CANARY));
  } finally {
    await alice.run(["down"]);
    await alice.shell(`rm -f ~/login ~/ran ${KUBECONFIG}`);
    await world.kubectl(["delete", "serviceaccount", "renewed", "--ignore-not-found"]);
    await world.kubectl(["delete", "clusterrolebinding", "renewed", "--ignore-not-found"]);
    await world.kubectl(["delete", "secret", "first", "second", "--ignore-not-found"]);
  }
});

Deno.test("a plugin asks on the terminal of the command that it runs for", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  const token = (await stage.world.kubectl(["create", "token", "default", "-n", "default"])).trim();
  const answer = JSON.stringify({
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    status: { token },
  });
  try {
    await alice.shell(`cat > ~/login; chmod +x ~/login`, {
      stdin: `#!/bin/sh\nprintf 'code? ' >&2; read -r code; test "$code" = 42 || exit 9\necho '${answer}'\n`,
    });
    await configured(
      alice,
      `user["user"] = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./login", "interactiveMode": "Always"}}`,
    );
    const without = await alice.run(["agent", "status", "--kubeconfig", KUBECONFIG]);
    assert.match(
      without.stderr,
      /asks on a terminal, and there is none\n {2}hint: run pmz up again on a terminal/,
    );
    await using asking = alice.laptop.terminal("alice", [
      "pmz",
      "agent",
      "status",
      "--kubeconfig",
      KUBECONFIG,
    ]);
    await asking.says(/code\? /);
    await asking.write("42\n");
    await asking.says(/no right to read it/); // the default account has no rights: it was let in as that
  } finally {
    await alice.run(["down"]);
    await alice.shell(`rm -f ~/login ${KUBECONFIG}`);
  }
});

Deno.test("an API server that has moved is found by the kubeconfig that was rewritten, without up and by up; with a CA more it is the same cluster", async () => {
  await using stage = await Stage.set();
  const { alice } = stage;
  const forward = async (port: number) => {
    const forwarder = alice.laptop.spawn("alice", ["python3", "-c", FORWARDER, String(port)]);
    const listens = `ss -tlnH 'sport = :${port}' | grep -q .`;
    await until(
      `port ${port} listens`,
      async () => (await alice.laptop.run("alice", ["sh", "-c", listens])).code === 0,
    );
    return forwarder;
  };
  try {
    const first = await forward(7001);
    await configured(alice, `cluster["server"] = "https://127.0.0.1:7001"`);
    await alice.done(["up", "--proxy", "--yes", "--kubeconfig", KUBECONFIG], { timeout: 60_000 });
    await using _second = await forward(7002);
    await first[Symbol.asyncDispose]();
    await configured(alice, `cluster["server"] = "https://127.0.0.1:7002"`);
    await until("the new server is followed", async () => {
      const { clusters } = await alice.json<Status>(["status"]);
      return clusters[0]?.cluster.server === "https://127.0.0.1:7002" &&
        clusters[0].tunnel.state === "connected";
    }, 60_000);
    const again = await alice.done(["up", "--proxy", "--kubeconfig", KUBECONFIG], { timeout: 60_000 });
    assert.match(again.stdout, /up already/);
    await reaches(alice);

    // As while a CA is rotated. The cluster is known by the UID of its namespace kube-system.
    await alice.shell(
      "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=other -keyout /dev/null -out ~/other.crt 2>/dev/null",
    );
    await configured(
      alice,
      `import base64; cluster["server"] = "https://127.0.0.1:7002"; both = base64.b64decode(cluster["certificate-authority-data"]) + open("/home/alice/other.crt", "rb").read(); cluster["certificate-authority-data"] = base64.b64encode(both).decode()`,
    );
    const rotated = await alice.done(["up", "--proxy", "--yes", "--kubeconfig", KUBECONFIG], {
      timeout: 60_000,
    });
    assert.match(rotated.stdout, /^up already: /m);
    await reaches(alice);
  } finally {
    await alice.run(["down"]);
    await alice.shell(`rm -f ~/other.crt ${KUBECONFIG}`);
  }
});
