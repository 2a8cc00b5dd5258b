import assert from "node:assert/strict";
import { runningDaemons } from "./running_daemons.ts";

Deno.test("daemons of this network namespace are found by how they were started, and nothing else is one", () => {
  const proc = Deno.makeTempDirSync({ prefix: "pmz-proc-" });
  try {
    const processes = {
      "10": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "daemon"],
      "11": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "status"],
      "12": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "helper", "run"],
      "13": ["vi", "/home/alice/main.js", "daemon"],
      "14": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "daemon"],
      "15": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "daemon"],
    };
    const namespaces: Record<string, string> = { "14": "net:[2]" };
    const join = (pid: string, namespace: string) => {
      Deno.mkdirSync(`${proc}/${pid}/ns`, { recursive: true });
      Deno.symlinkSync(namespace, `${proc}/${pid}/ns/net`);
    };
    join("self", "net:[1]");
    const found = () => runningDaemons(proc);
    for (const [pid, words] of Object.entries(processes).toReversed()) {
      if (pid === "10") assert.deepEqual(found(), []);
      if (pid === "15") Deno.mkdirSync(`${proc}/${pid}`); // its namespace can't be read
      else join(pid, namespaces[pid] ?? "net:[1]");
      Deno.writeTextFileSync(`${proc}/${pid}/cmdline`, `${words.join("\0")}\0`);
    }
    Deno.mkdirSync(`${proc}/99`); // one that has just ended
    assert.deepEqual(found(), [Deno.uid()]);
  } finally {
    Deno.removeSync(proc, { recursive: true });
  }
});
