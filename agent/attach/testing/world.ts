/**
 * A node in network namespaces without a way out: a client, the node's own, a pod and the agent's pod; and the processes
 * in them. Needs root, `ip`, `unshare`, `nsenter` and `setpriv`.
 *
 *     client 198.51.100.2 --- 198.51.100.1 node 192.0.2.1 --- 192.0.2.2 pod          agent
 */
const here = new URL(".", import.meta.url).pathname;
const root = new URL("../../../", import.meta.url).pathname;

export const RELAY_UID = 1993;
export const addresses = { pod4: "192.0.2.2", pod6: "2001:db8:1::2" } as const;
export const PORT = 8080;

export type Place = "client" | "node" | "pod" | "agent";

/** A process of a test, ended with it. */
export interface Process extends AsyncDisposable {
  readonly pid: number;
  readonly lines: string[];
  write(line: string): Promise<void>;
  signal(signal: Deno.Signal): void;
  /** Ends it, and waits for that. */
  kill(): Promise<void>;
}

export class World implements AsyncDisposable {
  readonly folder: string;
  readonly podUid = crypto.randomUUID();
  readonly #owned = new AsyncDisposableStack();
  readonly #places = new Map<Place, number>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async make(): Promise<World> {
    const folder = await Deno.makeTempDir({ prefix: "pmz-node-" });
    const world = new World(folder);
    world.#owned.defer(() => Deno.remove(folder, { recursive: true }));
    try {
      await world.#begin();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The process id of a place: what /proc shows of its network namespace. */
  pid(place: Place): number {
    return this.#places.get(place) ?? 0;
  }

  get handover(): string {
    return `${this.folder}/run/handover.sock`;
  }

  /** Starts a program in a place. */
  start(place: Place, args: readonly string[], options: { env?: Record<string, string> } = {}): Process {
    const process = spawn(["nsenter", `--net=/proc/${this.pid(place)}/ns/net`, ...args], options.env);
    this.#owned.use(process);
    return process;
  }

  /** Runs a program in a place to its end, and gives what it printed. */
  async run(place: Place, args: readonly string[]): Promise<string> {
    const { success, stdout, stderr } = await new Deno.Command("nsenter", {
      args: [`--net=/proc/${this.pid(place)}/ns/net`, ...args],
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stderr).trim();
    if (!success) throw new Error(`${args.join(" ")} failed in ${place}: ${said}`);
    return new TextDecoder().decode(stdout).trim();
  }

  /** How many of `count` connections at once are answered by whom. */
  async ask(from: Place, to: string, count: number, options: { port?: number; comm?: string } = {}) {
    const { port = PORT, comm } = options;
    const args = [`${here}ask.ts`, to, String(port), String(count), ...comm ? [comm] : []];
    return JSON.parse(await this.run(from, [Deno.execPath(), "run", "-A", "--quiet", ...args])) as Record<
      string,
      number
    >;
  }

  /** How many of `count` sockets of UDP are answered by whom: "pod 198.51.100.2" with the address that it saw, "laptop". */
  async askUdp(from: Place, to: string, count: number, { bytes = 20 }: { bytes?: number } = {}) {
    const args = [`${here}ask_udp.ts`, to, String(PORT), String(count), String(bytes)];
    return JSON.parse(
      await this.run(from, [Deno.execPath(), "run", "-A", "--unstable-net", "--quiet", ...args]),
    ) as Record<string, number>;
  }

  /**
   * Attach, with Deno's permissions as in the DaemonSet; its standard input is what there is in the cluster.
   * @param object the BPF program, another than the project's where wanted
   */
  startAttach(libbpf: string, object = `${root}bpf/intercept.bpf.o`): Process {
    const run = `${this.folder}/run`;
    const flags = [
      "--allow-ffi",
      "--allow-net",
      "--allow-env",
      "--allow-sys",
      `--allow-read=${this.folder}/host,${run},${libbpf},${object}`,
      `--allow-write=${run}`,
    ];
    const args = [
      `${this.folder}/host`,
      String(this.pid("node")),
      this.handover,
      String(RELAY_UID),
      libbpf,
      object,
    ];
    const deno = [
      Deno.execPath(),
      "run",
      "--quiet",
      "--no-prompt",
      ...flags,
      `${here}attach_alone.ts`,
      ...args,
    ];
    const script = `mount --bind /proc ${this.folder}/host && exec "$@"`;
    return this.start("agent", ["unshare", "-m", "sh", "-c", script, "sh", ...deno]);
  }

  /** Relay as the DaemonSet has it: another user, no capability, few of Deno's permissions. */
  startRelay(): Process {
    const bare = ["--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", "--clear-groups"];
    const user = ["setpriv", `--reuid=${RELAY_UID}`, `--regid=${RELAY_UID}`, ...bare];
    const flags = [
      "--allow-ffi",
      "--allow-net",
      "--allow-env",
      "--allow-sys",
      `--allow-write=${this.folder}/cache`,
    ];
    const deno = [
      `${this.folder}/deno`,
      "run",
      "--quiet",
      "--no-prompt",
      "--no-config",
      "--no-lock",
      ...flags,
    ];
    return this.start("agent", [...user, ...deno, `${this.folder}/relay.js`], {
      env: { DENO_DIR: `${this.folder}/cache`, PMZ_HANDOVER: this.handover },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync();
  }

  async #begin(): Promise<void> {
    for (const name of ["run", "cache", "host"]) Deno.mkdirSync(`${this.folder}/${name}`);
    Deno.chmodSync(this.folder, 0o755);
    Deno.chmodSync(`${this.folder}/run`, 0o777);
    Deno.chownSync(`${this.folder}/cache`, RELAY_UID, RELAY_UID);
    await Deno.copyFile(Deno.execPath(), `${this.folder}/deno`); // which may be in a folder of root's alone
    await this.#bundleRelay();
    for (const place of ["client", "node", "agent"] as const) {
      this.#places.set(place, this.#keep(["unshare", "-n", "sleep", "600"]));
    }
    this.#places.set(
      "pod",
      this.#keep(["sh", "-c", `echo $$ >${this.#group()}/cgroup.procs; exec unshare -n sleep 600`]),
    );
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const place of this.#places.keys()) await this.run(place, ["ip", "link", "set", "lo", "up"]);
    await this.#link("node", "pod", ["192.0.2.1/24", "2001:db8:1::1/64"], [
      "192.0.2.2/24",
      "2001:db8:1::2/64",
    ]);
    await this.#link("node", "client", ["198.51.100.1/24", "2001:db8:2::1/64"], [
      "198.51.100.2/24",
      "2001:db8:2::2/64",
    ]);
    for (const family of ["ipv4.ip_forward=1", "ipv6.conf.all.forwarding=1"]) {
      await this.run("node", ["sysctl", "-qw", `net.${family}`]);
    }
  }

  async #bundleRelay(): Promise<void> {
    const entry = `${this.folder}/entry.ts`;
    await Deno.writeTextFile(entry, `import { main } from "${root}agent/relay/main.ts";\nawait main();\n`);
    const args = ["bundle", "--quiet", "--platform", "deno", "-o", `${this.folder}/relay.js`, entry];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), { args, cwd: root }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
  }

  /** A control group as the kubelet would make it for the pod. */
  #group(): string {
    const outer = `${cgroup2()}/pmz-test-${crypto.randomUUID()}`;
    const inner = `${outer}/pod${this.podUid}`;
    Deno.mkdirSync(inner, { recursive: true });
    this.#owned.defer(async () => {
      for (const folder of [inner, outer]) await removeGroup(folder);
    });
    return inner;
  }

  async #link(a: Place, b: Place, ofA: readonly string[], ofB: readonly string[]): Promise<void> {
    const [nameA, nameB] = [`to-${b}`, "eth0"];
    const peer = ["peer", "name", nameB, "netns", String(this.pid(b))];
    await this.run(a, ["ip", "link", "add", nameA, "type", "veth", ...peer]);
    for (const [place, name, all] of [[a, nameA, ofA], [b, nameB, ofB]] as const) {
      for (const address of all) {
        const nodad = address.includes(":") ? ["nodad"] : [];
        await this.run(place, ["ip", "addr", "add", address, "dev", name, ...nodad]);
      }
      await this.run(place, ["ip", "link", "set", name, "up"]);
    }
    for (const address of ofA) {
      await this.run(b, ["ip", "route", "add", "default", "via", address.split("/")[0] ?? ""]);
    }
  }

  #keep(args: readonly string[]): number {
    const process = spawn(args);
    this.#owned.use(process);
    return process.pid;
  }
}

