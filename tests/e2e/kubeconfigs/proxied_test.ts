/** Through a proxy with a certificate and a server name of its own, as Rancher's and Teleport's are. */
import assert from "node:assert/strict";
import { answer } from "../lib/answerer.ts";
import { Caller } from "../lib/caller.ts";
import type { Pmz } from "../lib/pmz.ts";
import type { Running } from "../lib/running.ts";
import { Stage } from "../lib/stage.ts";
import type { World } from "../lib/world.ts";

const KUBECONFIG = "/home/alice/proxied";
const FOLDER = "/home/alice/certificates";

/** Passes TLS connections on to the API server, in TLS connections of its own. */
const PROXY = `
const [cert, key] = ["crt", "key"].map((end) => Deno.readTextFileSync("${FOLDER}/proxy." + end));
const caCerts = [Deno.readTextFileSync("${FOLDER}/cluster.crt")];
const listener = Deno.listenTls({ hostname: "127.0.0.1", port: 8443, cert, key });
console.log("ready");
for await (const near of listener) {
  (async () => {
    const far = await Deno.connectTls({ hostname: "10.77.1.1", port: 6443, caCerts });
    await Promise.allSettled([near.readable.pipeTo(far.writable), far.readable.pipeTo(near.writable)]);
  })().catch(() => near.close());
}`;

/** Starts it, with a certificate by a CA that the cluster doesn't know. */
async function proxy(alice: Pmz): Promise<Running> {
  await alice.shell(`mkdir -p ${FOLDER}; cd ${FOLDER}
    kubectl config view --flatten --minify -o json | python3 -c '
import base64, json, sys
data = json.load(sys.stdin)["clusters"][0]["cluster"]["certificate-authority-data"]
open("cluster.crt", "wb").write(base64.b64decode(data))'
    new="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1"
    openssl req -x509 $new -keyout ca.key -out ca.crt -subj "/CN=another CA"
    openssl req $new -keyout proxy.key -out proxy.csr -subj /CN=proxy
    echo subjectAltName=DNS:kube.company.example > extensions
    openssl x509 -req -in proxy.csr -CA ca.crt -CAkey ca.key -CAcreateserial -extfile extensions -out proxy.crt`);
  const running = alice.laptop.spawn("root", [Deno.execPath(), "eval", "-q", PROXY]);
  await running.says(/ready/);
  return running;
}

const LABEL = "proxied-test";

/** Roles to bind: "ClusterRole cluster-admin"; of one namespace with that before it, "default/ClusterRole pmz-intercept". */
type Binding = `${string} ${string}`;

/** A service account with such rights, and a kubeconfig for it that leads to the proxy. */
async function account(world: World, alice: Pmz, name: string, bindings: readonly Binding[]): Promise<void> {
  const labels = { [LABEL]: "" };
  const bound = bindings.map((binding) => {
    const [, namespace, kind, role] = /^(?:(.*)\/)?(.*) (.*)$/.exec(binding) ?? [];
    return {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: namespace === undefined ? "ClusterRoleBinding" : "RoleBinding",
      metadata: { name: `proxied-${name}`, labels, ...(namespace && { namespace }) },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: role },
      subjects: [{ kind: "ServiceAccount", name, namespace: "default" }],
    };
  });
  const account = {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: "default", labels },
  };
  await world.apply({ apiVersion: "v1", kind: "List", items: [account, ...bound] });
  const token = (await world.kubectl(["create", "token", name])).trim();
  await alice.shell(`cat > ${KUBECONFIG}`, {
    stdin: JSON.stringify({
      apiVersion: "v1",
      kind: "Config",
      "current-context": "proxied",
      contexts: [{ name: "proxied", context: { cluster: "proxied", user: name } }],
      clusters: [{
        name: "proxied",
        cluster: {
          server: "https://127.0.0.1:8443",
          "tls-server-name": "kube.company.example",
          "certificate-authority": `${FOLDER}/ca.crt`,
        },
      }],
      users: [{ name, user: { token } }],
    }),
  });
}

Deno.test("intercepts by a kubeconfig with another CA and server name are proven next to those by the cluster's own", async () => {
  await using stage = await Stage.set();
  const { world, alice, otherBob } = stage;
  await alice.done(["agent", "deploy"], { timeout: 150_000 });
  await using _alices = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
  await using _bobs = await answer(world.other, "bob", { as: "bobs-laptop", http: 8081, tcp: 9100 });
  await using caller = await Caller.start(world);
  const answers = async (user: string) => {
    const { stdout } = await caller.run(`curl -s -m 5 -H 'X-User: ${user}' http://echo/`);
    return /"pod":"([^"]*)"/.exec(stdout)?.[1];
  };
  const intercept = (person: Pmz, user: string, ...more: string[]) =>
    person.done(["intercept", "echo", "8081:http", "--header", `x-user=${user}`, "--yes", ...more]);
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => {
    await alice.run(["down"]);
    await alice.shell(`rm -rf ${FOLDER} ${KUBECONFIG}`);
    const made = "serviceaccounts,rolebindings,clusterrolebindings";
    await world.kubectl(["delete", made, "--all-namespaces", "-l", LABEL]);
  });
  undo.use(await proxy(alice));
  await intercept(otherBob, "bob");

  await account(world, alice, "anybody", ["ClusterRole cluster-admin"]);
  await intercept(alice, "alice", "--kubeconfig", KUBECONFIG);
  assert.deepEqual([await answers("alice"), await answers("bob")], ["alices-laptop", "bobs-laptop"]);
  await alice.done(["down"]);

  await account(world, alice, "hardly", [
    "default/ClusterRole pmz-intercept",
    "pmz-node/Role pmz-intercept",
  ]);
  const read = await alice.laptop.run("alice", [
    "kubectl",
    "--kubeconfig",
    KUBECONFIG,
    "get",
    "namespace",
    "kube-system",
  ]);
  assert.match(read.stderr, /Forbidden/, "what names the cluster can't be read");
  await intercept(alice, "hardly", "--kubeconfig", KUBECONFIG);
  assert.equal(await answers("hardly"), "alices-laptop");
});
