// What sudo runs: start_helper.ts CGROUP --uid=... --cap=...; one JSON line, and the helper goes on.
import { parseGrant } from "../../../helper/grant.ts";
import { startHelper } from "../../../helper/start.ts";

const [cgroup = "", ...grant] = Deno.args;
const helper = [
  Deno.execPath(),
  "run",
  "-A",
  "--no-lock",
  new URL("run_helper.ts", import.meta.url).pathname,
  cgroup,
];
let line: string;
try {
  line = JSON.stringify(await startHelper(parseGrant(grant), { command: helper }));
} catch (error) {
  line = JSON.stringify({ ready: false, error: error instanceof Error ? error.message : String(error) });
}
Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
