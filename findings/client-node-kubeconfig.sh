#!/bin/sh
# @kubernetes/client-node 2.0.1 reads some kubeconfigs otherwise than kubectl: they lead to another cluster, another user, or to nothing.
#
# Seen, each with what kubectl does:
# 1. KUBECONFIG=a:b, both with a current-context: the last one is current. kubectl takes the first that sets a value
#    (https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/#merging-kubeconfig-files).
# 2. KUBECONFIG=missing:a, one file of the list doesn't exist: ENOENT. kubectl ignores it (same page).
# 3. KUBECONFIG=a:c, both with a cluster of the same name: "Duplicate cluster". kubectl takes the first (same page).
# 4. A user's tokenFile isn't read: no Authorization header
#    (https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/#AuthInfo).
# 5. Of a user's impersonation only `as` is sent, not as-groups, as-uid and as-user-extra (same page): what the user may do then is
#    decided without the groups.
# 6. An exec plugin isn't told KUBERNETES_EXEC_INFO, which plugins of client.authentication.k8s.io/v1 may rely on
#    (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#input-and-output-formats).
# 7. An exec plugin's relative path is taken from the working directory. kubectl takes it from the kubeconfig's folder (same page).
# Way round: merge the files by hand, and set these fields after loading.
#
# Needs npm and a Linux that Deno's npm package has a binary for. Fails when the behaviour changes.
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm install --silent --no-audit --no-fund deno@2.9.6 @kubernetes/client-node@2.0.1 >/dev/null

cat >try.mjs <<'TRY'
import { mkdirSync, writeFileSync } from "node:fs";
import process from "node:process";
import { KubeConfig } from "@kubernetes/client-node";

/** Writes a kubeconfig with one context, cluster and user of a name. */
function write(file, name, user) {
  writeFileSync(file, JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": name,
    clusters: [{ name, cluster: { server: `https://127.0.0.1/${file}` } }],
    users: [{ name, user }],
    contexts: [{ name, context: { cluster: name, user: name } }],
  }));
}

function load(files) {
  process.env.KUBECONFIG = files;
  const config = new KubeConfig();
  config.loadFromDefault();
  return config;
}

/** The headers of a request, or the error. */
async function headers(file) {
  const options = {};
  try {
    await load(file).applyToHTTPSOptions(options);
    return JSON.stringify(options.headers);
  } catch (error) {
    return error.message;
  }
}

function current(files) {
  try {
    return load(files).currentContext;
  } catch (error) {
    return error.message.split(",")[0];
  }
}

mkdirSync("there");
writeFileSync("token", "secret");
const plugin = `#!/bin/sh
printf '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"%s"}}' "\$([ -n "\${KUBERNETES_EXEC_INFO-}" ] && echo told || echo untold)"
`;
writeFileSync("there/plugin", plugin, { mode: 0o755 });
const exec = (command) => ({ exec: { apiVersion: "client.authentication.k8s.io/v1", command, interactiveMode: "Never" } });
write("a", "a", { token: "of a" });
write("b", "b", { token: "of b" });
write("c", "a", { token: "of c" });
write("token-file", "t", { tokenFile: `${process.cwd()}/token` });
write("as", "as", { token: "t", as: "dev", "as-groups": ["team"], "as-uid": "7", "as-user-extra": { scopes: ["x"] } });
write("exec", "exec", exec(`${process.cwd()}/there/plugin`));
write("there/relative", "relative", exec("./plugin"));

console.log(`1. the current context: ${current("a:b")}`);
console.log(`2. with a missing file: ${current("missing:a")}`);
console.log(`3. with a name twice: ${current("a:c")}`);
console.log(`4. tokenFile: ${await headers("token-file")}`);
console.log(`5. impersonation: ${await headers("as")}`);
console.log(`6. the plugin's token: ${await headers("exec")}`);
console.log(`7. the plugin's path: ${await headers("there/relative")}`);
TRY

cat >expected <<'EXPECTED'
1. the current context: b
2. with a missing file: ENOENT: no such file or directory
3. with a name twice: Duplicate cluster: a
4. tokenFile: {}
5. impersonation: {"Impersonate-User":"dev","Authorization":"Bearer t"}
6. the plugin's token: {"Authorization":"Bearer untold"}
7. the plugin's path: spawn ./plugin ENOENT
EXPECTED

NO_COLOR=1 ./node_modules/.bin/deno run --quiet --allow-all try.mjs >seen
cat seen
diff expected seen
