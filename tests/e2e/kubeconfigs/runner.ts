/**
 * Runs the rows of the table through kubectl, through pmz's own reader and, some of them, through `pmz up`, and prints what became of each as
 * a line of JSON. It runs inside a laptop, where it also has the proxies, the forwarder and the issuer that the rows name: they tell who was
 * asked. Arguments: a folder of its own, and the API server's kubeconfig of an administrator.
 */
import { Api } from "../../../kube/client/api.ts";
import { clusterAccess } from "../../../kube/config/kubeconfig.ts";
import { parseKubeconfig } from "../../../kube/config/parse_kubeconfig.ts";
import { certificates } from "../../../kube/testing/certificates.ts";
import { Issuer } from "../../../kube/testing/issuer.ts";
import { fakeProxy } from "../../../kube/testing/proxy.ts";
import { type Ingredients, type Row, table } from "./table.ts";

/** What became of a row in one program. */
export interface Outcome {
  /** What the server says of the user; undefined where there was no answer. */
  readonly user?: unknown;
  /** The proxies that were asked, each once. */
  readonly by: readonly string[];
  /** Whether the kubeconfig has other tokens afterwards. */
  readonly wrote: boolean;
  /** What was said instead of an answer: to read where the programs differ. */
  readonly error?: string;
}

/** A row's outcomes. */
export interface Ran {
  readonly name: string;
  readonly is: Row["is"];
  readonly kubectl: Outcome;
  readonly pmz: Outcome;
  /** Of `pmz up --proxy`: whether it was up, and what it said. */
  readonly up?: { readonly isUp: boolean; readonly by: readonly string[]; readonly said: string };
}

const [base = "", admin = ""] = Deno.args;
/** Alice, on the laptops. */
const UID = 1000;
const STATE = "/home/alice/.local/state";
const CACHE = "/home/alice/.cache";
const review = { apiVersion: "authentication.k8s.io/v1", kind: "SelfSubjectReview" };

class Runner {
  #plain: Deno.ChildProcess | undefined;
  readonly #proxies;
  #issuer = new Issuer();

