import assert from "node:assert/strict";
import { certificatesHash } from "../client/access.ts";
import { clusterAccess, contexts, KubeconfigError } from "./kubeconfig.ts";
import { certificates } from "../testing/certificates.ts";
import { environmentOf, folder, kubeconfigText as config } from "../testing/kubeconfig.ts";

Deno.test("a client certificate, a CA and a namespace are read from data and from files next to the kubeconfig", async () => {
  using made = await certificates();
  using home = folder();
  home.write("ca.pem", made.ca);
  home.write("me.pem", made.cert);
  home.write("me.key", made.key);
  const server = "https://10.0.0.1:6443";
  const byFile = home.write(
    "files",
    config("f", { server, "certificate-authority": "ca.pem" }, {
      "client-certificate": "me.pem",
      "client-key": "me.key",
    }),
  );
  const byData = home.write(
    "data",
    config(
      "d",
      { server, "certificate-authority-data": btoa(made.ca), "tls-server-name": "kube.example" },
      { "client-certificate-data": btoa(made.cert), "client-key-data": btoa(made.key) },
      { namespace: "team" },
    ),
  );
  const expected = {
    tls: true,
    hostname: "10.0.0.1",
    port: 6443,
    pathPrefix: "",
    caCerts: [made.ca],
    headers: {},
    cert: made.cert,
    key: made.key,
  };
  const files = await clusterAccess({ kubeconfig: byFile });
  assert.deepEqual(await files.access(), expected);
  assert.deepEqual([files.context, files.server, files.namespace, files.user], [
    "f",
    server,
    "default",
    "f-user",
  ]);
  assert.equal(files.caHash, await certificatesHash(made.ca));
  const data = await clusterAccess({ kubeconfig: byData });
  assert.deepEqual(await data.access(), { ...expected, servername: "kube.example" });
  assert.equal(data.namespace, "team");
  structuredClone(await data.access());
});

Deno.test("tokens, passwords, impersonation, proxies and unchecked certificates are read", async () => {
  using home = folder();
  const access = async (cluster: object, user: object) =>
    await (await clusterAccess({ kubeconfig: home.write("c", config("c", cluster, user)) })).access();
  const server = "https://api.example/k8s/clusters/c-1/";
  const token = await access({ server, "proxy-url": "socks5://localhost:1080" }, {
    token: "t0ken",
    as: "other",
  });
  assert.deepEqual(token.headers, { authorization: "Bearer t0ken", "impersonate-user": "other" });
  assert.deepEqual([token.pathPrefix, token.proxyUrl], ["/k8s/clusters/c-1", "socks5://localhost:1080"]);
  const insecure = await access({ server, "insecure-skip-tls-verify": true }, {
    username: "u",
    password: "p",
  });
  assert.deepEqual([insecure.insecure, insecure.headers], [true, { authorization: `Basic ${btoa("u:p")}` }]);
  const plain = await access({ server: "http://127.0.0.1:8001" }, {});
  assert.deepEqual([plain.tls, plain.port, plain.insecure], [false, 8001, undefined]);
});

Deno.test("proxy-url is kept from this process's NO_PROXY, which Deno's fetch would go by", async () => {
  using home = folder();
  const kubeconfig = home.write(
    "c",
    config("c", { server: "https://10.0.0.1", "proxy-url": "http://p:1" }, {}),
  );
  const evades = async () => (await (await clusterAccess({ kubeconfig })).access()).evadesFetchProxy;
  const before = Deno.env.get("NO_PROXY");
  try {
    Deno.env.set("NO_PROXY", "10.0.0.0/8");
    assert.equal(await evades(), true);
  } finally {
    if (before === undefined) Deno.env.delete("NO_PROXY");
    else Deno.env.set("NO_PROXY", before);
  }
  if (before === undefined) assert.equal(await evades(), undefined);
});

