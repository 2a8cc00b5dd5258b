import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { LeavingPods } from "./leaving_pods.ts";

const [A, B] = ["aaaaaaaa-0000-0000-0000-000000000000", "bbbbbbbb-0000-0000-0000-000000000000"];

/** A /proc of the test's own. */
function makeProc() {
  const folder = Deno.makeTempDirSync();
  return {
    folder,
    has(pid: number, uid: string, name: string, { state = "S", start = pid } = {}) {
      Deno.mkdirSync(`${folder}/${pid}`, { recursive: true });
      Deno.writeTextFileSync(`${folder}/${pid}/cgroup`, `0::/kubepods/pod${uid}/c${pid}\n`);
      const fields = [state, ...Array(18).fill("0"), start];
      Deno.writeTextFileSync(`${folder}/${pid}/stat`, `${pid} (${name}) ${fields.join(" ")} 0\n`);
    },
    gone: (pid: number) => Deno.removeSync(`${folder}/${pid}`, { recursive: true }),
    [Symbol.dispose]: () => Deno.removeSync(folder, { recursive: true }),
  };
}

const log = (_level: string, message: string, fields: object = {}) =>
  assert.fail(`${message}: ${JSON.stringify(fields)}`);

/** Long enough for a few looks. */
const looks = () => new Promise((resolve) => setTimeout(resolve, 150));

Deno.test("a pod's application has ended when only its sandbox is left", async () => {
  using proc = makeProc();
  proc.has(1, A, "pause");
  proc.has(2, A, "server");
  proc.has(3, A, "sidecar");
  proc.has(4, B, "pause");
  proc.has(5, B, "server");
  const ended: string[] = [];
  using leaving = new LeavingPods(proc.folder, log);
  leaving.follow(new Set([A, B]), (uid) => void ended.push(uid));
  await looks();
  proc.gone(2);
  await looks();
  assert.equal(ended.length, 0);
  proc.has(6, A, "preStop"); // begun since
  proc.gone(3);
  await looks();
  assert.equal(ended.length, 0);
  proc.has(6, A, "preStop", { state: "Z" });
  await until("it's told", () => ended.length > 0);
  await looks();
  assert.deepEqual(ended, [A], "told once");
});

Deno.test("a pod that couldn't be released is reported again while it is followed", async () => {
  using proc = makeProc();
  proc.has(1, A, "pause");
  const said: string[] = [], ended: string[] = [];
  using leaving = new LeavingPods(proc.folder, (_level, message) => void said.push(message));
  const onEnded = (uid: string) => {
    ended.push(uid);
    if (ended.length === 1) throw new Error("not now");
  };
  leaving.follow(new Set([A]), onEnded);
  await until("it's told", () => ended.length === 1);
  leaving.follow(new Set([A]), onEnded);
  await until("it's told again", () => ended.length === 2);
  assert.equal(said.length, 1);
});

Deno.test("a process id that another process has by now doesn't count", async () => {
  using proc = makeProc();
  proc.has(2, A, "server");
  const ended: string[] = [];
  using leaving = new LeavingPods(proc.folder, log);
  leaving.follow(new Set([A]), (uid) => void ended.push(uid));
  await looks();
  assert.equal(ended.length, 0);
  proc.has(2, B, "another", { start: 3 });
  await until("it's told", () => ended.length > 0);
});

Deno.test("an ended process isn't read again", async () => {
  using proc = makeProc();
  proc.has(2, A, "worker");
  proc.has(3, A, "server");
  const ended: string[] = [];
  using leaving = new LeavingPods(proc.folder, log);
  leaving.follow(new Set([A]), (uid) => void ended.push(uid));
  await looks();
  proc.gone(2);
  await looks();
  proc.has(2, B, "worker"); // who looked would take it for the one that has ended
  proc.gone(3);
  await until("it's told", () => ended.length > 0);
});

Deno.test("a pod that isn't followed any more isn't reported, and no timer is left", async () => {
  using proc = makeProc();
  proc.has(2, A, "server");
  const leaving = new LeavingPods(proc.folder, log);
  leaving.follow(new Set([A]), () => assert.fail("told"));
  leaving.follow(new Set(), () => assert.fail("told"));
  proc.gone(2);
  await looks(); // the test fails where a timer is left
});

Deno.test("a /proc that can't be read for a moment is logged once, and read again", async () => {
  using proc = makeProc();
  proc.has(2, A, "server");
  const said: string[] = [], ended: string[] = [];
  using leaving = new LeavingPods(`${proc.folder}/later`, (_level, message) => void said.push(message));
  leaving.follow(new Set([A]), (uid) => void ended.push(uid));
  await looks();
  assert.equal(said.length, 1);
  Deno.mkdirSync(`${proc.folder}/later`);
  await until("it's told", () => ended.length > 0);
});
