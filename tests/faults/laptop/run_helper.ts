// The root helper as a process of its own: run_helper.ts CGROUP --uid=... --cap=...
import { bpfObject, libbpfBytes } from "../../../ffi/assets.ts";
import { parseGrant } from "../../../helper/grant.ts";
import { runHelper } from "../../../helper/main.ts";

const root = new URL("../../../", import.meta.url);
const [cgroup = "", ...grant] = Deno.args;
const assets = {
  libbpf: libbpfBytes(root),
  capture: bpfObject(root, "capture"),
  names: bpfObject(root, "names"),
};
await runHelper(parseGrant(grant), assets, {
  cgroup,
  onReady: (ready) => void Deno.stdout.writeSync(new TextEncoder().encode(`${JSON.stringify(ready)}\n`)),
});
