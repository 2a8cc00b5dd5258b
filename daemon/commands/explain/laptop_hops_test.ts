import assert from "node:assert/strict";
import { addressHop, datagramsHop, machineHop, programsHop, type Reach } from "./laptop_hops.ts";

const nothing = {
  hosts: new Set<string>(),
  nameProblem: undefined,
  unreachedStub: undefined,
  nameWarnings: [],
};
const asked = (...addresses: string[]) => ({
  host: "echo.default.svc",
  protocol: "tcp" as const,
  lookup: { addresses, ms: 1 },
});

Deno.test("programs get the Service's address, or what answers first is named", () => {
  const expected = ["10.96.0.7"];
  assert.equal(programsHop(asked("10.96.0.7"), expected, nothing).level, "ok");
  const rows = [
    [
      asked("192.0.2.1"),
      { ...nothing, hosts: new Set(["echo.default.svc"]) },
      /\/etc\/hosts has echo\.default\.svc/,
    ],
    [asked("192.0.2.1"), nothing, /programs get 192\.0\.2\.1: another nameserver, or a cache/],
    [asked(), nothing, /programs get no address: the name leads to 10\.96\.0\.7/],
    [
      asked(),
      { ...nothing, nameProblem: "the names worker doesn't answer" },
      /the names worker doesn't answer/,
    ],
    [
      asked(),
      { ...nothing, unreachedStub: "127.77.0.1:40053" },
      /go to pmz at 127\.77\.0\.1:40053, and .* drops/,
    ],
    [asked(), { ...nothing, nameWarnings: [{ message: "nscd answers" }] }, /nscd answers/],
    [
      { ...asked(), lookup: { addresses: [], isLate: true, ms: 8_004 } },
      nothing,
      /programs get no answer for the name within 8 s: another nameserver, or a cache, is asked before pmz/,
    ],
  ] as const;
  for (const [request, around, why] of rows) {
    const { level, saw } = programsHop(request, expected, around);
    assert.equal(level, "failed");
    assert.match(saw, why);
  }
});

Deno.test("a connection that this machine doesn't let pass names the firewall's rule, where that is known", async () => {
  const by = { chain: "ip filter OUTPUT", rule: "reject" };
  const unused = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = unused.addr;
  assert.equal(
    (await machineHop({ blockedBy: () => Promise.resolve(by) }, "127.0.0.1", port, [])).level,
    "ok",
  );
  unused.close();
  const blocked = await machineHop({ blockedBy: () => Promise.resolve(by) }, "127.0.0.1", port, []);
  assert.match(blocked.saw, /firewall drops connections to 127\.0\.0\.1:\d+: ip filter OUTPUT: reject/);
  const unknown = await machineHop({ blockedBy: () => Promise.resolve(undefined) }, "127.0.0.1", port, []);
  assert.match(unknown.saw, /a connection on this machine fails: Connection refused/);
});

Deno.test("of datagrams this machine says what it knows of its own network, and tries nothing", () => {
  const { level, saw } = datagramsHop([]);
  assert.equal(level, "skipped");
  assert.match(saw, /^no datagram is sent/);
  const flushed = { level: "warning", saw: "the routes were flushed", remedy: "pmz up" } as const;
  assert.deepEqual(datagramsHop([flushed]), flushed);
  const refused = datagramsHop([], "another program of this laptop has UDP port 53");
  assert.equal(refused.level, "failed");
  assert.match(refused.saw, /another program of this laptop has UDP port 53$/);
});

const reach: Reach = {
  cluster: "dev",
  mode: "capture",
  comingUp: undefined,
  hostCapture: {
    reachedAt: (_, address) =>
      new Map([["10.96.0.7", "10.96.0.7"], ["10.96.0.9", "198.19.0.1"]]).get(address),
    whyNotItself: () => "the cluster prod has the same address, and was connected before",
    refusal: (_, address) => address.includes(":") ? "this machine has no IPv6" : undefined,
    also: [],
  },
  unreachable: [{ service: "default/web", address: "34.118.224.9", why: "public", remedy: "--accept-range" }],
  proxy: undefined,
  usesProxy: false,
};

Deno.test("an address is captured, or it is said why not and what to do", () => {
  assert.deepEqual(addressHop(["10.96.0.7"], reach).address, "10.96.0.7");
  const virtual = addressHop(["10.96.0.9"], reach);
  assert.deepEqual([virtual.address, virtual.dialled], ["10.96.0.9", "198.19.0.1"]);
  assert.match(
    virtual.saw.saw,
    /^10\.96\.0\.9 of dev is reached by the virtual address 198\.19\.0\.1, .* cluster prod has the same/,
  );
  const pods = Array.from({ length: 200 }, (_, i) => `10.244.1.${i}`);
  const all = {
    ...reach,
    hostCapture: {
      reachedAt: (_: string, address: string) => address,
      whyNotItself: () => undefined,
      refusal: () => undefined,
      also: [],
    },
  };
  assert.equal(
    addressHop(pods, all).saw.saw,
    "10.244.1.0, 10.244.1.1, 10.244.1.2 and 197 more are captured, for your programs alone",
  );
  assert.equal(
    programsHop(asked(...pods), pods, nothing).saw,
    "programs get 10.244.1.0, 10.244.1.1, 10.244.1.2 and 197 more",
  );
  const rows: readonly [readonly string[], Partial<Reach>, string, RegExp, RegExp][] = [
    [["34.118.224.9"], {}, "failed", /^34\.118\.224\.9 isn't captured: public$/, /--accept-range/],
    [["fd00::7"], {}, "failed", /this machine has no IPv6/, /pmz up --proxy/],
    [[], {}, "failed", /^34\.118\.224\.9 is not reached: public$/, /--accept-range/],
    [["10.96.0.7"], { hostCapture: undefined }, "failed", /root helper has ended/, /pmz up/],
    [["10.96.0.7"], { mode: "intercept" }, "failed", /for intercepts only/, /pmz up/],
    [
      ["10.96.0.7"],
      { mode: "intercept", comingUp: "Install the gateway: pod x can't be scheduled" },
      "failed",
      /pmz up is still under way: Install the gateway: pod x can't be scheduled/,
      /wait for it/,
    ],
    [
      ["10.96.0.7"],
      { mode: "proxy", proxy: "127.0.0.1:1080" },
      "warning",
      /only programs that are set/,
      /export http_proxy/,
    ],
  ];
  for (const [addresses, more, level, why, remedy] of rows) {
    const { saw } = addressHop(addresses, { ...reach, ...more });
    assert.equal(saw.level, level);
    assert.match(saw.saw, why);
    assert.match("remedy" in saw ? saw.remedy : "", remedy);
  }
  const used = addressHop(["10.96.0.7"], {
    ...reach,
    mode: "proxy",
    proxy: "127.0.0.1:1080",
    usesProxy: true,
  });
  assert.equal(used.saw.level, "ok");
});
