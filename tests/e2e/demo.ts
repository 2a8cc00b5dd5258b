// What pmz does, shown on a real cluster, step by step: `./dev demo`. Each step says what it proves, and is checked.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { Caller } from "./lib/caller.ts";
import { clusterSnapshot } from "./lib/cluster_snapshot.ts";
import type { Laptop } from "./lib/laptop.ts";
import type { Snapshot } from "./lib/snapshot.ts";
import { builtFile } from "./lib/stage.ts";
import { World } from "./lib/world.ts";

const curl = ["curl", "-sS", "-m", "5"];
const local = `
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = b"answered on the laptop\\n"
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Answer)
print("ready")
server.serve_forever()
`;

/** A step: what is done, what it proves, and the doing, which says what was seen. */
interface Step {
  readonly does: string;
  readonly proves: string;
  run(): Promise<string>;
}

/** What of `seen` has the pattern: its line, or only that where the line is long. @throws with all of it when nothing has. */
function expect(seen: string, pattern: RegExp): string {
  const line = seen.split("\n").find((line) => pattern.test(line));
  if (line === undefined) throw new Error(`expected ${pattern}, and saw:\n${seen}`);
  return line.length <= 100 ? line.trim() : pattern.exec(line)?.[0] ?? "";
}

/** Both streams of a command of alice's, and its exit code on a line of its own. */
async function alice(laptop: Laptop, command: readonly string[], stdin?: string): Promise<string> {
  const { code, stdout, stderr } = await laptop.run("alice", command, {
    timeout: 120_000,
    ...(stdin ? { stdin } : {}),
  });
  return `${stderr}${stdout}`.trimEnd() + (code === 0 ? "" : `\n(exit code ${code})`);
}

/** What laptop and cluster were before. */
interface Before {
  readonly laptop: Snapshot;
  readonly cluster: Snapshot;
}

