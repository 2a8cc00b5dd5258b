import assert from "node:assert/strict";
import { ApiError } from "../kube/client/api_error.ts";
import { KubeconfigError, NoSuchContext } from "../kube/config/kubeconfig_error.ts";
import { apiProxy } from "./api_proxy.ts";
import { apiServer } from "./api_server.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { programProxy } from "./program_proxy.ts";
import { fakeCluster, type FakeClusterOptions } from "./testing/cluster.ts";
import { assertFinding, assertSound, findingsOf } from "./testing/findings.ts";

Deno.test("a kubeconfig that can be read says its context, server, namespace and user", async () => {
  await using cluster = fakeCluster({ server: "https://192.0.2.1:6443" });
  const findings = await findingsOf(kubeconfig, { cluster: () => Promise.resolve(cluster.open) });
  assertFinding(findings, "ok", /Context dev: https:\/\/192\.0\.2\.1:6443, namespace shop, user jo\./);
});

Deno.test("a kubeconfig that can't be read, or lacks the context, is a failure with its own remedy", async () => {
  const broken = (error: Error) => findingsOf(kubeconfig, { cluster: () => Promise.reject(error) });
  assertFinding(await broken(new KubeconfigError("Can't read it")), "failed", /Can't read it/, /KUBECONFIG/);
  assertFinding(await broken(new NoSuchContext("no context x")), "failed", /context x/, /get-contexts/);
  assertFinding(await broken(new TypeError("server is not valid")), "failed", /not valid/);
});

async function reached(options: FakeClusterOptions) {
  await using cluster = fakeCluster(options);
  return await findingsOf(apiServer, { cluster: () => Promise.resolve(cluster.open) });
}

Deno.test("a kubeconfig's error that says what to do has that as its remedy", async () => {
  const hint = "log in to the cluster again";
  const error = new KubeconfigError("The login has expired", { hint });
  const [finding] = await findingsOf(kubeconfig, { cluster: () => Promise.reject(error) });
  assert.deepEqual(finding, {
    level: "failed",
    saw: "The login has expired",
    remedy: "Log in to the cluster again.",
  });
});

Deno.test("an API server that answers says its version", async () => {
  assertFinding(await reached({}), "ok", /Kubernetes v1\.34\.4/);
});

Deno.test("an API server that refuses the credentials, or isn't there, is a failure", async () => {
  assertFinding(await reached({ refuses: 401 }), "failed", /401/, /Log in again/);
  const cluster = fakeCluster();
  await cluster[Symbol.asyncDispose]();
  const gone = await findingsOf(apiServer, { cluster: () => Promise.resolve(cluster.open) });
  assertFinding(gone, "failed", /no answer/, /kubectl --context dev get --raw \/version` work first\.$/);
  const open = { ...cluster.open, proxyUrl: "http://jo:secret@proxy.example" };
  const proxied = await findingsOf(apiServer, { cluster: () => Promise.resolve(open) });
  assertFinding(proxied, "failed", /no answer/, /through http:\/\/proxy\.example: pmz doctor api-proxy/);
});

Deno.test("a certificate that isn't trusted has another remedy where the kubeconfig has no CA", async () => {
  await using cluster = fakeCluster();
  const error = new ApiError("UnknownIssuer", { status: 0, reason: "Certificate" });
  for (
    const [trustsSystem, remedy] of [[true, /SSL_CERT_FILE/], [false, /may have been replaced/]] as const
  ) {
    const access = async () => ({ ...await cluster.open.cluster.access(), trustsSystem });
    const open = {
      ...cluster.open,
      cluster: { ...cluster.open.cluster, access },
      version: () => Promise.reject(error),
    };
    const found = await findingsOf(apiServer, { cluster: () => Promise.resolve(open) });
    assertFinding(found, "failed", /UnknownIssuer/, remedy);
  }
});

Deno.test("credentials that can't be had are a failure of their own", async () => {
  await using cluster = fakeCluster();
  const open = {
    ...cluster.open,
    version: () => Promise.reject(new KubeconfigError("no credentials: log in")),
  };
  const findings = await findingsOf(apiServer, { cluster: () => Promise.resolve(open) });
  assertFinding(findings, "failed", /no credentials/, /log in/);
  const without = {
    ...open,
    version: () => Promise.reject(new KubeconfigError("no plugin", { hint: "install it" })),
  };
  const found = await findingsOf(apiServer, { cluster: () => Promise.resolve(without) });
  assertFinding(found, "failed", /no plugin/, /^Install it\.$/);
});

async function proxied(env: Record<string, string>, proxyUrl?: string) {
  await using cluster = fakeCluster({
    server: "https://api.example:6443",
    ...(proxyUrl === undefined ? {} : { proxyUrl }),
  });
  return await findingsOf(apiProxy, {
    cluster: () => Promise.resolve(cluster.open),
    env: { get: (name) => env[name] },
  });
}

Deno.test("without a proxy the API server is reached directly", async () => {
  assertSound(await proxied({}));
  assertFinding(await proxied({}), "ok", /api\.example:6443 is reached without a proxy\.$/);
  const all = await proxied({ all_proxy: "socks5://127.0.0.1:9" });
  assertFinding(all, "ok", /without a proxy\. ALL_PROXY is not for API servers/);
});

Deno.test("the proxy of the API server is named with where it was set, and without its password", async () => {
  const proxy = "http://jo:secret@proxy.example:3128";
  const fromVariable = await proxied({ HTTPS_PROXY: proxy }, proxy);
  assertFinding(fromVariable, "ok", /through http:\/\/proxy\.example:3128, as HTTPS_PROXY says/);
  assertFinding(await proxied({}, "socks5://proxy.example"), "ok", /as the kubeconfig says/);
});

Deno.test("a proxy of a kind that pmz can't use is a failure", async () => {
  assertFinding(await proxied({}, "ftp://proxy.example"), "failed", /ftp:\/\//, /socks5/);
  assertFinding(await proxied({}, "http://"), "failed", /not a valid URL/);
});

function shell(env: Record<string, string>, proxy?: string, names: readonly string[] = []) {
  return findingsOf(programProxy, {
    env: { get: (name) => env[name] },
    resolver: () => Promise.resolve({ nameservers: [], search: [], hostname: "laptop" }),
    served: () =>
      Promise.resolve({
        names: names.map((name) => ({
          name,
          custom: !name.endsWith(".svc"),
          addresses: [],
          target: "",
          cluster: "",
        })),
        namespaces: ["default"],
        ...(proxy === undefined ? {} : { proxy }),
      }),
  });
}

Deno.test("programs that send cluster names to a proxy are warned of, with the line to type", async () => {
  assertSound(await shell({}));
  const env = { http_proxy: "http://jo:secret@proxy.example:3128", no_proxy: "localhost" };
  const exported = /^export NO_PROXY=localhost,\.svc,\.cluster\.local no_proxy=localhost,\.svc,/;
  assertFinding(
    await shell(env),
    "warning",
    /^http_proxy is set.*to http:\/\/proxy\.example:3128,/,
    exported,
  );
  assertSound(await shell({ ...env, no_proxy: "localhost,.svc,.cluster.local" }));
  assertFinding(
    await shell({ ...env, no_proxy: ".svc,.cluster.local" }, undefined, ["echo.default.svc", "shop.example"]),
    "warning",
    /some of a cluster's names \(shop\.example, service\.default, echo\) to/,
    /^export NO_PROXY=\.svc,\.cluster\.local,shop\.example,\.default,echo no_proxy=\.svc/,
  );
});

Deno.test("every variable that programs take a proxy from is looked at", async () => {
  for (const name of ["HTTP_PROXY", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) {
    const said = new RegExp(`^${name} is set.*to socks5://127\\.0\\.0\\.1:9,`);
    assertFinding(await shell({ [name]: "socks5://127.0.0.1:9" }), "warning", said, /^export NO_PROXY=\.svc/);
    assertSound(await shell({ [name]: "socks5://127.0.0.1:9", NO_PROXY: ".svc,.cluster.local" }));
  }
  const several = await shell({
    HTTP_PROXY: "proxy:3128",
    https_proxy: "http://proxy:3128",
    ALL_PROXY: "socks5://a",
  });
  assertFinding(
    several,
    "warning",
    /^HTTP_PROXY, https_proxy, ALL_PROXY are set.*to http:\/\/proxy:3128, socks5:\/\/a,/,
  );
});

Deno.test("a variable that leads to pmz's own proxy is right", async () => {
  const served = "127.0.0.1:1080";
  for (const proxy of ["http://127.0.0.1:1080", "127.0.0.1:1080", "socks5h://localhost:1080/"]) {
    const findings = await shell({ http_proxy: proxy, ALL_PROXY: proxy }, served);
    assertFinding(findings, "ok", /http_proxy, ALL_PROXY.*pmz's own proxy/);
    assertSound(findings);
    assertFinding(await shell({ http_proxy: proxy }), "warning", /http_proxy/);
  }
  const mixed = { http_proxy: "http://127.0.0.1:1080", HTTPS_PROXY: "http://proxy.example:3128" };
  assertFinding(
    await shell(mixed, served),
    "warning",
    /^HTTPS_PROXY is set.*proxy\.example/,
    /^export HTTPS_PROXY=http:\/\/127\.0\.0\.1:1080$/,
  );
});