Deno.test("an exec plugin is told the protocol's version, and run again when its token ran out or was refused", async () => {
  using home = folder();
  home.write(
    "plugin",
    `#!/bin/sh
echo run >> "$LOG"
printf '%s' "$KUBERNETES_EXEC_INFO" > "$LOG.info"
n=$(grep -c run "$LOG")
test "$n" -lt 9 || { echo "session expired, run: login" >&2; exit 1; }
expiry=2999-01-01T00:00:00Z; test "$n" = 1 && expiry=2000-01-01T00:00:00Z
echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"token-'$n'","expirationTimestamp":"'$expiry'"}}'
`,
    0o700,
  );
  const log = `${home.path}/log`;
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    interactiveMode: "IfAvailable",
    command: "./plugin",
    env: [{ name: "LOG", value: log }],
    provideClusterInfo: true,
  };
  const cluster = await clusterAccess({
    kubeconfig: home.write("c", config("c", { server: "https://a:1" }, { exec })),
    reuseMs: 0,
  });
  assert.equal((await cluster.access()).headers.authorization, "Bearer token-1");
  assert.equal((await cluster.access()).headers.authorization, "Bearer token-2", "the first had expired");
  assert.equal((await cluster.access()).headers.authorization, "Bearer token-2", "the second holds");
  assert.equal((await cluster.access({ renew: true })).headers.authorization, "Bearer token-3");
  const together = await Promise.all([1, 2, 3].map(() => cluster.access({ renew: true })));
  assert.deepEqual(together.map(({ headers }) => headers.authorization), Array(3).fill("Bearer token-4"));
  assert.deepEqual(JSON.parse(Deno.readTextFileSync(`${log}.info`)), {
    apiVersion: "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { cluster: { server: "https://a:1", config: null }, interactive: false },
  });
  Deno.writeTextFileSync(log, "run\n".repeat(20));
  await assert.rejects(cluster.access({ renew: true }), (error) => {
    assert(error instanceof KubeconfigError);
    assert.match(
      error.message,
      /^The plugin ".*\/plugin" ended with exit code 1$/,
      "its output is nobody's but the terminal's",
    );
    assert.match(error.hint ?? "", /kubectl get --raw \/version/);
    return true;
  });
});

Deno.test("files of KUBECONFIG are merged by kubectl's rules: the first wins, missing ones are passed over", async () => {
  using home = folder();
  const one = home.write("one", config("a", { server: "https://first:1" }, { token: "1" }));
  const two = home.write(
    "two",
    config("b", { server: "https://second:1" }, { token: "2" }, { namespace: "n" }),
  );
  const three = home.write("three", config("a", { server: "https://third:1" }, { token: "3" }));
  const environment = environmentOf({ KUBECONFIG: `${home.path}/none:${one}:${two}:${three}` });
  assert.deepEqual(contexts({ environment }), [
    {
      name: "a",
      cluster: "a",
      user: "a-user",
      namespace: "default",
      server: "https://first:1",
      current: true,
    },
    { name: "b", cluster: "b", user: "b-user", namespace: "n", server: "https://second:1", current: false },
  ]);
  assert.equal((await clusterAccess({ environment })).server, "https://first:1");
  const second = await clusterAccess({ environment, context: "b" });
  assert.equal((await second.access()).headers.authorization, "Bearer 2");
  assert.throws(
    () => contexts({ environment: environmentOf({ KUBECONFIG: `${home.path}/none` }) }),
    /There is no kubeconfig .*none\)/,
  );
});

Deno.test("relative paths of KUBECONFIG and ~/.kube/config are those of the command's environment", async () => {
  using home = folder();
  Deno.mkdirSync(`${home.path}/.kube`);
  home.write(".kube/config", config("at-home", { server: "https://home:1" }, {}));
  home.write("here", config("here", { server: "https://here:1" }, {}));
  const relative = environmentOf({ KUBECONFIG: "here", HOME: home.path }, home.path);
  assert.equal((await clusterAccess({ environment: relative })).context, "here");
  assert.equal((await clusterAccess({ environment: environmentOf({ HOME: home.path }) })).context, "at-home");
});

Deno.test("a kubeconfig that was handed over may be a list, as KUBECONFIG is; an empty current context says nothing", async () => {
  using home = folder();
  const one = home.write(
    "one",
    config("a", { server: "https://a:1" }, {}).replace('"current-context":"a"', '"current-context":""'),
  );
  const two = home.write("two", config("b", { server: "https://b:1" }, {}));
  const kubeconfig = `${one}:${home.path}/none:${two}`;
  assert.equal((await clusterAccess({ kubeconfig, context: "a" })).server, "https://a:1");
  assert.equal((await clusterAccess({ kubeconfig })).server, "https://b:1");
  await assert.rejects(clusterAccess({ kubeconfig: `${home.path}/none` }), KubeconfigError);
});

Deno.test("a tokenFile next to its kubeconfig overrides a token, and is read again after a refusal", async () => {
  using home = folder();
  home.write("token", "first\n");
  const user = { tokenFile: "token", token: "other" };
  const cluster = await clusterAccess({
    kubeconfig: home.write("c", config("c", { server: "https://a:1" }, user)),
  });
  assert.equal((await cluster.access()).headers.authorization, "Bearer first");
  home.write("token", "second\n");
  assert.equal((await cluster.access({ renew: true })).headers.authorization, "Bearer second");
});

