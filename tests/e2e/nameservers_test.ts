// deno-lint-ignore-file no-console -- how long things took
import assert from "node:assert/strict";
import { until } from "../../async/testing/until.ts";
import { nameserver, resolvConf } from "./lib/nameservers.ts";
import type { Person } from "./lib/laptop.ts";
import { Stage } from "./lib/stage.ts";

/** A resolv.conf, or what is there instead. */
interface Row {
  readonly name: string;
  /** The file's text, or a script that puts something else in its place. */
  readonly conf?: string;
  readonly script?: string;
  /** Whether internet.test has an address. */
  readonly isFound: boolean;
  /** Milliseconds that pmz may add; 300 without it, for this machine is busy. */
  readonly more?: number;
}

/** Silent: 127.0.0.2, 127.0.0.3. Alive: 127.0.0.4. Closed: 127.0.0.9. Nobody: 10.77.99.99, in the laptop's network. */
const rows: readonly Row[] = [
  { name: "one that answers", conf: "nameserver 127.0.0.4\n", isFound: true },
  { name: "the first of two is silent", conf: "nameserver 127.0.0.2\nnameserver 127.0.0.4\n", isFound: true },
  {
    name: "two of three are silent, and each has a second",
    conf: "nameserver 127.0.0.2\nnameserver 127.0.0.3\nnameserver 127.0.0.4\noptions timeout:1\n",
    isFound: true,
  },
  {
    name: "they are asked in turns",
    conf: "nameserver 127.0.0.4\nnameserver 127.0.0.2\noptions timeout:1 rotate\n",
    isFound: true,
    more: 1_200, // which is asked first is chance: the silent one, for a second
  },
  {
    name: "one attempt of one second, and all are silent",
    conf: "nameserver 127.0.0.2\nnameserver 127.0.0.3\noptions timeout:1 attempts:1\n",
    isFound: false,
  },
  { name: "the first refuses", conf: "nameserver 127.0.0.9\nnameserver 127.0.0.4\n", isFound: true },
  { name: "all refuse", conf: "nameserver 127.0.0.9\n", isFound: false },
  {
    name: "the first has an address that no machine has",
    conf: "nameserver 10.77.99.99\nnameserver 127.0.0.4\noptions timeout:2\n",
    isFound: true,
  },
  {
    name: "three search domains and ndots:5, and the first is silent",
    conf: "nameserver 127.0.0.2\nnameserver 127.0.0.4\nsearch corp.example eng.corp.example lan\n" +
      "options ndots:5 timeout:1\n",
    isFound: true,
  },
  {
    name: "by TCP, and the first is silent",
    conf: "nameserver 127.0.0.9\nnameserver 127.0.0.4\noptions use-vc timeout:1\n",
    isFound: false, // the one that is alive speaks UDP alone
    more: 600, // a stub takes each connection before it knows that its nameserver doesn't
  },
  { name: "the file is empty", conf: "", isFound: false },
  { name: "the file is missing", script: "rm -f /etc/resolv.conf", isFound: false },
  { name: "a dangling link", script: "ln -sf /run/nowhere/resolv.conf /etc/resolv.conf", isFound: false },
  {
    name: "a link into systemd's folder",
    script: "mkdir -p /run/systemd/resolve; echo nameserver 127.0.0.4 >/run/systemd/resolve/resolv.conf; " +
      "ln -sf ../run/systemd/resolve/resolv.conf /etc/resolv.conf",
    isFound: true,
  },
];

Deno.test("names of the internet take no longer with pmz than without, whatever resolv.conf says", async (t) => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const { laptop } = stage.world;
  await using conf = await resolvConf(laptop);
  await using _first = await nameserver(laptop, "127.0.0.2");
  await using _second = await nameserver(laptop, "127.0.0.3");
  await using _alive = await nameserver(laptop, "127.0.0.4", "internet.test=192.0.2.80");
  const look = async (person: Person) => {
    const begun = performance.now();
    const { code, stdout } = await laptop.run(person, ["getent", "ahosts", "internet.test"], {
      timeout: 90_000,
    });
    return { code, address: stdout.split(" ")[0], ms: Math.round(performance.now() - begun) };
  };
  for (const { name, conf: text, script, isFound, more = 300 } of rows) {
    await t.step(name, async () => {
      if (text !== undefined) await conf.write(text);
      else await laptop.output("root", ["sh", "-ec", script ?? ""]);
      await until("pmz has seen it", async () => {
        const { stdout } = await laptop.run("alice", ["getent", "ahostsv4", "echo.default.svc"]);
        return stdout.startsWith("10.96.");
      }, 5_000);
      // bob isn't up, so his questions go where hers would go without pmz.
      const [without, with_] = await Promise.all([look("bob"), look("alice")]);
      console.log(`${name}: ${without.ms} ms without pmz, ${with_.ms} ms with it`);
      assert.deepEqual([with_.code, with_.address], [without.code, without.address]);
      assert.equal(without.code === 0, isFound);
      assert.ok(with_.ms < 1.1 * without.ms + more, `${with_.ms} ms instead of ${without.ms}`);
    });
  }
  await laptop.run("root", ["rm", "-rf", "/run/systemd/resolve"]);
  assert.equal((await alice.run(["status"])).code, 0);
});

Deno.test("a nameserver with a link-local address of IPv6 and its interface is answered for", async () => {
  await using stage = await Stage.set();
  const alice = await stage.up();
  const { laptop } = stage.world;
  const root = (script: string) => laptop.output("root", ["sh", "-ec", script]);
  await root("ip link add wan0 type bridge; ip link set wan0 up; ip address add fe80::53/64 dev wan0 nodad");
  await using undo = new AsyncDisposableStack();
  undo.defer(async () => void await root("ip link del wan0"));
  const conf = undo.use(await resolvConf(laptop));
  const router = undo.use(await nameserver(laptop, "fe80::53%wan0", "internet.test=192.0.2.80"));
  await conf.write("nameserver fe80::53%wan0\n");
  const first = async (name: string) =>
    (await laptop.run("alice", ["getent", "ahostsv4", name])).stdout.split(" ")[0];
  await until(
    "names of the cluster are answered",
    async () => /^10\.96\./.test(await first("echo.default.svc") ?? ""),
    5_000,
  );
  const before = router.said.length; // until pmz had seen the file, it was asked for all names
  assert.match(await first("echo.default.svc") ?? "", /^10\.96\./);
  assert.equal(await first("internet.test"), "192.0.2.80");
  assert.doesNotMatch(router.said.slice(before), /svc/);
  assert.equal(
    (await laptop.run("bob", ["getent", "ahostsv4", "internet.test"])).stdout.split(" ")[0],
    "192.0.2.80",
  );
  // A program whose socket isn't connected asks the nameserver itself.
  const unconnected = `
import socket
query = bytes.fromhex("beef01000001000000000000") + b"\\x08internet\\x04test\\0\\0\\1\\0\\1"
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as one:
    one.settimeout(3)
    one.sendto(query, socket.getaddrinfo("fe80::53%wan0", 53, type=socket.SOCK_DGRAM)[0][4])
    print(".".join(map(str, one.recv(512)[-4:])))`;
  assert.equal((await laptop.output("alice", ["python3", "-c", unconnected])).trim(), "192.0.2.80");
  assert.doesNotMatch((await alice.done(["status"])).stderr, /link-local/);
});
