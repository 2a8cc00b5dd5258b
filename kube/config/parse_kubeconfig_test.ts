import assert from "node:assert/strict";
import fc from "fast-check";
import { parseKubeconfig } from "./parse_kubeconfig.ts";
import { KubeconfigError } from "./kubeconfig_error.ts";

const parse = (text: string) => parseKubeconfig(text, "/home/jo/.kube/config");

Deno.test("an empty text is a kubeconfig without entries, as kubectl takes it", () => {
  for (const text of ["", "\n", "# nothing\n", "---\n", "{}", "null", "apiVersion: v1\nkind: Config\n"]) {
    const { clusters, users, contexts, currentContext } = parse(text);
    assert.deepEqual([clusters.size, users.size, contexts.size, currentContext], [0, 0, 0, ""], text);
  }
  assert.equal(parse("clusters:\ncontexts: ~\nusers: null\n").clusters.size, 0);
});

Deno.test("of a key that stands there twice the last one counts, and a name that does is refused", () => {
  const text =
    "current-context: a\ncurrent-context: b\nclusters:\n- name: c\n  cluster: {server: 'https://1', server: 'https://2'}\n";
  assert.equal(parse(text).currentContext, "b");
  assert.equal(parse(text).clusters.get("c")?.server, "https://2");
  assert.throws(() => parse("contexts: [{name: a}, {name: a}]"), /"a" stands twice in contexts of .*config/);
});

Deno.test("entries that lack everything are entries", () => {
  const { contexts, clusters, users } = parse(
    "contexts: [{name: a}, {name: b, context: }]\nclusters: [{name: c, cluster: {}}]\nusers: [{name: u}]\n",
  );
  assert.deepEqual([...contexts.values()].map(({ cluster }) => cluster), ["", ""]);
  assert.equal(clusters.get("c")?.server, "");
  assert.equal(users.get("u")?.token, "");
});

Deno.test("numbers and flags without quotes are no texts, as for kubectl, and times are", () => {
  for (const value of ["1234", "1.10", "0x1f", "yes", "on", "true", "[]", "{a: b}"]) {
    assert.throws(
      () => parse(`users: [{name: u, user: {token: ${value}}}]`),
      /not a valid text in a kubeconfig/,
      value,
    );
    parse(`users: [{name: u, user: {token: '${value}'}}]`);
  }
  assert.equal(parse("contexts: [{name: 2020-01-01}]").contexts.get("2020-01-01")?.name, "2020-01-01");
  const flag = (value: string) =>
    parse(`clusters: [{name: c, cluster: {insecure-skip-tls-verify: ${value}}}]`).clusters.get("c");
  assert.deepEqual(["true", "yes", "false", "~"].map((value) => flag(value)?.insecure), [
    true,
    true,
    false,
    false,
  ]);
  assert.throws(() => flag("'true'"), /not a valid flag/);
});

Deno.test("paths are relative to the file's folder, but for a plugin's bare name", () => {
  const exec = (command: string) => `{name: ${command}, user: {tokenFile: t, exec: {command: ${command}}}}`;
  const { users } = parse(`users: [${exec("aws")}, ${exec("./bin/p")}, ${exec("/bin/q")}]`);
  assert.deepEqual([...users.values()].map(({ exec }) => exec?.command), [
    "aws",
    "/home/jo/.kube/bin/p",
    "/bin/q",
  ]);
  assert.equal(users.get("aws")?.tokenFile, "/home/jo/.kube/t");
});

Deno.test("what isn't YAML is told in one line, with the file, the line and what to do", () => {
  assert.throws(() => parse("apiVersion: v1\n  clusters:\n- x\n"), {
    name: "KubeconfigError",
    message: "/home/jo/.kube/config, line 2, is not valid YAML: bad indentation of a mapping entry",
    hint: "correct the file, or choose another with --kubeconfig",
  });
});

Deno.test("no error has any of a kubeconfig's secrets", () => {
  const user = (lines: string) => `users:\n- name: me\n  user:\n${lines}`;
  for (
    const text of [
      user("    token: s3cret\n   as: x\n"),
      user("    {token: s3cret, token: [s3cret}\n"),
      user("    password: *s3cret\n"),
      user("    password: !s3cret x\n"),
      user("    password: !<s3cret> x\n"),
      user("    password: %s3cret\n"),
      user("    password: @s3cret\n"),
      user("    password: [s3cret]\n"),
      user("    auth-provider: {config: {client-secret: {s3cret: s3cret}}}\n"),
    ]
  ) {
    assert.throws(() => parse(text), (error) => {
      assert.ok(error instanceof KubeconfigError);
      assert.ok(
        !Deno.inspect({ ...error, message: error.message, cause: error.cause }).includes("s3cret"),
        text,
      );
      return true;
    });
  }
  assert.throws(() => parse(user("    password: 271828\n")), (error) => !String(error).includes("271828"));
});

Deno.test("any text is a kubeconfig or a KubeconfigError, and so is any JSON", () => {
  const names = fc.constantFrom(
    "clusters",
    "users",
    "contexts",
    "name",
    "user",
    "exec",
    "auth-provider",
    "config",
    "env",
    "as-user-extra",
  );
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: "small" },
      fc.string(),
      fc.integer(),
      fc.constant(null),
      fc.boolean(),
      fc.array(tie("value")),
      fc.dictionary(names, tie("value")),
    ),
  })).value.map((value) => JSON.stringify(value));
  fc.assert(fc.property(fc.oneof(fc.string(), json), (text) => {
    try {
      parse(text);
    } catch (error) {
      assert.ok(error instanceof KubeconfigError, String(error));
      assert.ok(error.message.length < 1000);
    }
  }));
});
