// Records what the README shows: a laptop's terminal with the built file on the test cluster, `./dev recording`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { builtFile } from "../e2e/lib/stage.ts";
import type { Running } from "../e2e/lib/running.ts";
import { World } from "../e2e/lib/world.ts";
import { animation, type Frame, paced } from "./animation.ts";
import { Screen } from "./screen.ts";

const size = { columns: 84, rows: 24 };
/** Milliseconds between two keys of the person who types, between commands, and of the longest pause that is shown. */
const KEY_MS = 45;
const READ_MS = 1_200;
const PAUSE_MS = 1_500;
/** Frames that stay for less are left out. */
const SHORTEST_MS = 40;

const image = new URL("../../docs/images/terminal.svg", import.meta.url);
const PROMPT = "$ ";

/** What alice types, and after which text its output is whole. */
const session: readonly { readonly types: string; readonly until: RegExp }[] = [
  { types: "pmz up --yes", until: /try:/ },
  { types: `curl -s http://echo.default.svc/ | grep -o '"pod":"[^"]*"'`, until: /"pod":"echo/ },
  { types: "pmz intercept echo 8081 --yes", until: /leave/ },
  { types: "curl -s http://echo.default.svc/", until: /from the laptop/ },
  { types: "pmz down", until: /left/ },
];

const local = `
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from the laptop, port 8081\\n")
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8081), Answer)
print("ready", flush=True)
server.serve_forever()
`;

await using world = await World.up({ nodes: 2 });
await world.install(builtFile);
// The agent is there before, as it is for everybody but the first of a team.
await world.laptop.output("bob", ["pmz", "agent", "deploy"], { timeout: 180_000 });
await using program = world.laptop.spawn("bob", ["python3", "-u", "-c", local]);
await program.says(/ready/);
await using terminal = world.laptop.terminal("bob", [
  "sh",
  "-c",
  `stty cols ${size.columns} rows ${size.rows}; exec env PS1='${PROMPT}' bash --norc --noprofile`,
]);

const frames: Frame[] = [];
const screen = new Screen(size.columns, size.rows);
const started = performance.now();
let seen = 0;
const watching = setInterval(() => look(terminal), 20);
try {
  await terminal.says(/\$ $/);
  for (const { types, until } of session) {
    await pause(READ_MS);
    for (const key of types) {
      await terminal.write(key);
      await pause(KEY_MS);
    }
    const before = terminal.said.length;
    await terminal.write("\n");
    await promptAfter(before, until);
  }
  await pause(READ_MS);
} finally {
  clearInterval(watching);
}
look(terminal);
const svg = animation(
  paced(frames, PAUSE_MS, SHORTEST_MS),
  size,
  "A terminal: pmz up, curl, intercept, curl, down",
);
await Deno.writeTextFile(image, svg);
console.log(`${image.pathname}: ${frames.length} frames, ${svg.length >> 10} KiB`);

/** Takes what the terminal has said since the last look as a frame. */
function look(of: Running): void {
  if (of.said.length === seen) return;
  screen.write(of.said.slice(seen));
  seen = of.said.length;
  frames.push({ at: performance.now() - started, lines: screen.lines });
}

/** Waits until a command has said what it has to, and the prompt is there again. */
async function promptAfter(before: number, until: RegExp): Promise<void> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const text = terminal.said.slice(before);
    if (until.test(text) && text.endsWith(PROMPT)) return;
    if (performance.now() > deadline) throw new Error(`no ${until} in:\n${text}`);
    await pause(20);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
