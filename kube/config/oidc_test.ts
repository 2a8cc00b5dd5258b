import assert from "node:assert/strict";
import { environmentOf, folder } from "../testing/kubeconfig.ts";
import { clusterAccess, KubeconfigError } from "./kubeconfig.ts";
import { Issuer, jwt } from "../testing/issuer.ts";
import { parseKubeconfig } from "./parse_kubeconfig.ts";

function text(
  issuer: Pick<Issuer, "url">,
  tokens: Record<string, string>,
  more: Record<string, string> = {},
): string {
  const user = (name: string, config: object) => ({
    name,
    user: { "auth-provider": { name: "oidc", config } },
  });
  return JSON.stringify({
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "me" } }, {
      name: "d",
      context: { cluster: "c", user: "you" },
    }],
    clusters: [{
      name: "c",
      cluster: {
        server: "https://api",
        "certificate-authority-data": btoa("-----BEGIN CERTIFICATE-----\nYQ==\n-----END CERTIFICATE-----"),
      },
    }],
    users: [
      user("me", { "idp-issuer-url": issuer.url, "client-id": "kube", ...tokens, ...more }),
      user("you", { "idp-issuer-url": issuer.url, "client-id": "kube", "id-token": jwt(3600) }),
    ],
  });
}

async function headerOf(file: string, context = "c"): Promise<unknown> {
  const access = await clusterAccess({ kubeconfig: file, context, environment: environmentOf() });
  return (await access.access()).headers.authorization;
}

Deno.test("a valid id-token is used as it is", async () => {
  await using issuer = new Issuer();
  using home = folder();
  const token = jwt(3600);
  assert.equal(
    await headerOf(home.write("c", text(issuer, { "id-token": token, "refresh-token": "1" }))),
    `Bearer ${token}`,
  );
  assert.deepEqual(issuer.grants, []);
});

Deno.test("an expired id-token is renewed once for all who ask, and both tokens are written back", async () => {
  await using issuer = new Issuer();
  using home = folder();
  const file = home.write("c", text(issuer, { "id-token": jwt(5), "refresh-token": issuer.refreshToken }));
  const [first, second] = await Promise.all([headerOf(file), headerOf(file)]);
  assert.equal(first, second);
  assert.equal(first, `Bearer ${issuer.idToken}`);
  assert.deepEqual(issuer.grants, ["refresh-0"]);
  const config = parseKubeconfig(Deno.readTextFileSync(file), file).users.get("me")?.authProvider?.config;
  assert.deepEqual([config?.get("id-token"), config?.get("refresh-token")], [issuer.idToken, "refresh-1"]);
  assert.notEqual(await headerOf(file, "d"), first, "each user has a token and an expiry of its own");
});

Deno.test("a running access takes what another program has renewed, instead of the refresh token that it knew", async () => {
  await using issuer = new Issuer();
  using home = folder();
  const file = home.write("c", text(issuer, { "id-token": jwt(3600), "refresh-token": "used up" }));
  const access = await clusterAccess({ kubeconfig: file, environment: environmentOf(), reuseMs: 0 });
  await access.access();
  const renewed = jwt(7200);
  home.write("c", text(issuer, { "id-token": renewed, "refresh-token": "theirs" }));
  assert.equal((await access.access({ renew: true })).headers.authorization, `Bearer ${renewed}`);
  assert.deepEqual(issuer.grants, []);
});

