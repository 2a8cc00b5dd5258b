import assert from "node:assert/strict";
import type { CapturedPorts, HookRefusal } from "../../wire/helper.ts";
import { FakeLaptopCluster } from "../testing/laptop_cluster.ts";
import { refusedAttempts } from "./refused_attempts.ts";

const PORTS: CapturedPorts = [
  { protocol: "tcp", port: 80, served: false },
  { protocol: "tcp", port: 443, served: true },
  { protocol: "udp", port: 53, served: true },
];
const REFUSAL: HookRefusal = {
  protocol: "tcp",
  address: "10.96.0.7",
  port: 80,
  process: Deno.pid,
  program: "curl",
  count: 2,
  sinceFirst: 300,
  sinceLast: 50,
};

function attemptsOf(changes: Partial<HookRefusal>, seesProcess = true) {
  const cluster = new FakeLaptopCluster("dev", "capture", { payments: ["10.96.0.7"] });
  cluster.serve("10.96.0.7", PORTS);
  return refusedAttempts({ ...REFUSAL, ...changes }, {
    cluster,
    from: "198.18.255.254",
    seesProcess,
    now: 1_000,
  });
}

Deno.test("a refusal says why in words, as the cluster is now", () => {
  const why = (changes: Partial<HookRefusal>) => attemptsOf(changes).details;
  assert.equal(why({}), "no ready endpoint");
  assert.equal(why({ port: 81 }), "the Service has no port 81");
  assert.equal(why({ port: 53 }), "the Service has port 53 for UDP only");
  assert.equal(why({ port: 443 }), "no ready endpoint then; there is one by now");
  assert.equal(why({ protocol: "udp", port: 53 }), "no ready endpoint then; there is one by now");
  assert.equal(why({ protocol: "udp", port: 443 }), "the Service has port 443 for TCP only");
});

Deno.test("an address that is no cluster's any more has no name", () => {
  const { details, name, cluster } = refusedAttempts(REFUSAL, {
    cluster: undefined,
    from: "198.18.255.254",
    seesProcess: true,
  });
  assert.deepEqual([details, name, cluster], [
    "no connected cluster has the address 10.96.0.7 any more",
    undefined,
    "",
  ]);
});

Deno.test("the target has its name, and the attempts their times", () => {
  const { name, to, times, first, last } = attemptsOf({});
  assert.deepEqual([name, to, times, first, last], [
    "payments.default.svc:80",
    "10.96.0.7:80",
    2,
    700,
    950,
  ]);
});

Deno.test("a program that runs has its own name, one that has ended its thread's, as far as a terminal may show it", () => {
  assert.notEqual(attemptsOf({}).program.name, "curl");
  const gone = { process: 4_194_305 }; // beyond the largest process id
  assert.deepEqual(attemptsOf(gone).program, { pid: 4_194_305, name: "curl" });
  assert.equal(attemptsOf({ ...gone, program: "\x1b[2Jx" }).program.name, "?[2Jx");
});

Deno.test("where the hooks number processes otherwise, the id isn't shown", () => {
  assert.deepEqual(attemptsOf({}, false).program, { name: "curl" });
});
