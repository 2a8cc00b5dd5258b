/**
 * A laptop to try things on: network and mount namespaces of its own without a way out, a cgroup of its own, and people.
 * Its LAN is 10.50.0.0/24 on a device with nobody at its other end, its nameservers are 10.50.0.53 and 127.0.0.53.
 */
import { patience } from "../../../async/testing/patience.ts";
import { withTimeout } from "../../../async/timeout.ts";

const project = new URL("../../../", import.meta.url).pathname;
/** Where Deno and the project are in a room: others than root may not enter the folders that they really are in. */
const [DENO, PROJECT] = ["/run/program", "/run/project"];
const CGROUPS = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
/** How long a program of a test may take for one step, in milliseconds. */
const STEP = 20_000 * patience;

/** Why these tests can't run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (Deno.uid() !== 0) return "needs root";
  if (cgroupRoot() === undefined) return "needs cgroup v2";
}

function cgroupRoot(): string | undefined {
  return CGROUPS.find((place) => {
    try {
      return Deno.statSync(`${place}/cgroup.procs`).isFile &&
        Deno.statSync(`${place}/cgroup.controllers`).isFile;
    } catch {
      return false;
    }
  });
}

export class Room implements AsyncDisposable {
  readonly cgroup: string;
  readonly #holder: Program;
  readonly #programs: Program[] = [];

  private constructor(cgroup: string, holder: Program) {
    this.cgroup = cgroup;
    this.#holder = holder;
  }

  static async open(): Promise<Room> {
    const cgroup = `${cgroupRoot()}/pmz-test-${Deno.pid}-${crypto.randomUUID().slice(0, 8)}`;
    await Deno.mkdir(cgroup);
    const setup = [
      "set -e",
      `echo $$ >${cgroup}/cgroup.procs`,
      "mount -t tmpfs -o mode=755 none /run",
      "mkdir -m 1777 /run/deno",
      `touch ${DENO} && mount --bind '${Deno.execPath()}' ${DENO}`,
      `mkdir ${PROJECT} && mount --bind '${project}' ${PROJECT}`,
      `printf 'nameserver 10.50.0.53\\nnameserver 127.0.0.53\\n' >/run/resolv.conf`,
      "mount --bind /run/resolv.conf /etc/resolv.conf",
      "printf '20001:300000:65536\\n' >/run/subuid",
      "[ ! -e /etc/subuid ] || mount --bind /run/subuid /etc/subuid",
      "ip link set lo up",
      "ip link add eth0 type veth peer name cable", // nobody is at its other end
      "ip link set cable addrgenmode none up",
      "ip address add 10.50.0.5/24 dev eth0",
      "ip -6 address add fd50::5/64 dev eth0 nodad",
      "ip link set eth0 addrgenmode none up",
      "ip neighbour add 10.50.0.254 lladdr 02:00:00:00:00:01 dev eth0",
      "ip route add default via 10.50.0.254",
      `echo '{"ready":true}'`,
      "exec sleep 600",
    ].join("\n");
    const holder = new Program(["unshare", "-n", "-m", "--propagation", "private", "sh", "-c", setup]);
    const room = new Room(cgroup, holder);
    try {
      await holder.line();
      return room;
    } catch (error) {
      await room[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** A process of the room's, as that user. */
  start(uid: number, script: string, ...args: string[]): Program {
    return this.#start([], uid, script, ...args);
  }

  #start(wrapper: readonly string[], uid: number, script: string, ...args: string[]): Program {
    const program = new Program([
      ...this.#enter(),
      ...wrapper,
      ...(uid === 0 ? [] : ["setpriv", `--reuid=${uid}`, `--regid=${uid}`, "--clear-groups", "--"]),
      "env",
      ...(uid === 0 ? [] : [`DENO_DIR=/run/deno/${uid}`]), // others can't read root's
      "DENO_NO_UPDATE_CHECK=1", // which asks the nameserver
      DENO,
      "run",
      "-A",
      "--no-lock",
      `${PROJECT}/tests/faults/laptop/${script}`,
      ...args,
    ]);
    this.#programs.push(program);
    return program;
  }

  /** A person: connects and asks as that user; in a network namespace of its own, as in a container, where wanted. */
  async person(uid: number, { inContainer } = { inContainer: false }): Promise<Program> {
    const person = this.#start(inContainer ? ["unshare", "--net"] : [], uid, "person.ts");
    await person.line();
    return person;
  }

  /** What a command of root's says in the room. */
  async says(...command: string[]): Promise<string> {
    const [program = "", ...args] = [...this.#enter(), ...command];
    const { stdout } = await new Deno.Command(program, { args, stdin: "null", stderr: "null" }).output();
    return new TextDecoder().decode(stdout);
  }

  /** All that pmz could have changed on the laptop. */
  async snapshot(): Promise<Record<string, unknown>> {
    const netns = (await Deno.stat(`/proc/${this.#holder.pid}/ns/net`)).ino;
    const links = JSON.parse(await this.says("bpftool", "--json", "link", "show")) as Record<
      string,
      unknown
    >[];
    const cgroupId = (await Deno.stat(this.cgroup)).ino;
    return {
      rules: (await this.says("ip", "rule")) + (await this.says("ip", "-6", "rule")),
      routes: (await this.says("ip", "route", "show", "table", "all")) +
        (await this.says("ip", "-6", "route", "show", "table", "all")),
      devices: (await this.says("ip", "-br", "link")).replaceAll(/ +/g, " "),
      links: links.filter((link) => link.netns_ino === netns || link.cgroup_id === cgroupId),
      cgroup: await this.says("bpftool", "cgroup", "show", this.cgroup),
      sockets: await this.says("ss", "-Htuna"),
      files: await this.says("find", "/run/pmz", "-name", "helper.s*", "-o", "-name", "helper.json"),
      resolv: await this.says("cat", "/etc/resolv.conf"),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs.reverse()) await program.kill("SIGKILL");
    // What started itself in the background, in this cgroup and no other.
    const left = (await Deno.readTextFile(`${this.cgroup}/cgroup.procs`)).split("\n").filter(Boolean).map(
      Number,
    );
    for (const pid of left) if (pid !== this.#holder.pid) killed(pid);
    await this.#holder.kill("SIGKILL");
    for (let tries = 0; tries < 100; tries++) {
      try {
        return await Deno.remove(this.cgroup);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 20)); // its last process is still going
      }
    }
    throw new Error(`${this.cgroup} stays: something lives in it`);
  }

  #enter(): string[] {
    const script = `echo $$ >${this.cgroup}/cgroup.procs && exec "$@"`;
    return ["sh", "-c", script, "sh", "nsenter", `--target=${this.#holder.pid}`, "--net", "--mount"];
  }
}