function steps(world: World, caller: Caller, before: Before): Step[] {
  const { laptop } = world;
  const fromPod = async () => {
    const { stdout, stderr } = await caller.run(`${curl.join(" ")} http://echo.default.svc.cluster.local/`);
    return stdout + stderr;
  };
  const service = () => alice(laptop, [...curl, "http://echo.default.svc/"]);
  return [{
    does: "curl http://echo.default.svc, and its address",
    proves: "the laptop is outside: it has neither the name nor a way",
    run: async () => {
      const ip = await world.kubectl(["get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"]);
      expect(await alice(laptop, [...curl, `http://${ip}/`]), /Failed to connect|timed out/);
      return expect(await service(), /Could not resolve host/);
    },
  }, {
    does: "pmz up",
    proves: "the gateway is installed, a tunnel is there, addresses and names are captured",
    run: async () =>
      expect(await alice(laptop, ["pmz", "up", "--yes"], "alice\n"), /accepted a connection in/).replace(
        /^ +/,
        "try ",
      ),
  }, {
    does: "curl http://echo.default.svc",
    proves: "a pod answers by the Service's name",
    run: async () => expect(await service(), /"pod":"echo-[^"]+"/),
  }, {
    does: "curl http://internet.test, and as bob",
    proves: "the internet is untouched, and other users see nothing",
    run: async () => {
      expect(await alice(laptop, [...curl, "http://internet.test/"]), /"pod":"internet"/);
      const { stderr } = await laptop.run("bob", [...curl, "http://echo.default.svc/"]);
      return expect(stderr, /Could not resolve host/);
    },
  }, {
    does: "pmz intercept echo 8081",
    proves: "the Service's port is taken over in its pods, without a restart or a sidecar",
    run: async () =>
      expect(
        await alice(laptop, ["pmz", "intercept", "echo", "8081", "--yes"]),
        /-> localhost:8081, in 2 of 2 pods/,
      ),
  }, {
    does: "curl http://echo.default.svc",
    proves: "the same curl is answered by a program on the laptop",
    run: async () => expect(await service(), /answered on the laptop/),
  }, {
    does: "a pod: curl http://echo",
    proves: "so is a caller inside the cluster",
    run: async () => expect(await fromPod(), /answered on the laptop/),
  }, {
    does: "kill -9 of the daemon",
    proves: "the pods answer again, and the laptop is as it was before `pmz up`",
    run: async () => {
      const status: unknown = JSON.parse(await laptop.output("alice", ["pmz", "status", "-o", "json"]));
      const pid = pidIn(status);
      const begun = performance.now();
      Deno.kill(pid, "SIGKILL");
      await laptop.settles(before.laptop, 5_000, killedCannotDelete);
      const network = performance.now() - begun;
      await untilPodsAnswer(fromPod, 15_000);
      const pods = performance.now() - begun;
      return `the laptop within ${seconds(network)}, the pods within ${seconds(pods)}`;
    },
  }, {
    does: "kubectl get interceptsessions,interceptrules -A",
    proves: "the cluster forgets the intercept by itself",
    run: async () => {
      const end = performance.now() + 60_000;
      for (;;) {
        const left = await world.kubectl(["get", "interceptsessions,interceptrules", "-A", "-o", "name"]);
        if (left.trim() === "") return "none";
        if (performance.now() > end) throw new Error(`still there: ${left}`);
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    },
  }, {
    does: "pmz agent delete; pmz down",
    proves: "nothing is left, in the cluster or on the laptop",
    run: async () => {
      const deleted = await alice(laptop, ["pmz", "agent", "delete", "--yes"]);
      if (deleted.includes("exit code")) throw new Error(deleted);
      expect(await alice(laptop, ["pmz", "down"]), /left: nothing/);
      await laptop.settles(before.laptop, 5_000);
      const left = before.cluster.diff(await clusterSnapshot(world));
      if (left !== "") throw new Error(`the cluster is not as it was:\n${left}`);
      return "left: nothing";
    },
  }];
}

/** The file of a socket that nobody listens on any more; the next daemon takes it away. */
const killedCannotDelete = /^files: s\S+ .*\/control\.sock$/;

async function untilPodsAnswer(ask: () => Promise<string>, within: number): Promise<void> {
  const begun = performance.now();
  while (!/"pod":"echo-/.test(await ask())) {
    if (performance.now() - begun > within) throw new Error(`no pod answers, ${seconds(within)} later`);
  }
}

function pidIn(status: unknown): number {
  const text = JSON.stringify(status);
  const pid = Number(/"pid":(\d+)/.exec(text)?.[1]);
  if (!pid) throw new Error(`no pid in ${text}`);
  return pid;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

const coloured = Deno.stdout.isTerminal() && !Deno.noColor;
const styled = (code: number, text: string) => coloured ? `\x1b[${code}m${text}\x1b[0m` : text;
const bold = (text: string) => styled(1, text);
const dim = (text: string) => styled(2, text);

async function shown(all: readonly Step[]): Promise<number> {
  for (const [index, { does, proves, run }] of all.entries()) {
    console.log(`\n${bold(`${index + 1}. ${does}`)}\n   ${proves}`);
    const begun = performance.now();
    const spent = () => seconds(performance.now() - begun);
    try {
      const seen = await run();
      console.log(`   ${styled(32, "ok")} ${dim(`${spent()}: ${seen}`)}`);
    } catch (error) {
      console.log(`   ${styled(31, "FAILED")} ${spent()}: ${error instanceof Error ? error.message : error}`);
      return index;
    }
  }
  return all.length;
}

async function main(): Promise<boolean> {
  console.log("A real Kubernetes of two nodes, and a laptop beside it that has no way to them ...");
  const begun = performance.now();
  await using world = await World.up({ nodes: 2 });
  await world.install(builtFile);
  await alice(world.laptop, ["pmz", "down"]); // of a demo that was killed
  await alice(world.laptop, ["pmz", "agent", "delete", "--yes"]);
  await using caller = await Caller.start(world);
  await using program = world.laptop.spawn("alice", ["python3", "-uc", local]);
  await program.says(/ready/);
  console.log(dim(`... are there after ${seconds(performance.now() - begun)}`));

  const before = { laptop: await world.laptop.snapshot(), cluster: await clusterSnapshot(world) };
  const all = steps(world, caller, before);
  const done = await shown(all);
  if (done < all.length) await alice(world.laptop, ["pmz", "down"]);
  const keep = Deno.env.get("PMZ_KEEP_WORLD")
    ? "The cluster stays, as PMZ_KEEP_WORLD says; ./dev cluster down --all ends it."
    : "What was started for this goes now. PMZ_KEEP_WORLD=1 ./dev demo keeps it, to try more by ./dev cluster.";
  console.log(`\n${dim(keep)}\ndemo: ${done} of ${all.length} steps`);
  return done === all.length;
}

Deno.exitCode = await main() ? 0 : 1;
