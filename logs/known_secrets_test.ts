import assert from "node:assert/strict";
import { knownSecrets } from "./known_secrets.ts";

Deno.test("secrets are those of the kubeconfig's users, its proxies and variables that are named like one", () => {
  const folder = Deno.makeTempDirSync();
  try {
    const kubeconfig = `${folder}/config`;
    Deno.writeTextFileSync(`${folder}/token`, "canary-file\n");
    Deno.writeTextFileSync(
      kubeconfig,
      `clusters: [{name: dev, cluster: {server: "https://a.example", proxy-url: "http://jo:canary%2Dproxy@p.example"}}]
contexts: []
users:
- {name: a, user: {token: canary-token, client-key-data: Y2FuYXJ5LWtleQ==}}
- {name: b, user: {username: b, password: canary-password}}
- {name: c, user: {tokenFile: token}}
- {name: d, user: {auth-provider: {name: oidc, config: {refresh-token: canary-refresh, idp-issuer-url: "https://i.example"}}}}
- name: e
  user:
    exec: {apiVersion: client.authentication.k8s.io/v1, command: x, args: [--client-secret=canary-argument, get], env: [{name: A, value: canary-exec}]}
`,
    );
    const env = {
      toObject: () => ({ MY_TOKEN: "canary-variable", HOME: "/home/jo", SSH_AUTH_SOCK: "/run/agent" }),
    };
    const found = knownSecrets({ kubeconfig, env }).map((value) => value.trim()).filter((value) =>
      value !== ""
    );
    assert.deepEqual(found.sort(), [
      "Y2FuYXJ5LWtleQ==",
      "canary%2Dproxy",
      "canary-argument",
      "canary-exec",
      "canary-file",
      "canary-password",
      "canary-proxy",
      "canary-refresh",
      "canary-token",
      "canary-variable",
      "jo",
    ]);
    assert.deepEqual(knownSecrets({ kubeconfig: `${folder}/missing`, env: { toObject: () => ({}) } }), []);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
});
