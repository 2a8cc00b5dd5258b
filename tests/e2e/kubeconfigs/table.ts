/** Kubeconfigs and environments, each with what kubectl does there: what the conformance test runs through kubectl and through pmz. */

/** What the rows are made of: all of it is on the laptop, and leads to the test cluster. */
export interface Ingredients {
  /** https://ADDRESS:6443, and its parts. */
  readonly server: string;
  readonly address: string;
  /** The same API server on a port of loopback, by a TCP forwarder. */
  readonly loopback: string;
  /** `kubectl proxy`: HOST:PORT of the same API server in plain HTTP, as an administrator. */
  readonly plain: string;
  /** PEM. */
  readonly ca: string;
  readonly otherCa: string;
  readonly cert: string;
  readonly key: string;
  /** Tokens of the service accounts of these names. */
  readonly tokens: { readonly blue: string; readonly red: string };
  /** URLs of proxies: `denies` answers 407. */
  readonly http: string;
  readonly socks: string;
  readonly denies: string;
  readonly issuer: string;
}

/** One kubeconfig, or several, and an environment. */
export interface Row {
  readonly name: string;
  /** Files of the row's folder, which is `@` in texts and values. `config` is the kubeconfig without KUBECONFIG. */
  readonly files: Readonly<Record<string, string>>;
  /** Beside PATH, HOME and KUBECONFIG. */
  readonly env?: Readonly<Record<string, string>>;
  readonly context?: string;
  /** What kubectl does: whom the server sees, and which proxies were asked; or that it is refused. */
  readonly is: { readonly as: string; readonly by?: string } | { readonly refused: string };
  /** Whether the row goes through `pmz up` too. */
  readonly up?: true;
}

const ADMIN = "kubernetes-admin";
const account = (name: string) => `system:serviceaccount:default:${name}`;
/** Nothing connects: no proxy is asked either. */
const refused = { refused: "" };

type Json = Readonly<Record<string, unknown>>;

/** A kubeconfig with the one context "c". */
function config(cluster: Json, user: Json, more: Json = {}): string {
  return JSON.stringify({
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    clusters: [{ name: "c", cluster }],
    users: [{ name: "u", user }],
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    ...more,
  });
}

function plugin(changes: Json): Json {
  const apiVersion = "client.authentication.k8s.io/v1";
  return { exec: { apiVersion, command: "./plugin", interactiveMode: "IfAvailable", ...changes } };
}

/** A kubeconfig as YAML with a line for each of its fields. */
function linesOf(kubeconfig: string): string[] {
  const fields: Json = JSON.parse(kubeconfig);
  return Object.entries(fields).map(([name, value]) => `${name}: ${JSON.stringify(value)}`);
}

/** An executable answer: files that begin so are made executable. */
function answering(words: string): string {
  const answer = (token: string) =>
    `{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"'${token}'"}}`;
  return `#!/bin/sh\n${words}\necho '${answer('"$token"')}'\n`;
}

