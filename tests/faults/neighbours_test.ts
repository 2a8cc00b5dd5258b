import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import type { Laptop } from "../e2e/lib/laptop.ts";
import { haveAddresses, inBothOrders, NAMESERVER, onDispose } from "../e2e/lib/both_orders.ts";
import { Neighbours } from "../e2e/lib/neighbours.ts";
import { Stage } from "../e2e/lib/stage.ts";
import { forward, stopForwarding, Vpn } from "../e2e/lib/vpn.ts";

Deno.test("pmz works next to ufw, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours) => {
    await neighbours.script(`
      sed -n 's#^\\(net/[^=]*\\)=.*#/proc/sys/\\1#p' /etc/ufw/sysctl.conf | xargs grep -H . >/tmp/sysctl
      ufw default deny incoming
      ufw default allow outgoing
      ufw --force enable`);
    assert.match(await neighbours.output("ufw", "status"), /Status: active/);
    return onDispose(
      () => neighbours.output("ufw", "--force", "disable"),
      () => neighbours.output("nft", "flush", "ruleset"), // ufw leaves its chains, empty
      () => neighbours.script("while IFS=: read -r key value; do echo $value >$key; done </tmp/sysctl"), // and its sysctls
    );
  });
});

Deno.test("pmz works next to firewalld, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours) => {
    const bus = neighbours.bus();
    const firewall = neighbours.spawn("firewalld", "--nofork", "--nopid");
    const isRunning = async () => (await neighbours.run(["firewall-cmd", "--state"])).code === 0;
    assert.ok(await pollUntil(isRunning, { timeoutMs: 15_000 }), bus.said + firewall.said);
    await neighbours.output("firewall-cmd", "--set-default-zone=drop");
    return onDispose(
      () => (firewall.kill("SIGTERM"), firewall.status()),
      () => bus[Symbol.asyncDispose](),
    );
  });
});

/** Makes a program the laptop's nameserver, at an address of loopback. */
async function nameserver(
  laptop: Laptop,
  neighbours: Neighbours,
  address: string,
  command: readonly string[],
): Promise<AsyncDisposable> {
  const server = neighbours.spawn(...command);
  const listens = async () =>
    new RegExp(`${address}(%lo)?:53 `).test(await laptop.output("root", ["ss", "-ulnH"]));
  assert.ok(await pollUntil(listens, { timeoutMs: 5_000 }), server.said);
  const configure = (nameserver: string) =>
    laptop.output("root", ["sh", "-c", `echo nameserver ${nameserver} >/etc/resolv.conf`]);
  await configure(address);
  return onDispose(() => configure(NAMESERVER), () => (server.kill("SIGTERM"), server.status()));
}

Deno.test("pmz works with dnsmasq as the nameserver, whichever of them was there first", async () => {
  await inBothOrders((neighbours, laptop) =>
    nameserver(laptop, neighbours, "127.0.0.1", [
      "dnsmasq",
      "--keep-in-foreground",
      "--user=root",
      "--pid-file=",
      "--no-resolv",
      "--listen-address=127.0.0.1",
      "--bind-interfaces",
      `--server=${NAMESERVER}`,
    ])
  );
});

Deno.test("pmz works with unbound as the nameserver, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours, laptop) => {
    await neighbours.script(`cat >/etc/unbound.conf <<'END'
server:
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  module-config: iterator
  local-zone: "test." nodefault
  do-not-query-localhost: no
forward-zone:
  name: "."
  forward-addr: ${NAMESERVER}
END`);
    return await nameserver(laptop, neighbours, "127.0.0.1", ["unbound", "-d", "-c", "/etc/unbound.conf"]);
  });
});

Deno.test("pmz works with systemd-resolved's stub as the nameserver, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours, laptop) => {
    await neighbours.script(`
      install -d -o systemd-resolve -g systemd-resolve /run/systemd/resolve
      printf '[Resolve]\\nDNS=${NAMESERVER}\\n' >/etc/systemd/resolved.conf`);
    return await nameserver(laptop, neighbours, "127.0.0.53", ["/lib/systemd/systemd-resolved"]);
  });
});

Deno.test("pmz says that nscd answers for names, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours) => {
    await neighbours.output("mkdir", "-p", "/var/cache/nscd", "/var/db/nscd");
    const nscd = neighbours.spawn("nscd", "--foreground");
    const answers = async () => (await neighbours.run(["nscd", "--statistics"])).code === 0;
    assert.ok(await pollUntil(answers, { timeoutMs: 5_000 }), nscd.said);
    return onDispose(
      () => neighbours.output("nscd", "--shutdown"),
      () => nscd.status(),
      () => neighbours.script("rm -f /run/nscd/*"),
    );
  }, async (alice) => {
    const { stdout } = await alice.run(["doctor", "name-service"]);
    assert.match(stdout, /nscd answers for names here[^]*systemctl stop nscd/);
    assert.match(await alice.shell("curl -sSm3 http://internet.test/"), /"pod":"internet"/);
  });
});

Deno.test("pmz works next to wg-quick that takes everything, whichever of them was there first", async () => {
  await inBothOrders(async (_neighbours, laptop, other) => {
    await using stack = new AsyncDisposableStack();
    const left = "rm -rf /run/wireguard; echo 0 >/proc/sys/net/ipv4/conf/all/src_valid_mark"; // by wg-quick
    stack.defer(async () => void await laptop.output("root", ["sh", "-c", left]));
    const vpn = stack.use(await Vpn.between({ laptop, other }));
    await vpn.up("0.0.0.0/0");
    assert.match(await laptop.output("root", ["ip", "route", "get", "192.0.2.1"]), /dev wg0/);
    return stack.move();
  });
});

