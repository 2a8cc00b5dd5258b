import assert from "node:assert/strict";
import { spreadSourcePorts } from "./source_ports.ts";

Deno.test("a machine gets source ports, and is set back to what it had", async () => {
  const settings = new Map([["net.ipv4.ip_local_port_range", "32768\t60999"], [
    "net.ipv4.tcp_tw_reuse",
    "2",
  ]]);
  const before = new Map(settings);
  const back = await spreadSourcePorts(([_, flag, ...words]) => {
    if (flag === "-qw") { for (const word of words) settings.set(...word.split("=") as [string, string]); }
    const stdout = flag === "-n" ? words.map((name) => `${settings.get(name)}\n`).join("") : "";
    return Promise.resolve({ command: [], code: 0, stdout, stderr: "", ms: 0 });
  });
  assert.deepEqual([...settings.values()], ["1024 65535", "1"]);
  await back();
  assert.deepEqual(settings, before);
});
