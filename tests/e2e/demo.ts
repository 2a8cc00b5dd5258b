// What pmz does, shown on a real cluster, step by step: `./dev demo`. Each step says what it proves, and is checked.
// deno-lint-ignore-file no-console
import { World } from "./lib/world.ts";
import type { Laptop } from "./lib/laptop.ts";
import type { Snapshot } from "./lib/snapshot.ts";

const file = new URL("../../dist/pmz", import.meta.url).pathname;
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

/** The objects that pmz could leave in the cluster, by name. */
async function traces(world: World): Promise<string> {
  const kinds = "namespaces,clusterroles,clusterrolebindings,crds,validatingadmissionpolicies";
  const names = (await world.kubectl(["get", kinds, "-o", "name"])).split("\n");
  return names.filter((name) => name.includes("pmz")).join(" ");
}

function steps(world: World, before: Snapshot): Step[] {
  const { laptop } = world;
  const fromPod = async () => {
    const { stdout, stderr } = await world.inPod("caller", [
      ...curl,
      "http://echo.default.svc.cluster.local/",
    ]);
    return stdout + stderr;
  };
  const service = () => alice(laptop, [...curl, "http://echo.default.svc/"]);
  return [{
    does: "curl http://echo.default.svc",
    proves: "the laptop is outside: it has neither the name nor a way",
    run: async () => expect(await service(), /Could not resolve host/),
  }, {
    does: "pmz up",
    proves: "the gateway is installed, a tunnel is there, addresses and names are captured",
    run: async () =>
      expect(await alice(laptop, ["pmz", "up", "--yes"], "alice\n"), /took a connection in/).replace(
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
        /-> 127\.0\.0\.1:8081, in 2 of 2 pods/,
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
      await laptop.output("root", ["kill", "-9", String(pid)]);
      const network = await laptop.settles(before, 5_000);
      while (!/"pod":"echo-/.test(await fromPod())) {
        if (performance.now() - begun > 15_000) throw new Error("no pod answers, 15 s later");
      }
      const pods = performance.now() - begun;
      return `the laptop after ${seconds(network)}, the pods after ${seconds(pods)}`;
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
      const left = await traces(world);
      if (left !== "") throw new Error(`left in the cluster: ${left}`);
      await laptop.settles(before, 5_000);
      return "left: nothing";
    },
  }];
}

function pidIn(status: unknown): number {
  const text = JSON.stringify(status);
  const pid = Number(/"pid":(\d+)/.exec(text)?.[1]);
  if (!pid) throw new Error(`no pid in ${text}`);
  return pid;
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

console.log("a real Kubernetes of two nodes, and a laptop beside it ...");
await using world = await World.up({ nodes: 2 });
await world.install(file);
await world.kubectl(["delete", "pod", "caller", "--ignore-not-found"]);
await world.kubectl([
  "run",
  "caller",
  "--image=pmz.test/base:1",
  "--restart=Never",
  "--",
  "sleep",
  "infinity",
]);
await world.kubectl(["wait", "--for=condition=Ready", "pod/caller", "--timeout=60s"]);
await alice(world.laptop, ["pmz", "down"]); // of a demo that was killed
await using program = world.laptop.spawn("alice", ["python3", "-uc", local]);
await program.says(/ready/);
const before = await world.laptop.snapshot();
const all = steps(world, before);
let done = 0;
for (const [index, { does, proves, run }] of all.entries()) {
  console.log(`\n${index + 1}. ${does}\n   ${proves}`);
  const begun = performance.now();
  try {
    const seen = await run();
    console.log(`   ok, ${seconds(performance.now() - begun)}: ${seen}`);
    done++;
  } catch (error) {
    console.log(
      `   FAILED, ${seconds(performance.now() - begun)}: ${error instanceof Error ? error.message : error}`,
    );
    break;
  }
}
program.kill();
if (done < all.length) await alice(world.laptop, ["pmz", "down"]);
await world.kubectl(["delete", "pod", "caller", "--wait=false"]);
console.log(`\ndemo: ${done} of ${all.length} steps`);
Deno.exitCode = done === all.length ? 0 : 1;