export function table(of: Ingredients): Row[] {
  const ca = { "certificate-authority-data": btoa(of.ca) };
  const cluster = { server: of.server, ...ca };
  const token = { token: of.tokens.blue };
  const blue = { as: account("blue") };
  const whole = config(cluster, token);
  const tokens = `blue=${of.tokens.blue}\nred=${of.tokens.red}\n`;
  const oidc = (config: Json) => ({
    "auth-provider": {
      name: "oidc",
      config: { "idp-issuer-url": of.issuer, "client-id": "kube", ...config },
    },
  });
  const proxied = (env: Row["env"], by: string | undefined, more: Partial<Row> = {}): Omit<Row, "name"> => ({
    files: { config: whole },
    env: env ?? {},
    is: by === undefined ? blue : { ...blue, by },
    ...more,
  });
  return [
    // Files and contexts
    {
      name: "a client certificate by data",
      files: {
        config: config(cluster, {
          "client-certificate-data": btoa(of.cert),
          "client-key-data": btoa(of.key),
        }),
      },
      is: { as: ADMIN },
      up: true,
    },
    {
      name: "certificates and a CA by paths relative to the kubeconfig",
      files: {
        config: config({ server: of.server, "certificate-authority": "pki/ca.crt" }, {
          "client-certificate": "./pki/me.crt",
          "client-key": "pki/me.key",
        }),
        "pki/ca.crt": of.ca,
        "pki/me.crt": of.cert,
        "pki/me.key": of.key,
      },
      is: { as: ADMIN },
    },
    { name: "a token", files: { config: whole }, is: blue },
    {
      name: "a byte order mark, and lines as Windows ends them",
      files: { config: `\ufeff${linesOf(whole).join("\r\n")}\r\n` },
      is: blue,
    },
    {
      name: "a document's marker first, and another document behind it",
      files: { config: ["---", ...linesOf(whole), "---", "kind: Other", ""].join("\n") },
      is: blue,
    },
    {
      name: "a scheme in capital letters, and a slash at the server's end",
      files: { config: config({ ...cluster, server: `${of.server.replace("https", "HTTPS")}/` }, token) },
      is: blue,
    },
    {
      name: "a folder in the list",
      files: { config: whole },
      env: { KUBECONFIG: "@/config:/tmp" },
      is: refused,
    },
    {
      name: "a token's file counts more than a token",
      files: { config: config(cluster, { token: of.tokens.red, tokenFile: "t" }), t: `${of.tokens.blue}\n` },
      is: blue,
    },
    {
      name: "a token's file that is missing leaves the token",
      files: { config: config(cluster, { ...token, tokenFile: "none" }) },
      is: blue,
    },
    {
      name: "a list of kubeconfigs: one is missing, one is empty, the user is in the last one",
      files: {
        empty: "",
        first: config(cluster, {}, { users: [] }),
        last: config({ server: "https://nowhere.test" }, token),
      },
      env: { KUBECONFIG: "@/none:@/empty:@/first:@/last" },
      is: blue,
      up: true,
    },
    {
      name: "contexts, clusters and users that aren't used need not be whole",
      files: {
        config: config(cluster, token, {
          clusters: [{ name: "c", cluster }, { name: "bare", cluster: {} }, {
            name: "odd",
            cluster: { server: "odd" },
          }],
          users: [{ name: "u", user: token }, { name: "odd", user: { exec: { command: "none" } } }],
          contexts: [{ name: "c", context: { cluster: "c", user: "u" } }, { name: "odd" }, {
            name: "gone",
            context: { cluster: "x", user: "y" },
          }],
        }),
      },
      is: blue,
    },
    {
      name: "of a key that stands there twice the last one counts",
      files: { config: whole.replace(`"server":`, `"server":"https://nowhere.test","server":`) },
      is: blue,
    },
    {
      name: "a name that stands there twice is refused",
      files: {
        config: config(cluster, token, { users: [{ name: "u", user: token }, { name: "u", user: token }] }),
      },
      is: refused,
    },
    {
      name: "a number where a text belongs",
      files: { config: whole.replaceAll('"name":"c"', '"name":1234').replaceAll(':"c"', ":1234") },
      is: refused,
    },
    {
      name: "a flag where a text belongs, in an entry that isn't used",
      files: {
        config: config(cluster, token, {
          users: [{ name: "u", user: token }, { name: "odd", user: { token: true } }],
        }),
      },
      is: refused,
    },
    {
      name: "a time where a text belongs",
      files: { config: whole.replaceAll('"c"', "2020-01-01") },
      is: blue,
    },
    {
      name: "YAML's anchors and merge keys",
      files: {
        config:
          `current-context: c\nclusters:\n- name: d\n  cluster: &d ${
            JSON.stringify(cluster)
          }\n- name: c\n  cluster: {<<: *d}\n` +
          `users: [{name: u, user: {token: ${of.tokens.blue}}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n`,
      },
      is: blue,
    },
    {
      name: "no current context",
      files: { config: config(cluster, token, { "current-context": "" }) },
      is: refused,
    },
    {
      name: "another context than the current one",
      files: {
        config: config(cluster, token, {
          "current-context": "gone",
          contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
        }),
      },
      context: "c",
      is: blue,
    },
    {
      name: "a context without a user",
      files: { config: config(cluster, token, { contexts: [{ name: "c", context: { cluster: "c" } }] }) },
      is: refused,
    },
    {
      name: "a user that isn't there, for a server that asks nobody",
      files: {
        config: config({ server: `http://${of.plain}` }, {}, {
          contexts: [{ name: "c", context: { cluster: "c", user: "gone" } }],
        }),
      },
      is: { as: ADMIN },
    },
    {
      name: "a cluster that isn't there",
      files: {
        config: config(cluster, token, {
          contexts: [{ name: "c", context: { cluster: "gone", user: "u" } }],
        }),
      },
      is: refused,
    },
    { name: "a kubeconfig that isn't YAML", files: { config: "{ not: [yaml" }, is: refused },

    // Certificates
    {
      name: "no CA: the system's, from SSL_CERT_FILE",
      files: { config: config({ server: of.server }, token), roots: `# mine\n${of.otherCa}${of.ca}` },
      env: { SSL_CERT_FILE: "@/roots" },
      is: blue,
      up: true,
    },
    {
      name: "no CA: the system's, from SSL_CERT_DIR",
      files: { config: config({ server: of.server }, token), "roots/1.pem": of.ca },
      env: { SSL_CERT_DIR: "@/none:@/roots" },
      is: blue,
    },
    {
      name: "no CA, and the system knows none either",
      files: { config: config({ server: of.server }, token) },
      is: refused,
    },
    {
      name: "another CA counts alone, whatever the system knows",
      files: {
        config: config({ server: of.server, "certificate-authority-data": btoa(of.otherCa) }, token),
        roots: of.ca,
      },
      env: { SSL_CERT_FILE: "@/roots" },
      is: refused,
    },
    {
      name: "two CAs of which one is right",
      files: {
        config: config({ server: of.server, "certificate-authority-data": btoa(of.otherCa + of.ca) }, token),
      },
      is: blue,
    },
    {
      name: "no check of the certificate",
      files: { config: config({ server: of.server, "insecure-skip-tls-verify": true }, token) },
      is: blue,
    },
    {
      name: "a CA and no check of the certificate",
      files: { config: config({ ...cluster, "insecure-skip-tls-verify": true }, token) },
      is: refused,
    },
    {
      name: "a CA both by data and by path",
      files: { config: config({ ...cluster, "certificate-authority": "ca.crt" }, token), "ca.crt": of.ca },
      is: refused,
    },
    {
      name: "a CA that is no PEM",
      files: {
        config: config({ server: of.server, "certificate-authority-data": btoa("certificate") }, token),
      },
      is: refused,
    },
    {
      name: "tls-server-name that the certificate has",
      files: { config: config({ ...cluster, "tls-server-name": "kubernetes.default" }, token) },
      is: blue,
      up: true,
    },
    {
      name: "tls-server-name that it hasn't",
      files: { config: config({ ...cluster, "tls-server-name": "nowhere.test" }, token) },
      is: refused,
    },

    // Proxies
    { name: "HTTPS_PROXY", ...proxied({ HTTPS_PROXY: of.http }, "http"), up: true },
    {
      name: "https_proxy, without a scheme",
      ...proxied({ https_proxy: of.http.replace("http://", "") }, "http"),
    },
    { name: "HTTPS_PROXY of SOCKS5", ...proxied({ HTTPS_PROXY: of.socks }, "socks") },
    {
      name: "HTTP_PROXY is not for https",
      ...proxied({ HTTP_PROXY: of.denies, http_proxy: of.denies }, undefined),
    },
    {
      name: "ALL_PROXY is for none",
      ...proxied({ ALL_PROXY: of.denies, all_proxy: of.denies }, undefined),
      up: true,
    },
    {
      name: "NO_PROXY with a range",
      ...proxied({ HTTPS_PROXY: of.denies, NO_PROXY: "localhost, 10.77.0.0/16" }, undefined),
    },
    {
      name: "no_proxy with address and port",
      ...proxied({ HTTPS_PROXY: of.denies, no_proxy: `${of.address}:6443` }, undefined),
    },
    {
      name: "NO_PROXY with another port",
      ...proxied({ HTTPS_PROXY: of.http, NO_PROXY: `${of.address}:443` }, "http"),
    },
    {
      name: "NO_PROXY has commas, no spaces",
      ...proxied({ HTTPS_PROXY: of.http, NO_PROXY: `localhost ${of.address}` }, "http"),
    },
    { name: "NO_PROXY of a star", ...proxied({ HTTPS_PROXY: of.denies, NO_PROXY: "a,*" }, undefined) },
    {
      name: "loopback is never behind a proxy of the environment",
      ...proxied({ HTTPS_PROXY: of.denies }, undefined, {
        files: { config: config({ server: of.loopback, ...ca }, token) },
      }),
      up: true,
    },
    {
      name: "a proxy that denies",
      ...proxied({ HTTPS_PROXY: of.denies }, undefined),
      is: { refused: "denies" },
    },
    {
      name: "proxy-url counts more than HTTPS_PROXY and NO_PROXY",
      ...proxied({ HTTPS_PROXY: of.denies, NO_PROXY: "*,10.0.0.0/8" }, "http", {
        files: { config: config({ ...cluster, "proxy-url": of.http }, token) },
      }),
    },
    {
      name: "proxy-url of SOCKS5, for loopback too",
      ...proxied({}, "socks", {
        files: { config: config({ server: of.loopback, ...ca, "proxy-url": of.socks }, token) },
      }),
    },
    {
      name: "proxy-url of another kind",
      ...proxied({}, undefined, {
        files: { config: config({ ...cluster, "proxy-url": "ftp://proxy.test" }, token) },
      }),
      is: refused,
    },

    // Users
    {
      name: "impersonation with groups, a uid and extra fields",
      files: {
        config: config(cluster, {
          "client-certificate-data": btoa(of.cert),
          "client-key-data": btoa(of.key),
          as: "dev",
          "as-uid": "7",
          "as-groups": ["team-a", "team, b", "system:masters"],
          "as-user-extra": { "example.org/scopes": ["one", "two"] },
        }),
      },
      is: { as: "dev" },
      up: true,
    },
    {
      name: "groups to impersonate without a user",
      files: { config: config(cluster, { ...token, "as-groups": ["team-a"] }) },
      is: refused,
    },
    {
      name: "a token and a password",
      files: { config: config(cluster, { ...token, username: "jo", password: "secret" }) },
      is: refused,
    },
    {
      name: "plain HTTP, to which no token is sent",
      files: { config: config({ server: `http://${of.plain}` }, { token: "wrong" }) },
      is: { as: ADMIN },
    },
    {
      name: "a server without a scheme is one of plain HTTP",
      files: { config: config({ server: of.plain }, {}) },
      is: { as: ADMIN },
    },
    {
      name: "so it is where the server has TLS",
      files: { config: config({ ...cluster, server: `${of.address}:6443` }, token) },
      is: refused,
    },

    // Exec plugins
    {
      name: "a plugin by a path relative to the kubeconfig",
      files: {
        "sub/config": config(cluster, plugin({ command: "./plugin" })),
        "sub/plugin": answering(`token=${of.tokens.blue}`),
      },
      env: { KUBECONFIG: "@/sub/config" },
      is: blue,
    },
    {
      name: "a plugin on the PATH that goes by a variable of the environment",
      files: {
        config: config(cluster, plugin({ command: "login" })),
        "bin/login": answering(`${tokens}eval "token=\\$$PROFILE"`),
      },
      env: { PATH: "@/bin:/usr/bin:/bin", PROFILE: "red" },
      is: { as: account("red") },
      up: true,
    },
    {
      name: "a plugin's own variables count more, and its folder is the command's",
      files: {
        config: config(cluster, plugin({ env: [{ name: "PROFILE", value: "blue" }] })),
        plugin: answering(`${tokens}cd - >/dev/null 2>&1; test "$(pwd)" = "@" && eval "token=\\$$PROFILE"`),
      },
      env: { PROFILE: "red" },
      is: blue,
    },
    {
      name: "a plugin that is told of the cluster",
      files: {
        config: config(
          cluster,
          plugin({ provideClusterInfo: true, env: [{ name: "KUBERNETES_EXEC_INFO", value: "x" }] }),
        ),
        plugin: answering(
          `case "$KUBERNETES_EXEC_INFO" in *'"server":"${of.server}"'*'"interactive":false'*) token=${of.tokens.blue};; esac`,
        ),
      },
      is: blue,
    },
    {
      name: "a plugin isn't run where there is a token",
      files: { config: config(cluster, { ...token, ...plugin({ command: "none" }) }) },
      is: blue,
    },
    {
      name: "a plugin that fails",
      files: { config: config(cluster, plugin({})), plugin: "#!/bin/sh\nexit 3\n" },
      is: refused,
    },
    {
      name: "a plugin that isn't there",
      files: { config: config(cluster, plugin({ command: "no-such-login" })) },
      is: refused,
    },
    {
      name: "a plugin of v1 without interactiveMode",
      files: {
        config: config(cluster, plugin({ interactiveMode: undefined })),
        plugin: answering(`token=${of.tokens.blue}`),
      },
      is: refused,
    },
    {
      name: "a plugin that always asks, without a terminal",
      files: {
        config: config(cluster, plugin({ interactiveMode: "Always" })),
        plugin: answering(`token=${of.tokens.blue}`),
      },
      is: refused,
    },

    // OpenID Connect
    {
      name: "an id-token that is valid",
      files: { config: config(cluster, oidc({ "id-token": of.tokens.blue })) },
      is: blue,
    },
    {
      name: "an id-token that has expired is renewed, and written back",
      files: {
        config: config(cluster, oidc({ "id-token": "e30.eyJleHAiOjF9.c2ln", "refresh-token": "refresh-0" })),
      },
      is: { as: account("red") },
    },
    {
      name: "an id-token that has expired, without a refresh token",
      files: { config: config(cluster, oidc({ "id-token": "e30.eyJleHAiOjF9.c2ln" })) },
      is: refused,
    },
    {
      name: "an auth-provider that is gone",
      files: { config: config(cluster, { "auth-provider": { name: "gcp" } }) },
      is: refused,
    },
  ];
}
