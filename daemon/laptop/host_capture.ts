import { pollUntil } from "../../async/poll_until.ts";
import type { CapturedPorts } from "../../wire/helper.ts";
import type { DataPlane } from "../../dataplane/plane.ts";
import type { Log } from "../process/log.ts";
import type { CustomDomain, ZoneData } from "../../names/zone/zone_data.ts";
import type { StartWorker } from "../../threads/worker.ts";
import { Capture } from "./route_programmer.ts";
import { HelperClient } from "./helper_client.ts";
import { Names } from "./name_capture.ts";

/** After `down`, the helper has this long to be gone, in milliseconds. */
const GONE_TIMEOUT_MS = 3_000;

/**
 * Everything that makes the user's programs reach the clusters: the helper, what it captures, the names. It goes as a
 * whole, by itself too, when the helper does.
 */
export class LaptopSide implements AsyncDisposable {
  readonly #helper: HelperClient;
  readonly #data: Pick<DataPlane, "listen" | "unlisten">;
  readonly #capture: Capture;
  readonly #families = new Set<4 | 6>();
  #names: Names | undefined;
  #disposed: Promise<void> | undefined;

  private constructor(helper: HelperClient, data: Pick<DataPlane, "listen" | "unlisten">) {
    this.#helper = helper;
    this.#data = data;
    this.#capture = new Capture(helper);
  }

  /**
   * Hands the helper its listeners.
   * @param path the helper's socket
   * @throws {Failure} `helper`
   */
  static async start(data: Pick<DataPlane, "listen" | "unlisten">, path: string): Promise<LaptopSide> {
    const helper = await HelperClient.connect(path);
    const side = new LaptopSide(helper, data);
    try {
      await side.#listen(4, "127.0.0.1");
      await side.#listen(6, "::1");
      await introduce(helper.facts.address);
    } catch (error) {
      await side[Symbol.asyncDispose]();
      throw error;
    }
    return side;
  }

  /** Resolves when the helper is gone, asked to or not. */
  get lost(): Promise<void> {
    return this.#helper.gone;
  }

  /** Has the data plane listen, and hands its listeners to the helper. */
  async #listen(family: 4 | 6, address: string): Promise<void> {
    const listeners = await this.#data.listen(address);
    // A machine without IPv6 has no ::1 and no other IPv6 address, so no program there dials one.
    if (listeners.length === 0) return;
    if (await this.#helper.listeners(family, listeners)) this.#families.add(family);
  }

  get address(): string {
    return this.#helper.facts.address;
  }

  /** Addresses that are captured. */
  get routes(): number {
    return this.#capture.size;
  }

  /** Addresses that the helper refused, and why. */
  get refused(): ReadonlyMap<string, string> {
    return this.#capture.refused;
  }

  /** Takes the user's DNS queries; once. */
  async startNames(startWorker: StartWorker, log: Log): Promise<void> {
    const failed = () => {
      const dead = this.#names;
      this.#names = undefined;
      dead?.[Symbol.asyncDispose]().catch((error) => log("warn", "names can't be ended", { error }));
    };
    this.#names ??= await Names.start({ helper: this.#helper, startWorker, log, failed });
  }

  /** Captures a cluster's addresses, of the families that are listened for. */
  capture(cluster: string, addresses: ReadonlyMap<string, CapturedPorts>): Promise<void> {
    const answered = [...addresses].filter(([address]) => this.#families.has(address.includes(":") ? 6 : 4));
    return this.#capture.update(cluster, new Map(answered));
  }

  async setZone(zone: ZoneData): Promise<void> {
    await this.#names?.setZone(zone);
  }

  async setCustom(domains: readonly CustomDomain[]): Promise<void> {
    await this.#names?.setCustom(domains);
  }

  async remove(cluster: string): Promise<void> {
    // A helper that is gone has no routes, and a names worker no names.
    await Promise.allSettled([this.#names?.removeZone(cluster), this.#capture.remove(cluster)]);
  }

  /** Whether the device is still there, some time after the helper was let go. */
  async left(): Promise<string[]> {
    const device = `/sys/class/net/${this.#helper.facts.device}`;
    const gone = () => Deno.lstat(device).then(() => false, () => true);
    if (await pollUntil(gone, { timeoutMs: GONE_TIMEOUT_MS })) return [];
    return [`the network device ${this.#helper.facts.device}`];
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= (async () => {
      try {
        await this.#names?.[Symbol.asyncDispose]();
      } finally {
        this.#helper[Symbol.dispose]();
        await this.#data.unlisten().catch(() => {});
      }
    })();
  }
}

/**
 * Lets the names program know this process, whose own queries must pass: by a connect to port 1 of the pmz address,
 * which the program forbids after having taken note (bpf/laptop.h).
 */
async function introduce(address: string): Promise<void> {
  await Deno.connect({ hostname: address, port: 1 }).then((conn) => conn.close(), () => {});
}