  private constructor() {
    this.#proxies = {
      http: fakeProxy("http", undefined),
      socks: fakeProxy("socks5", undefined),
      denies: fakeProxy("http", undefined, { refuse: true }),
    };
  }

  static start(): Runner {
    return new Runner();
  }

  async ingredients(): Promise<Ingredients> {
    const { clusters, users } = parseKubeconfig(Deno.readTextFileSync(admin), admin);
    const [cluster] = clusters.values(), [user] = users.values();
    if (!cluster || !user) throw new Error(`${admin} has no cluster, or no user`);
    const address = new URL(cluster.server).hostname;
    const { http, socks, denies } = this.#proxies;
    const tokens = { blue: await tokenOf("blue"), red: await tokenOf("red") };
    using other = await certificates();
    return {
      server: cluster.server,
      address,
      loopback: `https://127.0.0.1:${this.#forwarder(address)}`,
      plain: `127.0.0.1:${await this.#plainProxy()}`,
      ca: atob(cluster.caData),
      otherCa: other.ca,
      cert: atob(user.certData),
      key: atob(user.keyData),
      tokens,
      http: `http://127.0.0.1:${http.port}`,
      socks: `socks5://127.0.0.1:${socks.port}`,
      denies: `http://127.0.0.1:${denies.port}`,
      issuer: "@issuer",
    };
  }

  /** A port of loopback that leads to the API server. */
  #forwarder(hostname: string): number {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    (async () => {
      for await (const conn of listener) {
        const to = await Deno.connect({ hostname, port: 6443 });
        conn.readable.pipeTo(to.writable).catch(() => {});
        to.readable.pipeTo(conn.writable).catch(() => {});
      }
    })().catch(() => {});
    return listener.addr.port;
  }

  /** `kubectl proxy`. */
  async #plainProxy(): Promise<number> {
    const child = new Deno.Command("kubectl", {
      args: ["--kubeconfig", admin, "proxy", "--port", "0"],
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#plain = child;
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
      const port = /127\.0\.0\.1:(\d+)/.exec(text)?.[1];
      if (port) return Number(port);
    }
    throw new Error("kubectl proxy says no port");
  }

  /** Lays a row out in a folder of its own, and runs it there. */
  async #outcome(
    row: Row,
    tokens: Ingredients["tokens"],
    ask: (at: Place) => Promise<unknown>,
  ): Promise<Outcome> {
    for (const { asked } of Object.values(this.#proxies)) asked.length = 0;
    await using issuer = new Issuer({ issue: () => tokens.red });
    this.#issuer = issuer;
    const place = this.#lay(row);
    const texts = () =>
      Object.keys(row.files).map((name) => Deno.readTextFileSync(`${place.folder}/${name}`)).join();
    const before = texts();
    let said: { user?: unknown; error?: string };
    try {
      said = { user: await ask(place) };
    } catch (error) {
      said = { error: error instanceof Error ? error.message : String(error) };
    }
    const outcome = { ...said, by: this.#asked(), wrote: texts() !== before };
    Deno.removeSync(place.folder, { recursive: true });
    return outcome;
  }

  #asked(): string[] {
    return Object.entries(this.#proxies).filter(([, { asked }]) => asked.length > 0).map(([name]) => name);
  }

  #lay({ files, env = {}, context }: Row): Place {
    const folder = Deno.makeTempDirSync({ dir: base });
    const filled = (text: string) => text.replaceAll("@issuer", this.#issuer.url).replaceAll("@", folder);
    for (const [name, text] of Object.entries(files)) {
      const path = `${folder}/${name}`;
      Deno.mkdirSync(path.slice(0, path.lastIndexOf("/")), { recursive: true });
      Deno.writeTextFileSync(path, filled(text), { mode: text.startsWith("#!") ? 0o700 : 0o600 });
    }
    const given = Object.fromEntries(Object.entries(env).map(([name, value]) => [name, filled(value)]));
    const variables = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: folder,
      KUBECONFIG: `${folder}/config`,
      ...given,
    };
    return { folder, variables, ...(context === undefined ? {} : { context }) };
  }

  async run(row: Row, tokens: Ingredients["tokens"]): Promise<Ran> {
    const kubectl = await this.#outcome(row, tokens, askKubectl);
    const pmz = await this.#outcome(row, tokens, askPmz);
    const { name, is } = row;
    return { name, is, kubectl, pmz, ...(row.up ? { up: await this.#up(row, tokens) } : {}) };
  }

  async #up(row: Row, tokens: Ingredients["tokens"]): Promise<NonNullable<Ran["up"]>> {
    let isUp = false, said = "";
    const { by } = await this.#outcome(row, tokens, async (at) => {
      await give(at.folder);
      const variables = { ...at.variables, XDG_STATE_HOME: STATE, XDG_CACHE_HOME: CACHE };
      const place = { ...at, variables, uid: UID };
      const context = at.context === undefined ? [] : ["--context", at.context];
      const up = await command("/usr/local/bin/pmz", ["up", "--proxy", "--yes", ...context], place);
      isUp = up.code === 0;
      said = up.stderr;
      await command("/usr/local/bin/pmz", ["down"], place);
    });
    return { isUp, by, said };
  }

  /** Ends `kubectl proxy`. */
  async end(): Promise<void> {
    this.#plain?.kill();
    await this.#plain?.status;
  }
}

interface Place {
  readonly folder: string;
  readonly variables: Record<string, string>;
  readonly context?: string;
  /** Who runs the program; root without it. */
  readonly uid?: number;
}

/** Gives a folder to the user who runs pmz: root's pmz keeps little of the environment. */
async function give(folder: string): Promise<void> {
  await command("/bin/chown", ["-R", String(UID), folder], { folder: "/", variables: {} });
}

async function askKubectl(at: Place): Promise<unknown> {
  const context = at.context === undefined ? [] : ["--context", at.context];
  const args = [...context, "--request-timeout", "5s", "auth", "whoami", "-o", "json"];
  const { code, stdout, stderr } = await command("/usr/local/bin/kubectl", args, at);
  if (code !== 0) throw new Error(stderr);
  return userOf(JSON.parse(stdout));
}

async function askPmz({ folder, variables, context }: Place): Promise<unknown> {
  const environment = { variables, folder };
  using api = new Api(await clusterAccess({ environment, ...(context === undefined ? {} : { context }) }));
  return userOf(
    await api.json("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", {
      body: review,
      timeoutMs: 5_000,
    }),
  );
}

function userOf(answer: unknown): unknown {
  return (answer as { status?: { userInfo?: unknown } }).status?.userInfo;
}

async function command(program: string, args: string[], { folder, variables, uid }: Place) {
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: folder,
    env: variables,
    clearEnv: true,
    ...(uid === undefined ? {} : { uid, gid: uid }),
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).output();
  const text = new TextDecoder();
  return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
}

/** A token of a service account, which is made if it isn't there, and may do everything. */
async function tokenOf(name: string): Promise<string> {
  const kubectl = async (...args: string[]) => {
    const place = { folder: base, variables: { PATH: "/usr/bin:/bin", HOME: base } };
    const { code, stdout, stderr } = await command(
      "/usr/local/bin/kubectl",
      ["--kubeconfig", admin, ...args],
      place,
    );
    if (code !== 0 && !stderr.includes("already exists")) throw new Error(stderr);
    return stdout.trim();
  };
  await kubectl("create", "serviceaccount", name);
  await kubectl(
    "create",
    "clusterrolebinding",
    `kubeconfigs-${name}`,
    "--clusterrole=cluster-admin",
    `--serviceaccount=default:${name}`,
  );
  return await kubectl("create", "token", name, "--duration", "1h");
}

const runner = Runner.start();
const ingredients = await runner.ingredients();
for (const row of table(ingredients)) {
  const ran = await runner.run(row, ingredients.tokens);
  await Deno.stdout.write(new TextEncoder().encode(`${JSON.stringify(ran)}\n`));
}
await runner.end();
Deno.exit(0); // connections of the proxies may still be open
