import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { assertReached, inBothOrders, NAMESERVER } from "../e2e/lib/both_orders.ts";
import { output } from "../e2e/lib/command.ts";
import { cluster, type Laptop } from "../e2e/lib/laptop.ts";
import type { Pmz } from "../e2e/lib/pmz.ts";
import type { Running } from "../e2e/lib/running.ts";

/** What it is built of takes four minutes, so these tests run only where that is asked for. */
const ignore = Deno.env.get("PMZ_TAILSCALE") !== "1";
const FOLDER = "/tmp/tailnet";

/** A client of Tailscale on a laptop. */
class Client {
  private constructor(readonly laptop: Laptop, readonly daemon: Running) {}

  static async start(laptop: Laptop, programs: string): Promise<Client> {
    await laptop.install(`${programs}/tailscaled`);
    await laptop.output("root", ["mkdir", "-p", FOLDER]);
    const daemon = laptop.spawn("root", [
      ...["tailscaled", "--no-logs-no-support", `--statedir=${FOLDER}`, `--socket=${FOLDER}/socket`],
    ], { PATH: "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin" });
    await daemon.says(/Listening on|magicsock: disco key/i, 20_000);
    return new Client(laptop, daemon);
  }

  run(...args: string[]): Promise<string> {
    return this.laptop.output("root", ["tailscaled", `--socket=${FOLDER}/socket`, ...args], {
      env: { TS_BE_CLI: "1" },
      timeout: 30_000,
    });
  }

  async stop(): Promise<void> {
    await this.run("down");
    this.daemon.kill("SIGTERM");
    await this.daemon.status();
    await this.laptop.output("root", [
      "sh",
      "-c",
      `tailscaled --cleanup --socket=${FOLDER}/socket; rm -rf ${FOLDER} /usr/local/bin/tailscaled /run/tailscale
       nft flush ruleset; echo 0 >/proc/sys/net/ipv4/ip_forward; echo nameserver ${NAMESERVER} >/etc/resolv.conf`,
    ], { timeout: 20_000 });
  }
}

const configuration = (address: string) => `
server_url: http://${address}:8080
listen_addr: 0.0.0.0:8080
metrics_listen_addr: ""
grpc_listen_addr: 127.0.0.1:50443
noise: { private_key_path: ${FOLDER}/noise.key }
prefixes: { v4: 100.64.0.0/10, v6: "fd7a:115c:a1e0::/48", allocation: sequential }
derp: { server: { enabled: false }, urls: [], paths: [${FOLDER}/derp.yaml], auto_update_enabled: false }
disable_check_updates: true
database: { type: sqlite, sqlite: { path: ${FOLDER}/db.sqlite } }
policy: { mode: file, path: "" }
dns: { magic_dns: true, base_domain: tail.test, override_local_dns: true, nameservers: { global: [${NAMESERVER}] } }
unix_socket: ${FOLDER}/headscale.sock
log: { level: info }
`;

/** No relay: the laptops reach each other. The map of relays has to name one all the same. */
const relays = `
regions:
  900:
    regionid: 900
    regioncode: none
    regionname: none
    nodes: [{ name: none, regionid: 900, hostname: relay.invalid, ipv4: 127.0.0.1, derpport: 1, stunport: -1 }]
`;

/**
 * Connects laptop 1 to a network of Tailscale, in which laptop 2 leads to the Services' range and is an exit node.
 *
 * @param options what `tailscale set` is told
 */
