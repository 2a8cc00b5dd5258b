import assert from "node:assert/strict";
import type { Flow } from "../../wire/flow.ts";
import { Stage } from "./lib/stage.ts";

const PODS = "kubectl get pods -l app=echo -o jsonpath='{.items[0].metadata.name} {.items[0].status.podIP}'";

/** Follows flows for some seconds, until Ctrl-C, while a connection fails and another one succeeds. */
const follow = (address: string) => `
  timeout --preserve-status -s INT 4 pmz flows -f -o json & follower=$!
  sleep 1
  curl -sS -m 5 http://${address}:81/ >/dev/null 2>&1
  curl -sS -m 5 http://echo.default.svc/ >/dev/null
  wait $follower; echo "exit code $?"`;

Deno.test("a program's failed connection is shown with its program, its target's name and the reason", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const [name = "", address = ""] = (await alice.shell(PODS)).split(" ");

  const lines = (await alice.shell(follow(address))).trimEnd().split("\n");
  assert.equal(lines.pop(), "exit code 0");
  const flows = lines.map((line) => (JSON.parse(line) as { flow: Flow }).flow);
  const outcomeOf = (to: string) => flows.find((flow) => flow.name === to)?.outcome.kind;
  assert.equal(outcomeOf(`pod/${name}.default:81`), "refused");
  assert.equal(outcomeOf("echo.default.svc:80"), "done");

  const words = `curl \\(\\d+\\) -> pod/${name}\\.default:81: refused by the gateway: \\S`;
  assert.match((await alice.done(["flows", "--failed"])).stdout, new RegExp(`ago +${words}`));
  assert.match(
    (await alice.done(["status"])).stdout,
    new RegExp(`recent failures.*\n(.*\n)*.* ago +${words}`),
  );

  const [failed] = (await alice.json<{ items: Flow[] }>(["flows", "--failed"])).items;
  assert.ok(failed);
  const log = await alice.shell("cat ~/.local/state/pmz/daemon.log");
  assert.match(log, new RegExp(`"message":"a flow failed".*"flow":"${failed.id}"`));
});
