import assert from "node:assert/strict";
import fc from "fast-check";
import { environmentOf, folder } from "../testing/kubeconfig.ts";
import type { ClusterEntry, ExecEntry } from "./entries.ts";
import { parseCredential, runPlugin } from "./exec_plugin.ts";
import { KubeconfigError } from "./kubeconfig_error.ts";

const V1 = "client.authentication.k8s.io/v1";
const cluster: ClusterEntry = {
  name: "c",
  server: "https://api:6443",
  caFile: "",
  caData: "",
  insecure: false,
  serverName: "",
  proxyUrl: "",
  disableCompression: false,
};
const server = { cluster, ca: "" };

function plugin(changes: Partial<ExecEntry>): ExecEntry {
  const exec = {
    apiVersion: V1,
    command: "",
    args: [],
    env: [],
    interactiveMode: "Never",
    installHint: "",
    provideClusterInfo: false,
  };
  return { ...exec, ...changes };
}

/** A shell script that answers with a token made of `words`. */
const answering = (words: string) =>
  `#!/bin/sh\nprintf '{"kind":"ExecCredential","apiVersion":"${V1}","status":{"token":"%s"}}' "${words}"\n`;

Deno.test("a plugin runs with the command's environment and folder, found on that command's PATH", async () => {
  using home = folder();
  home.write("whoami", answering("$AWS_PROFILE $OWN $(pwd) ${DENO_DIR-unset}"), 0o700);
  const exec = plugin({ command: "whoami", env: [{ name: "OWN", value: "own" }] });
  const as = async (profile: string) => {
    const environment = environmentOf(
      { AWS_PROFILE: profile, PATH: `relative:${home.path}:/usr/bin:/bin` },
      home.path,
    );
    return (await runPlugin(exec, server, { environment, hasTerminal: false })).token;
  };
  const where = Deno.realPathSync(home.path);
  assert.deepEqual([await as("blue"), await as("red")], [
    `blue own ${where} unset`,
    `red own ${where} unset`,
  ]);
  const elsewhere = { environment: environmentOf({ PATH: "/usr/bin:/bin" }, "/gone"), hasTerminal: false };
  await assert.rejects(
    runPlugin(plugin({ command: "pmz-no-such", installHint: "get it\n\tthere" }), server, elsewhere),
    { message: 'The plugin "pmz-no-such" isn\'t on the PATH of this command', hint: "get it there" },
  );
  await assert.rejects(runPlugin(plugin({ command: "pmz-no-such" }), server, elsewhere), {
    hint: "install it, or add its folder to PATH (command -v pmz-no-such)",
  });
});

Deno.test("what a plugin writes is in no error, however it fails", async () => {
  using home = folder();
  const canary = "canary-4711";
  const place = { environment: environmentOf(), hasTerminal: false };
  for (
    const script of [
      `echo ${canary}; echo ${canary} >&2; exit 3`,
      `echo '${canary}'`,
      `echo '{"kind":"ExecCredential","apiVersion":"${canary}"}'`,
      `echo '{"kind":"ExecCredential","apiVersion":"${V1}","status":{"clientKeyData":"${canary}"}}'`,
      `echo '{"kind":"ExecCredential","apiVersion":"${V1}","status":{"token":"t","expirationTimestamp":"${canary}"}}'`,
      `echo ${canary}; kill -9 $$`,
      `echo ${canary}; yes ${canary} | head -c 2000000`,
    ]
  ) {
    const command = home.write("plugin", `#!/bin/sh\n${script}\n`, 0o700);
    const error = await runPlugin(plugin({ command }), server, place).then(() => undefined, (error) => error);
    assert.ok(error instanceof KubeconfigError, script);
    assert.ok(!Deno.inspect(error).includes(canary), `${script}: ${Deno.inspect(error)}`);
  }
});

Deno.test("a plugin that always asks needs a terminal", async () => {
  const place = { environment: environmentOf(), hasTerminal: false };
  await assert.rejects(runPlugin(plugin({ command: "true", interactiveMode: "Always" }), server, place), {
    message: 'The plugin "true" asks on a terminal, and there is none',
    hint: "run pmz up again on a terminal",
  });
});

Deno.test("a plugin is told of the cluster where it wants that", async () => {
  using home = folder();
  const info = home.write(
    "tell",
    `#!/bin/sh\nprintf %s "$KUBERNETES_EXEC_INFO" > ${home.path}/info\nexit 1\n`,
    0o700,
  );
  const told = async (exec: Partial<ExecEntry>, of = server) => {
    await assert.rejects(
      runPlugin(plugin({ command: info, ...exec }), of, {
        environment: environmentOf({ KUBERNETES_EXEC_INFO: "x" }),
        hasTerminal: false,
      }),
    );
    return JSON.parse(Deno.readTextFileSync(`${home.path}/info`)) as { spec: unknown };
  };
  assert.deepEqual((await told({})).spec, { interactive: false });
  const more = {
    ...cluster,
    serverName: "kube",
    insecure: true,
    proxyUrl: "http://p",
    pluginConfig: { audience: "a" },
  };
  assert.deepEqual((await told({ provideClusterInfo: true }, { cluster: more, ca: "PEM" })).spec, {
    interactive: false,
    cluster: {
      server: "https://api:6443",
      "tls-server-name": "kube",
      "insecure-skip-tls-verify": true,
      "certificate-authority-data": btoa("PEM"),
      "proxy-url": "http://p",
      config: { audience: "a" },
    },
  });
});

Deno.test("any answer is a credential, or an error without its words", () => {
  const status = fc.record({
    token: fc.option(fc.string(), { nil: undefined }),
    clientCertificateData: fc.option(fc.string(), { nil: undefined }),
    clientKeyData: fc.option(fc.string(), { nil: undefined }),
    expirationTimestamp: fc.option(fc.oneof(fc.string(), fc.constant("2999-01-01T00:00:00Z")), {
      nil: undefined,
    }),
  });
  const answers = fc.oneof(
    fc.string(),
    fc.json(),
    status.map((status) => JSON.stringify({ kind: "ExecCredential", apiVersion: V1, status })),
  );
  fc.assert(fc.property(answers, (answer) => {
    try {
      const { token, cert, key } = parseCredential(answer, plugin({ command: "p" }));
      assert.ok(token || (cert && key));
      assert.equal(cert === undefined, key === undefined);
    } catch (error) {
      assert.ok(error instanceof KubeconfigError);
    }
  }));
});