async function tailnet(laptop: Laptop, other: Laptop, ...options: string[]): Promise<AsyncDisposable> {
  await using stack = new AsyncDisposableStack();
  const programs = (await output([cluster, "tailscale"], { timeout: 15 * 60_000 })).trim();
  const [address = ""] =
    /10[\d.]+/.exec(await other.output("root", ["ip", "-br", "address", "show", "eth0"])) ?? [];
  await other.install(`${programs}/headscale`);
  stack.defer(async () => void await other.output("root", ["rm", "-rf", FOLDER, "/usr/local/bin/headscale"]));
  const write = (name: string, stdin: string) =>
    other.output("root", ["sh", "-c", `mkdir -p ${FOLDER}; cat >${FOLDER}/${name}`], { stdin });
  await write("config.yaml", configuration(address));
  await write("derp.yaml", relays);
  const headscale = (...args: string[]) =>
    other.output("root", ["headscale", "--config", `${FOLDER}/config.yaml`, ...args], { timeout: 20_000 });
  const server = other.spawn("root", ["headscale", "--config", `${FOLDER}/config.yaml`, "serve"]);
  stack.defer(async () => (server.kill("SIGTERM"), void await server.status()));
  await server.says(/listening and serving HTTP on/i, 20_000);
  await headscale("users", "create", "shop");
  const said = await headscale("preauthkeys", "create", "--user", "1", "--reusable");
  const login = [
    ...["up", `--login-server=http://${address}:8080`, `--authkey=${said.trim().split("\n").at(-1)}`],
    "--timeout=20s",
  ];
  await other.output("root", ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"]);
  const router = await Client.start(other, programs);
  stack.defer(() => router.stop());
  await router.run(
    ...[...login, "--hostname=router", "--accept-dns=false"],
    ...["--advertise-exit-node", "--advertise-routes=10.96.0.0/16"],
  );
  const approved = ["--identifier", "1", "--routes", "10.96.0.0/16,0.0.0.0/0,::/0"];
  await headscale("nodes", "approve-routes", ...approved);
  const client = await Client.start(laptop, programs);
  stack.defer(() => client.stop());
  await client.run(...login, "--hostname=laptop");
  const isConnected = async () =>
    /pong from router/.test(await client.run("ping", "--c=1", "router").catch(() => ""));
  assert.ok(await pollUntil(isConnected, { timeoutMs: 20_000 }), client.daemon.said.slice(-3000));
  if (options.length > 0) await client.run("set", ...options);
  return stack.move();
}

/** The name of another machine of the network, by MagicDNS. */
async function assertNamed(alice: Pmz): Promise<void> {
  const isNamed = async () =>
    /100\.64\./.test((await alice.laptop.run("alice", ["getent", "ahostsv4", "router.tail.test"])).stdout);
  assert.ok(await pollUntil(isNamed, { timeoutMs: 5_000 }));
}

Deno.test({
  name: "pmz works next to Tailscale with its names, whichever was there first",
  ignore,
  async fn() {
    await inBothOrders((_neighbours, laptop, other) => tailnet(laptop, other), async (alice) => {
      await assertReached(alice);
      await assertNamed(alice);
    });
  },
});

Deno.test({
  name: "pmz works next to an exit node of Tailscale, whichever was there first",
  ignore,
  async fn() {
    // With an exit node Tailscale's own nameserver asks that one, which answers nothing here, with or without pmz.
    const options = ["--exit-node=router", "--exit-node-allow-lan-access", "--accept-dns=false"];
    await inBothOrders((_neighbours, laptop, other) => tailnet(laptop, other, ...options), async (alice) => {
      assert.match(await alice.shell("/usr/sbin/ip route get 192.0.2.1"), /dev tailscale0/);
      await assertReached(alice);
    });
  },
});

Deno.test({
  name:
    "pmz leaves the Services' range to a subnet router of Tailscale's that has it, and status names the device",
  ignore,
  async fn() {
    await inBothOrders(
      (_neighbours, laptop, other) => tailnet(laptop, other, "--accept-routes"),
      async (alice) => {
        let said = "";
        const isSaid = async () => {
          const { stdout, stderr } = await alice.run(["status"]);
          said = stdout + stderr;
          return /default\/echo at 10\.96\..*: in 10\.96\.0\.0\/16, .*\(tailscale0\)/.test(said);
        };
        assert.ok(await pollUntil(isSaid, { timeoutMs: 5_000 }), said);
        assert.match(
          await alice.shell("curl -sSm5 http://peers-0.peers.default.svc:8080/"),
          /"pod":"peers-0"/,
        );
      },
    );
  },
});