Deno.test("the kubeconfig isn't locked while the issuer is asked, and keeps what others write meanwhile", async () => {
  using home = folder();
  let file = "";
  let isLocked: boolean | undefined;
  await using issuer = new Issuer({
    async redeeming() {
      isLocked = await Deno.stat(`${file}.lock`).then(() => true, () => false);
      const config: { "current-context": string } = JSON.parse(Deno.readTextFileSync(file));
      Deno.writeTextFileSync(file, JSON.stringify({ ...config, "current-context": "d" }));
    },
  });
  file = home.write("c", text(issuer, { "id-token": jwt(-60), "refresh-token": issuer.refreshToken }));
  assert.equal(await headerOf(file), `Bearer ${issuer.idToken}`);
  assert.equal(isLocked, false, "kubectl fails where it finds a lock");
  const saved = parseKubeconfig(Deno.readTextFileSync(file), file);
  assert.equal(saved.currentContext, "d");
  assert.equal(saved.users.get("me")?.authProvider?.config.get("id-token"), issuer.idToken);
});

Deno.test("where another program has used the refresh token first, what it has renewed is taken", async () => {
  await using issuer = new Issuer();
  using home = folder();
  const old = { "id-token": jwt(-60), "refresh-token": "used by another program" };
  const file = home.write("c", text(issuer, old));
  const theirs = jwt(3600);
  const asked = headerOf(file);
  setTimeout(() => home.write("c", text(issuer, { "id-token": theirs, "refresh-token": "theirs" })), 100);
  assert.equal(await asked, `Bearer ${theirs}`);
});

Deno.test("a client with a secret is named in a header, one without in the body where the issuer wants that", async () => {
  await using issuer = new Issuer({ secret: "s&cret" });
  using home = folder();
  const tokens = { "id-token": jwt(-60), "refresh-token": issuer.refreshToken };
  await headerOf(home.write("c", text(issuer, tokens, { "client-secret": "s&cret" })));
  await using open = new Issuer({ wantsBody: true });
  await headerOf(home.write("d", text(open, { ...tokens, "refresh-token": open.refreshToken })));
  assert.deepEqual([issuer.grants, open.grants], [["refresh-0"], ["refresh-0"]]);
});

Deno.test("an error names the issuer and has no token", async () => {
  await using issuer = new Issuer();
  using home = folder();
  const old = jwt(-60);
  const file = home.write("c", text(issuer, { "id-token": old, "refresh-token": "stolen" }));
  await assert.rejects(headerOf(file), (error) => {
    assert.match(
      String(error),
      new RegExp(
        `OIDC user "me": ${issuer.url} doesn't renew the id-token: its token endpoint answers 400 \\(invalid_grant\\)`,
      ),
    );
    assert.ok(!Deno.inspect(error).includes("stolen") && !Deno.inspect(error).includes(old));
    return true;
  });
  assert.throws(() => Deno.statSync(`${file}.lock`), Deno.errors.NotFound);
  await assert.rejects(
    headerOf(home.write("e", text(issuer, { "id-token": old }))),
    /there is no refresh-token/,
  );
  await assert.rejects(
    headerOf(home.write("f", text(issuer, { "id-token": "x" }))),
    /not a valid JSON web token/,
  );
});

Deno.test("an issuer whose answer has no end is given up", async () => {
  using home = folder();
  const endless = () =>
    new ReadableStream({ pull: (controller) => controller.enqueue(new Uint8Array(1 << 16).fill(0x20)) });
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response(endless()),
  );
  const url = `http://127.0.0.1:${server.addr.port}`;
  const file = home.write("c", text({ url }, { "id-token": jwt(-60), "refresh-token": "1" }));
  await assert.rejects(headerOf(file), /its answer is too long/);
});

Deno.test("an issuer that is no URL, or has a CA that can't be read, is an error of the kubeconfig", async () => {
  using home = folder();
  const tokens = { "id-token": jwt(-60), "refresh-token": "1" };
  const ofConfig = (error: unknown) =>
    error instanceof KubeconfigError && /OIDC user "me"/.test(String(error));
  await assert.rejects(headerOf(home.write("c", text({ url: "issuer" }, tokens))), ofConfig);
  const ca = { "idp-certificate-authority-data": "%" };
  await assert.rejects(headerOf(home.write("d", text({ url: "https://127.0.0.1:1" }, tokens, ca))), ofConfig);
});
