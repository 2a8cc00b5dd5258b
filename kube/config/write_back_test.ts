import assert from "node:assert/strict";
import fc from "fast-check";
import { dump } from "js-yaml";
import { folder } from "../testing/kubeconfig.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";
import { withProviderConfig, writeProviderConfig } from "./write_back.ts";

const text = `# mine
current-context: dev
contexts:
- {name: dev, context: {cluster: c, user: me}}
users:
- name: other
  user:
    auth-provider:
      name: oidc
      config:
        id-token: theirs
- name: me
  user:
    auth-provider:
      config:
        # the client
        client-id: kube   # keeps its place
        id-token: old.old.old
        idp-issuer-url: https://issuer
        refresh-token: 'it''s old'
      name: oidc
clusters: [{name: c, cluster: {insecure-skip-tls-verify: true, server: "https://api"}}]
`;

Deno.test("new tokens replace the old ones of that user, and each other byte stays", () => {
  const after = withProviderConfig(text, "me", { "id-token": "new.new.new", "refresh-token": 'a "new" one' });
  assert.equal(
    after,
    text.replace("old.old.old", '"new.new.new"').replace("'it''s old'", '"a \\"new\\" one"'),
  );
});

Deno.test("a token that wasn't there is added, in YAML and in JSON", () => {
  const bare = text.replace("        id-token: old.old.old\n", "");
  assert.match(
    withProviderConfig(bare, "me", { "id-token": "n" }),
    /\n {8}# the client\n {8}"id-token": "n"\n {8}client-id: kube /,
  );
  const json =
    '{"users":[{"name":"me","user":{"auth-provider":{"name":"oidc","config":{"client-id":"a","id-token":"old"}}}}]}';
  assert.equal(
    withProviderConfig(json, "me", { "id-token": "n", "refresh-token": "r" }),
    json.replace('"client-id"', '"refresh-token": "r", "client-id"').replace(':"old"', ': "n"'),
  );
});

Deno.test("values of any style are replaced", () => {
  for (
    const old of [
      "plain",
      "'single'",
      '"dou\\"ble"',
      "|-\n          block",
      ">\n          folded\n          more",
      "",
      "!!str tagged",
      "&a anchored",
    ]
  ) {
    const styled = text.replace("old.old.old", old);
    const after = withProviderConfig(styled, "me", { "id-token": "new" });
    const config = parseKubeconfig(after, "/k").users.get("me")?.authProvider?.config;
    assert.deepEqual(Object.fromEntries(config ?? []), {
      "client-id": "kube",
      "id-token": "new",
      "idp-issuer-url": "https://issuer",
      "refresh-token": "it's old",
    }, old);
  }
});

Deno.test("any tokens of any user are written so that nothing else is read differently", () => {
  const token = fc.string({ unit: "grapheme" }).map((token) => token.replace(/\p{C}/gu, ""));
  const name = fc.constantFrom("a", "b", "on", "1");
  const user = (name: string, token: string) => ({
    name,
    user: { token, "auth-provider": { name: "oidc", config: { "client-id": token, "id-token": token } } },
  });
  fc.assert(fc.property(token, token, name, fc.boolean(), (before, after, who, asJson) => {
    const config = { users: ["a", "b", "on", "1"].map((name) => user(name, before)) };
    const written = withProviderConfig(asJson ? JSON.stringify(config) : dump(config), who, {
      "id-token": after,
      "refresh-token": after,
    });
    for (const [name, { token, authProvider }] of parseKubeconfig(written, "/k").users) {
      const tokens = name === who ? { "id-token": after, "refresh-token": after } : { "id-token": before };
      assert.deepEqual([token, Object.fromEntries(authProvider?.config ?? [])], [before, {
        "client-id": before,
        ...tokens,
      }]);
    }
  }));
});

Deno.test("a kubeconfig that is a link stays one, and its file keeps its mode", () => {
  using home = folder();
  const file = home.write("real", text, 0o640);
  Deno.chmodSync(file, 0o640);
  Deno.symlinkSync(file, `${home.path}/link`);
  writeProviderConfig(`${home.path}/link`, "me", { "id-token": "new" });
  assert.ok(Deno.lstatSync(`${home.path}/link`).isSymlink);
  assert.equal((Deno.statSync(file).mode ?? 0) & 0o777, 0o640);
  assert.match(Deno.readTextFileSync(file), /id-token: "new"/);
  assert.deepEqual(Array.from(Deno.readDirSync(home.path), ({ name }) => name).toSorted(), ["link", "real"]);
});

const ignore = Deno.uid() !== 0;
Deno.test({ name: "a kubeconfig that is mounted as a file is written (needs root)", ignore }, async () => {
  using home = folder();
  const config = home.write("config", "");
  const mounted = home.write("mounted", text);
  const program = `
    import { writeProviderConfig } from ${JSON.stringify(new URL("write_back.ts", import.meta.url))};
    writeProviderConfig(${JSON.stringify(config)}, "me", { "id-token": "new.new.new" });`;
  const mounting = 'mount --bind "$1" "$2" && exec "$3" eval --quiet "$4"';
  const { success, stderr } = await new Deno.Command("unshare", {
    args: ["--mount", "sh", "-c", mounting, "sh", mounted, config, Deno.execPath(), program],
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
  assert.equal(Deno.readTextFileSync(mounted), text.replace("old.old.old", '"new.new.new"'));
  assert.deepEqual([...Deno.readDirSync(home.path)].map(({ name }) => name).sort(), ["config", "mounted"]);
});

Deno.test(
  { name: "a mounted kubeconfig on a disk that is full keeps its old text (needs root)", ignore },
  async () => {
    using home = folder();
    const config = home.write("config", "");
    Deno.mkdirSync(`${home.path}/full`);
    const program = `
    import { writeProviderConfig } from ${JSON.stringify(new URL("write_back.ts", import.meta.url))};
    try {
      writeProviderConfig(${JSON.stringify(config)}, "me", { "id-token": "n".repeat(100_000) });
    } catch (error) {
      console.log(error.code, Deno.readTextFileSync(${JSON.stringify(config)}));
    }`;
    const mounting = 'mount -t tmpfs -o size=16k none "$1/full" && cat >"$1/full/config" && ' +
      'mount --bind "$1/full/config" "$1/config" && exec "$2" eval --quiet "$3"';
    const child = new Deno.Command("unshare", {
      args: ["--mount", "sh", "-c", mounting, "sh", home.path, Deno.execPath(), program],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const input = child.stdin.getWriter();
    await input.write(new TextEncoder().encode(text));
    await input.close();
    const { stdout } = await child.output();
    assert.equal(new TextDecoder().decode(stdout), `ENOSPC ${text}\n`);
  },
);

Deno.test("a user who is gone is an error, and the file stays as it is", () => {
  using home = folder();
  const file = home.write("config", text);
  assert.throws(() => writeProviderConfig(file, "nobody", { "id-token": "new" }), {
    name: "KubeconfigError",
  });
  assert.equal(Deno.readTextFileSync(file), text);
});
