import assert from "node:assert/strict";
import { chooseContext } from "./chosen_context.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";

/** A kubeconfig whose context "a" is whole unless it is changed. */
function choose(cluster: object, user: object, context: object = {}, more: object = {}) {
  const config = {
    "current-context": "a",
    contexts: [{ name: "a", context: { cluster: "c", user: "u", ...context } }, { name: "broken" }],
    clusters: [{ name: "c", cluster: { server: "https://api", ...cluster } }, { name: "none", cluster: {} }],
    users: [{ name: "u", user }, { name: "odd", user: { exec: {} } }],
    ...more,
  };
  return chooseContext(parseKubeconfig(JSON.stringify(config), "/kubeconfig"));
}

Deno.test("only the chosen context has to be whole", () => {
  const { context, cluster, user } = choose({}, { token: "t" });
  assert.deepEqual([context.name, cluster.server, user.token], ["a", "https://api", "t"]);
});

Deno.test("a context whose user is missing asks as nobody", () => {
  assert.equal(choose({}, { token: "t" }, { user: "" }).user.token, "");
  assert.deepEqual(choose({}, { token: "t" }, { user: "x" }).user.name, "x");
});

Deno.test("what kubectl refuses about a context is refused, and named", () => {
  const exec = { apiVersion: "client.authentication.k8s.io/v1", command: "p", interactiveMode: "Never" };
  const cases: [RegExp, Parameters<typeof choose>][] = [
    [/no contexts/, [{}, {}, {}, { contexts: [] }]],
    [/no current context/, [{}, {}, {}, { "current-context": "" }]],
    [/no context "z"/, [{}, {}, {}, { "current-context": "z" }]],
    [/has no cluster/, [{}, {}, { cluster: "" }]],
    [/names the cluster "x"/, [{}, {}, { cluster: "x" }]],
    [/"Team A" is not a valid namespace/, [{}, {}, { namespace: "Team A" }]],
    [/"c" has no server/, [{ server: "" }, {}]],
    [/both certificate-authority and/, [{
      "certificate-authority": "a",
      "certificate-authority-data": "YQ==",
    }, {}]],
    [/both a CA and insecure/, [
      { "certificate-authority-data": "YQ==", "insecure-skip-tls-verify": true },
      {},
    ]],
    [/Can't read the certificate-authority/, [{ "certificate-authority": "gone" }, {}]],
    [/both a token and a password/, [{}, { token: "t", username: "n" }]],
    [/no client-key/, [{}, { "client-certificate-data": "YQ==" }]],
    [/both client-key and client-key-data/, [{}, {
      "client-certificate-data": "YQ==",
      "client-key": "k",
      "client-key-data": "YQ==",
    }]],
    [/without as/, [{}, { "as-groups": ["g"] }]],
    [/both an exec plugin and an auth-provider/, [{}, { exec, "auth-provider": { name: "oidc" } }]],
    [/no command/, [{}, { exec: { ...exec, command: "" } }]],
    [/apiVersion "client.authentication.k8s.io\/v1alpha1"/, [{}, {
      exec: { ...exec, apiVersion: "client.authentication.k8s.io/v1alpha1" },
    }]],
    [/no interactiveMode/, [{}, { exec: { ...exec, interactiveMode: undefined } }]],
    [/interactiveMode "Sometimes"/, [{}, { exec: { ...exec, interactiveMode: "Sometimes" } }]],
    [/variable without a name/, [{}, { exec: { ...exec, env: [{ value: "v" }] } }]],
  ];
  for (const [expected, args] of cases) assert.throws(() => choose(...args), expected);
  choose({}, {
    exec: { ...exec, apiVersion: "client.authentication.k8s.io/v1beta1", interactiveMode: undefined },
  });
});
