import assert from "node:assert/strict";
import { pollUntil } from "../../async/poll_until.ts";
import { assertReached, inBothOrders, NAMESERVER, onDispose } from "../e2e/lib/both_orders.ts";
import type { Laptop } from "../e2e/lib/laptop.ts";
import type { Neighbours } from "../e2e/lib/neighbours.ts";

/** A second way into the LAN, which NetworkManager makes, as its keyfiles have it. */
const profile = (name: string, address: string, domain: string) =>
  `[connection]
id=${name}
type=macvlan
interface-name=nm0
autoconnect=false
[macvlan]
parent=eth0
mode=2
[ethernet]
cloned-mac-address=02:00:00:00:00:77
[ipv4]
method=manual
address1=${address}/16,${NAMESERVER}
dns=${NAMESERVER};
dns-search=${domain};
[ipv6]
method=disabled
`;

/**
 * Starts NetworkManager with two networks, of which it is in the first. It manages all devices that it finds, and writes the laptop's
 * resolv.conf. A read-only /sys is how it knows that there is no udev to wait for.
 */
async function networkManager(neighbours: Neighbours, laptop: Laptop, dns: "default" | "dnsmasq") {
  await neighbours.script(`
    mkdir -p /srv/networks
    cat >/srv/networks/office.nmconnection <<'END'\n${profile("office", "10.77.0.77", "corp.test")}END
    cat >/srv/networks/home.nmconnection <<'END'\n${profile("home", "10.77.0.78", "home.test")}END
    chmod 600 /srv/networks/*
    printf '%s\\n' '[main]' plugins=keyfile auth-polkit=false rc-manager=file 'no-auto-default=*' dns=${dns} \\
      '[keyfile]' path=/srv/networks >/srv/nm.conf`);
  const bus = neighbours.bus();
  const manager = neighbours.spawn(
    "unshare",
    "--mount",
    "sh",
    "-ec",
    `mount --bind /sys /sys
     mount -o remount,bind,ro /sys
     mount --bind /laptop/etc /etc
     exec NetworkManager --debug --config=/srv/nm.conf`,
  );
  const isUp = async () => (await neighbours.run(["nmcli", "connection", "up", "office"])).code === 0;
  assert.ok(await pollUntil(isUp, { timeoutMs: 10_000 }), bus.said + manager.said);
  return onDispose(
    () => neighbours.run(["nmcli", "connection", "down", "office"]),
    () => (manager.kill("SIGTERM"), manager.status()),
    () => neighbours.script("kill $(cat /run/NetworkManager/dnsmasq.pid) || true"), // it outlives the manager
    () => bus[Symbol.asyncDispose](),
    () =>
      laptop.output("root", [
        "sh",
        "-ec",
        `echo nameserver ${NAMESERVER} >/etc/resolv.conf`,
      ]),
  );
}

for (const dns of ["default", "dnsmasq"] as const) {
  Deno.test(`pmz works next to NetworkManager (dns=${dns}), which writes resolv.conf and leaves pmz's device alone, whichever was there first`, async () => {
    await inBothOrders(
      (neighbours, laptop) => networkManager(neighbours, laptop, dns),
      async (alice, neighbours) => {
        const nmcli = (...args: string[]) => neighbours.output("nmcli", ...args);
        const written = () => alice.shell("cat /etc/resolv.conf");
        const nameserver = dns === "default" ? NAMESERVER : "127.0.0.1";
        assert.match(await written(), new RegExp(`^search corp\\.test\\nnameserver ${nameserver}$`, "m"));
        await assertReached(alice);
        for (const name of ["home", "office"]) {
          await nmcli("connection", "up", name);
          assert.match(await written(), name === "home" ? /home\.test/ : /corp\.test/);
          await assertReached(alice);
        }
        const devices = await nmcli("-t", "-f", "DEVICE,STATE", "device");
        assert.match(devices, /^pmz0:(unmanaged|connected \(externally\))$/m);
        assert.match(devices, /^nm0:connected$/m);
        await nmcli("connection", "down", "office");
        if (dns === "default") assert.doesNotMatch(await written(), /^nameserver/m);
        const isReached = async () =>
          (await alice.laptop.run("alice", ["curl", "-fsm3", "http://echo.default.svc/"])).code === 0;
        assert.ok(
          await pollUntil(isReached, { timeoutMs: 3_000 }),
          "names of the cluster need no nameserver",
        );
        await nmcli("connection", "up", "office");
        await assertReached(alice);
      },
    );
  });
}
