import assert from "node:assert/strict";
import { type Check, failed, ok, skipped, warning } from "./check.ts";
import { runChecks } from "./run.ts";
import type { CheckId, Finding } from "../wire/doctor.ts";

/** A check that finds this. */
function check(
  id: CheckId,
  needs: readonly CheckId[],
  run: Check<unknown>["run"],
  limitMs?: number,
): Check<unknown> {
  const more = limitMs === undefined ? {} : { limitMs };
  return { id, title: id, severity: "failed", needs, remedy: "Try again.", run, ...more };
}

const finds = (...findings: Finding[]) => () => Promise.resolve(findings);
const outcomes = async (checks: readonly Check<unknown>[], only: readonly CheckId[] = []) =>
  (await runChecks(checks, undefined, { only })).map(({ id, outcome }) => `${id} ${outcome}`);

Deno.test("a check's outcome is the worst that it found, and results keep the order of the checks", async () => {
  const checks = [
    check("kernel", [], async () => {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return [ok("a"), warning("b", "c")];
    }),
    check("tun", [], finds(warning("a", "b"), failed("c", "d"), ok("e"))),
    check("cgroup", [], finds()),
  ];
  assert.deepEqual(await outcomes(checks), ["kernel warning", "tun failed", "cgroup ok"]);
});

Deno.test("a check waits for what it needs, and runs after a warning", async () => {
  const order: string[] = [];
  const checks = [
    check("daemon", [], async () => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      order.push("daemon");
      return [warning("a", "b")];
    }),
    check("tunnel", ["daemon"], () => {
      order.push("tunnel");
      return Promise.resolve([ok("a")]);
    }),
  ];
  assert.deepEqual(await outcomes(checks), ["daemon warning", "tunnel ok"]);
  assert.deepEqual(order, ["daemon", "tunnel"]);
});

Deno.test("checks that don't need each other run side by side", async () => {
  const met = Promise.withResolvers<void>();
  const checks = [
    check("kernel", [], () => met.promise.then(() => [ok("a")])),
    check("tun", [], () => Promise.resolve([ok("a")]).finally(met.resolve)),
  ];
  assert.deepEqual(await outcomes(checks), ["kernel ok", "tun ok"]);
});

Deno.test("what needs a check that failed or was skipped is skipped, with the reason at the root of it", async () => {
  const checks = [
    check("kubeconfig", [], finds(failed("no file", "make one"))),
    check("api-server", ["kubeconfig"], () => assert.fail("it ran")),
    check("rights", ["api-server"], () => assert.fail("it ran")),
    check("daemon", [], finds(skipped("pmz is not up."))),
    check("tunnel", ["daemon"], () => assert.fail("it ran")),
  ];
  const results = await runChecks(checks, undefined);
  assert.deepEqual(
    results.slice(1).map(({ outcome, findings }) => [outcome, findings[0]?.saw]),
    [
      ["skipped", 'The check "kubeconfig" failed.'],
      ["skipped", 'The check "kubeconfig" failed.'],
      ["skipped", "pmz is not up."],
      ["skipped", "pmz is not up."],
    ],
  );
});

Deno.test("only the checks that were asked for are in the answer, though what they need has run", async () => {
  const ran: string[] = [];
  const noting = (id: CheckId, needs: readonly CheckId[] = []) =>
    check(id, needs, () => {
      ran.push(id);
      return Promise.resolve([ok("a")]);
    });
  const checks = [noting("kubeconfig"), noting("api-server", ["kubeconfig"]), noting("kernel")];
  assert.deepEqual(await outcomes(checks, ["api-server"]), ["api-server ok"]);
  assert.deepEqual(ran, ["kubeconfig", "api-server"]);
});

Deno.test("what failed is in the answer too where a check that was asked for needs it, at first or second hand", async () => {
  const checks = [
    check("kubeconfig", [], finds(failed("no file", "make one"))),
    check("api-server", ["kubeconfig"], finds()),
    check("rights", ["api-server"], finds()),
  ];
  assert.deepEqual(await outcomes(checks, ["rights"]), ["kubeconfig failed", "rights skipped"]);
});

Deno.test("a check that throws counts by its severity, with its remedy", async () => {
  const throwing = check("kernel", [], () => Promise.reject(new Error("no such file")));
  const [result] = await runChecks([throwing], undefined);
  const saw = "This could not be found out: no such file";
  assert.deepEqual(result?.findings, [{ level: "failed", saw, remedy: "Try again." }]);
  const [mild] = await runChecks([{ ...throwing, severity: "warning" }], undefined);
  assert.equal(mild?.outcome, "warning");
});

Deno.test("a check that takes too long is given up, and told so by its signal", async () => {
  const given = Promise.withResolvers<AbortSignal>();
  const endless = check("api-server", [], (_, signal) => {
    given.resolve(signal);
    return new Promise(() => {});
  }, 30);
  const [result] = await runChecks([endless], undefined);
  assert.match(result?.findings[0]?.saw ?? "", /within 0\.03 s/);
  assert.equal(result?.outcome, "failed");
  assert.ok((await given.promise).aborted);
});

Deno.test("Ctrl-C ends all checks with its reason", async () => {
  const stop = new AbortController();
  const endless = check("api-server", [], () => new Promise(() => {}));
  const running = runChecks([endless, check("rights", ["api-server"], finds())], undefined, {
    signal: stop.signal,
  });
  stop.abort(new DOMException("interrupted", "AbortError"));
  await assert.rejects(running, /interrupted/);
});

Deno.test("progress says how many checks are done, of how many, and which run", async () => {
  const told: string[] = [];
  const checks = [check("kubeconfig", [], finds()), check("api-server", ["kubeconfig"], finds())];
  await runChecks(checks, undefined, {
    onChecked: ({ done, all, running }) => told.push(`${done}/${all} ${running.join()}`),
  });
  assert.deepEqual(told, ["0/2 kubeconfig", "1/2 ", "1/2 api-server", "2/2 "]);
});