Deno.test("an error of a kubeconfig names the file", async () => {
  using home = folder();
  const good = home.write(
    "good",
    config("a", { server: "https://x:1", "certificate-authority": "gone.pem" }, {}),
  );
  await assert.rejects(clusterAccess({ kubeconfig: good, context: "z" }), /has no context "z"\. It has: a\./);
  await assert.rejects(
    clusterAccess({ kubeconfig: good }),
    /Can't read the certificate-authority of cluster "a" \(.*gone\.pem\)/,
  );
  await assert.rejects(
    clusterAccess({ kubeconfig: `${home.path}/none` }),
    /Can't read the kubeconfig .*none: No such file or directory$/,
  );
  await assert.rejects(clusterAccess({ kubeconfig: home.write("bad", "{ not: [yaml") }), KubeconfigError);
  await assert.rejects(
    clusterAccess({ kubeconfig: home.write("empty", "{}") }),
    /^NoSuchContext: The kubeconfig has no contexts\. Choose another file/,
  );
  await assert.rejects(
    clusterAccess({ kubeconfig: home.write("srv", config("a", { server: "ftp://api" }, {})) }),
    /ftp:\/\/api/,
  );
});

Deno.test("a client key or certificate that is spoilt is an error of the kubeconfig", async () => {
  using made = await certificates();
  using home = folder();
  const spoilt = (pem: string) => pem.replace(/(-----\n..)./, "$1!");
  for (
    const [what, cert, key] of [
      ["key", made.cert, "spoilt"],
      ["key", made.cert, spoilt(made.key)],
      ["key", made.cert, made.cert],
      ["certificate", spoilt(made.cert), made.key],
      ["certificate", made.cert.replace("BEGIN", "BEGUN"), made.key],
    ] as const
  ) {
    const user = { "client-certificate-data": btoa(cert), "client-key-data": btoa(key) };
    const kubeconfig = home.write("c", config("c", { server: "https://a:1" }, user));
    await assert.rejects((await clusterAccess({ kubeconfig })).access(), {
      name: "KubeconfigError",
      message: `The client ${what} of user "c-user" is not valid PEM.`,
    });
  }
});

Deno.test("a kubeconfig that was rewritten counts from the next look at it on: server, CA, token and plugin", async () => {
  using made = await certificates();
  using home = folder();
  const cluster = (server: string, ca: string) => ({ server, "certificate-authority-data": btoa(ca) });
  const file = home.write("c", config("c", cluster("https://a:1", made.ca), { token: "one" }));
  const access = await clusterAccess({ kubeconfig: file, environment: environmentOf() });
  const before = await access.access();
  const { caHash } = access;
  home.write("c", config("c", cluster("https://b:2", made.ca + made.cert), { token: "two" }));
  assert.equal(await access.access(), before, "as long as nothing fails");
  const after = await access.access({ reread: true });
  assert.deepEqual([after.hostname, after.port, after.headers.authorization], ["b", 2, "Bearer two"]);
  assert.equal(access.server, "https://b:2");
  assert.notEqual(access.caHash, caHash, "a cluster that was made again is told by its CA");
  home.write("c", "{ being written");
  await assert.rejects(access.access({ reread: true }), KubeconfigError);
  assert.equal(access.server, "https://b:2");
});

Deno.test("a further command's environment and credential count from then on", async () => {
  using home = folder();
  const answer =
    '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"\'$P\'"}}';
  home.write("plugin", `#!/bin/sh\necho '${answer}'\n`, 0o700);
  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./plugin",
    interactiveMode: "Never",
  };
  const kubeconfig = home.write("c", config("c", { server: "https://a:1" }, { exec }));
  const access = await clusterAccess({
    kubeconfig,
    environment: environmentOf({ P: "blue" }),
    credential: { token: "command" },
    reuseMs: 0,
  });
  const token = async (how = {}) => (await access.access(how)).headers.authorization;
  assert.equal(await token(), "Bearer command");
  assert.equal(await token({ renew: true }), "Bearer blue");
  await access.reread({ environment: environmentOf({ P: "red" }) });
  assert.equal(await token(), "Bearer blue", "it holds until it is refused");
  assert.equal(await token({ renew: true }), "Bearer red");
});

Deno.test("a kubeconfig that can be read once, as a shell's pipe can, is refused with what to do, and nothing waits for it", async () => {
  using home = folder();
  const pipe = home.write("pipe", "");
  Deno.removeSync(pipe);
  new Deno.Command("mkfifo", { args: [pipe] }).outputSync();
  for (const path of ["/dev/fd/63", "/proc/self/fd/63", "/dev/stdin", pipe, `/nowhere:${pipe}`]) {
    await assert.rejects(
      clusterAccess({ kubeconfig: path }),
      (error) =>
        error instanceof KubeconfigError && /Can't read .*: it is /.test(error.message) &&
        /^write it into a file/.test(error.hint ?? ""),
      path,
    );
  }
});