function spawn([command = "", ...args]: readonly string[], env?: Record<string, string>): Process {
  const child = new Deno.Command(command, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: Deno.env.get("PMZ_TEST_VERBOSE") ? "inherit" : "null",
    ...(env ? { env } : {}),
  }).spawn();
  const lines: string[] = [];
  const reading = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const bytes of child.stdout) {
      const all = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = all.pop() ?? "";
      lines.push(...all);
    }
  })();
  const writer = child.stdin.getWriter();
  let ended = false;
  const kill = async () => {
    if (ended) return;
    ended = true;
    try {
      child.kill("SIGKILL");
    } catch {
      // Ended by itself.
    }
    await child.status;
    await reading;
    await writer.close().catch(() => {});
  };
  return {
    pid: child.pid,
    lines,
    write: (line) => writer.write(new TextEncoder().encode(`${line}\n`)),
    signal: (signal) => child.kill(signal),
    kill,
    [Symbol.asyncDispose]: kill,
  };
}

async function removeGroup(folder: string): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      return Deno.removeSync(folder);
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20)); // its last process is on its way out
    }
  }
}

/** Where control groups of version 2 are on this machine: alone, or beside those of version 1. */
function cgroup2(): string {
  try {
    if (Deno.statSync("/sys/fs/cgroup/unified/cgroup.procs").isFile) return "/sys/fs/cgroup/unified";
  } catch {
    // Alone.
  }
  return "/sys/fs/cgroup";
}
