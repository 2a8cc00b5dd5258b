import assert from "node:assert/strict";
import type { Plan } from "../wire/control.ts";
import { defaultAnswers } from "./testing/fake_daemon.ts";
import { World } from "./testing/run.ts";

const plan: Plan = { ...defaultAnswers().plan as Plan, install: ["gateway"] };

for (const line of ["up", "intercept echo 8081", "agent delete"]) {
  Deno.test(`pmz ${line}: a question may be thought about for longer than an idle daemon stays`, async () => {
    await using world = new World({ running: false, answers: { plan } });
    const { code, stderr } = await world.pmz(line, {
      stdin: {
        isTerminal: true,
        async readLine() {
          await world.daemon[Symbol.asyncDispose]();
          return "y";
        },
      },
    });
    assert.equal(code, 0, stderr);
    assert.equal(world.started, 2);
  });
}

Deno.test("an agent that is there already is to be updated, not installed", async () => {
  const agent = [{ component: "node", state: "ready", outdated: true }] as const;
  const update: Plan = { ...plan, agent, install: ["node"] };
  await using world = new World({ answers: { plan: update }, typed: ["n"] });
  const { code, stderr } = await world.pmz("intercept echo 8081");
  assert.equal(code, 12, stderr);
  assert.match(stderr, /to update in dev:\n.*node agent: .*\n.*Update it, for all users, in dev\? \[y\/N\]/);
  assert.match(stderr, /nothing was updated/);
});

Deno.test("agent delete says in one line that nothing is installed", async () => {
  const agent = (["gateway", "node"] as const).map((component) => ({ component, state: "absent" as const }));
  await using world = new World({ answers: { agent } });
  const { code, stdout, stderr } = await world.pmz("agent delete");
  assert.deepEqual([code, stderr], [0, ""]);
  assert.match(stdout, /^dev: no agent is installed, nothing changed .*\n$/);
  assert.ok(world.daemon.asked.every(({ request }) => request !== "DELETE /agent"));
});