Deno.test("pmz works next to OpenVPN that takes everything, whichever of them was there first", async () => {
  await inBothOrders(async (neighbours, laptop, other) => {
    await using stack = new AsyncDisposableStack();
    const far = stack.use(await Neighbours.on(other));
    await forward(other, "10.9.0.2", "tun9");
    stack.defer(() => stopForwarding(other));
    const key = await far.script("openvpn --genkey secret /tmp/key; cat /tmp/key");
    await neighbours.script(`cat >/tmp/key <<'END'\n${key}\nEND`);
    const address = /10[\d.]+/.exec(await other.output("root", ["ip", "-br", "address", "show", "eth0"]))
      ?.[0];
    const common = ["--dev", "tun9", "--dev-type", "tun", "--secret", "/tmp/key", "--cipher", "AES-256-CBC"];
    const server = far.spawn("openvpn", ...common, "--ifconfig", "10.9.0.1", "10.9.0.2");
    stack.defer(async () => (server.kill("SIGTERM"), void await server.status()));
    const client = neighbours.spawn(
      ...["openvpn", ...common, "--ifconfig", "10.9.0.2", "10.9.0.1", "--remote", `${address}`],
      ...["--redirect-gateway", "def1", "--route", NAMESERVER, "255.255.255.255"],
      ...["--route", "10.77.1.0", "255.255.255.0"], // where the API server is
    );
    stack.defer(async () => (client.kill("SIGTERM"), void await client.status()));
    await client.says(/Initialization Sequence Completed/);
    assert.match(await laptop.output("root", ["ip", "route", "get", NAMESERVER]), /dev tun9/);
    return stack.move();
  });
});

Deno.test("pmz leaves the Services' range to a network of Podman that has it, and status names the network", async () => {
  await inBothOrders(async (neighbours, laptop) => {
    await neighbours.script(`
      rm -f /etc/cni/net.d/*
      mkdir -p /srv/root /etc/containers
      printf '%s\\n' '[containers]' 'cgroups="disabled"' '[engine]' 'cgroup_manager="cgroupfs"' 'events_logger="none"' \
        '[network]' 'network_backend="netavark"' >/etc/containers/containers.conf
      printf '%s\\n' '[storage]' 'driver="vfs"' 'runroot="/run/containers"' 'graphroot="/var/lib/containers"' \
        >/etc/containers/storage.conf
      mount --bind / /srv/root
      podman network create --subnet 10.96.0.0/16 shop
      podman run --detach --rm --ulimit nofile=1000:1000 --ulimit nproc=1000:1000 --log-driver none \\
        --network shop --rootfs /srv/root sleep 1000 >/tmp/log 2>&1 || { cat /tmp/log >&2; exit 1; }`);
    assert.match(await laptop.output("root", ["ip", "-br", "address"]), /podman1 .*10\.96\.0\.1\/16/);
    await haveAddresses(laptop, /^(podman1|veth.*)$/);
    return onDispose(
      () => neighbours.output("podman", "stop", "--all", "--time", "0"),
      () => neighbours.script("podman network rm shop; umount /srv/root; nft flush ruleset"),
      () => laptop.output("root", ["sh", "-c", "echo 0 >/proc/sys/net/ipv4/ip_forward"]),
    );
  }, async (alice) => {
    let said = "";
    const isSaid = async () => {
      const { stdout, stderr } = await alice.run(["status"]);
      said = stdout + stderr;
      return /default\/echo at 10\.96\..*: in 10\.96\.0\.0\/16, .*\(podman1\)/.test(said);
    };
    assert.ok(await pollUntil(isSaid, { timeoutMs: 5_000 }), said);
    assert.match(await alice.shell("curl -sSm5 http://peers-0.peers.default.svc:8080/"), /"pod":"peers-0"/);
  });
});

/** How an unprivileged program gets a network of its own, with its nameserver there. */
const rootless = {
  slirp4netns: { nameserver: "10.0.2.3", start: 'slirp4netns --configure "$inside" tap0' },
  pasta: {
    nameserver: "169.254.1.1",
    start: 'pasta --foreground --config-net --dns-forward 169.254.1.1 --no-map-gw "$inside"',
  },
};

for (const [program, { nameserver, start }] of Object.entries(rootless)) {
  Deno.test(`a rootless container's network by ${program} is inside the cluster, with names`, async () => {
    await using stage = await Stage.set();
    const { alice, world: { laptop } } = stage;
    await using neighbours = await Neighbours.on(laptop);
    await neighbours.script(`cat >/tmp/inside <<'END'
      echo nameserver ${nameserver} >/tmp/resolv.conf
      mount --bind /tmp/resolv.conf /etc/resolv.conf
      until ip route | grep -q default; do sleep 0.05; done
      curl -sSm5 http://internet.test/ http://echo.default.svc/
END
      cat >/tmp/outside <<'END'
      unshare --map-root-user --net --mount sh /tmp/inside &
      inside=$!
      until [ "$(readlink /proc/$inside/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
      ${start} >/tmp/said 2>&1 &
      wait "$inside" || { cat /tmp/said; exit 1; }
      kill $! || true
END`);
    await alice.up();
    const who = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"];
    const { stdout, stderr } = await neighbours.run([...who, "timeout", "20", "sh", "/tmp/outside"]);
    assert.match(stdout, /"pod":"internet"[^]*"pod":"echo-/, stdout + stderr);
  });
}
