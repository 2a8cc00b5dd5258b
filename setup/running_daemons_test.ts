import assert from "node:assert/strict";
import { runningDaemons } from "./running_daemons.ts";

Deno.test("daemons are found by how they were started, and nothing else is one", () => {
  const proc = Deno.makeTempDirSync({ prefix: "pmz-proc-" });
  try {
    const processes = {
      "10": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "daemon"],
      "11": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "status"],
      "12": ["pmz", "run", "--quiet", "/home/alice/.cache/pmz/0/main.js", "helper", "run"],
      "13": ["vi", "/home/alice/main.js", "daemon"],
      "self": ["pmz", "run", "/main.js", "daemon"],
    };
    const found = () => runningDaemons(proc);
    for (const [pid, words] of Object.entries(processes).toReversed()) {
      if (pid === "10") assert.deepEqual(found(), []);
      Deno.mkdirSync(`${proc}/${pid}`);
      Deno.writeTextFileSync(`${proc}/${pid}/cmdline`, `${words.join("\0")}\0`);
    }
    Deno.mkdirSync(`${proc}/99`); // one that has just ended
    assert.deepEqual(found(), [Deno.uid()]);
  } finally {
    Deno.removeSync(proc, { recursive: true });
  }
});
