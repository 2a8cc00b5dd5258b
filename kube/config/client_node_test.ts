import { KubeConfig } from "@kubernetes/client-node";
import assert from "node:assert/strict";
import fc from "fast-check";
import { dump } from "js-yaml";
import { chooseContext } from "./chosen_context.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";

Deno.test("whole kubeconfigs with plain users are read as client-node reads them", () => {
  const word = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/);
  const data = fc.string().map((text) => btoa(encodeURIComponent(text) || "x"));
  const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
  const cluster = fc.record({
    server: fc.webUrl({ validSchemes: ["https"] }),
    "certificate-authority-data": data,
    "tls-server-name": maybe(word),
    "proxy-url": maybe(word.map((host) => `http://${host}:3128`)),
  }, { requiredKeys: ["server", "certificate-authority-data"] });
  const user = fc.oneof(
    fc.record({ token: fc.stringMatching(/^[A-Za-z][A-Za-z0-9._-]{0,40}$/) }),
    fc.record({ username: word, password: word }),
    fc.record({ "client-certificate-data": data, "client-key-data": data }),
  );
  fc.assert(
    fc.property(cluster, user, word, maybe(word), fc.boolean(), (cluster, user, name, namespace, asJson) => {
      const config = {
        "current-context": name,
        clusters: [{ name, cluster }],
        users: [{ name, user }],
        contexts: [{ name, context: { cluster: name, user: name, ...(namespace ? { namespace } : {}) } }],
      };
      const json = JSON.stringify(config);
      const text = asJson ? json : dump(JSON.parse(json));
      const theirs = new KubeConfig();
      theirs.loadFromString(text);
      const ours = chooseContext(parseKubeconfig(text, "/kubeconfig"));
      const there = theirs.getCurrentCluster();
      const them = theirs.getCurrentUser();
      assert.deepEqual(
        [
          ours.cluster.server.replace(/\/+$/, ""),
          ours.cluster.caData,
          ours.cluster.serverName,
          ours.cluster.proxyUrl,
        ],
        [there?.server.replace(/\/+$/, ""), there?.caData, there?.tlsServerName ?? "", there?.proxyUrl ?? ""],
      );
      assert.deepEqual(
        [ours.user.token, ours.user.username, ours.user.password, ours.user.certData, ours.user.keyData],
        [
          them?.token ?? "",
          them?.username ?? "",
          them?.password ?? "",
          them?.certData ?? "",
          them?.keyData ?? "",
        ],
      );
      assert.equal(ours.context.namespace, theirs.getContextObject(name)?.namespace ?? "");
    }),
  );
});