function killed(pid: number): void {
  try {
    Deno.kill(pid, "SIGKILL");
  } catch { /* ended meanwhile */ }
}

/** A process that is told what to do line by line, and answers line by line. */
export class Program {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  #rest = "";
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;

  constructor([program = "", ...args]: readonly string[]) {
    this.#child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped", stderr: "inherit" })
      .spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** Of the process itself: each step before it was an exec. */
  get pid(): number {
    return this.#child.pid;
  }

  get ended(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  /** The next line that it says, as JSON. */
  async line(): Promise<Record<string, unknown>> {
    while (!this.#rest.includes("\n")) {
      const { done, value } = await withTimeout(this.#lines.read(), STEP);
      if (done) throw new Error("the program has ended");
      this.#rest += value;
    }
    const at = this.#rest.indexOf("\n");
    const line = this.#rest.slice(0, at);
    this.#rest = this.#rest.slice(at + 1);
    return JSON.parse(line);
  }

  /** Tells it one thing, and gives its answer. */
  async do<T = Record<string, unknown>>(command: object): Promise<T> {
    await this.#input.write(new TextEncoder().encode(`${JSON.stringify(command)}\n`));
    return await this.line() as T;
  }

  async kill(signal: Deno.Signal): Promise<void> {
    try {
      this.#child.kill(signal);
    } catch { /* ended already */ }
    if (signal !== "SIGKILL" && signal !== "SIGTERM") return;
    await this.#child.status;
    await this.#lines.cancel().catch(() => {});
    await this.#input.abort().catch(() => {});
  }
}
