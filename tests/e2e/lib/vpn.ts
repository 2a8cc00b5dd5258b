import { pollUntil } from "../../../async/poll_until.ts";
import { output } from "./command.ts";
import { cluster, type Laptop } from "./laptop.ts";
import type { World } from "./world.ts";

const NEAR = "10.8.0.2";
const FAR = "10.8.0.1";
const PORT = 51_820;
const FOLDER = "/tmp/vpn";

/**
 * A real VPN of laptop 1 to laptop 2, which passes all on: WireGuard, by wireguard-go and wg-quick. It is down at first. When it is
 * disposed of, both laptops are as they were.
 */
export class Vpn implements AsyncDisposable {
  readonly #near: Laptop;
  readonly #far: Laptop;
  readonly #farKey: string;
  readonly #key: string;

  private constructor(near: Laptop, far: Laptop, key: string, farKey: string) {
    this.#near = near;
    this.#far = far;
    this.#key = key;
    this.#farKey = farKey;
  }

  static async between({ laptop, other }: Pick<World, "laptop" | "other">): Promise<Vpn> {
    const said = await output([cluster, "neighbours"], { timeout: 5 * 60_000 }); // builds what is missing
    const [program = ""] = said.split("\n");
    for (const one of [laptop, other]) await one.install(program);
    const keys = () =>
      laptop.output("root", ["sh", "-c", "key=$(wg genkey); echo $key $(echo $key | wg pubkey)"]);
    const [[key = "", publicKey = ""], [farKey = "", farPublicKey = ""]] = [
      (await keys()).trim().split(" "),
      (await keys()).trim().split(" "),
    ];
    const vpn = new Vpn(laptop, other, key, farPublicKey);
    await quick(other, "up", [
      "[Interface]",
      `PrivateKey = ${farKey}`,
      `ListenPort = ${PORT}`,
      `Address = ${FAR}/24`,
      "[Peer]",
      `PublicKey = ${publicKey}`,
      `AllowedIPs = ${NEAR}/32`,
    ]);
    await forward(other, NEAR, "wg0");
    return vpn;
  }

  /** Connects laptop 1; returns when wg-quick has ended. @param ranges which addresses the VPN leads to */
  async up(ranges: string): Promise<void> {
    const address = (await this.#far.output("root", ["ip", "-br", "address", "show", "eth0"])).match(
      /10[\d.]+/,
    )?.[0];
    await quick(this.#near, "up", [
      "[Interface]",
      `PrivateKey = ${this.#key}`,
      `Address = ${NEAR}/24`,
      "[Peer]",
      `PublicKey = ${this.#farKey}`,
      `Endpoint = ${address}:${PORT}`,
      `AllowedIPs = ${ranges}`,
      "PersistentKeepalive = 5",
    ]);
  }

  /** Disconnects laptop 1. */
  async down(): Promise<void> {
    await quick(this.#near, "down");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#near.run("root", ["wg-quick", "down", `${FOLDER}/wg0.conf`]); // it may be down already
    await quick(this.#far, "down");
    await stopForwarding(this.#far);
    for (const laptop of [this.#near, this.#far]) {
      await script(laptop, `rm -r ${FOLDER} /usr/local/bin/wireguard-go`);
      const isGone = async () => (await laptop.run("root", ["ip", "link", "show", "wg0"])).code !== 0;
      await pollUntil(isGone, { timeoutMs: 5_000 });
    }
  }
}

/** Has a laptop pass on what comes from an address by a device, as if it were its own. */
export async function forward(laptop: Laptop, from: string, device: string): Promise<void> {
  await script(
    laptop,
    `echo 1 >/proc/sys/net/ipv4/ip_forward
     nft 'add table ip vpn'
     nft 'add chain ip vpn out { type nat hook postrouting priority 100; }'
     nft 'add rule ip vpn out ip saddr ${from} oifname != "${device}" masquerade'`,
  );
}

/** Undoes {@linkcode forward}. */
export async function stopForwarding(laptop: Laptop): Promise<void> {
  await script(laptop, "nft delete table ip vpn; echo 0 >/proc/sys/net/ipv4/ip_forward");
}

async function quick(laptop: Laptop, verb: "up" | "down", conf?: readonly string[]): Promise<void> {
  if (conf) {
    await laptop.output("root", ["sh", "-c", `umask 77; mkdir -p ${FOLDER}; cat >${FOLDER}/wg0.conf`], {
      stdin: `${conf.join("\n")}\n`,
    });
  }
  await laptop.output("root", ["wg-quick", verb, `${FOLDER}/wg0.conf`], {
    env: { WG_QUICK_USERSPACE_IMPLEMENTATION: "wireguard-go" },
  });
}

function script(laptop: Laptop, text: string): Promise<string> {
  return laptop.output("root", ["sh", "-ec", text]);
}
